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
Text = Annotated[str, Meta(min_length=1, max_length=100)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name"):
    """When it starts: at most one of these; none: at once (the command line's way)."""

    at: LocalTime | None = None  # market time of the first instrument's place, "10:05"; the next time it is that late
    after_s: Annotated[float, Meta(ge=0)] | None = None  # market seconds since the first event
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


KINDS: tuple[type[Fault], ...] = (
    SlowAcknowledgement, Reject, DuplicateOrders, LateOrders, OutOfOrderOrders, DetailsFailing, WrongPassword,
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
