"""Columns 59-64: what time it is for this market. Wall time, so a change of the clock moves them as it moves people."""

from __future__ import annotations

import math

from features.description import Feature
from features.sessions import DAY_NS, HALF_HOUR_NS
from shm.jit import inline

FIRST = 59
MINUTE_NS = 60_000_000_000

FEATURES = (
    Feature(
        "session_elapsed", "1", "none",
        "(local time - open) / (close - open), wall time, overnight modulo 24 h, clipped to [0, 1]",
    ),
    Feature("minute", "1", "none", "minute of the hour of the local time / 60"),
    Feature("day_of_week", "1", "none", "Monday 0 ... Sunday 6 of the local date, / 4"),
    Feature("is_opening_30min", "0 or 1", "none", "1 in [open, open + 30 min)"),
    Feature("is_closing_30min", "0 or 1", "none", "1 in [close - 30 min, close)"),
    Feature("log_seconds_since_trade", "ln s", "a trade of the session", "ln(1 + seconds since the session's last trade)"),
)  # fmt: skip


@inline
def emit(instrument, session, has_trade, last_trade_ns, t, values):
    """Fill columns 59-64. Returns whether all are defined."""
    local = t + session.offset_ns
    day = local // DAY_NS
    time_of_day = local - day * DAY_NS
    since_open = time_of_day - instrument.open_ns
    until_close = instrument.close_ns - time_of_day
    if instrument.overnight != 0:
        since_open %= DAY_NS
        until_close %= DAY_NS
        if until_close == 0:
            until_close = DAY_NS  # at the close itself: the next one is a day away
    values[FIRST] = min(max(since_open / instrument.length_ns, 0.0), 1.0)
    values[FIRST + 1] = (time_of_day // MINUTE_NS % 60) / 60.0
    values[FIRST + 2] = ((day + 3) % 7) / 4.0  # 1970-01-01 was a Thursday
    values[FIRST + 3] = 1.0 if 0 <= since_open < HALF_HOUR_NS else 0.0
    values[FIRST + 4] = 1.0 if 0 < until_close <= HALF_HOUR_NS else 0.0
    if has_trade:
        values[FIRST + 5] = math.log1p((t - last_trade_ns) / 1e9)
    return has_trade
