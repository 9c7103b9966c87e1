"""When each instrument's session closes and opens again, in market time. Pure: the start is an argument.

The market counts as open where it starts, also outside the configured hours: that a recording has trades there is
the better evidence. The first close is the next one after the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.schema import Instrument
from profitdll.constants import TickerState


class Change(NamedTuple):
    """An instrument's session ends or begins."""

    ns: int
    instrument: int
    state: int


def local_ns(day: date, local_time: str, timezone: str) -> int:
    """Market time, ns UTC, of a local time such as "09:00" on a local date; "24:00" is the next midnight."""
    hours, minutes = (int(part) for part in local_time.split(":"))
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone))
    moment = (midnight + timedelta(hours=hours, minutes=minutes)).astimezone(UTC)
    return int(moment.timestamp()) * 1_000_000_000


def next_at(after_ns: int, local_time: str, timezone: str) -> int:
    """The first time after `after_ns` at which clocks there show `local_time`."""
    day = datetime.fromtimestamp(after_ns // 1_000_000_000, ZoneInfo(timezone)).date() - timedelta(days=1)
    while (found := local_ns(day, local_time, timezone)) <= after_ns:
        day += timedelta(days=1)
    return found


class TradingDay:
    """The changes of all instruments in order of time."""

    def __init__(self, instruments: Sequence[Instrument], start_ns: int) -> None:
        self._instruments = instruments
        self._next = [self._change(index, start_ns, TickerState.CLOSED) for index in range(len(instruments))]

    def _change(self, index: int, after_ns: int, state: int) -> Change:
        spec = self._instruments[index]
        if state == TickerState.CLOSED:
            return Change(next_at(after_ns, spec.session_close, spec.timezone), index, state)
        # a market of 24 hours opens at the moment at which it closes
        return Change(next_at(after_ns - 1, spec.session_open, spec.timezone), index, state)

    def next_ns(self) -> int:
        """Market time of the next change."""
        return min(self._next).ns

    def due(self, now_ns: int) -> list[Change]:
        """The changes up to `now_ns`, each told once."""
        out = []
        while (change := min(self._next)).ns <= now_ns:
            out.append(change)
            other = TickerState.OPENED if change.state == TickerState.CLOSED else TickerState.CLOSED
            self._next[change.instrument] = self._change(change.instrument, change.ns, other)
        return out
