"""When the sessions of an instrument begin: by its local calendar and the tz database, never by a constant offset.

A session is a local date; when it opens at or after it closes (an overnight market) it is the 24 hours from its opening.
Bounds are made ahead as plain integers, so that kernels need no time zones.
"""

from __future__ import annotations

import datetime
import itertools
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from config.schema import Instrument

Bounds = np.ndarray[Any, np.dtype[np.int64]]


def minutes(text: str) -> int:
    """Minutes after midnight of "HH:MM", up to 24:00."""
    hours, _, rest = text.partition(":")
    return int(hours) * 60 + int(rest)


def local_ns(date: datetime.date, minute: int, zone: ZoneInfo) -> int:
    """ns UTC of a local wall time, `minute` minutes after the date's midnight (1440 is the next midnight)."""
    day = date + datetime.timedelta(days=minute // 1440)
    clock = datetime.datetime.combine(day, datetime.time(minute % 1440 // 60, minute % 60), zone)
    return int(clock.timestamp()) * 1_000_000_000


def local_date(ts_ns: int, zone: ZoneInfo) -> datetime.date:
    return datetime.datetime.fromtimestamp(ts_ns // 1_000_000_000, zone).date()


def session_days(instrument: Instrument, first: datetime.date, days: int) -> Bounds:
    """int64[days, 2]: (start, start of the next) in ns UTC of each session from local date `first` on.

    For a market that opens before it closes a session's day runs from midnight to midnight; an overnight one's from
    opening to opening.
    """
    zone = ZoneInfo(instrument.timezone)
    opens, closes = minutes(instrument.session_open), minutes(instrument.session_close)
    begins = opens if opens >= closes else 0
    starts = [local_ns(first + datetime.timedelta(days=day), begins, zone) for day in range(days + 1)]
    return np.array(list(itertools.pairwise(starts)), np.int64)


def trading_span_before(instrument: Instrument, now_ns: int, bars: int) -> int:
    """ns UTC from which history must be asked so that it holds `bars` bars of session time before `now_ns`.

    Saturdays and Sundays are passed over, holidays are not known here: then history gives fewer bars.
    """
    zone = ZoneInfo(instrument.timezone)
    opens, closes = minutes(instrument.session_open), minutes(instrument.session_close)
    if opens >= closes:
        return now_ns - bars * instrument.bar_seconds * 1_000_000_000
    wanted_ns = bars * instrument.bar_seconds * 1_000_000_000
    date = local_date(now_ns, zone)
    around_the_clock = opens == 0 and closes == 1440
    for _ in range(10):  # the DLL refuses more than ten days
        if around_the_clock or date.weekday() < 5:
            start_ns, end_ns = local_ns(date, opens, zone), min(now_ns, local_ns(date, closes, zone))
            if end_ns - start_ns >= wanted_ns:
                return end_ns - wanted_ns
            wanted_ns -= max(0, end_ns - start_ns)
        date -= datetime.timedelta(days=1)
    return local_ns(date + datetime.timedelta(days=1), opens, zone)
