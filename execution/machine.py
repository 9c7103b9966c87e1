"""The order machine: events in, commands out. No clock, no socket, no DLL, no randomness.

The same configuration, ledger and sequence of inputs give the same outputs, so a run can be recomputed from its
journal. Everything that changes an order, a position or a bracket goes through `Ledger.take`; everything that
would send an order goes through the gate, which is a required argument. Outputs of one `handle` are in the order in
which they are to be journaled and carried out.
"""

from __future__ import annotations

from bus.messages import Signal
from config.schema import Config
from consensus.decision import decide, rules_of
from consensus.threshold import BUY as BUY_ACTION
from consensus.votes import VoteBook
from consensus.weights import ML, SOURCES, Weights
from execution.adoption import adopt
from execution.announce import Announcer
from execution.brackets import Bracket, Phase
from execution.desk import Desk
from execution.events import (
    ADOPT,
    BUY,
    ENTRY,
    FLATTEN,
    HALT,
    RESUME,
    SELL,
    STOP,
    STOP_WORD,
    WORDS,
    AskBroker,
    BracketChanged,
    BrokerView,
    Input,
    MarketSeen,
    Matched,
    Operator,
    OrderReport,
    Output,
    Publish,
    SendResult,
    SignalSeen,
    Started,
    Tick,
    UpstreamSeen,
)
from execution.guardian import Guardian, Quote
from execution.ledger import Effect, Ledger
from execution.orders import InvalidTransition
from execution.outbox import Outbox
from execution.position_table import TABLE, Move, Stance
from execution.recovery import compare_positions, match_orders
from execution.risk.gate import RiskGate
from execution.risk.request import Trading

MS = 1_000_000
ASK_AGAIN_NS = 1_000 * MS  # while something is unclear
ASK_ROUTINE_NS = 30_000 * MS
MAX_STEPS = 16  # of one bracket within one event; a table that runs longer is a defect

DECIDING: dict[str, frozenset[str]] = {
    "timer": frozenset(),
    "ml_signal": frozenset({ML}),
    "signal": frozenset(SOURCES),
}
"""`consensus.decide_on` -> the sources whose signals are answered by a decision at once; none: the timer decides."""

RECONNECTED = "reconnected"  # key of the problem, and reason of the question


