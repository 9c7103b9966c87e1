"""Columns 36-43: the classic indicators, on C (completed closes and the last trade price) and on the bars.

Recursions (Wilder, EMA) are run again over the whole memory of bars when one completes, and take one more step at each
event for the forming bar: so they are functions of that memory alone. Prices are ticks from the oldest close in memory,
which leaves a flat market exactly flat.
"""

from __future__ import annotations

import numpy as np

from features.bars import has_price
from features.description import Feature
from shm.jit import inline

FIRST = 36
WILDER = 14  # period of RSI and ATR
FAST, SLOW, SIGNAL = 12, 26, 9
MACD_VALUES = SLOW + SIGNAL - 1  # values of C from which the histogram is defined
LOW_BITS = 32
LOW_MASK = (1 << LOW_BITS) - 1

TECHNICAL = np.dtype(
    [
        ("base", "<i8"),  # ticks: oldest close in memory
        ("sum_5", "<i8"),  # of the last 4, 19 and 49 completed closes: the forming one makes it 5, 20 and 50
        ("sum_20", "<i8"),
        ("sum_50", "<i8"),
        ("gain", "<f8"),  # sum of the first changes, Wilder's average from the 14th on
        ("loss", "<f8"),
        ("range", "<f8"),  # the same of true ranges
        ("fast", "<f8"),  # EMA 12 and 26 of C - base, from 26 completed closes on
        ("slow", "<f8"),
        ("signal", "<f8"),  # sum of the first MACD values, EMA 9 of them from the 9th on
        ("highest", "<i8"),  # of the last 13 completed bars
        ("lowest", "<i8"),
        ("path", "<i8"),  # sum of the last 19 completed abs changes
        (
            "paid_high",
            "<i8",
        ),  # sum of price x quantity of the session = paid_high 2^32 + paid_low, which never overflows
        ("paid_low", "<i8"),
    ],
    align=True,
)

FEATURES = (
    Feature("ma_5_20_ratio", "1", "19 completed bars", "mean of the last 5 of C / mean of the last 20 of C - 1"),
    Feature("ma_20_50_ratio", "1", "49 completed bars", "mean of the last 20 of C / mean of the last 50 of C - 1"),
    Feature(
        "rsi_14", "0 to 100", "14 completed bars",
        "100 G / (G + L), G and L Wilder averages of rises and falls of C, seeded by the mean of the first 14 changes; "
        "50 when both are 0", "Wilder 1978",
    ),
    Feature(
        "macd_histogram", "1", "33 completed bars",
        "(MACD - EMA 9 of MACD) / P, MACD = EMA 12 - EMA 26 of C, seeded by means as TA-Lib does", "Appel 2005",
    ),
    Feature(
        "atr_14", "1", "14 completed bars",
        "Wilder's average of the true ranges of the bars, the forming one included, seeded by the mean of the first 14, / P",
        "Wilder 1978",
    ),
    Feature(
        "stochastic_14", "1", "13 completed bars",
        "(P - lowest low) / (highest high - lowest low) of the last 14 bars, forming included; 0.5 when they are equal",
        "Lane 1984",
    ),
    Feature(
        "efficiency_ratio_20", "1", "20 completed bars",
        "(C[-1] - C[-21]) / sum of the abs differences of those 21 values, 0/0 = 0", "Kaufman 1995, signed",
    ),
    Feature(
        "vwap_distance", "1", "a trade of the session, none missed",
        "P / VWAP - 1, VWAP = sum of p q / sum of q since the session opened", "Berkowitz, Logue and Noser 1988",
    ),
)  # fmt: skip


@inline
def start_session(own):
    own.paid_high = 0
    own.paid_low = 0


@inline
def on_trade(own, price, quantity):
    """price in ticks."""
    paid = price * quantity
    low = own.paid_low + (paid & LOW_MASK)
    own.paid_high += (paid >> LOW_BITS) + (low >> LOW_BITS)
    own.paid_low = low & LOW_MASK


@inline
def _wilder(average, seen, value):
    """One more value after `seen` of them: a sum until the 14th makes it their mean, Wilder's average from then on."""
    if seen < WILDER - 1:
        return average + value
    if seen == WILDER - 1:
        return (average + value) / WILDER
    return (average * (WILDER - 1) + value) / WILDER


@inline
def _ema(average, value, period):
    return average + (value - average) * (2.0 / (period + 1))


@inline
def _signal(signal, seen, macd):
    """One more MACD value after `seen` of them: a sum until the 9th makes it their mean, an EMA from then on."""
    if seen < SIGNAL - 1:
        return signal + macd
    if seen == SIGNAL - 1:
        return (signal + macd) / SIGNAL
    return _ema(signal, macd, SIGNAL)


@inline
def _true_range(high, low, close_before):
    return max(high, close_before) - min(low, close_before)


