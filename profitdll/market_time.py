"""Exchange local time to int64 ns UTC and back. The DLL speaks America/Sao_Paulo wall time, in milliseconds.

The offset is looked up once for each date, at noon: Sao Paulo changed its clocks at midnight (the last time in 2019),
so a date has one offset. The repeated hour before a winter began is read as its first pass; no session lies there.
Native code has its own form of this (a table of offsets); the simulated library has its own in C.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from profitdll.structs import SystemTime

EXCHANGE_ZONE = ZoneInfo("America/Sao_Paulo")
_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_MS_NS = 1_000_000


@functools.lru_cache(maxsize=4096)
def midnight_ns(year: int, month: int, day: int) -> int:
    """ns UTC from which the wall time of a local date counts. Raises ValueError for a date that does not exist."""
    offset = datetime(year, month, day, 12, tzinfo=EXCHANGE_ZONE).utcoffset() or timedelta(0)
    return (datetime(year, month, day) - offset - _EPOCH) // _SECOND * 1_000_000_000


def utc_ns(time: SystemTime) -> int:
    """SystemTime -> ns UTC; 0 for an empty one, which the DLL gives where there is no time."""
    if time.year == 0 or time.month == 0 or time.day == 0:
        return 0
    seconds = (time.hour * 60 + time.minute) * 60 + time.second
    return int(midnight_ns(time.year, time.month, time.day) + (seconds * 1000 + time.millisecond) * _MS_NS)


def local_time(ns: int) -> datetime:
    """ns UTC -> local wall time without a zone, cut to milliseconds, as the DLL would say it."""
    seconds, rest = divmod(ns, 1_000_000_000)
    local = datetime.fromtimestamp(seconds, UTC).astimezone(EXCHANGE_ZONE).replace(tzinfo=None)
    return local.replace(microsecond=rest // _MS_NS * 1000)


def system_time(ns: int) -> SystemTime:
    """ns UTC -> SystemTime; 0 gives an empty one."""
    if ns == 0:
        return SystemTime()
    t = local_time(ns)
    return SystemTime(
        t.year, t.month, t.isoweekday() % 7, t.day, t.hour, t.minute, t.second, t.microsecond // 1000
    )  # fmt: skip


def request_text(ns: int) -> str:
    """ns UTC -> "DD/MM/YYYY HH:mm:SS", the form of history requests."""
    return local_time(ns).strftime("%d/%m/%Y %H:%M:%S")


def text_ns(text: str) -> int:
    """ "DD/MM/YYYY HH:mm:SS", with .ZZZ or :ZZZ or neither -> ns UTC. Raises ValueError for anything else."""
    seconds = datetime.strptime(text[:19], "%d/%m/%Y %H:%M:%S")
    rest = text[19:]
    if rest and (rest[0] not in ".:" or not rest[1:].isdigit() or len(rest) != 4):
        raise ValueError(f"not a date of the DLL: {text!r}")
    ms = int(rest[1:]) if rest else 0
    wall = SystemTime(
        seconds.year, seconds.month, 0, seconds.day, seconds.hour, seconds.minute, seconds.second, ms
    )  # fmt: skip
    return utc_ns(wall)
