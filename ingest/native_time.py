"""Time for native callbacks: the monotonic clock by an indirect call, market time by the shared mapping, calendar
arithmetic on the DLL's SystemTime.

The formulas of civil dates are Howard Hinnant's days_from_civil. Local offsets come from a table made with zoneinfo at
start (one entry a day; the zones of B3 and of the captures change at midnight), so no kernel knows about time zones.
"""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import numpy as np

from ingest.state import DAY_ZERO, DAYS
from runtime.native_clock import native_now_ns
from shm.atomics import at
from shm.counters import RUN_CLOCK_OFFSET_NS, RUN_CLOCK_READY, RUN_CLOCK_SPEED
from shm.jit import inline

from numba import carray  # isort: skip

DAY_NS = 86_400_000_000_000


@inline
def monotonic_now_ns(context):  # type: ignore[no-untyped-def]
    """The clock of time.perf_counter_ns, without Python."""
    return native_now_ns(np.uint64(context.clock))


@inline
def market_at(context, monotonic_ns):  # type: ignore[no-untyped-def]
    """Market time (ns UTC) at a monotonic time; 0 while the server's clock is not known."""
    words = carray(at(np.uint64(context.run_block)), 8, np.int64)
    if words[RUN_CLOCK_READY] == 0:
        return np.int64(0)
    speed = carray(at(np.uint64(context.run_block)), 8, np.float64)[RUN_CLOCK_SPEED]
    return np.int64(monotonic_ns * speed) + words[RUN_CLOCK_OFFSET_NS]


@inline
def days_from_civil(year, month, day):  # type: ignore[no-untyped-def]
    """Days since 1970-01-01 of a Gregorian date."""
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    shifted = month - 3 if month > 2 else month + 9
    day_of_year = (153 * shifted + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


@inline
def utc_ns(context, year, month, day, hour, minute, second, millisecond):  # type: ignore[no-untyped-def]
    """A local date and time of the exchange as ns UTC; 0 for a date outside the table (a zero date, for one)."""
    days = days_from_civil(year, month, day)
    if month < 1 or month > 12 or days < DAY_ZERO or days >= DAY_ZERO + DAYS:
        return np.int64(0)
    minutes_west = carray(at(np.uint64(context.utc_offsets)), DAYS, np.int32)[days - DAY_ZERO]
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second + np.int64(minutes_west) * 60
    return np.int64(seconds * 1_000_000_000 + millisecond * 1_000_000)


def utc_offsets(timezone: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Minutes that the zone is behind UTC at noon of each day from DAY_ZERO on; int32[DAYS]."""
    zone = ZoneInfo(timezone)
    start = datetime.datetime(1970, 1, 1, 12) + datetime.timedelta(days=DAY_ZERO)
    offsets = np.zeros(DAYS, np.int32)
    for day in range(DAYS):
        noon = (start + datetime.timedelta(days=day)).replace(tzinfo=zone)
        offset = noon.utcoffset()
        assert offset is not None
        offsets[day] = -int(offset.total_seconds()) // 60
    return offsets
