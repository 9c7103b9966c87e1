"""Gathers the facts that the checks of one order are given: from the ledger, the newest market, and what we were told.

Everything in it came from journaled records, so the same journal gives the same facts. It judges nothing. It is on the
hot path: each open order is looked at once.
"""

from __future__ import annotations

import math

from config.schema import Risk
from execution.events import BUY, ENTRY, EXIT, LIMIT, TARGET, Input, InstrumentSeen
from execution.guardian import Quote
from execution.ledger import Ledger
from execution.risk.request import Facts
from execution.sizing import OrderNumbers

NO_QUOTE = Quote(math.nan, math.nan, math.nan, 0, 0)
NOT_SEEN = InstrumentSeen(0, 0, -1, "nobody has said yet whether the features are whole", math.nan, math.nan, 0)
MS = 1_000_000


class FactFinder:
    """`quotes` and `seen`, by symbol, and `upstream_problem` are set by whoever hears of them."""

    def __init__(self, limits: Risk, ledger: Ledger) -> None:
        self.quotes = [NO_QUOTE] * len(ledger.contracts)
        self.seen = [NOT_SEEN] * len(ledger.contracts)
        self.upstream_problem = "nobody has looked at the stages before us yet"
        self._duplicate_ns = limits.duplicate_ms * MS
        self._ledger = ledger

    def facts(
        self, event: Input, symbol: int, side: int, numbers: OrderNumbers, base_recv_ns: int, broker_problem: str
    ) -> Facts:
        ledger = self._ledger
        quote, seen = self.quotes[symbol], self.seen[symbol]
        newest = ledger.tallies.newest_entry.get(symbol)
        day = ledger.tallies.day(ledger.contracts[symbol].day(event.market_ns))
        notional, margin = self._held()
        working = targets = exits = 0
        own_bid, own_ask = -math.inf, math.inf
        twin = ""
        for order in ledger.open.values():
            intent = order.intent
            if intent.role == ENTRY:
                leaves = order.leaves_quantity
                contract = ledger.contracts[intent.symbol]
                price = intent.price if intent.order_type == LIMIT else self.quotes[intent.symbol].last
                notional += leaves * price * contract.point_value
                margin += leaves * contract.margin_at(price)
                if intent.symbol == symbol and intent.side == side:
                    working += leaves
                    if (intent.quantity, intent.price) == (numbers.quantity, numbers.price):
                        twin = f"order {order.number} says the same and is still open"
            elif intent.role == TARGET and intent.symbol == symbol and intent.side == side:
                targets += order.leaves_quantity
            elif intent.role == EXIT and intent.symbol == symbol and intent.side == side:
                exits += order.leaves_quantity
            if intent.symbol == symbol and intent.order_type == LIMIT and intent.side != side:
                if intent.side == BUY:
                    own_bid = max(own_bid, intent.price)
                else:
                    own_ask = min(own_ask, intent.price)
        if newest is not None and not twin:
            same = (newest.side, newest.quantity, newest.price) == (side, numbers.quantity, numbers.price)
            if same and 0 <= event.monotonic_ns - newest.monotonic_ns < self._duplicate_ns:
                twin = (
                    f"order {newest.order} said the same {(event.monotonic_ns - newest.monotonic_ns) / MS:.0f} ms ago"
                )
        return Facts(
            now_ns=event.monotonic_ns,
            market_now_ns=event.market_ns,
            trading=ledger.trading,
            position=ledger.positions[symbol].quantity,
            working_entries=working,
            open_orders=len(ledger.open),
            working_targets=targets,
            working_exits=exits,
            notional=notional,
            margin=margin,
            own_bid=own_bid,
            own_ask=own_ask,
            twin=twin,
            trades_today=day.entries,
            messages_today=day.messages,
            fills_today=day.fills,
            day_profit=day.profit + self.open_profit(),
            day_peak=day.peak,
            losses_in_row=day.losses_in_row,
            market_lost_ns=day.lost_ns,
            market_entered_ns=newest.market_ns if newest is not None else 0,
            last=quote.last,
            bid=quote.bid,
            ask=quote.ask,
            market_ts_ns=quote.ts_ns,
            base_recv_ns=base_recv_ns,
            reference_bid=seen.reference_bid,
            reference_ask=seen.reference_ask,
            reference_ns=seen.reference_ns,
            unready=seen.unready,
            upstream_problem=self.upstream_problem,
            broker_problem=broker_problem,
        )

    def open_profit(self) -> float:
        """Money of all open positions at the touch that would close them; NaN when one of them is not known."""
        total = 0.0
        for position, quote in zip(self._ledger.positions, self.quotes, strict=True):
            if position.quantity:
                total += position.open_profit(quote.bid if position.quantity > 0 else quote.ask)
        return total

    def _held(self) -> tuple[float, float]:
        """(notional, margin) of all positions at the last trade; NaN when the price of one is not known."""
        notional = margin = 0.0
        for contract, position, quote in zip(self._ledger.contracts, self._ledger.positions, self.quotes, strict=True):
            if held := abs(position.quantity):
                notional += held * quote.last * contract.point_value
                margin += held * contract.margin_at(quote.last)
        return notional, margin
