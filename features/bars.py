"""Bars built from trades: the forming one, the last 200 completed ones, and when a bar completes.

Everything computed from bars is a function of this memory and the forming bar only, so live, restart and replay agree.
Completed bars lie in plain order, newest at `count` - 1; a full memory moves up by one, which costs a microsecond once a
bar. A bar never completes before its session's first trade, and none is made for the time between sessions.
"""

from __future__ import annotations

import numpy as np

from shm.jit import inline

MEMORY = 200

BARS = np.dtype(
    [
        ("count", "<i8"),  # completed bars in memory
        ("completed", "<i8"),  # completed bars so far, history included
        ("from_history", "<i8"),  # of these, given by history
        ("history_end_ns", "<i8"),  # end of the newest bar of history
        ("running", "<i8"),  # 1 from the session's first trade on: bars complete by the clock
        ("start_ns", "<i8"),  # of the forming bar, while running
        ("trades", "<i8"),  # of the forming bar; 0: it is empty
        ("forming_open", "<i8"),  # ticks, as all prices here
        ("forming_high", "<i8"),
        ("forming_low", "<i8"),
        ("forming_close", "<i8"),
        ("forming_volume", "<i8"),
        ("open", "<i8", (MEMORY,)),
        ("high", "<i8", (MEMORY,)),
        ("low", "<i8", (MEMORY,)),
        ("close", "<i8", (MEMORY,)),
        ("volume", "<i8", (MEMORY,)),
    ],
    align=True,
)


@inline
def _remember(bars, opened, high, low, close, volume):
    if bars.count == MEMORY:
        for i in range(MEMORY - 1):
            bars.open[i] = bars.open[i + 1]
            bars.high[i] = bars.high[i + 1]
            bars.low[i] = bars.low[i + 1]
            bars.close[i] = bars.close[i + 1]
            bars.volume[i] = bars.volume[i + 1]
    else:
        bars.count += 1
    i = bars.count - 1
    bars.open[i] = opened
    bars.high[i] = high
    bars.low[i] = low
    bars.close[i] = close
    bars.volume[i] = volume
    bars.completed += 1


@inline
def _empty_forming(bars):
    bars.trades = 0
    bars.forming_volume = 0
    if bars.count > 0:
        close = bars.close[bars.count - 1]
        bars.forming_open = close
        bars.forming_high = close
        bars.forming_low = close
        bars.forming_close = close


@inline
def _complete_forming(bars):
    """A running bar without a trade is flat at the previous close, which stands in the forming fields already."""
    _remember(bars, bars.forming_open, bars.forming_high, bars.forming_low, bars.forming_close, bars.forming_volume)
    _empty_forming(bars)


@inline
def has_price(bars):
    """Whether C is not empty: there is a completed bar or a trade."""
    return bars.count > 0 or bars.trades > 0


@inline
def start_session(bars, session_start_ns):
    """The first event of a session completes the bar of the one before. Returns whether the memory changed."""
    changed = bars.running != 0
    if changed:
        _complete_forming(bars)
    bars.running = 0
    if bars.from_history > 0 and bars.history_end_ns > session_start_ns:
        bars.running = 1  # history reaches into this session: it counts as its first trade
        bars.start_ns = bars.history_end_ns
    return changed


@inline
def complete_until(bars, bar_ns, t):
    """Complete every bar whose end is at or before t, empty ones too. Returns whether the memory changed."""
    if bars.running == 0 or t < bars.start_ns + bar_ns:
        return False
    passed = (t - bars.start_ns) // bar_ns
    _complete_forming(bars)
    for _ in range(min(passed - 1, MEMORY)):  # more empty bars than that push each other out
        _complete_forming(bars)
    bars.completed += max(passed - 1 - MEMORY, 0)
    bars.start_ns += passed * bar_ns
    return True


@inline
def add_trade(bars, bar_ns, t, price, quantity):
    """A trade after complete_until(t). price in ticks. Returns nothing; the forming bar always changes."""
    if bars.running == 0:
        bars.running = 1
        bars.start_ns = t // bar_ns * bar_ns
    if bars.trades == 0:
        bars.forming_open = price
        bars.forming_high = price
        bars.forming_low = price
    bars.forming_high = max(bars.forming_high, price)
    bars.forming_low = min(bars.forming_low, price)
    bars.forming_close = price
    bars.forming_volume += quantity
    bars.trades += 1


@inline
def add_history(bars, bar_ns, start_ns, opened, high, low, close, volume):
    """A completed bar from before the first live event. False when it does not come after the one before."""
    if bars.from_history > 0 and start_ns < bars.history_end_ns:
        return False
    _remember(bars, opened, high, low, close, volume)
    _empty_forming(bars)
    bars.from_history += 1
    bars.history_end_ns = start_ns + bar_ns
    return True
