"""The stop orders of one instrument that wait for their price. Pure: it knows no market and sends nothing.

A buy waits until the last trade is at or above its stop price, a sell until it is at or below.
"""

from __future__ import annotations

from exchange.orders import Order

BUY = 1
NO_LOW, NO_HIGH = -1, 1 << 62  # prices that no trade reaches


def reached(order: Order, last_ticks: int) -> bool:
    """Whether the last trade (0: none yet) triggers that stop."""
    return last_ticks > 0 and (last_ticks >= order.stop_ticks if order.side == BUY else last_ticks <= order.stop_ticks)


class Stops:
    """Waiting stops, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[int, Order] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, order: Order) -> None:
        self._waiting[order.number] = order

    def remove(self, order: Order) -> bool:
        """Whether it was here."""
        return self._waiting.pop(order.number, None) is not None

    def reached(self, last_ticks: int) -> list[Order]:
        """Those that the last trade triggers, oldest first."""
        return [order for order in self._waiting.values() if reached(order, last_ticks)]

    def bounds(self) -> tuple[int, int]:
        """(highest sell stop, lowest buy stop): a trade at or beyond either triggers something."""
        orders = self._waiting.values()
        lows = [order.stop_ticks for order in orders if order.side != BUY]
        highs = [order.stop_ticks for order in orders if order.side == BUY]
        return max(lows, default=NO_LOW), min(highs, default=NO_HIGH)
