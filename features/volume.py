"""Columns 28-35: how much is traded, by completed bars and by the last seconds. All sums are integers.

What rests on completed bars alone is computed when one completes. The deviations n V - sum of V of a window are exact
integers, so a z-score has no cancellation in it.
"""

from __future__ import annotations

import math

import numpy as np

from features.description import Feature
from features.windows import SPAN_5S, SPAN_60S, overflowed
from shm.jit import inline

FIRST = 28
BAR_WINDOWS = np.array([20, 100], np.int64)
SHORT_BARS = 5
MINUTE_NS = 60_000_000_000

VOLUME = np.dtype(
    [
        ("ratio", "<f8", (2,)),  # of each window, NaN until it is full
        ("zscore", "<f8", (2,)),
    ],
    align=True,
)

_MINUTE = "a minute after the session's first trade"
FEATURES = (
    *(
        Feature(f"volume_ratio_{n}", "1", f"{n} completed bars", f"mean of the last 5 V / mean of the last {n} V, 0/0 = 0")
        for n in (20, 100)
    ),
    *(
        Feature(
            f"volume_zscore_{n}", "1", f"{n} completed bars",
            f"(V[-1] - mean) / std of the last {n} V, population, 0/0 = 0",
        )
        for n in (20, 100)
    ),
    Feature("trade_intensity_5s", "trades/s", "a trade of the session", "trades in (t - 5 s, t] / 5"),
    Feature(
        "trade_intensity_ratio", "1", _MINUTE, "trade_intensity_5s / (trades in (t - 60 s, t] / 60), 0/0 = 0",
    ),
    Feature(
        "volume_burst_5s", "1", _MINUTE,
        "volume of (t - 5 s, t] / (volume of (t - 60 s, t] / 12), 0/0 = 0",
    ),
    Feature(
        "buy_share_60s", "1", "a trade of the session",
        "volume with s = +1 / volume with s != 0 of (t - 60 s, t], 0.5 when there is none",
    ),
)  # fmt: skip


@inline
def on_bars(own, bars):
    """The memory of bars changed."""
    for w in range(len(BAR_WINDOWS)):
        n = BAR_WINDOWS[w]
        if bars.count < n:
            own.ratio[w] = np.nan
            own.zscore[w] = np.nan
            continue
        first = bars.count - n
        total = np.int64(0)
        recent = np.int64(0)
        for i in range(n):
            total += bars.volume[first + i]
            if i >= n - SHORT_BARS:
                recent += bars.volume[first + i]
        own.ratio[w] = (recent * n) / (total * SHORT_BARS) if total > 0 else 0.0
        squared = 0.0
        for i in range(n):
            deviation = np.float64(n * bars.volume[first + i] - total)
            squared += deviation * deviation
        last = np.float64(n * bars.volume[bars.count - 1] - total)
        own.zscore[w] = last / math.sqrt(squared / n) if squared > 0.0 else 0.0


@inline
def emit(own, bars, trades, first_trade_ns, t, values):
    """Fill columns 28-35. Returns (whether the windows are full, whether one has overflowed)."""
    if bars.count > 0:
        for w in range(len(BAR_WINDOWS)):
            values[FIRST + w] = own.ratio[w]
            values[FIRST + 2 + w] = own.zscore[w]
    if trades.next == trades.first:
        return False, False
    minute_old = t - first_trade_ns >= MINUTE_NS
    over_5, over_60 = overflowed(trades, SPAN_5S, t), overflowed(trades, SPAN_60S, t)
    recent = trades.next - trades.tail[SPAN_5S]
    if not over_5:
        values[FIRST + 4] = recent / 5.0
    if not over_60:
        if minute_old:
            lately = trades.next - trades.tail[SPAN_60S]
            values[FIRST + 5] = 12 * recent / lately if lately > 0 else 0.0
            volume = trades.volume[SPAN_60S]
            values[FIRST + 6] = 12 * trades.volume[SPAN_5S] / volume if volume > 0 else 0.0
        known = trades.known[SPAN_60S]
        values[FIRST + 7] = (known + trades.signed[SPAN_60S]) / (2 * known) if known > 0 else 0.5
    return bars.count >= BAR_WINDOWS[1] and minute_old, over_5 or over_60
