"""The order machine: events in, commands out. No clock, no socket, no DLL, no randomness.

The same configuration, ledger and sequence of inputs give the same outputs, so a run can be recomputed from its
journal. Everything that changes an order, a position or a bracket goes through `Ledger.take`; everything that
would send an order goes through the gate, which is a required argument. Outputs of one `handle` are in the order in
which they are to be journaled and carried out.

It takes the events apart and decides; `steering` moves the brackets, `broker_side` takes what the broker says,
`operator_words` what a person says.
"""

from __future__ import annotations

from bus.messages import Decision, Signal
from config.schema import Config
from consensus.council import Council
from consensus.threshold import BUY as BUY_ACTION
from consensus.weights import ML, SOURCES, Weights
from execution.brackets import Phase
from execution.broker_side import BrokerSide
from execution.desk import Desk
from execution.events import (
    BUY,
    ENTRY,
    SELL,
    STOP,
    TARGET,
    BrokerView,
    Input,
    InstrumentSeen,
    Learned,
    MarketSeen,
    Operator,
    OrderReport,
    Output,
    Publish,
    SendResult,
    SessionBegan,
    SignalSeen,
    Started,
    Tick,
    UpstreamSeen,
)
from execution.facts import NO_QUOTE
from execution.guardian import Guardian, Quote
from execution.ledger import Ledger
from execution.liquidity_advice import liquidity_share
from execution.operator_words import OperatorWords
from execution.outbox import Outbox
from execution.position_table import Move, Stance, table_of
from execution.risk.gate import RiskGate
from execution.risk.states import ALLOWS
from execution.steering import Steering
from execution.warden import Warden

MS = 1_000_000
LEARN_EVERY_NS = 250 * MS

DECIDING: dict[str, frozenset[str]] = {
    "timer": frozenset(),
    "ml_signal": frozenset({ML}),
    "signal": frozenset(SOURCES),
}
"""`consensus.decide_on` -> the sources whose signals are answered by a decision at once; none: the timer decides."""


