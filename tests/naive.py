"""A slow, obvious twin of every standing feature, straight from the contract, in long double.

It keeps every event of the session in lists and computes each feature from scratch with the formula as written. It shares
nothing with `features` but the record layouts, so that an error there cannot hide here. TWINS holds them by name; a test
fails when a standing column of the registry has no twin.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from config.schema import Instrument
from shm.layouts import FLAG_AUCTION, FLAG_HISTORY, KIND_TRADE

Real = np.longdouble
NAN = Real("nan")
SECOND = 1_000_000_000
ROOM = 2**18


@dataclass(frozen=True)
class Trade:
    t: int
    ticks: int
    q: int
    s: int
    buyer: int
    seller: int


@dataclass(frozen=True)
class Book:
    t: int
    bids: tuple[tuple[int, int], ...]  # ticks, quantity; a level that is not there is (0, 0)
    asks: tuple[tuple[int, int], ...]

    @property
    def mid(self) -> Real:
        return (Real(self.bids[0][0]) + Real(self.asks[0][0])) / 2


@dataclass(frozen=True)
class Bar:
    o: int
    h: int
    l: int  # noqa: E741 - the field's own letter
    c: int
    v: int


@dataclass
class Market:
    """What has happened up to now, in plain lists. `feed` returns whether a vector is due."""

    instrument: Instrument
    t: int = 0
    session: Any = None
    trades: list[Trade] = field(default_factory=list)  # of the session
    books: list[Book] = field(default_factory=list)  # of the session
    bars: list[Bar] = field(default_factory=list)  # completed
    forming: list[Trade] = field(default_factory=list)
    running: bool = False
    start: int = 0
    history_end: int | None = None
    partial: bool = False
    numbers: set[tuple[int, int]] = field(default_factory=set)

    def local(self, t: int) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(t // SECOND, ZoneInfo(self.instrument.timezone)).replace(tzinfo=None)

    def clock(self, text: str) -> datetime.timedelta:
        hours, minutes = text.split(":")
        return datetime.timedelta(hours=int(hours), minutes=int(minutes))

    @property
    def overnight(self) -> bool:
        return self.clock(self.instrument.session_open) >= self.clock(self.instrument.session_close)

    def session_of(self, t: int) -> datetime.date:
        wall = self.local(t)
        return (wall - self.clock(self.instrument.session_open)).date() if self.overnight else wall.date()

    def ticks(self, price: float) -> int | None:
        exact = price / self.instrument.tick
        return round(exact) if abs(exact - round(exact)) <= 1e-6 else None

    def feed_candle(self, candle: Any) -> None:
        if not candle["flags"] & FLAG_HISTORY:
            return
        o, h, l, c = (self.ticks(float(candle[name])) for name in ("open", "high", "low", "close"))  # noqa: E741
        assert None not in (o, h, l, c)
        self.bars.append(Bar(o, h, l, c, int(candle["volume"])))  # type: ignore[arg-type]
        self.history_end = int(candle["start_ns"]) + self.instrument.bar_seconds * SECOND

    def feed(self, record: Any) -> bool:
        event = self.trade_of(record) if record["kind"] == KIND_TRADE else self.book_of(record)
        if event is None:
            return False
        self.move_to(event.t)
        if isinstance(event, Trade):
            if not self.running:
                self.running = True
                width = self.instrument.bar_seconds * SECOND
                self.start = event.t // width * width
            self.trades.append(event)
            self.forming.append(event)
        else:
            self.books.append(event)
        return True

    def trade_of(self, record: Any) -> Trade | None:
        if record["trade_type"] not in (0, 1, 2, 3, 4, 13):
            return None
        key = (int(record["trade_date"]), int(record["trade_number"]))
        if key[1] > 0 and key in self.numbers:
            return None
        self.numbers.add(key)
        price, q = float(record["price"]), int(record["quantity"])
        if not (math.isfinite(price) and price > 0 and q > 0):
            return None
        ticks = self.ticks(price)
        if ticks is None:
            return None
        s = {0: int(record["aggressor"]), 2: 1, 3: -1}.get(int(record["trade_type"]), 0)
        return Trade(int(record["ts_ns"]), ticks, q, s, int(record["buyer"]), int(record["seller"]))

    def book_of(self, record: Any) -> Book | None:
        if record["flags"] & FLAG_AUCTION:
            return None
        sides = []
        for side in ("bid", "ask"):
            levels = []
            for price, q in zip(record[f"{side}_price"], record[f"{side}_quantity"], strict=True):
                if not (math.isfinite(price) and price > 0 and q > 0):
                    levels.append((0, 0))
                    continue
                ticks = self.ticks(float(price))
                if ticks is None:
                    return None
                levels.append((ticks, int(q)))
            sides.append(tuple(levels))
        bids, asks = sides
        if bids[0][1] == 0 or asks[0][1] == 0 or bids[0][0] >= asks[0][0]:
            return None
        return Book(int(record["ts_ns"]), bids, asks)

    def complete(self) -> None:
        if self.forming:
            prices = [trade.ticks for trade in self.forming]
            bar = Bar(prices[0], max(prices), min(prices), prices[-1], sum(trade.q for trade in self.forming))
        else:
            close = self.bars[-1].c
            bar = Bar(close, close, close, close, 0)
        self.bars.append(bar)
        self.forming = []

    def move_to(self, t: int) -> None:
        first_of_all = self.session is None
        if self.session_of(t) != self.session:
            if self.running:
                self.complete()
            self.session = self.session_of(t)
            self.trades, self.books, self.running, self.partial = [], [], False, False
            if self.history_end is not None and self.session_of(self.history_end - 1) == self.session:
                self.running, self.start = True, self.history_end
                self.partial = first_of_all
        width = self.instrument.bar_seconds * SECOND
        while self.running and t >= self.start + width:
            self.complete()
            self.start += width
        del self.bars[:-200]
        self.t = t

    # --- what the formulas speak of

    @property
    def c(self) -> list[Real]:
        """C: completed closes followed by P."""
        closes = [Real(bar.c) for bar in self.bars]
        if self.forming:
            return [*closes, Real(self.forming[-1].ticks)]
        return [*closes, closes[-1]] if closes else []

    @property
    def bars_and_forming(self) -> list[Bar]:
        if self.forming:
            prices = [trade.ticks for trade in self.forming]
            forming = Bar(prices[0], max(prices), min(prices), prices[-1], sum(trade.q for trade in self.forming))
            return [*self.bars, forming]
        if not self.bars:
            return []
        close = self.bars[-1].c
        return [*self.bars, Bar(close, close, close, close, 0)]

    def returns(self, n: int) -> list[Real] | None:
        c = self.c[-(n + 1) :]
        return [np.log(c[i] / c[i - 1]) for i in range(1, n + 1)] if len(c) == n + 1 else None

    def trades_in(self, seconds: int) -> list[Trade]:
        return [trade for trade in self.trades if self.t - seconds * SECOND < trade.t <= self.t]

    def books_in(self, seconds: int) -> list[tuple[Book | None, Book]]:
        """(snapshot before, snapshot) of those inside the window."""
        pairs = zip([None, *self.books[:-1]], self.books, strict=True) if self.books else []
        return [(before, book) for before, book in pairs if self.t - seconds * SECOND < book.t <= self.t]


def std(values: list[Real]) -> Real:
    if all(value == values[0] for value in values):
        return Real(0)
    mean = sum(values, Real(0)) / len(values)
    return np.sqrt(sum(((value - mean) ** 2 for value in values), Real(0)) / len(values))


def ratio(a: Real, b: Real) -> Real:
    return Real(0) if a == 0 and b == 0 else a / b


Twin = Callable[[Market], Real]
TWINS: dict[str, Twin] = {}


def twin(name: str) -> Callable[[Twin], Twin]:
    def register(function: Twin) -> Twin:
        TWINS[name] = function
        return function

    return register


def family(name: str, numbers: tuple[int, ...], make: Callable[[Market, int], Real]) -> None:
    for n in numbers:
        TWINS[name.format(n=n)] = lambda market, n=n: make(market, n)


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
    old = [book for book in market.books if book.t <= market.t - seconds * SECOND]
    if not old or len(market.books_in(seconds)) > ROOM:
        return NAN
    return np.log(market.books[-1].mid / old[-1].mid)


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
