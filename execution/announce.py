"""What the bus hears of an order of ours: an OrderEvent for each change, a Fill for each execution."""

from __future__ import annotations

from bus.messages import MESSAGE_VERSION, Fill, OrderEvent
from execution.events import Output, Publish
from execution.ledger import Effect, Ledger


class Announcer:
    """Numbers its messages from 0 in each incarnation. Reads the ledger, never changes it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._order_events = 0
        self._fills = 0

    def announce(self, effect: Effect, market_ns: int) -> list[Output]:
        """The messages for what a record changed; none when it changed nothing."""
        order = effect.order
        if order is None or not effect.change:
            return []
        intent = order.intent
        messages: list[Output] = [
            Publish(
                OrderEvent(
                    MESSAGE_VERSION, self._order_events, order.number, intent.symbol, intent.role, intent.side,
                    str(order.state), intent.quantity, order.traded_quantity, order.leaves_quantity, intent.price,
                    order.average_price, market_ns, order.reason,
                )
            )
        ]  # fmt: skip
        self._order_events += 1
        if effect.change.filled_quantity:
            messages.append(
                Publish(
                    Fill(
                        MESSAGE_VERSION, self._fills, order.number, intent.symbol, intent.side,
                        effect.change.filled_quantity, effect.change.fill_price, market_ns,
                        self._ledger.positions[intent.symbol].quantity, self._ledger.realised_profit(),
                    )
                )
            )  # fmt: skip
            self._fills += 1
        return messages
