"""When sessions begin, and what the clock on the wall shows: tables made once from the tz database, for kernels.

A session is a local calendar date in the instrument's time zone; when it opens at or after its closing time of day it is
the 24 hours from the open. Kernels look up UTC instants only; no offset is ever a constant of the code.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from config.schema import Instrument
from shm.jit import inline

FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2060, 1, 1)
MAX_SESSIONS = 22_000
MAX_OFFSETS = 256
DAY_NS = 86_400_000_000_000
SECOND_NS = 1_000_000_000
HALF_HOUR_NS = 30 * 60 * SECOND_NS
NEVER = np.iinfo(np.int64).max

INSTRUMENT = np.dtype(
    [
        ("tick", "<f8"),  # points
        ("bar_ns", "<i8"),
        ("open_ns", "<i8"),  # local time of day
        ("close_ns", "<i8"),  # local time of day, 24:00 is a whole day
        ("length_ns", "<i8"),  # close - open, overnight modulo 24 h
        ("overnight", "<i8"),  # 1: the session is the 24 h from the open
        ("sessions", "<i8"),  # how many of session_start_ns are used
        ("offsets", "<i8"),  # how many of offset_* are used
        ("offset_from_ns", "<i8", (MAX_OFFSETS,)),  # UTC instant from which the offset holds
        ("offset_ns", "<i8", (MAX_OFFSETS,)),  # local time = UTC + offset
        ("session_start_ns", "<i8", (MAX_SESSIONS,)),  # UTC, ascending; the last one only ends the one before
    ],
    align=True,
)
"""What the kernels need to know about one instrument."""

SESSION = np.dtype(
    [
        ("open", "<i8"),  # 1 once an event has opened a session
        ("end_ns", "<i8"),  # UTC instant at which the next session begins
        ("start_ns", "<i8"),
        ("offset_ns", "<i8"),
        ("offset_until_ns", "<i8"),
        ("count", "<i8"),  # sessions opened so far
    ],
    align=True,
)
"""Where the symbol stands in its calendar."""


def _time_of_day_ns(text: str) -> int:
    hour, minute = text.split(":")
    return (int(hour) * 60 + int(minute)) * 60 * SECOND_NS


def _instant_ns(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)) * SECOND_NS


@lru_cache(maxsize=32)
def offset_table(timezone: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(UTC instants, offsets) in ns: the offset holds from its instant on. Raises KeyError for an unknown zone."""
    zone = ZoneInfo(timezone)

    def offset_at(second: int) -> int:
        offset = datetime.fromtimestamp(second, zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    first = _instant_ns(datetime(FIRST_DAY.year, 1, 1, tzinfo=UTC)) // SECOND_NS - 2 * 86_400
    last = _instant_ns(datetime(LAST_DAY.year, 1, 1, tzinfo=UTC)) // SECOND_NS + 2 * 86_400
    instants, offsets = [first], [offset_at(first)]
    for day in range(first, last, 86_400):
        low, high = day, day + 86_400
        while offset_at(high) != offsets[-1]:  # a zone changes at most a few times a day: take each change
            left, right = low, high
            while right - left > 1:
                middle = (left + right) // 2
                if offset_at(middle) == offsets[-1]:
                    left = middle
                else:
                    right = middle
            instants.append(right)
            offsets.append(offset_at(right))
            low = right
    if len(instants) > MAX_OFFSETS:
        raise ValueError(
            f"time zone {timezone} changes its offset {len(instants)} times; there is room for {MAX_OFFSETS}"
        )
    return np.array(instants, np.int64) * SECOND_NS, np.array(offsets, np.int64) * SECOND_NS


@lru_cache(maxsize=32)
def session_table(timezone: str, start_of_day_ns: int) -> np.ndarray[Any, Any]:
    """UTC instants (ns) at which the local clock first shows that time of day, one per calendar date.

    fold=0: where the clock is set back over the boundary, its first pass counts; where it jumps over it, the jump.
    """
    zone = ZoneInfo(timezone)
    clock = time(start_of_day_ns // (3600 * SECOND_NS), start_of_day_ns // (60 * SECOND_NS) % 60)
    days = (LAST_DAY - FIRST_DAY).days
    starts = np.array(
        [_instant_ns(datetime.combine(FIRST_DAY + timedelta(days=d), clock, zone)) for d in range(days)], np.int64
    )
    return starts


def instrument_record(instrument: Instrument) -> np.ndarray[Any, Any]:
    """INSTRUMENT array of shape (1,) for one configured instrument. Raises KeyError for an unknown time zone."""
    record = np.zeros(1, INSTRUMENT)
    one = record[0]
    open_ns, close_ns = _time_of_day_ns(instrument.session_open), _time_of_day_ns(instrument.session_close)
    overnight = open_ns >= close_ns
    one["tick"] = instrument.tick
    one["bar_ns"] = instrument.bar_seconds * SECOND_NS
    one["open_ns"] = open_ns % DAY_NS
    one["close_ns"] = close_ns
    one["length_ns"] = ((close_ns - open_ns) % DAY_NS or DAY_NS) if overnight else close_ns - open_ns
    one["overnight"] = overnight
    instants, offsets = offset_table(instrument.timezone)
    one["offsets"] = len(instants)
    one["offset_from_ns"][: len(instants)] = instants
    one["offset_ns"][: len(instants)] = offsets
    starts = session_table(instrument.timezone, open_ns % DAY_NS if overnight else 0)
    one["sessions"] = len(starts)
    one["session_start_ns"][: len(starts)] = starts
    return record


@inline
def in_calendar(instrument, t):
    """Whether the tables reach to time t."""
    return instrument.session_start_ns[0] <= t < instrument.session_start_ns[instrument.sessions - 1]


@inline
def _last_at_or_before(table, count, t):
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if table[middle] <= t:
            low = middle + 1
        else:
            high = middle
    return low - 1


@inline
def enter(session, instrument, t):
    """Bring the calendar to time t (which never goes back). True: t is the first event of a new session."""
    if (session.open != 0 and t >= session.offset_until_ns) or session.open == 0:
        i = _last_at_or_before(instrument.offset_from_ns, instrument.offsets, t)
        session.offset_ns = instrument.offset_ns[i]
        session.offset_until_ns = instrument.offset_from_ns[i + 1] if i + 1 < instrument.offsets else NEVER
    if session.open != 0 and t < session.end_ns:
        return False
    i = _last_at_or_before(instrument.session_start_ns, instrument.sessions, t)
    session.start_ns = instrument.session_start_ns[i]
    session.end_ns = instrument.session_start_ns[i + 1]
    session.open = 1
    session.count += 1
    return True
