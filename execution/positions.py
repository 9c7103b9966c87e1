"""The position in one contract: signed quantity, average price, and the money it has made. Pure arithmetic.

Average-price method: what adds moves the average, what reduces realises against it, what flips does both. Money is
`points x contracts x point_value`, less the fee of each contract and side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from execution.events import BUY


@dataclass
class Position:
    """`point_value`: money per point and contract; `fee`: money per contract and side."""

    point_value: float
    fee: float
    quantity: int = 0  # signed: > 0 long
    average_price: float = math.nan  # NaN while flat
    realised_profit: float = 0.0  # money, fees taken off

    def apply(self, side: int, quantity: int, price: float) -> float:
        """Book a fill; returns the change of the realised profit.

        Raises ValueError for a quantity below 1 or a price that is not a number: such a fill is not one.
        """
        if quantity < 1 or not math.isfinite(price):
            raise ValueError(f"not a fill: {quantity} contracts at {price}")
        signed = quantity if side == BUY else -quantity
        closing = min(quantity, abs(self.quantity)) if self.quantity * signed < 0 else 0
        profit = -self.fee * quantity
        if closing:
            direction = 1 if self.quantity > 0 else -1
            profit += (price - self.average_price) * direction * closing * self.point_value
        opening = quantity - closing
        before = self.quantity
        self.quantity += signed
        if self.quantity == 0:
            self.average_price = math.nan
        elif before == 0 or (opening and closing):
            self.average_price = price
        elif opening:
            held = abs(before)
            self.average_price = (self.average_price * held + price * opening) / (held + opening)
        self.realised_profit += profit
        return profit

    def open_profit(self, mark_price: float) -> float:
        """Money of the open position at that price; 0 when flat, NaN when the price is not known."""
        if self.quantity == 0:
            return 0.0
        return (mark_price - self.average_price) * self.quantity * self.point_value
