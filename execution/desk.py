"""Where orders are made: gathers the facts, asks the gate, and puts the intent out. There is no other maker of orders.

It knows the market and the health of the world as the machine was told of them. It never decides whether to trade.
"""

from __future__ import annotations

import math

from config.schema import Config
from execution.events import ENTRY, CancelOrder, Denied, Input, SendOrder
from execution.guardian import Guardian, Quote
from execution.ledger import Ledger
from execution.outbox import Outbox
from execution.risk.gate import RiskGate
from execution.risk.request import Facts, Request, Trading
from execution.sizing import OrderNumbers, direction, entry_numbers

NO_QUOTE = Quote(math.nan, math.nan, math.nan, 0, 0)


class Desk:
    """`problems`: why the broker's side is not in order (key -> sentence); while there is one, no entry goes out."""

    def __init__(self, config: Config, ledger: Ledger, gate: RiskGate, guardian: Guardian, outbox: Outbox) -> None:
        self.trading = Trading.HALTED if ledger.halted else Trading.ACTIVE
        self.upstream_problem = "nobody has looked at the stages before us yet"
        self.problems: dict[str, str] = {"start": "the broker has not been asked yet"}
        self.quotes = [NO_QUOTE] * len(ledger.contracts)
        self._settings = config.execution
        self._limits = config.risk
        self._ledger = ledger
        self._gate = gate
        self._guardian = guardian
        self._outbox = outbox

    def enter(self, event: Input, symbol: int, side: int, quantity: int, decided_ns: int, base_recv_ns: int) -> bool:
        """Open a bracket with an entry of at most `quantity` contracts. False when the gate refused it."""
        quote = self.quotes[symbol]
        room = self._limits.max_position - self._ledger.positions[symbol].quantity * direction(side)
        numbers = entry_numbers(
            self._settings, self._ledger.contracts[symbol], side, quantity, room, quote.bid, quote.ask
        )
        return self.send(event, self._ledger.next_bracket, ENTRY, symbol, side, numbers, decided_ns, base_recv_ns)

    def send(
        self,
        event: Input,
        bracket: int,
        role: str,
        symbol: int,
        side: int,
        numbers: OrderNumbers,
        decided_ns: int = 0,
        base_recv_ns: int = 0,
    ) -> bool:
        """Put the intent out if the gate lets it. False when it refused; the refusal is put out instead."""
        contract = self._ledger.contracts[symbol]
        request = Request(
            role, contract, side, numbers.quantity, numbers.order_type, numbers.price, numbers.stop_price,
            numbers.reference_price,
        )  # fmt: skip
        refusals = self._gate.refusals(request, self._facts(event, symbol, side, base_recv_ns))
        if refusals:
            self._outbox.emit(Denied(symbol, role, tuple(refusals)))
            if role != ENTRY:
                self._outbox.note("error", f"a {role} of bracket {bracket} was refused: {refusals}")
            return False
        self._outbox.emit(
            SendOrder(
                event.monotonic_ns, event.market_ns, self._ledger.next_order, bracket, role, symbol, contract.ticker,
                side, numbers.order_type, numbers.quantity, numbers.price, numbers.stop_price, decided_ns, base_recv_ns,
            )
        )  # fmt: skip
        return True

    def cancel(self, event: Input, order: int, reason: str) -> None:
        """Put the intent out. A cancel is never refused."""
        self._gate.count_cancel(event.monotonic_ns)
        self._outbox.emit(CancelOrder(event.monotonic_ns, event.market_ns, order, reason))

    def broker_problem(self, now_ns: int) -> str:
        """Why the broker's side forbids entries now, or ""."""
        for problem in self.problems.values():
            return problem
        for order in self._ledger.open.values():
            if self._guardian.silent(order, now_ns):
                return f"order {order.number} ({order.intent.role}) has had no confirmation"
        return ""

    def unresolved(self, now_ns: int) -> int:
        """Orders of ours whose fate nobody knows."""
        missing = sum(key.startswith("unresolved") for key in self.problems)
        return missing + sum(self._guardian.silent(order, now_ns) for order in self._ledger.open.values())

    def _facts(self, event: Input, symbol: int, side: int, base_recv_ns: int) -> Facts:
        quote = self.quotes[symbol]
        working = [
            order.leaves_quantity
            for order in self._ledger.open.values()
            if order.intent.role == ENTRY and order.intent.symbol == symbol and order.intent.side == side
        ]
        day = self._ledger.contracts[symbol].day(event.market_ns)
        return Facts(
            now_ns=event.monotonic_ns,
            market_now_ns=event.market_ns,
            position=self._ledger.positions[symbol].quantity,
            working_entries=sum(working),
            trades_today=self._ledger.entries_by_day.get(day, 0),
            day_profit=self._ledger.profit_by_day.get(day, 0.0) + self._open_profit(),
            last=quote.last,
            bid=quote.bid,
            ask=quote.ask,
            base_recv_ns=base_recv_ns,
            market_ts_ns=quote.ts_ns,
            upstream_problem=self.upstream_problem,
            broker_problem=self.broker_problem(event.monotonic_ns),
            trading=self.trading,
        )

    def _open_profit(self) -> float:
        """Money of all open positions at the touch that would close them; NaN when one of them is not known."""
        total = 0.0
        for position, quote in zip(self._ledger.positions, self.quotes, strict=True):
            total += position.open_profit(quote.bid if position.quantity > 0 else quote.ask)
        return total