@inline
def _sum_of_closes(bars, count):
    total = np.int64(0)
    if bars.count >= count:
        for i in range(bars.count - count, bars.count):
            total += bars.close[i]
    return total


@inline
def _run_macd(own, bars):
    """EMAs and signal line over the completed closes."""
    own.fast = 0.0
    own.slow = 0.0
    own.signal = 0.0
    if bars.count < SLOW:
        return
    for i in range(SLOW):
        own.slow += bars.close[i] - own.base
        if i >= SLOW - FAST:
            own.fast += bars.close[i] - own.base
    own.slow /= SLOW
    own.fast /= FAST
    own.signal = own.fast - own.slow
    for i in range(SLOW, bars.count):
        value = np.float64(bars.close[i] - own.base)
        own.fast = _ema(own.fast, value, FAST)
        own.slow = _ema(own.slow, value, SLOW)
        own.signal = _signal(own.signal, i - SLOW + 1, own.fast - own.slow)


@inline
def on_bars(own, bars):
    """The memory of bars changed (it has at least one): reduce the completed part of everything."""
    last = bars.count - 1
    own.base = bars.close[0]
    own.sum_5 = _sum_of_closes(bars, 4)
    own.sum_20 = _sum_of_closes(bars, 19)
    own.sum_50 = _sum_of_closes(bars, 49)
    own.gain = 0.0
    own.loss = 0.0
    own.range = 0.0
    for i in range(1, bars.count):
        change = bars.close[i] - bars.close[i - 1]
        own.gain = _wilder(own.gain, i - 1, np.float64(max(change, 0)))
        own.loss = _wilder(own.loss, i - 1, np.float64(max(-change, 0)))
        own.range = _wilder(own.range, i - 1, np.float64(_true_range(bars.high[i], bars.low[i], bars.close[i - 1])))
    _run_macd(own, bars)
    own.highest = bars.high[last]
    own.lowest = bars.low[last]
    for i in range(max(0, bars.count - 13), bars.count):
        own.highest = max(own.highest, bars.high[i])
        own.lowest = min(own.lowest, bars.low[i])
    own.path = 0
    for i in range(max(1, bars.count - 19), bars.count):
        own.path += abs(bars.close[i] - bars.close[i - 1])


@inline
def _vwap_distance(own, price, volume):
    """P / VWAP - 1 = (P volume - paid) / paid, the numerator exact: 64 bits of it do not hold extreme volumes."""
    high = price * (volume >> LOW_BITS) - own.paid_high
    low = price * (volume & LOW_MASK) - own.paid_low
    high += low >> LOW_BITS
    low &= LOW_MASK
    paid = np.float64(own.paid_high) * 4294967296.0 + np.float64(own.paid_low)
    return (np.float64(high) * 4294967296.0 + np.float64(low)) / paid


@inline
def emit(own, bars, volume, partial, has_trade, values):
    """Fill columns 36-43. volume, partial: of the session (order_flow has them). Returns whether the windows are full."""
    if not has_price(bars):
        return False
    price = bars.forming_close
    if bars.count >= 19:
        sum_20 = own.sum_20 + price
        values[FIRST] = (4 * (own.sum_5 + price) - sum_20) / sum_20
        if bars.count >= 49:
            sum_50 = own.sum_50 + price
            values[FIRST + 1] = (5 * sum_20 - 2 * sum_50) / (2 * sum_50)
    if bars.count >= WILDER:
        change = price - bars.close[bars.count - 1]
        gain = _wilder(own.gain, bars.count - 1, np.float64(max(change, 0)))
        loss = _wilder(own.loss, bars.count - 1, np.float64(max(-change, 0)))
        values[FIRST + 2] = 100.0 * gain / (gain + loss) if gain + loss > 0.0 else 50.0
        spread = np.float64(_true_range(bars.forming_high, bars.forming_low, bars.close[bars.count - 1]))
        values[FIRST + 4] = _wilder(own.range, bars.count - 1, spread) / price
    if bars.count >= MACD_VALUES - 1:
        value = np.float64(price - own.base)
        macd = _ema(own.fast, value, FAST) - _ema(own.slow, value, SLOW)
        values[FIRST + 3] = (macd - _signal(own.signal, bars.count - SLOW + 1, macd)) / price
    if bars.count >= 13:
        highest = max(own.highest, bars.forming_high)
        lowest = min(own.lowest, bars.forming_low)
        values[FIRST + 5] = (price - lowest) / (highest - lowest) if highest > lowest else 0.5
    if bars.count >= 20:
        path = own.path + abs(price - bars.close[bars.count - 1])
        values[FIRST + 6] = (price - bars.close[bars.count - 20]) / path if path > 0 else 0.0
    if has_trade and partial == 0:
        values[FIRST + 7] = _vwap_distance(own, price, volume)
    return bars.count >= 49
