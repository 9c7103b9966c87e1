"""Carries the brackets forward: reads their situation from the ledger, asks the table, says what is to be done.

It stands between the pure table (`brackets`) and the machine that numbers and gates the orders. It has no memory of its
own: everything is read from the ledger and the market afresh. It never sends anything itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from config.schema import Execution
from execution.brackets import TABLE, Action, Bracket, Facts, Phase, Situation, situation
from execution.events import EXIT, STOP, TARGET
from execution.ledger import Ledger
from execution.leg_prices import LegPrices
from execution.legs import gone, inherited, resting, set_by_a_person, too_much, watched_here
from execution.orders import Order
from execution.patience import GIVING_UP, given_up_ns
from execution.sizing import OrderNumbers, direction, opposite, run_through, target_reached, target_ticks

MS = 1_000_000
HOLD_LOOK_NS = 100 * MS


class Quote(NamedTuple):
    """The newest market of one contract; NaN where it is not known, times 0."""

    last: float
    bid: float
    ask: float
    ts_ns: int  # market time of the newest event
    recv_ns: int  # monotonic


@dataclass(frozen=True)
class Plan:
    """What to do for a bracket: take `phase`, then send the orders and the cancels."""

    bracket: Bracket
    phase: Phase
    reason: str
    send: tuple[tuple[str, int, OrderNumbers], ...] = ()  # role, side, numbers
    cancel: tuple[int, ...] = ()  # order numbers


class Guardian:
    """Deterministic: the same ledger, market and time give the same plan."""

    def __init__(self, settings: Execution, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._prices = LegPrices(settings, ledger)
        self._confirm_ns = settings.confirm_ms * MS
        self._given_up_ns = given_up_ns(settings.confirm_ms)
        self._excess = [0] * len(ledger.contracts)  # signed contracts that the broker holds beyond what we know
        self._viewed_ns = 0  # monotonic, of its last answer
        self.away = False  # there is no order session, as far as we know: nobody can be asked

    def hear(self, excess: dict[int, int] | None, now_ns: int) -> None:
        """The broker answered what it holds: symbol -> signed contracts beyond what we know of.

        None: the query failed. Then what it said last still counts, and an exit does not wait for better news; but
        where nobody was there to be asked, that is no answer.
        """
        if excess is None and self.away:
            return
        self._viewed_ns = now_ns
        if excess is None:
            return
        for symbol in range(len(self._excess)):
            self._excess[symbol] = excess.get(symbol, 0)

    def plan(self, bracket: Bracket, now_ns: int) -> Plan | None:
        """The next step of a bracket, None when there is nothing to do. Apply it, then ask again."""
        facts = self.facts(bracket, now_ns)
        found = situation(bracket.phase, facts)
        phase, actions = TABLE[bracket.phase, found]
        if phase is bracket.phase and not actions:
            return None
        send: list[tuple[str, int, OrderNumbers]] = []
        cancel: list[int] = []
        for action in actions:
            match action:
                case Action.PLACE_STOP:
                    send.append((STOP, *self._prices.stop(bracket, facts.open_quantity - facts.covered)))
                case Action.PLACE_TARGET:
                    send.append((TARGET, *self._prices.target(bracket, self.untargeted(bracket))))
                case Action.TRIM:
                    cancel += self._to_trim(bracket, now_ns)
                case Action.SEND_EXIT:
                    send.append((EXIT, *self._prices.exit(bracket, self.closable(bracket))))
                case Action.CANCEL_ENTRY:
                    cancel += self._to_cancel(bracket.entries, now_ns)
                case Action.CANCEL_RESTING:
                    cancel += self._to_cancel([*bracket.entries, *bracket.stops, *bracket.targets], now_ns)
        return Plan(bracket, phase, self._reason(bracket, phase, found), tuple(send), tuple(cancel))

    def facts(self, bracket: Bracket, now_ns: int) -> Facts:
        entries, stops, targets, exits = (
            self._orders(group) for group in (bracket.entries, bracket.stops, bracket.targets, bracket.exits)
        )
        rests = [order for order in (*entries, *stops, *targets) if order.open and not self.given_up(order, now_ns)]
        open_quantity = self.open_quantity(bracket)
        overtaken = any(order.traded_quantity for order in targets)  # the market made the profit without the rest of it
        entry_old = any(
            order.open
            and not order.adopted  # a person's order ends by a person's word
            and (now_ns - order.since_ns >= self._settings.entry_ttl_ms * MS or overtaken)
            and self._cancel_due(order, now_ns)
            for order in entries
        )
        return Facts(
            open_quantity=open_quantity,
            covered=open_quantity - self.uncovered(bracket),
            entry_open=any(order in rests for order in entries),
            entry_old=entry_old,
            stops_open=any(order in rests for order in stops),
            stop_failed=open_quantity > 0 and any(self._failed(order, now_ns) for order in stops),
            stop_traded=any(order.traded_quantity > 0 for order in stops),
            cancel_due=any(self._cancel_due(order, now_ns) for order in rests),
            exit_open=any(order.open for order in exits),
            exit_due=now_ns - bracket.exit_tried_ns >= self._confirm_ns,
            exit_wanted=bool(bracket.exit_wanted),
            exit_allowed=self._asked(bracket, now_ns) and self.closable(bracket) != 0,
            targets_open=any(order in rests for order in targets),
            too_many=bool(self._to_trim(bracket, now_ns)),
            target_due=self._target_due(bracket, now_ns),
        )

    def open_quantity(self, bracket: Bracket) -> int:
        """Contracts that the bracket holds, in the direction of its entry."""
        signed = bracket.adopted_quantity
        for number in (*bracket.entries, *bracket.stops, *bracket.targets, *bracket.exits):
            order = self._ledger.orders[number]
            signed += order.traded_quantity if order.intent.side == bracket.side else -order.traded_quantity
        return signed

    def uncovered(self, bracket: Bracket) -> int:
        """Contracts of the bracket that no open stop covers; below 0: more is covered than held."""
        return self.open_quantity(bracket) - resting(self._orders(bracket.stops))

    def closable(self, bracket: Bracket) -> int:
        """What an exit may close, in the direction of the entry: no more than the broker says is held, less what exits of
        other brackets of the contract are closing of it already."""
        ours = self.open_quantity(bracket)
        held = self._ledger.positions[bracket.symbol].quantity + self._excess[bracket.symbol]
        theirs = held * direction(bracket.side)
        if ours > 0:
            return min(ours, max(0, theirs - self._leaving(bracket, opposite(bracket.side))))
        return max(ours, min(0, theirs + self._leaving(bracket, bracket.side)))

    def _leaving(self, bracket: Bracket, side: int) -> int:
        """Contracts that open exits of that side of the contract's other brackets may still close."""
        return sum(
            order.leaves_quantity
            for order in self._ledger.open.values()
            if order.intent.role == EXIT
            and (order.intent.symbol, order.intent.side) == (bracket.symbol, side)
            and order.intent.bracket != bracket.number
        )

    def untargeted(self, bracket: Bracket) -> int:
        """Contracts of the bracket that no open target would close."""
        return self.open_quantity(bracket) - resting(self._orders(bracket.targets))

    def waits_for_a_person(self, bracket: Bracket) -> bool:
        """Whether it is nothing yet but an order of a person that may open it."""
        if not bracket.adopts or self.open_quantity(bracket) != 0:
            return False
        return any(order.open and order.adopted for order in self._orders(bracket.entries))

    def held_up(self, bracket: Bracket) -> bool:
        """Whether an exit waits because the broker says that nothing is held, which may be old news of a recent fill."""
        leaving = bracket.phase in (Phase.RETREATING, Phase.CLOSING)
        return leaving and self.open_quantity(bracket) != 0 and self.closable(bracket) == 0

    def exposed(self, bracket: Bracket) -> int:
        """Contracts of the bracket that no stop covers which the exchange has confirmed."""
        stops = self._orders(bracket.stops)
        return max(0, self.open_quantity(bracket) - resting(order for order in stops if not order.unconfirmed))

    def target_lost(self, bracket: Bracket, now_ns: int) -> Order | None:
        """A target that was to rest and does not: the bracket's target is watched here."""
        return next(
            (order for order in self._orders(bracket.targets) if gone(order) or self.silent(order, now_ns)), None
        )

    def notices(self, bracket: Bracket, quote: Quote) -> bool:
        """Whether this market tells the bracket something that `notice` would keep."""
        return self._triggers(bracket, quote) or self._best(bracket, quote) != bracket.best_ticks

    def notice(self, bracket: Bracket, quote: Quote, now_ns: int) -> None:
        """Keep what the market says of the bracket: that its stop is triggered, and the best price so far."""
        bracket.best_ticks = self._best(bracket, quote)
        if self._triggers(bracket, quote):
            bracket.triggered_ns = now_ns

    def exit_reason(self, bracket: Bracket, quote: Quote) -> str:
        """Why the market says that this bracket must leave now, or ""."""
        if not self._holds(bracket) or bracket.exit_wanted:
            return ""
        contract = self._ledger.contracts[bracket.symbol]
        reference = self._prices.reference(bracket)
        _, limit = self._prices.stop_levels(bracket, reference)
        if run_through(limit, bracket.side, contract, quote.last):
            return "the price ran through the stop"
        target = target_ticks(self._settings, contract, bracket.side, reference)
        if target_reached(target, bracket.side, contract, quote.bid, quote.ask) and self._watches_target(bracket):
            return TARGET
        best = self._best(bracket, quote)
        if best is not None and math.isfinite(quote.last):
            back = (best - contract.nearest_ticks(quote.last)) * direction(bracket.side)
            if back >= self._settings.trail_ticks:
                return "trailing stop"
        return ""

    def overdue(self, bracket: Bracket, now_ns: int, market_ns: int) -> str:
        """Why the passing of time says that this bracket must leave now, or ""."""
        if not self._holds(bracket) or bracket.exit_wanted:
            return ""
        settings = self._settings
        if bracket.triggered_ns and now_ns - bracket.triggered_ns >= settings.stop_fill_ms * MS:
            return "the stop was triggered and did not fill"
        if bracket.exposed_since_ns and now_ns - bracket.exposed_since_ns >= settings.unprotected_ms * MS:
            return "without protection for too long"
        entered_ns = min((_entered_ns(order) for order in self._orders(bracket.entries)), default=market_ns)
        if settings.max_hold_ms and market_ns - entered_ns >= settings.max_hold_ms * MS:
            return "held for too long"
        return ""

    def given_up(self, order: Order, now_ns: int) -> bool:
        """Whether to stop waiting for an order that the exchange never confirmed and that no cancel reaches."""
        if not (order.open and order.unconfirmed):
            return False
        if not order.cl_order_id:  # a cancel cannot even name it
            return now_ns - order.since_ns >= self._given_up_ns
        waited = now_ns - order.cancel_asked_ns >= self._confirm_ns
        return order.cancels_asked >= GIVING_UP and waited

    def silent(self, order: Order, now_ns: int) -> bool:
        """Whether an open order has been without confirmation for too long."""
        return order.open and order.unconfirmed and now_ns - order.since_ns >= self._confirm_ns

    def next_deadline_ns(self, bracket: Bracket, after_ns: int) -> int | None:
        """The first monotonic time after `after_ns` at which the mere passing of time may change its situation."""
        deadlines = []
        for order in self._orders([*bracket.entries, *bracket.stops, *bracket.targets]):
            if not order.open:
                continue
            if order.cancel_asked_ns:
                deadlines.append(order.cancel_asked_ns + self._confirm_ns)
            elif order.number in bracket.entries and not order.adopted:
                deadlines.append(order.since_ns + self._settings.entry_ttl_ms * MS)
            if order.unconfirmed:
                deadlines.append(order.since_ns + self._confirm_ns)
                deadlines.append(order.since_ns + self._given_up_ns)
        if bracket.phase in (Phase.RETREATING, Phase.CLOSING):
            deadlines += [bracket.exit_tried_ns + self._confirm_ns, bracket.exit_asked_ns + self._confirm_ns]
        if bracket.triggered_ns:
            deadlines.append(bracket.triggered_ns + self._settings.stop_fill_ms * MS)
        if bracket.exposed_since_ns:
            deadlines.append(bracket.exposed_since_ns + self._settings.unprotected_ms * MS)
        if self._settings.max_hold_ms and self._holds(bracket):
            deadlines.append(after_ns + HOLD_LOOK_NS)  # market time runs at a speed of its own
        return min((deadline for deadline in deadlines if deadline > after_ns), default=None)

    def _holds(self, bracket: Bracket) -> bool:
        return bracket.phase in (Phase.ENTERING, Phase.PROTECTED) and self.open_quantity(bracket) > 0

    def _asked(self, bracket: Bracket, now_ns: int) -> bool:
        """The broker answered since it was asked for this exit, or has not done so for too long although it is there."""
        if self._viewed_ns >= bracket.exit_asked_ns:
            return True
        return not self.away and now_ns - bracket.exit_asked_ns >= self._confirm_ns

    def _triggers(self, bracket: Bracket, quote: Quote) -> bool:
        """Whether the market is beyond the trigger of a stop that rests, for the first time."""
        if bracket.triggered_ns or not self._holds(bracket) or not math.isfinite(quote.last):
            return False
        contract = self._ledger.contracts[bracket.symbol]
        trigger, _ = self._prices.stop_levels(bracket, self._prices.reference(bracket))
        return (contract.nearest_ticks(quote.last) - trigger) * direction(bracket.side) <= 0

    def _best(self, bracket: Bracket, quote: Quote) -> int | None:
        """Best last price since the bracket holds something, in ticks; None without trailing."""
        if not self._settings.trail_ticks or not self._holds(bracket) or not math.isfinite(quote.last):
            return bracket.best_ticks
        ticks, way = self._ledger.contracts[bracket.symbol].nearest_ticks(quote.last), direction(bracket.side)
        return ticks if bracket.best_ticks is None else max(ticks * way, bracket.best_ticks * way) * way

    def _orders(self, numbers: list[int]) -> list[Order]:
        return [self._ledger.orders[number] for number in numbers]

    def _failed(self, stop: Order, now_ns: int) -> bool:
        """A stop that does not protect and was not cancelled by us."""
        return gone(stop) or self.silent(stop, now_ns)

    def _target_due(self, bracket: Bracket, now_ns: int) -> bool:
        """Never before the stop is confirmed, and not again for a bracket that lost one."""
        targets = self._orders(bracket.targets)
        if bracket.adopts and set_by_a_person(targets):
            wanted = inherited(targets) is not None
        else:
            wanted = self._settings.target == "resting"
        if not wanted or bracket.target_refused or self.untargeted(bracket) <= 0:
            return False
        return not self.exposed(bracket) and self.target_lost(bracket, now_ns) is None

    def _to_trim(self, bracket: Bracket, now_ns: int) -> list[int]:
        """Orders of the legs to cancel: what rests beyond what is held, and cancels of it that had no answer."""
        held = self.open_quantity(bracket)
        numbers = []
        for leg in (self._orders(bracket.stops), self._orders(bracket.targets)):
            again = [order for order in leg if order.cancel_asked_ns and self._cancel_due(order, now_ns)]
            numbers += [order.number for order in (*too_much(leg, held), *again)]
        return numbers

    def _cancel_due(self, order: Order, now_ns: int) -> bool:
        if not order.open or not order.cl_order_id:  # the DLL cancels by the permanent id only
            return False
        return not order.cancel_asked_ns or now_ns - order.cancel_asked_ns >= self._confirm_ns

    def _to_cancel(self, numbers: list[int], now_ns: int) -> list[int]:
        return [order.number for order in self._orders(numbers) if self._cancel_due(order, now_ns)]

    def _watches_target(self, bracket: Bracket) -> bool:
        """Whether reaching the target's price makes the bracket leave."""
        targets = self._orders(bracket.targets)
        if not watched_here(targets, self.open_quantity(bracket)):
            return False
        return not bracket.adopts or not set_by_a_person(targets) or any(gone(order) for order in targets)

    def _reason(self, bracket: Bracket, phase: Phase, found: Situation) -> str:
        if phase in (Phase.RETREATING, Phase.CLOSING):
            return bracket.exit_wanted or self._why_legs_end(bracket, found) or str(found)
        return bracket.reason or str(found)

    def _why_legs_end(self, bracket: Bracket, found: Situation) -> str:
        """What a bracket whose legs both rested came to by itself, or ""."""
        if not bracket.targets or found not in (Situation.LEFTOVER, Situation.EXIT_WANTED):
            return ""
        if self.open_quantity(bracket) < 0:
            return "stop and target both traded"
        by_target = any(order.traded_quantity for order in self._orders(bracket.targets))
        return TARGET if by_target else STOP


def _entered_ns(entry: Order) -> int:
    """Market time from which on a position counts as held: an adopted order may work for hours before it fills."""
    return entry.first_fill_ns if entry.adopted else entry.intent.market_ns
