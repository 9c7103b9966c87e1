"""What execution shows of itself: counters and latency histograms in shared memory, and its last words."""

from __future__ import annotations

import logging

from bus.messages import Decision, Fill, Message, Signal
from bus.sockets import Subscriber
from consensus.weights import SOURCES
from execution.events import STOP, Denied, Output, Publish, SendOrder, SendResult, Unprotected
from execution.machine import Machine
from execution.orders import Order
from execution.risk.gate import REASONS
from execution.risk.states import Trading
from execution.statuses import State
from runtime.context import StageContext

SHOW_EVERY_NS = 50_000_000
TIMED_ORDERS = 64  # whose results are waited for; one whose gateway died has none
TRADING_NUMBERS = {Trading.ACTIVE: 0, Trading.REDUCING: 1, Trading.HALTED: 2}
RESTING = frozenset({State.WORKING, State.PARTIAL, State.PENDING_CANCEL, State.PENDING_REPLACE})
_SIGNALS = {source: f"signals_{source}" for source in SOURCES}
_DECISIONS = {"BUY": "decisions_buy", "SELL": "decisions_sell", "HOLD": "decisions_hold"}


class Meters:
    """Counts outputs as they happen; states (positions, profit) are shown every SHOW_EVERY_NS."""

    def __init__(self, context: StageContext, machine: Machine, subscriber: Subscriber) -> None:
        self._machine = machine
        self._subscriber = subscriber
        self._counters = context.counters
        self._contracts = machine.ledger.contracts
        self._published_ns: dict[tuple[str, int], int] = {}
        self._timed_ns: dict[int, int] = {}
        self._show_at_ns = 0
        self._received_ns: dict[int, int] = {}  # order -> when the signal behind it was there, until its result is
        self._counters.declare(
            *_SIGNALS.values(), "signals_lost", "signals_bad", "signals_refused", "decisions",
            *_DECISIONS.values(), "orders", "orders_ahead", "orders_not_sent", "cancels", "fills",
            *(f"denied_{r}" for r in REASONS),
            *(f"position_{contract.symbol}" for contract in self._contracts),
            *(f"average_price_e6_{contract.symbol}" for contract in self._contracts), "realised_profit_cents", "unresolved",
            "entries_closed", "brackets_live", "stops_resting", "details_lost", "unjournaled", "trading",
            "unprotected_alarms", "session_losses",
        )  # fmt: skip
        self._signal_to_decision = context.histogram("signal_to_decision")
        self._decision_to_send = context.histogram("decision_to_send")
        self._tick_to_order = context.histogram("tick_to_order")
        self._unprotected = context.histogram("unprotected")
        self._signal_to_send = context.histogram("signal_to_send")
        self.signal_received_ns = 0  # monotonic: when the bytes of the signal that is being answered were there

    def signal(self, source: str, message: Message) -> None:
        self._counters.add(_SIGNALS[source])
        if isinstance(message, Signal):
            self._published_ns[source, message.symbol] = message.publish_ns

    def count(self, output: Output) -> None:
        """One output of the machine."""
        match output:
            case Publish(message=Decision() as decision):
                self._counters.add("decisions")
                self._counters.add(_DECISIONS[decision.action])
                self._time_decision(decision)
            case Publish(message=Fill()):
                self._counters.add("fills")
            case Unprotected(duration_ns=duration_ns, over=over):
                if over:
                    self._counters.add("unprotected_alarms")
                else:
                    self._unprotected.record(duration_ns)
            case Denied(reasons=reasons):
                for reason in reasons:
                    self._counters.add(f"denied_{reason}")
            case _:
                pass

    def unjournaled(self) -> None:
        """An order or a cancel went out although the journal could not be written."""
        self._counters.add("unjournaled")

    def sending(self, order: int) -> None:
        """An order is about to go out; its result may come much later, beside another signal."""
        if self.signal_received_ns:
            if len(self._received_ns) >= TIMED_ORDERS:
                del self._received_ns[next(iter(self._received_ns))]  # the oldest
            self._received_ns[order] = self.signal_received_ns

    def cancelled(self) -> None:
        self._counters.add("cancels")

    def sent(self, intent: SendOrder, result: SendResult) -> None:
        """The DLL was called for that intent (in a dry run: would have been)."""
        self._counters.add("orders" if result.local_id > 0 else "orders_not_sent")
        received_ns = self._received_ns.pop(intent.order, 0)
        if not result.entered_ns:
            return
        if intent.decided_ns:
            self._decision_to_send.record(max(0, result.entered_ns - intent.decided_ns))
        if intent.decided_ns and received_ns:
            self._signal_to_send.record(max(0, result.entered_ns - received_ns))
        if intent.base_recv_ns:
            self._tick_to_order.record(max(0, result.entered_ns - intent.base_recv_ns))

    def show(self, now_ns: int, details_lost: int = 0) -> None:
        """Bring the states up to date, at most every SHOW_EVERY_NS."""
        if now_ns < self._show_at_ns:
            return
        self._show_at_ns = now_ns + SHOW_EVERY_NS
        ledger = self._machine.ledger
        for contract in self._contracts:
            position = ledger.positions[contract.symbol]
            average = round(position.average_price * 1e6) if position.quantity else 0
            self._counters.set(f"position_{contract.symbol}", position.quantity)
            self._counters.set(f"average_price_e6_{contract.symbol}", average)
        self._counters.set("realised_profit_cents", round(ledger.realised_profit() * 100))
        self._counters.set("unresolved", self._machine.desk.unresolved(now_ns))
        self._counters.set("entries_closed", int(bool(self._machine.desk.broker_problem(now_ns))))
        self._counters.set("brackets_live", len(ledger.live))
        stops = [order for order in ledger.open.values() if order.intent.role == STOP and order.state in RESTING]
        self._counters.set("stops_resting", len(stops))
        self._counters.set("details_lost", details_lost)
        self._counters.set("trading", TRADING_NUMBERS[ledger.trading])
        counts = self._subscriber.counts.values()
        self._counters.set("signals_lost", sum(count.lost for count in counts))
        self._counters.set("signals_bad", sum(count.bad + count.stale for count in counts))
        self._counters.set("signals_refused", self._subscriber.refused)

    def last_words(self, log: logging.Logger, now_ns: int) -> None:
        """Say what stays behind: positions, and the orders that rest at the broker."""
        self._show_at_ns = 0
        self.show(now_ns)
        ledger = self._machine.ledger
        for contract in self._contracts:
            position = ledger.positions[contract.symbol]
            orders = [order for order in ledger.open.values() if order.intent.symbol == contract.symbol]
            resting = [_words(order) for order in orders if order.state in RESTING]
            unknown = [_words(order) for order in orders if order.state not in RESTING]
            if position.quantity or orders:
                log.warning(
                    "stopping with %+d %s; resting at the broker: %s%s",
                    position.quantity,
                    contract.ticker,
                    ", ".join(resting) or "nothing",
                    f"; not known to rest: {', '.join(unknown)}" if unknown else "",
                )
            stops = [order for order in orders if order.intent.role == STOP and order.state in RESTING]
            bare = abs(position.quantity) - sum(order.leaves_quantity for order in stops)
            if bare > 0:
                log.error("%d %s are held without a stop that is known to rest", bare, contract.ticker)

    def _time_decision(self, decision: Decision) -> None:
        stamps = [self._published_ns.get((source, decision.symbol), 0) for source, *_ in decision.votes]
        newest_ns = max(stamps, default=0)
        if newest_ns > self._timed_ns.get(decision.symbol, 0):  # the first decision that counts that signal
            self._timed_ns[decision.symbol] = newest_ns
            self._signal_to_decision.record(max(0, decision.decided_ns - newest_ns))


def _words(order: Order) -> str:
    return f"{order.intent.role} {order.number} ({order.state})"
