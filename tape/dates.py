"""The exchange's calendar date of an event, and the numbering of trades by it.

Always by the time zone database, never by a constant offset: Brazil had summer time until 2019.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from tape.format import TapeError

Rows = np.ndarray[Any, Any]

_NS_PER_DAY = 86_400_000_000_000
_NS_PER_QUARTER = 900_000_000_000  # no time zone has changed its offset off a quarter of an hour since 1972


def zone_of(timezone: str) -> ZoneInfo:
    """Raises TapeError for a name that the time zone database does not have."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise TapeError(f"time zone {timezone!r} is not known: {error}") from error


def local_dates(ts_ns: Rows, timezone: str) -> Rows:
    """The calendar date of each time (int64 ns UTC) in a time zone, as yyyymmdd. int32[n]."""
    zone = zone_of(timezone)
    quarters, place = np.unique(ts_ns // _NS_PER_QUARTER, return_inverse=True)
    offsets = np.array([_offset_ns(int(quarter) * _NS_PER_QUARTER, zone) for quarter in quarters], np.int64)
    days = ((ts_ns + offsets[place]) // _NS_PER_DAY).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (days - months).astype(np.int64) + 1
    return (year * 10_000 + month * 100 + day).astype(np.int32)


def _offset_ns(ts_ns: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(ts_ns // 1_000_000_000, zone).utcoffset()
    if offset is None:
        raise TapeError(f"time zone {zone} has no offset at {ts_ns}")
    return int(offset.total_seconds()) * 1_000_000_000


def numbers_by_date(dates: Rows) -> Rows:
    """1, 2, ... within each run of equal dates. int64[n]."""
    if not len(dates):
        return np.zeros(0, np.int64)
    place = np.arange(len(dates), dtype=np.int64)
    starts = np.concatenate([[True], dates[1:] != dates[:-1]])
    return place - np.maximum.accumulate(np.where(starts, place, 0)) + 1
