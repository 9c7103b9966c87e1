"""Carries brackets forward: asks the guardian for plans, puts their orders and cancels out, tells what became of them.

It stands between the machine, which takes events, and the desk, which makes orders. It never decides whether to enter,
and holds no memory but whether the stage is stopping.
"""

from __future__ import annotations

from execution.announce import Announcer
from execution.brackets import Bracket, Phase
from execution.desk import Desk
from execution.events import ENTRY, STOP_WORD, TARGET, AskBroker, BracketChanged, Input, Unprotected
from execution.guardian import Guardian, Quote
from execution.ledger import Effect, Ledger
from execution.outbox import Outbox
from execution.risk.states import ALLOWS

BEFORE_EXIT = "before an exit"
MAX_STEPS = 16  # of one bracket within one event; a table that runs longer is a defect


class Steering:
    """The one hand that moves brackets."""

    def __init__(self, ledger: Ledger, guardian: Guardian, desk: Desk, outbox: Outbox, unprotected_ms: int) -> None:
        self._bound_ns = unprotected_ms * 1_000_000
        self.stopping = False  # entries are cancelled as soon as they can be named
        self._ledger = ledger
        self._guardian = guardian
        self._desk = desk
        self._outbox = outbox
        self._announcer = Announcer(ledger)

    def leave(self, bracket: Bracket, reason: str, event: Input) -> None:
        """The bracket wants out from now on; the first reason stays."""
        bracket.exit_wanted = bracket.exit_wanted or reason
        self.advance(bracket, event)

    def leave_all(self, symbol: int | None, reason: str, event: Input) -> None:
        """Every live bracket of one contract, or (None) of all, wants out."""
        for bracket in self._ledger.live_brackets(symbol):
            self.leave(bracket, reason, event)

    def leave_held(self, symbol: int, reason: str, event: Input) -> None:
        """As `leave_all`, without what only waits for an order of a person: nothing but a person's word, or a limit that
        closes trading, cancels that."""
        for bracket in self._ledger.live_brackets(symbol):
            self.leave_if_held(bracket, reason, event)

    def leave_if_held(self, bracket: Bracket, reason: str, event: Input) -> None:
        """One of them."""
        if not self._guardian.waits_for_a_person(bracket):
            self.leave(bracket, reason, event)

    def watch(self, symbol: int, quote: Quote, event: Input) -> None:
        """A new market of one contract: leave where it says so."""
        for bracket in self._ledger.live_brackets(symbol):
            self._guardian.notice(bracket, quote, event.monotonic_ns)
            if reason := self._guardian.exit_reason(bracket, quote):
                self.leave(bracket, reason, event)

    def advance_all(self, event: Input) -> None:
        for bracket in self._ledger.live_brackets():
            self.advance(bracket, event)

    def advance(self, bracket: Bracket, event: Input) -> None:
        """Carry out plans until the bracket rests."""
        if reason := self._guardian.overdue(bracket, event.monotonic_ns, event.market_ns):
            bracket.exit_wanted = reason
        self._carry_out_plans(bracket, event)
        self._watch_exposure(bracket, event)
        if bracket.targets and not bracket.target_told:
            self._tell_lost_target(bracket, event)

    def _carry_out_plans(self, bracket: Bracket, event: Input) -> None:
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
                if plan.phase is Phase.RETREATING:
                    bracket.exit_asked_ns = event.monotonic_ns
                    self._outbox.emit(AskBroker(BEFORE_EXIT))
            for role, side, numbers in plan.send:
                went = self._desk.send(event, bracket.number, role, bracket.symbol, side, numbers)
                bracket.target_refused |= role == TARGET and not went
                moved |= went or role == TARGET
            for number in plan.cancel:
                self._desk.cancel(event, number, plan.reason)
                moved = True
            if not moved:
                return
        raise RuntimeError(f"bracket {bracket.number} does not come to rest: {bracket}")

    def _watch_exposure(self, bracket: Bracket, event: Input) -> None:
        """Measure how long contracts are held without a confirmed stop, and raise the alarm at the bound."""
        now_ns, since_ns = event.monotonic_ns, bracket.exposed_since_ns
        if self._guardian.exposed(bracket):
            bracket.exposed_since_ns = since_ns or now_ns
            if since_ns and not bracket.exposure_told and now_ns - since_ns >= self._bound_ns:
                bracket.exposure_told = True
                self._outbox.emit(Unprotected(bracket.number, now_ns - since_ns, True))
                self._outbox.note("error", f"bracket {bracket.number} is held without a stop that is known to rest")
        elif since_ns:
            bracket.exposed_since_ns, bracket.exposure_told = 0, False
            self._outbox.emit(Unprotected(bracket.number, now_ns - since_ns, False))

    def _tell_lost_target(self, bracket: Bracket, event: Input) -> None:
        """Say once that a resting target is watched here after all: no reason to leave."""
        order = self._guardian.target_lost(bracket, event.monotonic_ns)
        if order is not None and bracket.phase in (Phase.ENTERING, Phase.PROTECTED):
            bracket.target_told = True
            why = f" ({order.reason})" if order.reason else ""
            self._outbox.note(
                "warning",
                f"target {order.number} of bracket {bracket.number} does not rest: {order.state}{why};"
                " the target is watched here, the stop stays",
            )

    def stop(self, event: Input) -> None:
        """From now on no entry works."""
        self.stopping = True
        self.cancel_entries(event, STOP_WORD)

    def tell(self, effect: Effect, event: Input) -> None:
        """Publish what changed, then let the bracket go on."""
        if effect.order is None:
            return
        for message in self._announcer.announce(effect, event.market_ns):
            self._outbox.emit(message)
        if self.stopping or not ALLOWS[self._ledger.trading].working_entries:
            self.cancel_entries(event, STOP_WORD if self.stopping else self._ledger.trading_reason)
        self.advance(self._ledger.bracket_of(effect.order), event)

    def cancel_entries(self, event: Input, reason: str) -> None:
        """Cancel each working entry that can be named and was not cancelled yet."""
        for order in list(self._ledger.open.values()):
            if order.intent.role == ENTRY and order.cl_order_id and not order.cancel_asked_ns:
                self._desk.cancel(event, order.number, reason)
