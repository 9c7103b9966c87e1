"""An order of a client as the exchange sees it: its fields, its status numbers, and which status may follow which.

The numbers are ProfitDLL's. The life of an order:

    received          PENDING_NEW (10); then NEW (0) at the market, or REJECTED (8) with the reason in `text`
    executions        PARTIALLY_FILLED (1) each, FILLED (2) at the last
    cancel asked for  PENDING_CANCEL (6); then CANCELED (4), or FILLED when the market was faster
    change asked for  PENDING_REPLACE (14); then REPLACED (5) at once followed by the working status again
    a refused cancel or change, or one that came too late: the present status once more, with the reason in `text`
    immediate-or-cancel, fill-or-kill and market orders: what does not trade at once is CANCELED
    the session's end EXPIRED (12) for day orders
    wrong password    HADES_CREATED (201), and nothing after it: the order is dropped, as the real system does

Pure data: no market, no account, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

from profitdll.constants import OrderStatus as Status

_WORKING = {Status.NEW, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL, Status.PENDING_REPLACE, Status.REPLACED}
_ENDS = {Status.FILLED, Status.CANCELED, Status.EXPIRED}
NEXT: dict[Status, frozenset[Status]] = {
    Status.PENDING_NEW: frozenset({Status.NEW, Status.REJECTED, Status.CANCELED, Status.EXPIRED}),
    Status.NEW: frozenset(_WORKING | _ENDS),
    Status.PARTIALLY_FILLED: frozenset((_WORKING | _ENDS) - {Status.NEW}),
    Status.PENDING_CANCEL: frozenset(_WORKING | _ENDS),
    Status.PENDING_REPLACE: frozenset(_WORKING | _ENDS),
    Status.REPLACED: frozenset(_WORKING | _ENDS),
    Status.FILLED: frozenset(),
    Status.CANCELED: frozenset(),
    Status.REJECTED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.HADES_CREATED: frozenset(),
}
"""Status -> the statuses that may follow it (the same once more is always allowed while the order lives)."""


class InvalidTransition(RuntimeError):
    """The engine tried a change of status that the table does not know; the message tells the order's history."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a client asks for. `instrument` is -1 with `refusal` set when the ticker cannot be traded."""

    account: int
    instrument: int
    ticker: str
    side: int
    order_type: int
    validity: int
    quantity: int
    price: float
    stop_price: float
    session: int = 0
    local_id: int = 0
    refusal: str = ""


@dataclass(slots=True)
class Order:
    """One order. `price` and `stop_price` are points as they were sent (-1: none), `_ticks` the same in whole ticks.

    `session` and `local_id` name the sender's own number; `refusal` is why the market will reject it.
    """

    number: int  # the exchange's, > 0
    cl_order_id: str
    account: int
    instrument: int
    ticker: str
    side: int  # 1 buy, 2 sell
    order_type: int
    validity: int
    quantity: int
    price: float
    stop_price: float
    session: int
    local_id: int
    date_ns: int
    update_ns: int
    price_ticks: int = 0
    stop_ticks: int = 0
    refusal: str = ""
    status: Status = Status.PENDING_NEW
    traded: int = 0
    value_ticks: int = 0  # sum of price x quantity traded
    close_ns: int = 0
    event_id: int = 0
    text: str = ""
    resting: bool = False  # stands in the market's queue
    triggered: bool = False  # a stop that did its work: from then on it is a limit order
    history: tuple[Status, ...] = ()

    @property
    def open(self) -> bool:
        """Whether anything can still happen to it."""
        return bool(NEXT[self.status])

    @property
    def leaves(self) -> int:
        """What is left to trade, 0 once the order is closed."""
        return self.quantity - self.traded if self.open else 0

    @property
    def working_status(self) -> Status:
        """NEW or PARTIALLY_FILLED, by what was traded."""
        return Status.PARTIALLY_FILLED if self.traded else Status.NEW

    def unchangeable(self, quantity: int) -> str:
        """Why nothing of it can be changed to that total quantity now; empty when it may be tried."""
        if not self.open:
            return "the order is closed"
        if self.status == Status.PENDING_NEW:
            return "the order has not reached the market"
        return f"{self.traded} are traded already" if 0 < quantity <= self.traded else ""

    def move(self, status: Status, now_ns: int, text: str = "") -> None:
        """Take the next status. Raises InvalidTransition with the order's history."""
        if status not in NEXT[self.status] and not (status == self.status and self.open):
            names = " ".join(step.name for step in (*self.history, self.status))
            raise InvalidTransition(f"order {self.cl_order_id}: {names} -> {status.name} is not in the table")
        self.history = (*self.history[-15:], self.status)
        self.status, self.update_ns, self.text = status, now_ns, text
        if not self.open:
            self.close_ns = now_ns

    def snapshot(self) -> Order:
        """A copy that later changes do not touch."""
        return Order(*_VALUES(self))


def order_of(new: NewOrder, number: int, cl_order_id: str, now_ns: int) -> Order:
    """The order that a client's wish becomes when it is received, under the exchange's number."""
    return Order(
        number=number, cl_order_id=cl_order_id, account=new.account,
        instrument=new.instrument, ticker=new.ticker, side=new.side, order_type=new.order_type,
        validity=new.validity, quantity=new.quantity, price=new.price, stop_price=new.stop_price,
        session=new.session, local_id=new.local_id, date_ns=now_ns, update_ns=now_ns,
    )  # fmt: skip


_VALUES = attrgetter(*(field.name for field in fields(Order)))  # dataclasses.replace takes five times as long
