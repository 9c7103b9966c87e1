"""One order of ours: its numbers, its state by the table, its story. Applying a report twice changes nothing.

Fills are read from the rise of the traded quantity, never from the status: a late "canceled" that still carries a
fill books the fill. What contradicts the table or the numbers raises, with the whole story, and changes nothing.

An adopted order counts from its adoption: what it had traded before is taken off each report. A person may change it at
the broker, so its quantity and prices follow the reports; those of our own orders never change.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import msgspec

from execution.events import BUY, OrderReport, SendOrder
from execution.statuses import OPEN, TABLE, UNCONFIRMED, State
from profitdll.constants import OrderStatus as Status

STORY_LENGTH = 64  # newest lines kept


class InvalidTransition(ValueError):
    """A report that contradicts what is known of an order. Carries the order's story."""

    def __init__(self, order: Order, why: str) -> None:
        self.order = order.number
        super().__init__(f"order {order.number}: {why}; its story: {' | '.join(order.told())}")


@dataclass(frozen=True)
class Change:
    """What one report changed. `filled_quantity` contracts at `fill_price` (NaN when 0)."""

    state: bool
    filled_quantity: int
    fill_price: float

    def __bool__(self) -> bool:
        return self.state or self.filled_quantity > 0


NOTHING = Change(False, 0, math.nan)


