"""Twins of the volume and technical families."""

from __future__ import annotations

from itertools import pairwise

from tests.naive_market import NAN, ROOM, Bar, Market, Real, family, ratio, std, twin


def volumes(market: Market, n: int) -> list[Real] | None:
    return [Real(bar.v) for bar in market.bars[-n:]] if len(market.bars) >= n else None


def mean(values: list[Real]) -> Real:
    return sum(values, Real(0)) / len(values)


def volume_ratio(market: Market, n: int) -> Real:
    v = volumes(market, n)
    return NAN if v is None else ratio(mean(v[-5:]), mean(v))


family("volume_ratio_{n}", (20, 100), volume_ratio)


def volume_zscore(market: Market, n: int) -> Real:
    v = volumes(market, n)
    return NAN if v is None else ratio(v[-1] - mean(v), std(v)) if std(v) else Real(0)


family("volume_zscore_{n}", (20, 100), volume_zscore)


def full(market: Market, *seconds: int) -> bool:
    """Whether there is a trade, and no window of the seconds has overflowed."""
    return bool(market.trades) and all(len(market.trades_in(s)) <= ROOM for s in seconds)


def minute_old(market: Market) -> bool:
    return bool(market.trades) and market.t >= market.trades[0].t + 60 * 1_000_000_000


def volume_in(market: Market, seconds: int) -> Real:
    return Real(sum(trade.q for trade in market.trades_in(seconds)))


@twin("trade_intensity_5s")
def trade_intensity(market: Market) -> Real:
    return Real(len(market.trades_in(5))) / 5 if full(market, 5) else NAN


@twin("trade_intensity_ratio")
def trade_intensity_ratio(market: Market) -> Real:
    if not (full(market, 5, 60) and minute_old(market)):
        return NAN
    return ratio(trade_intensity(market), Real(len(market.trades_in(60))) / 60)


@twin("volume_burst_5s")
def volume_burst(market: Market) -> Real:
    if not (full(market, 5, 60) and minute_old(market)):
        return NAN
    return ratio(volume_in(market, 5), volume_in(market, 60) / 12)


@twin("buy_share_60s")
def buy_share(market: Market) -> Real:
    if not full(market, 60):
        return NAN
    known = [trade for trade in market.trades_in(60) if trade.s != 0]
    if not known:
        return Real("0.5")
    return Real(sum(trade.q for trade in known if trade.s > 0)) / sum(trade.q for trade in known)


# --- technical


def ma_ratio(market: Market, short: int, long: int) -> Real:
    c = market.c
    return mean(c[-short:]) / mean(c[-long:]) - 1 if len(c) >= long else NAN


@twin("ma_5_20_ratio")
def ma_5_20(market: Market) -> Real:
    return ma_ratio(market, 5, 20)


@twin("ma_20_50_ratio")
def ma_20_50(market: Market) -> Real:
    return ma_ratio(market, 20, 50)


def wilder(values: list[Real]) -> Real:
    average = mean(values[:14])
    for value in values[14:]:
        average = (average * 13 + value) / 14
    return average


@twin("rsi_14")
def rsi(market: Market) -> Real:
    c = market.c
    if len(c) < 15:
        return NAN
    changes = [c[i] - c[i - 1] for i in range(1, len(c))]
    gain = wilder([max(change, Real(0)) for change in changes])
    loss = wilder([max(-change, Real(0)) for change in changes])
    if gain == 0 and loss == 0:
        return Real(50)
    return Real(100) if loss == 0 else 100 - 100 / (1 + gain / loss)


def ema(values: list[Real], period: int, first: int) -> list[Real]:
    """The EMA from index `first` on, seeded by the mean of the `period` values up to there."""
    averages = [mean(values[first - period + 1 : first + 1])]
    for value in values[first + 1 :]:
        averages.append(averages[-1] + (value - averages[-1]) * 2 / (period + 1))
    return averages


@twin("macd_histogram")
def macd(market: Market) -> Real:
    c = market.c
    if len(c) < 34:
        return NAN
    line = [fast - slow for fast, slow in zip(ema(c, 12, 25), ema(c, 26, 25), strict=True)]
    return (line[-1] - ema(line, 9, 8)[-1]) / c[-1]


@twin("atr_14")
def atr(market: Market) -> Real:
    bars = market.bars_and_forming
    if len(bars) < 15:
        return NAN
    ranges = [Real(max(bar.h - bar.l, abs(bar.h - before.c), abs(bar.l - before.c))) for before, bar in pairwise(bars)]
    return wilder(ranges) / market.c[-1]


@twin("stochastic_14")
def stochastic(market: Market) -> Real:
    bars: list[Bar] = market.bars_and_forming[-14:]
    if len(bars) < 14:
        return NAN
    highest, lowest = max(bar.h for bar in bars), min(bar.l for bar in bars)
    return (market.c[-1] - lowest) / (highest - lowest) if highest > lowest else Real("0.5")


@twin("efficiency_ratio_20")
def efficiency(market: Market) -> Real:
    c = market.c[-21:]
    if len(c) < 21:
        return NAN
    return ratio(c[-1] - c[0], sum((abs(c[i] - c[i - 1]) for i in range(1, 21)), Real(0)))


@twin("vwap_distance")
def vwap_distance(market: Market) -> Real:
    if not market.trades or market.partial:
        return NAN
    paid = sum(trade.ticks * trade.q for trade in market.trades)  # whole numbers of any size
    volume = sum(trade.q for trade in market.trades)
    return Real(market.trades[-1].ticks * volume - paid) / Real(paid)
