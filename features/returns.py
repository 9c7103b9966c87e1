"""Columns 10-19: where the price has gone, over seconds by the mid and over bars by the last trade."""

from __future__ import annotations

import numpy as np

from features.description import Feature
from features.log_return import log_return
from features.windows import MASK, SPAN_60S, SPANS, mid_before, overflowed
from shm.jit import inline

FIRST = 10
BAR_RETURNS = np.array([2, 5, 10, 20, 50, 100], np.int64)

_MID = "ln(M_t / M_u), M_u the session's last mid at or before t - {n} s"
FEATURES = (
    *(
        Feature(f"mid_return_{n}s", "log return", f"a snapshot of the session at least {n} s old", _MID.format(n=n))
        for n in (1, 5, 30, 60)
    ),
    *(Feature(f"return_{n}", "1", f"{n} completed bars", f"P / C[-1 - {n}] - 1") for n in (2, 5, 10, 20, 50, 100)),
)


@inline
def emit(bars, snapshots, t, values):
    """Fill columns 10-19. Returns (whether the windows are full, whether one has overflowed)."""
    seen = snapshots.next > snapshots.first
    overflow = False
    oldest = np.int64(0)
    if seen:
        now = snapshots.mid[(snapshots.next - 1) & MASK]
        for span in range(SPANS):
            if overflowed(snapshots, span, t):
                overflow = True
                continue
            oldest = mid_before(snapshots, span)
            if oldest > 0:
                values[FIRST + span] = log_return(now, oldest)
    if bars.count > 0:
        price = bars.forming_close
        for w in range(len(BAR_RETURNS)):
            n = BAR_RETURNS[w]
            if bars.count >= n:
                before = bars.close[bars.count - n]
                values[FIRST + SPANS + w] = (price - before) / before
    long_enough = not seen or (snapshots.tail[SPAN_60S] > snapshots.first)
    return bars.count >= 100 and long_enough, overflow
