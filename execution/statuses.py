"""What the DLL says about an order, what we make of it, and the table that leads from one to the other.

Callbacks come twice, late and out of order, so the table forgives everything that can be read as old news: an order
keeps its state. What it does not forgive is a contradiction (a rejected order that fills, a filled one that was
cancelled): such a pair stands in no row, and `orders.InvalidTransition` tells the order's story.
"""

from __future__ import annotations

from enum import StrEnum

from profitdll.constants import OrderStatus as Status


class State(StrEnum):
    """Where an order of ours stands."""

    INTENDED = "intended"  # journaled; the DLL may not have been called
    SENT = "sent"  # the DLL took it and gave an id
    PENDING = "pending"  # on its way to the exchange
    WORKING = "working"
    PARTIAL = "partial"
    SUSPENDED = "suspended"
    PENDING_CANCEL = "pending cancel"
    PENDING_REPLACE = "pending replace"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_SENT = "not sent"  # the broker never got it


OPEN = frozenset(
    {State.INTENDED, State.SENT, State.PENDING, State.WORKING, State.PARTIAL, State.SUSPENDED, State.PENDING_CANCEL,
     State.PENDING_REPLACE}
)  # fmt: skip
UNCONFIRMED = frozenset({State.INTENDED, State.SENT, State.PENDING})

_ON_ITS_WAY = (
    Status.PENDING_NEW, Status.RECEIVED, Status.HADES_CREATED, Status.BROKER_SENT, Status.CLIENT_CREATED,
    Status.DELAY_FIX_GATEWAY, Status.SCHEDULED,
)  # fmt: skip
# STOPPED: held at a guaranteed price, still working
_AT_WORK = (Status.NEW, Status.ACCEPTED_FOR_BIDDING, Status.STOPPED, Status.REPLACED)
_NO_NEWS = (Status.CALCULATED, Status.UNKNOWN)  # fees were computed; nobody knows
_MOVING = (Status.PENDING_CANCEL, Status.PENDING_REPLACE, Status.SUSPENDED)
_CANCELED = (Status.CANCELED, Status.PARTIALLY_FILLED_CANCELED, Status.CANCELED_BY_ADMIN)
_EXPIRED = (Status.DONE_FOR_DAY, Status.EXPIRED, Status.PARTIALLY_FILLED_EXPIRED)
_REJECTED = (Status.REJECTED, Status.PARTIALLY_FILLED_REJECTED, Status.ORDER_NOT_CREATED)
_OLD_NEWS = (*_ON_ITS_WAY, *_AT_WORK, *_NO_NEWS, *_MOVING, Status.PARTIALLY_FILLED)

_ENDS: dict[Status, State] = {
    Status.FILLED: State.FILLED,
    **dict.fromkeys(_CANCELED, State.CANCELED),
    **dict.fromkeys(_EXPIRED, State.EXPIRED),
    **dict.fromkeys(_REJECTED, State.REJECTED),
}
_NEXT: dict[Status, State] = {  # what a status says, unless the state knows better
    **dict.fromkeys(_ON_ITS_WAY, State.PENDING),
    **dict.fromkeys(_AT_WORK, State.WORKING),
    Status.PARTIALLY_FILLED: State.PARTIAL,
    Status.SUSPENDED: State.SUSPENDED,
    Status.PENDING_CANCEL: State.PENDING_CANCEL,
    Status.PENDING_REPLACE: State.PENDING_REPLACE,
}


def _row(state: State, keeps: tuple[Status, ...]) -> dict[Status, State]:
    """Row of an open state: every status leads where it says, except those which `state` knows to be old."""
    return {**_ENDS, **_NEXT, **dict.fromkeys(keeps, state)}


TABLE: dict[State, dict[Status, State]] = {
    # any word from the broker means that the order exists there
    State.INTENDED: _row(State.SENT, _NO_NEWS),
    State.SENT: _row(State.SENT, _NO_NEWS),
    State.PENDING: _row(State.PENDING, _NO_NEWS),
    State.WORKING: _row(State.WORKING, (*_NO_NEWS, *_ON_ITS_WAY)),
    # "new" or "replaced" after a partial fill is old, or a replacement that keeps its fills
    State.PARTIAL: _row(State.PARTIAL, (*_NO_NEWS, *_ON_ITS_WAY, *_AT_WORK)),
    State.SUSPENDED: _row(State.SUSPENDED, (*_NO_NEWS, *_ON_ITS_WAY)),
    # back at work: the cancellation or replacement was refused
    State.PENDING_CANCEL: _row(State.PENDING_CANCEL, (*_NO_NEWS, *_ON_ITS_WAY)),
    State.PENDING_REPLACE: _row(State.PENDING_REPLACE, (*_NO_NEWS, *_ON_ITS_WAY)),
    # closed states keep themselves on old news and on their own kind of end; the rest contradicts them
    State.FILLED: dict.fromkeys((*_OLD_NEWS, Status.FILLED), State.FILLED),
    State.CANCELED: dict.fromkeys((*_OLD_NEWS, *_CANCELED, *_EXPIRED), State.CANCELED),
    State.EXPIRED: dict.fromkeys((*_OLD_NEWS, *_EXPIRED, *_CANCELED), State.EXPIRED),
    State.REJECTED: dict.fromkeys((*_OLD_NEWS, *_REJECTED), State.REJECTED),
    State.NOT_SENT: {},  # nobody can speak of an order that was never sent
}
