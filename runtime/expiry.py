"""The last trading day of a dated futures contract: rules over the table of sessions.

- WDO, DOL (US dollar): the last session before the first session of the month that the ticker names.
- WIN, IND (Ibovespa): the Wednesday nearest to the 15th of that month; without a session then, the next one.

The month letter and the two digits of the year end the ticker, e.g. WDOZ26. Pure. A date that the table of sessions does not
reach is not guessed.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import lru_cache

from runtime.trading_hours import DAY, TradingHours

MONTHS = "FGHJKMNQUVXZ"  # January ... December
WEDNESDAY = 2
MAX_CLOSED_DAYS = 10  # in a row; more is a hole in the table
Rule = Callable[[TradingHours, int, int], "datetime.date | None"]


def next_session_day(hours: TradingHours, day: datetime.date, step: datetime.timedelta = DAY) -> datetime.date | None:
    """The first date from `day` on (or back, with a negative step) that has a session; None where the table ends."""
    for _ in range(MAX_CLOSED_DAYS):
        if not hours.knows(day):
            return None
        if not hours.closed_on(day):
            return day
        day += step
    return None


def before_first_session(hours: TradingHours, year: int, month: int) -> datetime.date | None:
    first = next_session_day(hours, datetime.date(year, month, 1))
    return None if first is None else next_session_day(hours, first - DAY, -DAY)


def wednesday_nearest_15th(hours: TradingHours, year: int, month: int) -> datetime.date | None:
    middle = datetime.date(year, month, 15)
    offset = (WEDNESDAY - middle.weekday() + 3) % 7 - 3
    return next_session_day(hours, middle + offset * DAY)


RULES: dict[str, Rule] = {
    "WDO": before_first_session, "DOL": before_first_session,
    "WIN": wednesday_nearest_15th, "IND": wednesday_nearest_15th,
}  # fmt: skip
"""Root of the ticker -> rule."""


def has_rule(ticker: str) -> bool:
    """Whether the ticker is one of a contract that ends: an order in it must know when."""
    return ticker[:3] in RULES


def last_trading_day(ticker: str, hours: TradingHours) -> datetime.date | None:
    """None for a ticker without a rule or without a date in it, and where the table of sessions ends."""
    letter, year = ticker[3:4], ticker[4:]
    if not has_rule(ticker) or letter not in MONTHS or not letter or len(year) != 2 or not year.isdigit():
        return None
    return RULES[ticker[:3]](hours, 2000 + int(year), MONTHS.index(letter) + 1)


@lru_cache(maxsize=64)  # every entry asks
def sessions_left(hours: TradingHours, today: datetime.date, last: datetime.date) -> int | None:
    """Sessions after `today` up to and with `last`; 0 on the last day, -1 after it; None where the table ends."""
    if today > last:
        return -1
    if not (hours.knows(today) and hours.knows(last)):
        return None
    days = (today + number * DAY for number in range(1, (last - today).days + 1))
    return sum(not hours.closed_on(day) for day in days)