class Machine:
    """One per incarnation, over a ledger that recovery has rebuilt. `handle` is its only way in."""

    def __init__(self, config: Config, ledger: Ledger, gate: RiskGate, weights: Weights) -> None:
        self.ledger = ledger
        self._outbox = Outbox(ledger)
        self._guardian = Guardian(config.execution, ledger)
        self.desk = Desk(config, ledger, gate, self._guardian, self._outbox)
        self._steering = Steering(ledger, self._guardian, self.desk, self._outbox, config.execution.unprotected_ms)
        self._broker_side = BrokerSide(
            ledger, self._guardian, self.desk, self._outbox, self._steering, config.execution.settle_ms
        )
        self._warden = Warden(config, ledger, self.desk, self._outbox, self._steering)
        self._words = OperatorWords(ledger, self.desk, self._outbox, self._steering, self._broker_side, self._warden)
        self._liquidity_floor = config.risk.liquidity_floor
        self._deciding = DECIDING[config.consensus.decide_on]
        self._decide_every_ns = config.consensus.decide_every_ms * MS
        self.council = Council(config, weights, ledger.learned)
        self._table = table_of(config.execution)
        self._entry_ttl_ns = config.execution.entry_ttl_ms * MS
        self._reversals: dict[int, Decision] = {}  # symbol -> the decision to follow when flat
        self._to_decide: set[int] = set()  # symbols with a new vote, while signals that came with it follow
        self._decide_at_ns = 0
        self._ticked_ns = 0
        self._learn_at_ns = 0

    # --- questions: they change nothing

    def wants_market(self, symbol: int, quote: Quote) -> bool:
        """Whether this market would make a bracket leave, or tell it something: then it must be handed in at once."""
        return any(
            self._guardian.exit_reason(bracket, quote) or self._guardian.notices(bracket, quote)
            for bracket in self.ledger.live_brackets(symbol)
        )

    def next_deadline_ns(self) -> int:
        """Monotonic time at which a Tick is due; what went by since the last one is due at once."""
        deadlines = [self._broker_side.ask_at_ns, self._learn_at_ns]
        if not self._deciding:
            deadlines.append(self._decide_at_ns)
        if (look_ns := self._warden.next_deadline_ns(self._ticked_ns)) is not None:
            deadlines.append(look_ns)
        for bracket in self.ledger.live_brackets():
            deadline = self._guardian.next_deadline_ns(bracket, self._ticked_ns)
            if deadline is not None:
                deadlines.append(deadline)
        return min(deadlines)

    @property
    def turns(self) -> bool:
        """Whether a reversal waits for its second half."""
        return bool(self._reversals)

    def unfinished(self) -> bool:
        """Whether an entry still works or a bracket is on its way out."""
        entries = any(order.intent.role == ENTRY for order in self.ledger.open.values())
        return entries or any(
            bracket.phase in (Phase.RETREATING, Phase.CLOSING) for bracket in self.ledger.live.values()
        )

    def safe_to_leave(self) -> bool:
        """Whether nothing is on its way, and stops that the exchange confirmed cover all that is held."""
        return not any(
            order.unconfirmed or order.intent.role not in (STOP, TARGET) for order in self.ledger.open.values()
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
        may_pass_a_limit = True  # money, position or time may have changed
        match event:
            case SignalSeen():
                self._on_signal(event, event.signal)
                may_pass_a_limit = False
            case MarketSeen():
                quote = Quote(event.last, event.bid, event.ask, event.ts_ns, event.recv_ns)
                self.desk.finder.quotes[event.symbol] = quote
                self._steering.watch(event.symbol, quote, event)
                may_pass_a_limit = self.ledger.holds
            case InstrumentSeen():
                self.desk.finder.seen[event.symbol] = event
                may_pass_a_limit = False
            case Tick():
                self._on_tick(event)
            case OrderReport():
                self._broker_side.on_report(event)
            case SendResult():
                self._steering.tell(self._outbox.apply(event), event)
                may_pass_a_limit = False
            case BrokerView():
                self._broker_side.on_view(event)
            case UpstreamSeen():
                self.desk.finder.upstream_problem = event.problem
                self._broker_side.on_session(event)
            case SessionBegan():
                self._outbox.apply(event)
                self._broker_side.on_new_session(event)
            case Operator():
                self._words.say(event)
            case Started():
                self._outbox.apply(event)
                self.desk.start(event.monotonic_ns)
                for text in self.council.forgotten:
                    self._outbox.note("warning", text)
                self._decide_at_ns = event.monotonic_ns + self._decide_every_ns
                self._learn_at_ns = event.monotonic_ns + LEARN_EVERY_NS
                self._broker_side.ask(event.monotonic_ns, "start")
        if may_pass_a_limit:
            self._warden.look(event)
        if self._reversals:
            self._turn_around(event)
        return self._outbox.drain()

    # --- decisions

    def _on_signal(self, event: SignalSeen, signal: Signal) -> None:
        symbol = signal.symbol
        if not 0 <= symbol < len(self.ledger.contracts):
            return
        if not self.council.take(signal) and signal.source in self._deciding and not signal.abstains:
            self._to_decide.add(symbol)  # an abstention is no news to act upon
        if not event.more and symbol in self._to_decide:
            self._to_decide.discard(symbol)
            self._decide(symbol, event)

    def _on_tick(self, event: Tick) -> None:
        self._ticked_ns = now_ns = event.monotonic_ns
        self._steering.advance_all(event)
        self._broker_side.ask_when_due(now_ns)
        if not self._deciding and now_ns >= self._decide_at_ns:
            self._decide_at_ns = now_ns + self._decide_every_ns
            for contract in self.ledger.contracts:
                self._decide(contract.symbol, event)
        elif now_ns >= self._learn_at_ns:  # not in the same turn: an order that was decided on waits for its end
            self._learn_at_ns = now_ns + LEARN_EVERY_NS
            for contract in self.ledger.contracts:
                self._learn(contract.symbol, event)

    def _learn(self, symbol: int, event: Tick) -> None:
        """Nobody's vote is marked to a market that may have stood still because a stage before us did."""
        finder = self.desk.finder
        quote = NO_QUOTE if finder.upstream_problem else finder.quotes[symbol]
        lesson = self.council.learn(symbol, event.market_ns, quote.bid, quote.ask)
        if lesson is not None:
            self._outbox.emit(Learned(lesson.state))
            self._outbox.emit(Publish(lesson.message))

    def _decide(self, symbol: int, event: Tick | SignalSeen) -> None:
        decision = self.council.decide(symbol, event.monotonic_ns, event.market_ns)
        move = self._table[self.stance(symbol), decision.action]
        if move in (Move.EXIT, Move.REVERSE) and ALLOWS[self.ledger.trading].decisions_exit:
            self._steering.leave_held(symbol, "opposite decision", event)
        if move is Move.REVERSE:
            self._reversals[symbol] = decision
        elif move in (Move.ENTER, Move.ADD):
            self._enter(decision, event)
        self._outbox.emit(Publish(decision))  # the order before the words about it

    def _enter(self, decision: Decision, event: Input) -> None:
        side = BUY if decision.action == BUY_ACTION else SELL
        self.desk.enter(event, decision, side, liquidity_share(decision, side, self._liquidity_floor))

    def _turn_around(self, event: Input) -> None:
        """The second half of a reversal: once flat, while the decision is no older than an entry may become."""
        for symbol, decision in list(self._reversals.items()):
            if event.monotonic_ns - decision.decided_ns > self._entry_ttl_ns:
                del self._reversals[symbol]
            elif self.stance(symbol) is Stance.FLAT:
                del self._reversals[symbol]
                self._enter(decision, event)
