"""What the exchange counts of itself, for its stage's counters and for tests."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter


@dataclass(slots=True)
class Tally:
    """Totals since the exchange started; `clients` is how many are logged in now."""

    market_events: int = 0  # trades and books played
    trades: int = 0
    books: int = 0
    clients: int = 0
    orders: int = 0
    fills: int = 0
    self_matches: int = 0  # times an account would have traded with itself
    undelivered_events: int = 0  # of an instrument somebody had subscribed, while nobody was there to get it
    refused_logins: int = 0
    wrong_passwords: int = 0  # routing passwords: the order or cancel was dropped
    unknown_orders: int = 0  # cancels and changes of an order that does not exist, orders for an unknown account
    bad_frames: int = 0
    slow_clients: int = 0
    order_messages: int = 0  # from clients, of every kind
    faults: int = 0  # that were switched on


NAMES = tuple(field.name for field in fields(Tally))
values_of = attrgetter(*NAMES)
"""The totals of a Tally, in the order of NAMES."""