@dataclass(slots=True)
class Order:
    """`intent` is what was journaled; the rest is what became of it."""

    intent: SendOrder
    since_ns: int  # monotonic: when it was intended, or when this incarnation began with it
    state: State = State.INTENDED
    local_id: int = 0  # valid in this session only
    cl_order_id: str = ""
    traded_quantity: int = 0
    average_price: float = 0.0  # of what was traded
    event_id: int = 0
    cancel_asked_ns: int = 0  # monotonic, 0 never
    cancels_asked: int = 0
    cancel_wanted: bool = False  # we asked, in whatever incarnation
    reported_ns: int = 0  # monotonic, of the last word from the broker in this incarnation
    views_without: int = 0  # listings of this incarnation that did not show it
    reason: str = ""
    before: OrderReport | None = None  # of an adopted order: as it stood when it became ours
    first_fill_ns: int = 0  # market time, 0 none
    story: deque[str] = field(default_factory=lambda: deque(maxlen=STORY_LENGTH))

    @property
    def number(self) -> int:
        return self.intent.order

    def told(self) -> list[str]:
        """Its story from the beginning."""
        intent = self.intent
        return [
            f"{intent.role} {'buy' if intent.side == BUY else 'sell'} {intent.quantity} {intent.ticker}"
            f" type {intent.order_type} at {intent.price} stop {intent.stop_price}",
            *self.story,
        ]

    @property
    def adopted(self) -> bool:
        """Made by a person, who also says when it ends."""
        return self.before is not None

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def unconfirmed(self) -> bool:
        """Open, and the exchange has not said that it has it."""
        return self.state in UNCONFIRMED

    @property
    def leaves_quantity(self) -> int:
        """What can still be traded."""
        return self.intent.quantity - self.traded_quantity if self.open else 0

    def sent(self, local_id: int) -> None:
        """The DLL took it. Harmless when a report was quicker."""
        self.local_id = local_id
        self.story.append(f"sent as {local_id}")
        if self.state is State.INTENDED:
            self.state = State.SENT

    def close(self, state: State, reason: str) -> None:
        """Over by our own conclusion. Raises InvalidTransition unless it is open."""
        if not self.open:
            raise InvalidTransition(self, f"cannot be closed as {state} from {self.state}")
        self.story.append(f"{self.state} -> {state}: {reason}")
        self.state = state
        self.reason = reason

    def knows(self, report: OrderReport) -> bool:
        """Whether `apply` would change nothing, not even teach an id."""
        report = self._since_adoption(report)
        if self._followed(report) is not self.intent:
            return False
        row = TABLE[self.state]
        same_state = row.get(report.status) is self.state  # type: ignore[call-overload]
        return same_state and report.traded_quantity <= self.traded_quantity and bool(self.cl_order_id)

    def apply(self, report: OrderReport) -> Change:
        """Take a report; NOTHING for a duplicate or old news. Raises InvalidTransition and then changes nothing."""
        report = self._since_adoption(report)
        intent = self._followed(report)
        target = self._target(report)
        newly_filled, fill_price = self._fill(report, target, intent.quantity)
        late = 0 < report.event_id < self.event_id
        state = self.state if late and target in OPEN else target
        self.cl_order_id = self.cl_order_id or report.cl_order_id
        self.event_id = max(self.event_id, report.event_id)
        self.reported_ns = report.monotonic_ns
        change = Change(state is not self.state, newly_filled, fill_price)
        if intent is not self.intent:
            self.story.append(f"changed by hand to {intent.quantity} at {intent.price} stop {intent.stop_price}")
            self.intent = intent
        if newly_filled:
            self.first_fill_ns = self.first_fill_ns or report.market_ns
            self.traded_quantity = report.traded_quantity
            self.average_price = report.average_price
        if change:
            text = f" {report.text}" if report.text else ""
            self.story.append(
                f"status {report.status} event {report.event_id}: {self.state} -> {state},"
                f" traded {self.traded_quantity}/{self.intent.quantity}{text}"
            )
            self.state = state
            self.reason = report.text or self.reason
        return change

    def _target(self, report: OrderReport) -> State:
        if self.cl_order_id and report.cl_order_id and report.cl_order_id != self.cl_order_id:
            raise InvalidTransition(self, f"is {self.cl_order_id}, the report speaks of {report.cl_order_id}")
        try:
            return TABLE[self.state][Status(report.status)]
        except ValueError as error:
            raise InvalidTransition(self, f"status {report.status} is none that the DLL has") from error
        except KeyError as error:
            raise InvalidTransition(self, f"{self.state} cannot become {Status(report.status).name}") from error

    def _since_adoption(self, report: OrderReport) -> OrderReport:
        """The report as if the order had begun when it was adopted."""
        before = self.before
        if before is None:
            return report
        traded = max(0, report.traded_quantity - before.traded_quantity)
        average = report.average_price
        if traded and before.traded_quantity:
            value = average * report.traded_quantity - before.average_price * before.traded_quantity
            average = value / traded
        quantity = report.quantity - before.traded_quantity
        return msgspec.structs.replace(report, quantity=quantity, traded_quantity=traded, average_price=average)

    def _followed(self, report: OrderReport) -> SendOrder:
        """The numbers that an adopted order has now; of an order of our own, and by old news, those that it had."""
        intent = self.intent
        if self.before is None or 0 < report.event_id < self.event_id or report.quantity < 1:
            return intent
        numbers = report.quantity, report.price, report.stop_price
        if numbers == (intent.quantity, intent.price, intent.stop_price):
            return intent
        quantity, price, stop_price = numbers
        return msgspec.structs.replace(intent, quantity=quantity, price=price, stop_price=stop_price)

    def _fill(self, report: OrderReport, target: State, quantity: int) -> tuple[int, float]:
        traded = report.traded_quantity
        if not 0 <= traded <= quantity:
            raise InvalidTransition(self, f"traded {traded} of {quantity}")
        if target is State.FILLED and max(traded, self.traded_quantity) != quantity:
            raise InvalidTransition(self, f"filled with {traded} of {quantity}")
        newly = traded - self.traded_quantity
        if newly <= 0:
            return 0, math.nan
        if not (math.isfinite(report.average_price) and report.average_price > 0.0):
            raise InvalidTransition(self, f"traded {traded} at an average price of {report.average_price}")
        value = report.average_price * traded - self.average_price * self.traded_quantity
        return newly, value / newly
