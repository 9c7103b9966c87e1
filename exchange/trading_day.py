"""When each instrument's trading states begin, in market time. Pure: the start is an argument.

A day is: pre-opening (a call, if the configuration gives it minutes), open, pre-closing (likewise), closed. The market
counts as open where it starts, also outside the configured hours: that a recording has trades there is the better
evidence; only inside one of the calls it starts in that call. A contract's last session is that of its last trading
day: from its close on it stays closed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.schema import Instrument, Sessions
from profitdll.constants import TickerState
from runtime.expiry import last_trading_day
from runtime.trading_hours import TradingHours

MINUTE_NS = 60 * 1_000_000_000
NEVER_NS = 1 << 62
NO_SESSIONS = Sessions()


class Change(NamedTuple):
    """A trading state of an instrument begins."""

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
    """The changes of all instruments in order of time, and the state in which each of them starts.

    calls: whether the market can hold them (`MarketSource.has_book`); without, a day is open, then closed, and only a
    last day that the configuration names ends a contract. sessions: the table that a contract's rule counts days in.
    """

    def __init__(
        self, instruments: Sequence[Instrument], start_ns: int, calls: bool = False, sessions: Sessions = NO_SESSIONS
    ) -> None:
        self._instruments = instruments
        self._cycles = [_cycle(spec, calls) for spec in instruments]
        self._last_ns = [last_close_ns(spec, sessions, calls) for spec in instruments]
        self.initial = [self._initial(index, start_ns) for index in range(len(instruments))]
        self._next = [self._after(index, start_ns, state) for index, state in enumerate(self.initial)]

    def _initial(self, index: int, start_ns: int) -> int:
        """Expired, in one of the calls before the session and before the close, or open."""
        if start_ns >= self._last_ns[index]:
            return TickerState.CLOSED
        for state, following in itertools.pairwise([*self._cycles[index], self._cycles[index][0]]):
            if state not in (TickerState.PRE_OPENING, TickerState.PRE_CLOSING):
                continue
            if self._moment(index, start_ns, following) <= self._moment(index, start_ns, state):
                return state
        return TickerState.OPENED

    def _moment(self, index: int, after_ns: int, state: int) -> int:
        """The first time after `after_ns` at which that state begins."""
        spec = self._instruments[index]
        if state in (TickerState.PRE_OPENING, TickerState.OPENED):
            early_ns = spec.pre_open_minutes * MINUTE_NS if state == TickerState.PRE_OPENING else 0
            return next_at(after_ns + early_ns, spec.session_open, spec.timezone) - early_ns
        early_ns = spec.closing_call_minutes * MINUTE_NS if state == TickerState.PRE_CLOSING else 0
        return next_at(after_ns + early_ns, spec.session_close, spec.timezone) - early_ns

    def _after(self, index: int, now_ns: int, state: int) -> Change:
        """The change that follows a state which stands since `now_ns` or was the first."""
        if now_ns >= self._last_ns[index]:
            return Change(NEVER_NS, index, TickerState.CLOSED)
        cycle = self._cycles[index]
        following = cycle[(cycle.index(TickerState(state)) + 1) % len(cycle)]
        # a market of 24 hours opens at the moment at which it closes
        return Change(self._moment(index, now_ns - (state == TickerState.CLOSED), following), index, following)

    def expired(self, instrument: int, now_ns: int) -> bool:
        """Whether the contract's last session is over: it never opens again."""
        return now_ns >= self._last_ns[instrument]

    def next_ns(self) -> int:
        """Market time of the next change; NEVER_NS when every contract has expired."""
        return min(self._next).ns

    def due(self, now_ns: int) -> list[Change]:
        """The changes up to `now_ns`, each told once."""
        out = []
        while (change := min(self._next)).ns <= now_ns:
            out.append(change)
            self._next[change.instrument] = self._after(change.instrument, change.ns, change.state)
        return out


def _cycle(spec: Instrument, calls: bool) -> list[TickerState]:
    """The states of a day in their order."""
    states = [TickerState.PRE_OPENING] if calls and spec.pre_open_minutes else []
    states.append(TickerState.OPENED)
    states += [TickerState.PRE_CLOSING] if calls and spec.closing_call_minutes else []
    return [*states, TickerState.CLOSED]


def last_close_ns(spec: Instrument, sessions: Sessions, by_rule: bool) -> int:
    """Market time at which the contract's last session ends, NEVER_NS when no last day is named or known.

    by_rule: where the configuration names no day, count it by the contract's rule in the table of sessions.
    """
    day = None
    if spec.last_trading_day:
        day = date.fromisoformat(spec.last_trading_day)
    elif by_rule and (hours := TradingHours(spec, sessions)).listed:
        day = last_trading_day(spec.contract, hours)
    return NEVER_NS if day is None else local_ns(day, spec.session_close, spec.timezone)
