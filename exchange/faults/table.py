"""Every fault that the simulated exchange can show, one small struct each: its name, its numbers, what it does.

The structs are the table: a scenario file and the command line are converted into them, so a misspelt name, a
number out of range or a parameter of another fault is refused with its place. They only say what shall happen;
`stream`, `orders` and `sessions` decide what it does to one message, and the server carries it out.

A fault has no random numbers and reads no clock. `for_s` is real time: a broken line does not mend sooner because
the market is played fast. `count` is how often it strikes; `every` that each n-th of what it touches is struck.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from config.schema import LocalTime

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Milliseconds = Annotated[float, Meta(gt=0, le=600_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Sessions = Literal["all", "market", "full"]  # full: those with routing
Text = Annotated[str, Meta(min_length=1, max_length=100)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name"):
    """When it starts: at most one of these; none: at once, in a scenario before the market does."""

    at: LocalTime | None = None  # market time of the first instrument's place, "10:05"; the next time it is that late
    after_s: Annotated[float, Meta(ge=0, le=1e9)] | None = None  # market seconds since the first event
    after_events: Annotated[int, Meta(ge=1)] | None = None  # market events played
    after_orders: Annotated[int, Meta(ge=1)] | None = None  # order messages received from clients


# -- orders


class SlowAcknowledgement(Fault, tag="slow_acknowledgement"):
    """Every order, change and cancel takes `delay_ms` longer to reach the market, so its answer comes late."""

    delay_ms: Milliseconds = 1_000.0
    for_s: Seconds = 5.0


class Reject(Fault, tag="reject"):
    """The next `count` new orders are rejected by the market, status 8 with `text`."""

    count: Count = 1
    text: Text = "rejected by the risk desk"


class DuplicateOrders(Fault, tag="duplicate_orders"):
    """Each of the next `count` messages about an order comes `times` times, so its callback does too."""

    count: Count = 10
    times: Annotated[int, Meta(ge=2, le=100)] = 2


class LateOrders(Fault, tag="late_orders"):
    """The next `count` messages about orders come `delay_ms` late; the market and later messages do not wait for them."""

    count: Count = 10
    delay_ms: Milliseconds = 500.0


class OutOfOrderOrders(Fault, tag="out_of_order_orders"):
    """Each of the next `count` messages about orders waits until the next one about its order has overtaken it.

    The older one follows directly behind, so for a quarter of a second the library knows less than it did; then the
    newest is told again. A message that nothing overtakes in that time goes out late.
    """

    count: Count = 10


class DetailsFailing(Fault, tag="details_failing"):
    """The next `count` calls of GetOrderDetails fail with `code` although the order is there."""

    count: Count = 3
    code: Literal["NL_INTERNAL_ERROR", "NL_WAITING_SERVER", "NL_NOT_FOUND"] = "NL_INTERNAL_ERROR"


class WrongPassword(Fault, tag="wrong_password"):
    """The next `count` order messages are taken for such with a wrong routing password: dropped in silence.

    A new order shows status 201 (Hades created) and nothing after it; a cancel or change shows nothing at all.
    """

    count: Count = 1


# -- the connection


class ConnectionLost(Fault, tag="connection_lost"):
    """Connections are cut, and nobody gets in, until `for_s` is over. What is played meanwhile nobody hears."""

    sessions: Sessions = "all"
    for_s: Seconds = 2.0


class KeyTaken(Fault, tag="key_taken"):
    """Every login is refused as that of a second session with a key that is in use (login state 200)."""

    sessions: Sessions = "all"
    for_s: Seconds = 2.0


class OneSession(Fault, tag="one_session"):
    """A login is refused (state 200) while another session of its key is there, whatever its kind: a stricter licence.

    Without it one session with routing and one without stand beside each other.
    """

    for_s: Seconds = 86_400.0


class AbortHost(Fault, tag="abort_host"):
    """The library ends its process while a callback runs: inside TranslateTrade, or behind an order callback."""

    sessions: Literal["market", "full"] = "market"


# -- market data


class FeedSilent(Fault, tag="feed_silent"):
    """No market data are sent although the connection stands; the market itself goes on."""

    what: Literal["all", "trades", "books"] = "all"
    for_s: Seconds = 5.0


class Burst(Fault, tag="burst"):
    """Each instrument's newest book is told again and again, its best quantities flickering, `events_per_s` in all."""

    events_per_s: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
    for_s: Seconds = 1.0


class EditedTrades(Fault, tag="edited_trades"):
    """Behind each `every`-th trade comes an edit of it: flag 1, the same number, twice the quantity, a tick higher."""

    every: Count = 5
    count: Count = 100


class ZeroTrades(Fault, tag="zero_trades"):
    """Each `every`-th trade comes with a zero date, a zero price or both, and TranslateTrade calls it a success."""

    field: Literal["date", "price", "both"] = "date"
    every: Count = 5
    count: Count = 100


class AuctionLevels(Fault, tag="auction_levels"):
    """Books come as in an auction: on top of each side a theoretical level at minus infinity."""

    for_s: Seconds = 2.0


class BookGroups(Fault, tag="book_groups"):
    """The notices of `books` books share one prepare and one flush; 0: the next `count` books have neither."""

    books: Annotated[int, Meta(ge=0, le=10_000)] = 10
    count: Count = 100


class FullBook(Fault, tag="full_book"):
    """The next `count` books are told as full books, as after a subscription, instead of by what changed."""

    count: Count = 1


class OfferPackets(Fault, tag="offer_packets"):
    """Offer books are told whole again, in packets of at most `offers` offers a side, until told otherwise."""

    offers: Annotated[int, Meta(ge=1, le=100_000)] = 3


# -- history


class HistoryStuck(Fault, tag="history_stuck"):
    """The next `count` history requests stop at 99 %: a part of the trades, and never the end."""

    count: Count = 1
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5


class HistoryEmpty(Fault, tag="history_empty"):
    """The next `count` history requests end well without a trade, as those for an expired ticker do."""

    count: Count = 1


KINDS: tuple[type[Fault], ...] = (
    SlowAcknowledgement, Reject, DuplicateOrders, LateOrders, OutOfOrderOrders, DetailsFailing, WrongPassword,
    ConnectionLost, KeyTaken, OneSession, AbortHost,
    FeedSilent, Burst, EditedTrades, ZeroTrades, AuctionLevels, BookGroups, FullBook, OfferPackets,
    HistoryStuck, HistoryEmpty,
)  # fmt: skip
BY_NAME: dict[str, type[Fault]] = {str(kind.__struct_config__.tag): kind for kind in KINDS}


class BadFault(ValueError):
    """A fault that cannot be; the message names it and the place."""


def fault_of(table: dict[str, Any]) -> Fault:
    """The fault that a table describes. Raises BadFault."""
    name = table.get("name")
    kind = BY_NAME.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadFault(f"there is no fault {name!r}; there are {', '.join(sorted(BY_NAME))}")
    try:
        fault = msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise BadFault(f"{name}: {error}") from error
    starts = [key for key in ("at", "after_s", "after_events", "after_orders") if getattr(fault, key) is not None]
    if len(starts) > 1:
        raise BadFault(f"{name}: {' and '.join(starts)} are given, it can start by one of them only")
    return fault


def name_of(fault: Fault) -> str:
    return str(type(fault).__struct_config__.tag)
