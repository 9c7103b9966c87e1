"""What a model is to foresee: the mark-out of the mid after the horizon, against the cost of acting on it.

    mark-out = mid(t + horizon) - mid(t), in ticks
    cost     = half the spread at t + the fees of both sides, in ticks: what a taker has paid before the mid moves
    class    = up if mark-out > cost, down if mark-out < -cost, else flat

mid(t) is the newest valid snapshot when the vector was made, by order of events; mid(t + horizon) the last one with a
time up to and including t + horizon. Nothing later is looked at. A row has no label when the market was not heard
until t + horizon: the session or the recording ended before, or a gap lies between. Pure functions of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

DOWN, FLAT, UP = 0, 1, 2


@dataclass(frozen=True)
class Quotes:
    """The valid snapshots of one instrument, in order."""

    ingest_seq: Array  # int64[m]
    ts_ns: Array  # int64[m], never going back
    mid_ticks: Array  # float64[m]
    spread_ticks: Array  # float64[m]


@dataclass(frozen=True)
class MarkOuts:
    """Per row; where `valid` is False the other values mean nothing."""

    valid: Array  # bool[n]
    mark_out_ticks: Array  # float64[n]
    spread_ticks: Array  # float64[n], at t


def mark_outs(ts_ns: Array, ingest_seq: Array, quotes: Quotes, horizon_ns: int, heard_until_ns: Array) -> MarkOuts:
    """Mark-outs of rows made at (ts_ns, ingest_seq), int64[n] each.

    heard_until_ns: int64[n], the last event of the row's session; a label may not rest on anything after it.
    """
    now = np.searchsorted(quotes.ingest_seq, ingest_seq, "right") - 1
    then = np.searchsorted(quotes.ts_ns, ts_ns + horizon_ns, "right") - 1
    valid = (now >= 0) & (ts_ns + horizon_ns <= heard_until_ns)
    if not len(quotes.ts_ns):
        return MarkOuts(valid & False, np.zeros(len(ts_ns)), np.zeros(len(ts_ns)))
    return MarkOuts(valid, quotes.mid_ticks[then] - quotes.mid_ticks[now], quotes.spread_ticks[now])


def outside_gaps(ts_ns: Array, horizon_ns: int, gaps_ns: Array) -> Array:
    """True where no gap touches [t, t + horizon]. gaps_ns: int64[g, 2], from and to."""
    clear = np.ones(len(ts_ns), bool)
    for begin_ns, end_ns in gaps_ns:
        clear &= (ts_ns >= end_ns) | (ts_ns + horizon_ns <= begin_ns)
    return clear


def heard_until(ts_ns: Array, session_starts_ns: Array, event_ts_ns: Array) -> Array:
    """The time of the last event of each row's session, int64[n].

    session_starts_ns: ascending; event_ts_ns: times of all events, ascending.
    """
    following = session_starts_ns[np.searchsorted(session_starts_ns, ts_ns, "right")]
    return event_ts_ns[np.searchsorted(event_ts_ns, following, "left") - 1]


def classes(mark_out_ticks: Array, cost_ticks: Array) -> Array:
    """DOWN, FLAT or UP, int64[n]."""
    return np.where(mark_out_ticks > cost_ticks, UP, np.where(mark_out_ticks < -cost_ticks, DOWN, FLAT))
