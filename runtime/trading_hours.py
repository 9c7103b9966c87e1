"""When one contract trades: sessions, holidays, special hours and no-trade windows, by market time.

Two sources. A contract that the table of sessions lists (`config.sessions`) trades by that table, and where the table
ends nothing is known, so it is closed. Any other contract trades by its own hours, every day of the week; one that closes
when it opens again never closes. Pure but for a memory of the last answer. Never guesses a day that the table does not have.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from config.schema import Instrument, RegularHours, Sessions
from runtime.sessions import local_date, local_ns, minutes

NEVER = 2**63 - 1  # ns
DAY = datetime.timedelta(days=1)
MINUTE_NS = 60_000_000_000


@dataclass(frozen=True)
class Window:
    """What holds from `from_ns` until before `until_ns` (market time, ns UTC). `closed`: why it is not open, or ""."""

    from_ns: int
    until_ns: int
    closed: str
    closes_ns: int = NEVER  # of the session that is open
    day: datetime.date | None = None  # on which it began; None for a market that never closes


class TradingHours:
    """One contract's. Raises ZoneInfoNotFoundError for a time zone nobody knows."""

    def __init__(self, instrument: Instrument, sessions: Sessions) -> None:
        rows = [row for row in sessions.hours if any(instrument.contract.startswith(root) for root in row.roots)]
        self.listed = bool(rows)
        self.sessions = sessions
        self._rows: tuple[RegularHours, ...] = tuple(rows)
        self._zone = ZoneInfo(sessions.timezone if rows else instrument.timezone)
        self._opens, self._closes = minutes(instrument.session_open), minutes(instrument.session_close)
        self._holidays = {holiday.day: holiday.name for holiday in sessions.holidays}
        self._special = {special.day: special for special in sessions.special}
        self._quiet_zone = ZoneInfo(sessions.timezone)
        self._window = Window(0, 0, "")

    def at(self, market_ns: int) -> Window:
        """What holds at that time (> 0)."""
        window = self._window
        if not window.from_ns <= market_ns < window.until_ns:
            window = self._window = self._find(market_ns)
        return window

    def date(self, market_ns: int) -> datetime.date:
        """The local date."""
        return local_date(market_ns, self._zone)

    def quiet(self, market_ns: int) -> str:
        """Why no entries are wanted at that time by a no-trade window, or ""."""
        if not self.sessions.no_trade:
            return ""
        today = local_date(market_ns, self._quiet_zone)
        for window in self.sessions.no_trade:
            for day in (today - DAY, today):  # one that goes over midnight began the day before
                starts_ns, ends_ns = _span(day, window.starts, window.ends, self._quiet_zone)
                if starts_ns <= market_ns < ends_ns and window.day in (None, day):
                    return window.reason
        return ""

    def next_quiet_ns(self, market_ns: int) -> int:
        """When the next no-trade window begins after that time; NEVER: none today or tomorrow."""
        today = local_date(market_ns, self._quiet_zone)
        starts = [
            _span(day, window.starts, window.ends, self._quiet_zone)[0]
            for window in self.sessions.no_trade for day in (today, today + DAY)
            if window.day in (None, day)
        ]  # fmt: skip
        return min((start_ns for start_ns in starts if start_ns > market_ns), default=NEVER)

    def closed_on(self, day: datetime.date) -> str:
        """Why there is no session on that date, or "". A day that the table does not reach is one."""
        if not self.listed:
            return ""
        if self._row(day) is None:
            return f"the table of sessions knows nothing of {day}"
        if day.weekday() >= 5:
            return "weekend"
        return self._holidays.get(day, "")

    def knows(self, day: datetime.date) -> bool:
        """Whether the table reaches that date; own hours are known on every one."""
        return not self.listed or self._row(day) is not None

    def session(self, day: datetime.date) -> tuple[int, int] | None:
        """(opens, closes) in ns UTC of the session that begins on that date; None when there is none."""
        if self.closed_on(day):
            return None
        opens, closes = self._opens, self._closes
        row = self._row(day)
        if row is not None:
            special = self._special.get(day)
            opens = minutes(special.opens if special and special.opens else row.opens)
            closes = minutes(special.closes if special and special.closes else row.closes)
        ends = day if closes > opens else day + DAY
        return local_ns(day, opens, self._zone), local_ns(ends, closes, self._zone)

    def _row(self, day: datetime.date) -> RegularHours | None:
        return next((row for row in self._rows if row.first <= day <= row.last), None)

    def _find(self, market_ns: int) -> Window:
        if not self.listed and (self._opens - self._closes) % 1440 == 0:
            return Window(0, NEVER, "")
        today = self.date(market_ns)
        from_ns, until_ns = local_ns(today, 0, self._zone), local_ns(today + DAY, 0, self._zone)
        for day in (today - DAY, today):  # an overnight session began the day before
            span = self.session(day)
            if span is None:
                continue
            opens_ns, closes_ns = span
            if opens_ns <= market_ns < closes_ns:
                return Window(opens_ns, closes_ns, "", closes_ns, day)
            if closes_ns <= market_ns:
                from_ns = max(from_ns, closes_ns)
            else:
                until_ns = min(until_ns, opens_ns)
        return Window(from_ns, until_ns, self.closed_on(today) or "outside the session", day=today)


@lru_cache(maxsize=256)
def _span(day: datetime.date, starts: str, ends: str, zone: ZoneInfo) -> tuple[int, int]:
    """(from, until before) in ns UTC; a window that ends before it starts goes over midnight."""
    first, last = minutes(starts), minutes(ends)
    return local_ns(day, first, zone), local_ns(day if last > first else day + DAY, last, zone)