class Machine:
    """One per incarnation, over a ledger that recovery has rebuilt. `handle` is its only way in."""

    def __init__(self, config: Config, ledger: Ledger, gate: RiskGate, weights: Weights) -> None:
        self.ledger = ledger
        self._outbox = Outbox(ledger)
        self._guardian = Guardian(config.execution, ledger)
        self.desk = Desk(config, ledger, gate, self._guardian, self._outbox)
        self._announcer = Announcer(ledger)
        self._deciding = DECIDING[config.consensus.decide_on]
        self._decide_every_ns = config.consensus.decide_every_ms * MS
        self._rules = rules_of(config)
        self._weights = weights
        self._votes = VoteBook(SOURCES)
        self._decisions = 0
        self._decide_at_ns = 0
        self._ask_at_ns = 0
        self._stopping = False
        self._view: BrokerView | None = None
        self._contradicted: set[int] = set()  # orders whose contradiction was told to the log
        self._told: set[str] = set()  # keys of the problems of the last view
        self._session_problem = ""

    # --- questions: they change nothing

    def wants_market(self, symbol: int, quote: Quote) -> bool:
        """Whether this market would make a bracket leave: then it must be handed in at once."""
        return any(self._guardian.exit_reason(bracket, quote) for bracket in self.ledger.live_brackets(symbol))

    def next_deadline_ns(self, now_ns: int) -> int:
        """Monotonic time at which a Tick is due."""
        deadlines = [self._ask_at_ns] if self._deciding else [self._ask_at_ns, self._decide_at_ns]
        for bracket in self.ledger.live_brackets():
            deadline = self._guardian.next_deadline_ns(bracket, now_ns)
            if deadline is not None:
                deadlines.append(deadline)
        return min(deadlines)

    def unfinished(self) -> bool:
        """Whether an entry still works or a bracket is on its way out."""
        entries = any(order.intent.role == ENTRY for order in self.ledger.open.values())
        return entries or any(
            bracket.phase in (Phase.RETREATING, Phase.CLOSING) for bracket in self.ledger.live.values()
        )

    def safe_to_leave(self) -> bool:
        """Whether nothing is on its way, and stops that the exchange confirmed cover all that is held."""
        return not any(
            order.unconfirmed or order.intent.role != STOP for order in self.ledger.open.values()
        ) and not any(
            bracket.phase in (Phase.RETREATING, Phase.CLOSING) or self._guardian.uncovered(bracket)
            for bracket in self.ledger.live.values()
        )

    def stance(self, symbol: int) -> Stance:
        """What we hold, or are getting into or out of."""
        brackets = self.ledger.live_brackets(symbol)
        if not brackets:
            return Stance.FLAT
        if any(bracket.phase in (Phase.RETREATING, Phase.CLOSING) for bracket in brackets):
            return Stance.LEAVING
        return Stance.LONG if brackets[0].side == BUY else Stance.SHORT

    # --- the one way in

    def handle(self, event: Input) -> list[Output]:
        """Take one input; returns what is to be journaled and done, in order."""
        match event:
            case SignalSeen():
                self._on_signal(event, event.signal)
            case MarketSeen():
                self._on_market(event)
            case Tick():
                self._on_tick(event)
            case OrderReport():
                self._on_report(event)
            case SendResult():
                self._tell(self._outbox.apply(event), event)
            case BrokerView():
                self._on_view(event)
            case UpstreamSeen():
                self._on_upstream(event)
            case Operator():
                self._on_operator(event)
            case Started():
                self._outbox.apply(event)
                self._decide_at_ns = event.monotonic_ns + self._decide_every_ns
                self._ask(event.monotonic_ns, "start")
        return self._outbox.drain()

    # --- inputs

    def _on_signal(self, event: SignalSeen, signal: Signal) -> None:
        if not 0 <= signal.symbol < len(self.ledger.contracts) or self._votes.take(signal):
            return
        if signal.source in self._deciding:
            self._decide(signal.symbol, event)

    def _on_market(self, event: MarketSeen) -> None:
        quote = Quote(event.last, event.bid, event.ask, event.ts_ns, event.recv_ns)
        self.desk.quotes[event.symbol] = quote
        for bracket in self.ledger.live_brackets(event.symbol):
            if reason := self._guardian.exit_reason(bracket, quote):
                self._leave(bracket, reason, event)

    def _on_tick(self, event: Tick) -> None:
        now_ns = event.monotonic_ns
        self._advance_all(event)
        if now_ns >= self._ask_at_ns or self._newly_silent(now_ns):
            self._ask(now_ns, self.desk.broker_problem(now_ns) or "routine")
        if not self._deciding and now_ns >= self._decide_at_ns:
            self._decide_at_ns = now_ns + self._decide_every_ns
            for contract in self.ledger.contracts:
                self._decide(contract.symbol, event)

    def _on_report(self, event: OrderReport) -> None:
        if self.ledger.symbol_of(event.ticker) is None:
            return  # another contract of the account is none of our business
        if self.ledger.find(event) is None:
            name = event.cl_order_id or str(event.local_id)
            self.desk.problems.setdefault(f"foreign {name}", f"order {name} is not known to us; asking the broker")
            self._ask(event.monotonic_ns, f"unknown order {name}")
            return
        self._apply(event, event)

    def _on_upstream(self, event: UpstreamSeen) -> None:
        """While the order session was away, anything may have happened: nothing is known until a view agrees again."""
        self.desk.upstream_problem = event.problem
        came_back = bool(self._session_problem) and not event.session
        self._session_problem = event.session
        if came_back:
            self.desk.problems[RECONNECTED] = "the order session is back; the broker has not been asked since"
            self._ask(event.monotonic_ns, RECONNECTED)

    def _on_view(self, view: BrokerView) -> None:
        self._view = view
        found = match_orders(self.ledger, view)
        self.desk.problems = dict(found.problems)
        for matched in found.matched:
            if not self.ledger.orders[matched.order].knows(matched.report):
                self._apply(matched, view)
        for closed in found.closed:
            self._tell(self._outbox.emit(closed), view)
        self.desk.problems |= compare_positions(self.ledger, view)
        self._tell_problems()
        self._ask_at_ns = view.monotonic_ns + (ASK_AGAIN_NS if self.desk.problems else ASK_ROUTINE_NS)
        self._advance_all(view)

    def _on_operator(self, event: Operator) -> None:
        if event.word not in WORDS:
            self._outbox.note("error", f"nobody knows the word {event.word!r}; there are {', '.join(WORDS)}")
            return
        self._outbox.apply(event)
        self._outbox.note("warning", f"told to {event.word}: {WORDS[event.word]}")
        if event.word in (HALT, FLATTEN, STOP_WORD):
            self.desk.trading = Trading.HALTED
        if event.word == RESUME:
            self.desk.trading = Trading.ACTIVE
        if event.word == STOP_WORD:
            self._stopping = True
            self._cancel_entries(event)
        if event.word == FLATTEN:
            for bracket in self.ledger.live_brackets():
                self._leave(bracket, FLATTEN, event)
        if event.word == ADOPT:
            for bracket in adopt(event, self._view, self.ledger, self.desk.quotes, self._outbox):
                self._advance(bracket, event)
            self._ask(event.monotonic_ns, "adopted")

    # --- decisions

    def _decide(self, symbol: int, event: Tick | SignalSeen) -> None:
        decision = decide(
            self._votes.ballot(symbol, event.market_ns),
            self._weights,
            self._rules,
            symbol=symbol,
            sequence=self._decisions,
            decided_ns=event.monotonic_ns,
            market_ns=event.market_ns,
        )
        self._decisions += 1
        self._outbox.emit(Publish(decision))
        move = TABLE[self.stance(symbol), decision.action]
        if move is Move.EXIT:
            for bracket in self.ledger.live_brackets(symbol):
                self._leave(bracket, "opposite decision", event)
        elif move is Move.ENTER:
            side = BUY if decision.action == BUY_ACTION else SELL
            self.desk.enter(event, symbol, side, decision.quantity, decision.decided_ns, decision.recv_ns)

    # --- brackets

    def _leave(self, bracket: Bracket, reason: str, event: Input) -> None:
        bracket.exit_wanted = bracket.exit_wanted or reason
        self._advance(bracket, event)

    def _advance_all(self, event: Input) -> None:
        for bracket in self.ledger.live_brackets():
            self._advance(bracket, event)

    def _advance(self, bracket: Bracket, event: Input) -> None:
        """Carry out plans until the bracket rests."""
        for _ in range(MAX_STEPS):
            plan = self._guardian.plan(bracket, event.monotonic_ns)
            if plan is None:
                return
            moved = plan.phase is not bracket.phase
            if moved:
                self._outbox.emit(
                    BracketChanged(
                        event.market_ns, bracket.number, bracket.symbol, bracket.side, plan.phase, plan.reason,
                        bracket.adopted_quantity, bracket.adopted_price,
                    )
                )  # fmt: skip
            for role, side, numbers in plan.send:
                moved |= self.desk.send(event, bracket.number, role, bracket.symbol, side, numbers)
            for number in plan.cancel:
                self.desk.cancel(event, number, plan.reason)
                moved = True
            if not moved:
                return
        raise RuntimeError(f"bracket {bracket.number} does not come to rest: {bracket}")

    # --- helpers

    def _tell_problems(self) -> None:
        """Each problem of a view once, when it is new; and that they are over. Contradictions tell their own story."""
        problems = self.desk.problems
        for key, text in problems.items():
            if key not in self._told and not key.startswith("contradiction"):
                self._outbox.note("error", text)
        if self._told and not problems:
            self._outbox.note("info", "the broker and we agree again")
        self._told = set(problems)

    def _cancel_entries(self, event: Input) -> None:
        """For a stop: cancel each working entry that can be named and was not cancelled yet."""
        for order in list(self.ledger.open.values()):
            if order.intent.role == ENTRY and order.cl_order_id and not order.cancel_asked_ns:
                self.desk.cancel(event, order.number, STOP_WORD)

    def _apply(self, record: OrderReport | Matched, event: Input) -> None:
        """Take a report into the ledger and tell what it changed; a contradiction closes the entries."""
        try:
            effect = self._outbox.apply(record) if isinstance(record, OrderReport) else self._outbox.emit(record)
        except InvalidTransition as error:
            if error.order not in self._contradicted:
                self._contradicted.add(error.order)
                self._outbox.note("error", str(error))
            self.desk.problems[f"contradiction {error.order}"] = str(error)
            self._ask_at_ns = min(self._ask_at_ns, event.monotonic_ns + ASK_AGAIN_NS)
            return
        self._tell(effect, event)

    def _tell(self, effect: Effect, event: Input) -> None:
        """Publish what changed, then let the bracket go on."""
        if effect.order is None:
            return
        for message in self._announcer.announce(effect, event.market_ns):
            self._outbox.emit(message)
        if self._stopping:
            self._cancel_entries(event)
        self._advance(self.ledger.bracket_of(effect.order), event)

    def _ask(self, now_ns: int, reason: str) -> None:
        self._ask_at_ns = now_ns + ASK_AGAIN_NS
        self._outbox.emit(AskBroker(reason))

    def _newly_silent(self, now_ns: int) -> bool:
        """An order has just been silent for too long: ask at once, not at the next routine."""
        is_silent = any(self._guardian.silent(order, now_ns) for order in self.ledger.open.values())
        return is_silent and self._ask_at_ns - now_ns > ASK_AGAIN_NS
