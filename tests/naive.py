"""A slow, obvious twin of every feature, straight from the contract, in long double.

Each is computed from scratch from the lists of `tests.naive_market`, with the formula as written. TWINS holds them by name;
a test fails when a column of the registry has no twin. Volume and technical twins, and those of the microstructure, stand
in files of their own.
"""

from __future__ import annotations

import numpy as np

from tests import naive_bars, naive_microstructure
from tests.naive_market import NAN, ROOM, SECOND, TWINS, Book, Market, Real, family, ratio, std, twin

__all__ = ["TWINS", "Market", "naive_bars", "naive_microstructure"]


def volatility(market: Market, n: int) -> Real:
    r = market.returns(n)
    return NAN if r is None else std(r)


family("volatility_{n}", (10, 20, 50, 100), volatility)


@twin("volatility_ratio_10_50")
def volatility_ratio_10_50(market: Market) -> Real:
    return ratio(volatility(market, 10), volatility(market, 50))


@twin("volatility_ratio_20_100")
def volatility_ratio_20_100(market: Market) -> Real:
    return ratio(volatility(market, 20), volatility(market, 100))


@twin("volatility_garman_klass_20")
def garman_klass(market: Market) -> Real:
    bars = market.bars_and_forming[-20:]
    if len(bars) < 20:
        return NAN
    total = Real(0)
    for bar in bars:
        total += (
            Real("0.5") * np.log(Real(bar.h) / bar.l) ** 2
            - (2 * np.log(Real(2)) - 1) * np.log(Real(bar.c) / bar.o) ** 2
        )
    return np.sqrt(max(Real(0), total / 20))


@twin("semivariance_skew_20")
def semivariance_skew(market: Market) -> Real:
    r = market.returns(20)
    if r is None:
        return NAN
    up = sum((x * x for x in r if x > 0), Real(0))
    down = sum((x * x for x in r if x < 0), Real(0))
    return ratio(up - down, up + down)


@twin("realized_volatility_60s")
def realized_volatility(market: Market) -> Real:
    if len(market.books) < 2 or len(market.books_in(60)) > ROOM:
        return NAN
    inside = [np.log(book.mid / before.mid) ** 2 for before, book in market.books_in(60) if before is not None]
    return np.sqrt(sum(inside, Real(0)))


@twin("bollinger_position_20")
def bollinger(market: Market) -> Real:
    c = market.c[-20:]
    if len(c) < 20:
        return NAN
    return ratio(c[-1] - sum(c, Real(0)) / 20, 2 * std(c))


def mid_return(market: Market, seconds: int) -> Real:
    old = market.book_before(seconds)
    if old == 0 or len(market.books_in(seconds)) > ROOM:
        return NAN
    return np.log(market.books[-1].mid / market.books[old - 1].mid)


family("mid_return_{n}s", (1, 5, 30, 60), mid_return)


def bar_return(market: Market, n: int) -> Real:
    c = market.c
    return c[-1] / c[-1 - n] - 1 if len(c) > n else NAN


family("return_{n}", (2, 5, 10, 20, 50, 100), bar_return)


def order_flow(before: Book, book: Book) -> int:
    (b, bq), (a, aq) = book.bids[0], book.asks[0]
    (b0, bq0), (a0, aq0) = before.bids[0], before.asks[0]
    return (b >= b0) * bq - (b <= b0) * bq0 - (a <= a0) * aq + (a >= a0) * aq0


def order_flow_imbalance(market: Market, seconds: int) -> Real:
    if not market.books or len(market.books_in(seconds)) > ROOM:
        return NAN
    e = [order_flow(before, book) for before, book in market.books_in(seconds) if before is not None]
    return ratio(Real(sum(e)), Real(sum(abs(x) for x in e)))


family("order_flow_imbalance_{n}s", (1, 5, 30), order_flow_imbalance)


def signed_volume(market: Market, seconds: int) -> Real:
    inside = market.trades_in(seconds)
    if not market.trades or len(inside) > ROOM:
        return NAN
    return ratio(Real(sum(x.s * x.q for x in inside)), Real(sum(x.q for x in inside)))


family("signed_volume_ratio_{n}s", (1, 5, 30), signed_volume)


@twin("trade_flow_50")
def trade_flow(market: Market) -> Real:
    return Real(sum(x.s for x in market.trades[-50:])) / 50 if len(market.trades) >= 50 else NAN


@twin("cumulative_delta_ratio")
def cumulative_delta(market: Market) -> Real:
    if not market.trades or market.partial:
        return NAN
    return Real(sum(x.s * x.q for x in market.trades)) / sum(x.q for x in market.trades)


def seconds_of_day(market: Market) -> Real:
    wall = market.local(market.t)
    whole = (wall.hour * 60 + wall.minute) * 60 + wall.second
    return Real(whole) + Real(market.t % SECOND) / SECOND


def open_and_close(market: Market) -> tuple[int, int]:
    instrument = market.instrument
    return (
        int(market.clock(instrument.session_open).total_seconds()),
        int(market.clock(instrument.session_close).total_seconds()),
    )


@twin("session_elapsed")
def session_elapsed(market: Market) -> Real:
    opened, closed = open_and_close(market)
    passed = seconds_of_day(market) - opened
    length = Real(closed - opened)
    if market.overnight:
        passed, length = passed % 86400, length % 86400
        length = length if length else Real(86400)
    return min(max(passed / length, Real(0)), Real(1))


@twin("minute")
def minute(market: Market) -> Real:
    return Real(market.local(market.t).minute) / 60


@twin("day_of_week")
def day_of_week(market: Market) -> Real:
    return Real(market.local(market.t).weekday()) / 4


@twin("is_opening_30min")
def is_opening(market: Market) -> Real:
    passed = seconds_of_day(market) - open_and_close(market)[0]
    return Real(0 <= (passed % 86400 if market.overnight else passed) < 1800)


@twin("is_closing_30min")
def is_closing(market: Market) -> Real:
    passed = seconds_of_day(market) - (open_and_close(market)[1] - 1800)
    return Real(0 <= (passed % 86400 if market.overnight else passed) < 1800)


@twin("log_seconds_since_trade")
def log_seconds_since_trade(market: Market) -> Real:
    return np.log(1 + Real(market.t - market.trades[-1].t) / SECOND) if market.trades else NAN
