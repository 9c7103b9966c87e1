"""Whether an order may come to the market now, and how far it may trade: states, expiry, price bands, room.

What an order is in itself stands in `checks`; what is asked here depends on the instrument's state and last price. It
decides and changes nothing but the reference that the day's limits are counted from.
"""

from __future__ import annotations

from exchange import bands, phases
from exchange.market import MarketSource
from exchange.orders import Order
from exchange.stops import reached
from profitdll.constants import OrderType, TickerState, Validity

MAX_OPEN_ORDERS = 1024  # of clients, per instrument
IMMEDIATE = (Validity.IMMEDIATE_OR_CANCEL, Validity.FILL_OR_KILL)


class EntryRules:
    """States, expired contracts and references of all instruments of a market. Every instrument starts OPENED."""

    def __init__(self, market: MarketSource) -> None:
        self.market, self.instruments = market, market.instruments
        self.states = [TickerState.OPENED] * len(self.instruments)
        self.expired: set[int] = set()  # instruments that never open again
        self._references = [round(spec.reference_price / spec.tick) for spec in self.instruments]

    def calling(self, instrument: int) -> bool:
        """Whether orders are collected for one price."""
        return phases.in_call(self.states[instrument])

    def continuous(self, instrument: int) -> bool:
        """Whether orders match as they come."""
        return phases.RULES[self.states[instrument]].continuous

    def day_over(self, instrument: int) -> None:
        """The next day's limits are counted from this day's last price."""
        self._references[instrument] = self.market.last_ticks(instrument)

    def refusal(self, order: Order, open_orders: int) -> str:
        """Why the market does not take this order now, which is one of the instrument's `open_orders`; else empty."""
        instrument, spec = order.instrument, self.instruments[order.instrument]
        state = self.states[instrument]
        if instrument in self.expired:
            return "the contract has expired"
        if problem := phases.refusal(state):
            return problem
        if open_orders > MAX_OPEN_ORDERS:
            return f"more than {MAX_OPEN_ORDERS} open orders"
        if phases.in_call(state):
            if order.validity in IMMEDIATE:
                return "an auction is on: nothing trades at once"
            if order.order_type == OrderType.MARKET and not self.market.has_book:
                return "an auction is on: this market takes no orders at market in it"
        if order.order_type == OrderType.MARKET:
            return ""
        if not self.market.in_range(instrument, order.price_ticks):
            return f"price {order.price} is outside the price limits"
        last = self.market.last_ticks(instrument)
        waits = order.order_type == OrderType.STOP_LIMIT and not order.triggered and not reached(order, last)
        if waits or phases.in_call(state):
            last = 0  # the tunnel is asked when its stop is reached, and not in a call
        return bands.refusal(spec, order.side, order.price_ticks, self._reference(instrument), last)

    def limit(self, order: Order) -> int | None:
        """How far this order may trade, in ticks; None: at any price."""
        if order.order_type != OrderType.MARKET:
            return order.price_ticks
        instrument = order.instrument
        last = self.market.last_ticks(instrument)
        return bands.market_limit(self.instruments[instrument], order.side, self._reference(instrument), last)

    def _reference(self, instrument: int) -> int:
        """What the day's limits are counted from; the market's first price when the configuration says nothing."""
        if self._references[instrument] == 0:
            self._references[instrument] = self.market.last_ticks(instrument)
        return self._references[instrument]
