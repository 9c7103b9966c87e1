"""The broker's side as the machine knows it: reports and views taken in, problems told, and when to ask again.

Problems (`Desk.problems`) close the entries; they stand until a view of the broker agrees again. It never sends and
never cancels an order by itself: what a report or a view changes is carried on by `Steering`.
"""

from __future__ import annotations

from execution.adoption import adopt
from execution.adoption_wait import AdoptionWait
from execution.brackets import Phase
from execution.desk import Desk
from execution.events import ADOPT, AskBroker, BrokerView, Input, Matched, OrderReport, SessionBegan, UpstreamSeen
from execution.guardian import Guardian
from execution.ledger import Ledger
from execution.order_adoption import adopt_orders
from execution.orders import InvalidTransition
from execution.outbox import Outbox
from execution.recovery import FOREIGN, compare_positions, excess_of, foreign_key, match_orders
from execution.steering import BEFORE_EXIT, Steering

MS = 1_000_000
ASK_SOON_NS = 200 * MS  # while an exit waits for the broker to say that something is held
ASK_AGAIN_NS = 1_000 * MS  # while something is unclear
ASK_ROUTINE_NS = 30_000 * MS
RECONNECTED = "reconnected"  # key of the problem, and reason of the question


class BrokerSide:
    """`ask_at_ns`: monotonic time of the next question."""

    def __init__(
        self, ledger: Ledger, guardian: Guardian, desk: Desk, outbox: Outbox, steering: Steering, settle_ms: int
    ) -> None:
        self.ask_at_ns = 0
        self._adoption = AdoptionWait()
        self.foreign: list[OrderReport] = []  # open orders of the last view that are not ours
        self._ledger = ledger
        self._guardian = guardian
        self._desk = desk
        self._outbox = outbox
        self._steering = steering
        self._contradicted: set[int] = set()  # orders whose contradiction was told to the log
        self._told: set[str] = set()  # keys of the problems of the last view
        self._session_problem = ""
        self._settle_ns = settle_ms * MS
        self._excess: dict[int, int] = {}  # of the last view that said what is held
        self._unknown_to = ledger.next_order - 1  # our newest order when a session began: a view must speak of it too

    def on_report(self, event: OrderReport) -> None:
        if self._ledger.symbol_of(event.ticker) is None:
            return  # another contract of the account is none of our business
        if event.cl_order_id in self._ledger.ignored:
            return
        if self._ledger.find(event) is None:
            name = event.cl_order_id or str(event.local_id)
            self._desk.problems.setdefault(f"foreign {name}", f"order {name} is not known to us; asking the broker")
            self.ask(event.monotonic_ns, f"unknown order {name}")
            return
        self._apply(event, event)

    def on_session(self, event: UpstreamSeen) -> None:
        """While the order session was away, anything may have happened: nothing is known until a view agrees again."""
        was_away, away = bool(self._session_problem), bool(event.session)
        self._session_problem = event.session
        self._guardian.away = away
        if was_away and not away:
            self._begin_anew(event.monotonic_ns, "the order session is back; the broker has not been asked since")
        elif away and not was_away and self._doubt_exits(event.monotonic_ns):
            self.ask(event.monotonic_ns, BEFORE_EXIT)  # that part of the session which answers may be there

    def on_new_session(self, event: SessionBegan) -> None:
        """What the former session was told and did not answer for is known by nobody until a view agrees."""
        opened = f"incarnation {event.gateway} of the gateway opened another order session"
        self._begin_anew(event.monotonic_ns, f"{opened}; the broker has not been asked since")

    def _begin_anew(self, now_ns: int, problem: str) -> None:
        self._desk.problems[RECONNECTED] = problem
        self._unknown_to = self._ledger.next_order - 1
        self._doubt_exits(now_ns)
        self.ask(now_ns, RECONNECTED)

    def _doubt_exits(self, now_ns: int) -> bool:
        """What the broker said before does not let an exit out any more. Returns whether one is on its way."""
        phases = (Phase.RETREATING, Phase.CLOSING)
        leaving = [bracket for bracket in self._ledger.live.values() if bracket.phase in phases]
        for bracket in leaving:
            bracket.exit_asked_ns = now_ns
        return bool(leaving)

    def on_view(self, view: BrokerView) -> None:
        found = match_orders(self._ledger, view, self._settle_ns)
        # a listing by itself, of a gateway that was not asked yet, says nothing of ours: what was unclear still is
        settles = bool(view.problem) or not 0 <= view.newest_order < self._unknown_to
        if settles:
            self._desk.problems = dict(found.problems)
        if settles and not view.problem:
            self.foreign = found.foreign
        for matched in found.matched:
            if not self._ledger.orders[matched.order].knows(matched.report):
                self._apply(matched, view)
        for closed in found.closed:
            self._steering.tell(self._outbox.emit(closed), view)
        for order in found.unlisted:
            order.views_without += 1
        if self._adoption.waiting and view.problem:
            self._outbox.note("error", "orders adopt: the broker could not be asked; what it answers next is adopted")
        if settles and self._adoption.due(view, self.foreign):
            self._adopt(view)
        if view.problem:
            self._guardian.hear(None, view.monotonic_ns)
        elif settles:
            self._compare_positions(view)
        self._tell_problems()
        self.ask_at_ns = view.monotonic_ns + (ASK_AGAIN_NS if self._desk.problems else ASK_ROUTINE_NS)
        self._steering.advance_all(view)
        if self._adoption.waiting or any(self._guardian.held_up(bracket) for bracket in self._ledger.live.values()):
            self.ask_at_ns = min(self.ask_at_ns, view.monotonic_ns + ASK_SOON_NS)

    def adopt(self, now_ns: int) -> None:
        """A person wants what the broker shows as ours: asked for now, because the last view may be old."""
        self._adoption.say(now_ns)
        self.ask(now_ns, ADOPT)

    def _adopt(self, view: BrokerView) -> None:
        """Positions, then orders, and only then what they need: an adopted stop is one that need not be sent."""
        touched = adopt(view, self._ledger, self._guardian, self._desk.finder.quotes, self._outbox)
        effects = adopt_orders(view, self.foreign, self._ledger, self._guardian, self._desk.closing, self._outbox)
        self.foreign = [report for report in self.foreign if self._ledger.find(report) is None]
        left = {foreign_key(report) for report in self.foreign}
        problems = self._desk.problems
        self._desk.problems = {key: problems[key] for key in problems if not key.startswith(FOREIGN) or key in left}
        for effect in effects:
            self._steering.tell(effect, view)
        for bracket in touched:
            self._steering.advance(bracket, view)

    def _compare_positions(self, view: BrokerView) -> None:
        """What a person closed by hand is not covered by our stops any more: they could open it the other way round.

        Seen twice: a fill between the listing of orders and that of positions looks the same once.
        """
        excess = excess_of(self._ledger, view)
        self._desk.problems |= compare_positions(self._ledger, excess)
        self._guardian.hear(excess, view.asked_ns or view.monotonic_ns)
        for symbol, beyond in excess.items():
            held = self._ledger.positions[symbol].quantity
            if beyond * held < 0 and self._excess.get(symbol) == beyond:
                self._steering.leave_held(symbol, "the broker holds less than we know of", view)
        self._excess = excess

    def ask_when_due(self, now_ns: int) -> None:
        if now_ns >= self.ask_at_ns or self._newly_silent(now_ns):
            self.ask(now_ns, self._desk.broker_problem(now_ns) or "routine")

    def ask(self, now_ns: int, reason: str) -> None:
        self.ask_at_ns = now_ns + ASK_AGAIN_NS
        self._outbox.emit(AskBroker(reason))

    def _apply(self, record: OrderReport | Matched, event: Input) -> None:
        """Take a report into the ledger and tell what it changed; a contradiction closes the entries."""
        try:
            effect = self._outbox.apply(record) if isinstance(record, OrderReport) else self._outbox.emit(record)
        except InvalidTransition as error:
            if error.order not in self._contradicted:
                self._contradicted.add(error.order)
                self._outbox.note("error", str(error))
            self._desk.problems[f"contradiction {error.order}"] = str(error)
            self.ask_at_ns = min(self.ask_at_ns, event.monotonic_ns + ASK_AGAIN_NS)
            return
        self._steering.tell(effect, event)

    def _tell_problems(self) -> None:
        """Each problem of a view once, when it is new; and that they are over. Contradictions tell their own story."""
        problems = self._desk.problems
        for key, text in problems.items():
            if key not in self._told and not key.startswith("contradiction"):
                self._outbox.note("error", text)
        if self._told and not problems:
            self._outbox.note("info", "the broker and we agree again")
        self._told = set(problems)

    def _newly_silent(self, now_ns: int) -> bool:
        """An order has just been silent for too long: ask at once, not at the next routine."""
        is_silent = any(self._guardian.silent(order, now_ns) for order in self._ledger.open.values())
        return is_silent and self.ask_at_ns - now_ns > ASK_AGAIN_NS
