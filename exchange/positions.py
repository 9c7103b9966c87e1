"""The position of one account in one instrument: what is open, at which average price, what was traded today.

The average price of an open position is that of its own side's executions; reducing it realises the difference and
leaves the average; going through zero opens the rest at the execution's price. Pure arithmetic, prices in points.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

BUY, SELL = 1, 2


@dataclass(slots=True)
class Position:
    """`net` is signed contracts; `realised` and `fees` are money; quantities and averages of the day per side."""

    account: int
    instrument: int
    point_value: float
    net: int = 0
    average_price: float = 0.0
    bought: int = 0
    bought_average: float = 0.0
    sold: int = 0
    sold_average: float = 0.0
    realised: float = 0.0
    fees: float = 0.0
    event_id: int = 0

    @property
    def open_side(self) -> int:
        """1 buy, 2 sell, 0 flat: the wire's number."""
        return BUY if self.net > 0 else SELL if self.net < 0 else 0

    def apply(self, side: int, quantity: int, price: float, fee_per_contract: float = 0.0) -> None:
        """One execution. side: 1 buy, 2 sell; quantity > 0; price in points; the fee in money, of this price."""
        if side == BUY:
            self.bought_average += (price - self.bought_average) * quantity / (self.bought + quantity)
            self.bought += quantity
        else:
            self.sold_average += (price - self.sold_average) * quantity / (self.sold + quantity)
            self.sold += quantity
        self.fees += fee_per_contract * quantity
        signed = quantity if side == BUY else -quantity
        if self.net * signed >= 0:
            held = abs(self.net)
            self.average_price = (self.average_price * held + price * quantity) / (held + quantity)
        else:
            closed = min(abs(self.net), quantity)
            direction = 1 if self.net > 0 else -1
            self.realised += (price - self.average_price) * direction * closed * self.point_value
            if quantity > abs(self.net):
                self.average_price = price
            elif quantity == abs(self.net):
                self.average_price = 0.0
        self.net += signed

    def begin_day(self) -> bool:
        """Nothing was traded yet today; what is open stays. Whether that changes anything."""
        traded = bool(self.bought or self.sold)
        self.bought = self.sold = 0
        self.bought_average = self.sold_average = 0.0
        return traded

    def snapshot(self) -> Position:
        """A copy that later changes do not touch."""
        return Position(*_VALUES(self))


_VALUES = attrgetter(*(field.name for field in fields(Position)))  # dataclasses.replace takes five times as long
