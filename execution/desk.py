"""Where orders are made: sizes an entry, asks the gate, and puts the intent out. There is no other maker of orders.

It never decides whether to trade.
"""

from __future__ import annotations

import math

from bus.messages import MESSAGE_VERSION, Decision, Denial
from config.schema import Config
from execution.events import BUY, ENTRY, LIMIT, NO_PRICE, CancelOrder, Denied, Input, Publish, SendOrder
from execution.facts import FactFinder
from execution.guardian import Guardian
from execution.ledger import Ledger
from execution.outbox import Outbox
from execution.risk.gate import RiskGate
from execution.risk.request import Facts, Request
from execution.sizing import OrderNumbers, affordable, direction, entry_numbers, loss_per_contract, scaled

NO_NUMBERS = OrderNumbers(LIMIT, 0, math.nan, NO_PRICE, math.nan)


class Desk:
    """`problems`: why the broker's side is not in order (key -> sentence); while there is one, no entry goes out.

    `legs`: orders that will rest beside an entry once it fills.
    """

    def __init__(self, config: Config, ledger: Ledger, gate: RiskGate, guardian: Guardian, outbox: Outbox) -> None:
        self.finder = FactFinder(config.risk, ledger)
        self.problems: dict[str, str] = {"start": "the broker has not been asked yet"}
        self.closing = ""  # why this incarnation enters no more
        self._settings = config.execution
        self._limits = config.risk
        self._losses = [loss_per_contract(config.execution, contract) for contract in ledger.contracts]
        self.legs = 2 if config.execution.target == "resting" else 1
        self._ledger = ledger
        self._gate = gate
        self._guardian = guardian
        self._outbox = outbox
        self._denials = 0

    def start(self, now_ns: int) -> None:
        """An incarnation begins: what earlier ones sent counts for the rates."""
        self._gate.restore(now_ns, self._ledger.tallies.orders_ns, self._ledger.tallies.cancels_ns)

    def enter(self, event: Input, decision: Decision, side: int, liquidity: float) -> bool:
        """Open a bracket with an entry of at most the decision's quantity. False when the gate refused it.

        liquidity: share of the size that the liquidity agent leaves, 0 ... 1.
        """
        symbol = decision.symbol
        quote = self.finder.quotes[symbol]
        contract = self._ledger.contracts[symbol]
        bears = affordable(self._limits, self._losses[symbol])
        most = min(self._settings.max_quantity, bears)
        wanted = min(decision.quantity, scaled(most, decision.confidence * decision.size, liquidity)) if most > 0 else 1
        room = min(
            self._limits.max_position - self._ledger.positions[symbol].quantity * direction(side),
            self._limits.max_order_quantity,
        )
        numbers = entry_numbers(self._settings, contract, side, wanted, room, quote.bid, quote.ask)
        return self.send(
            event, self._ledger.next_bracket, ENTRY, symbol, side, numbers, decision.decided_ns, decision.recv_ns
        )

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
            numbers.reference_price, self._losses[symbol], self.legs,
        )  # fmt: skip
        facts = self.finder.facts(event, symbol, side, numbers, base_recv_ns, self._problem(event.monotonic_ns))
        refusals = self._gate.refusals(request, facts)
        if refusals:
            self._deny(event, bracket, request, refusals)
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

    # --- questions: they change nothing

    def loss_per_contract(self, symbol: int) -> float:
        """Money that one contract loses at the limit price of its stop, fees included."""
        return self._losses[symbol]

    def too_many(self, now_ns: int) -> str:
        """Why the rates forbid an entry now, or ""."""
        return self._gate.too_many(now_ns)

    def outlook(self, event: Input, symbol: int) -> Facts:
        """What an entry would be judged by now, but for its numbers."""
        return self.finder.facts(event, symbol, BUY, NO_NUMBERS, 0, self._problem(event.monotonic_ns))

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

    def _problem(self, now_ns: int) -> str:
        return self.closing or self.broker_problem(now_ns)

    def _deny(self, event: Input, bracket: int, request: Request, refusals: dict[str, str]) -> None:
        symbol = request.contract.symbol
        self._outbox.emit(Denied(symbol, request.role, tuple(refusals)))
        self._outbox.emit(
            Publish(
                Denial(
                    MESSAGE_VERSION, self._denials, symbol, request.role, request.side, request.quantity,
                    event.market_ns, tuple(refusals.items()),
                )
            )
        )  # fmt: skip
        self._denials += 1
        if request.role != ENTRY:
            self._outbox.note("error", f"a {request.role} of bracket {bracket} was refused: {refusals}")
