"""An entry and what protects it: a stop resting at the broker, a target watched here or resting too. A table over its situation.

The DLL has no native OCO, so keeping the orders consistent is ours. The rules:
- Every contract that the entry fills gets a stop order of its own at once, also while the entry still works; stops
  are never replaced in size, for between "replace" and "replaced" nobody knows what rests at the exchange.
- The target is a price we watch. An exit first cancels what rests, waits until the broker says that it is over, and
  then closes what is really left: sending it earlier could turn the position around.
- A target that rests comes after its stop is confirmed. When one leg trades, what the other has too much is cancelled at
  once and placed anew for what is left. One that does not rest is watched here again: it never makes a bracket leave.
  Both legs can fill all the same: then less than nothing is held, and that is closed at once.
- A stop that cannot be placed, is lost, is run through by the price, or was triggered and does not fill means: get out.
- No exit closes more than the broker says is held: what a person closed by hand must not be opened again by us.
The table is asked with the situation, which is read from the orders afresh each time, so after a restart or a lost
callback it goes on where things really stand. Pure: it says what to do and does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    ENTERING = "entering"  # the entry works, maybe partly filled and protected
    PROTECTED = "protected"  # the entry is over, the stop rests
    RETREATING = "retreating"  # an exit is wanted: entry and stops are being cancelled
    CLOSING = "closing"  # the exit order is out
    DONE = "done"


class Situation(StrEnum):
    WAITING = "waiting"
    EXIT_WANTED = "exit wanted"  # target, opposite decision, run-through, a person
    STOP_FAILED = "stop failed"  # rejected, lost, or not confirmed in time
    STOPPED_OUT = "stopped out"  # the stop trades while the entry still works
    UNCOVERED = "uncovered"  # contracts without a stop
    TOO_MANY = "too many"  # a leg rests for more than is held
    TARGET_DUE = "target due"  # protected contracts without the target that is to rest
    ENTRY_OLD = "entry old"  # its time to live is over
    ENTERED = "entered"
    CANCEL_DUE = "cancel due"
    READY = "ready"  # nothing of ours rests any more, contracts are left
    LEFTOVER = "leftover"  # flat, but something still rests
    FLAT = "flat"


class Action(StrEnum):
    PLACE_STOP = "place stop"
    PLACE_TARGET = "place target"
    TRIM = "cancel what is too much of a leg"
    CANCEL_RESTING = "cancel entry, stops and targets"
    CANCEL_ENTRY = "cancel entry"
    SEND_EXIT = "send exit"


_RETREAT = (Phase.RETREATING, (Action.CANCEL_RESTING,))
Step = tuple[Phase, tuple[Action, ...]]

TABLE: dict[tuple[Phase, Situation], Step] = {
    (Phase.ENTERING, Situation.WAITING): (Phase.ENTERING, ()),
    (Phase.ENTERING, Situation.EXIT_WANTED): _RETREAT,
    (Phase.ENTERING, Situation.STOP_FAILED): _RETREAT,
    (Phase.ENTERING, Situation.STOPPED_OUT): _RETREAT,
    (Phase.ENTERING, Situation.UNCOVERED): (Phase.ENTERING, (Action.PLACE_STOP,)),
    (Phase.ENTERING, Situation.TOO_MANY): (Phase.ENTERING, (Action.TRIM,)),
    (Phase.ENTERING, Situation.TARGET_DUE): (Phase.ENTERING, (Action.PLACE_TARGET,)),
    (Phase.ENTERING, Situation.ENTRY_OLD): (Phase.ENTERING, (Action.CANCEL_ENTRY,)),
    (Phase.ENTERING, Situation.ENTERED): (Phase.PROTECTED, ()),
    (Phase.ENTERING, Situation.LEFTOVER): _RETREAT,
    (Phase.ENTERING, Situation.FLAT): (Phase.DONE, ()),
    (Phase.PROTECTED, Situation.WAITING): (Phase.PROTECTED, ()),
    (Phase.PROTECTED, Situation.EXIT_WANTED): _RETREAT,
    (Phase.PROTECTED, Situation.STOP_FAILED): _RETREAT,
    (Phase.PROTECTED, Situation.UNCOVERED): (Phase.PROTECTED, (Action.PLACE_STOP,)),  # filled after the cancel
    (Phase.PROTECTED, Situation.TOO_MANY): (Phase.PROTECTED, (Action.TRIM,)),
    (Phase.PROTECTED, Situation.TARGET_DUE): (Phase.PROTECTED, (Action.PLACE_TARGET,)),
    # an entry that had been given up for lost can come back to life
    (Phase.PROTECTED, Situation.STOPPED_OUT): _RETREAT,
    (Phase.PROTECTED, Situation.ENTRY_OLD): (Phase.PROTECTED, (Action.CANCEL_ENTRY,)),
    (Phase.PROTECTED, Situation.LEFTOVER): _RETREAT,
    (Phase.PROTECTED, Situation.FLAT): (Phase.DONE, ()),
    (Phase.RETREATING, Situation.WAITING): (Phase.RETREATING, ()),
    (Phase.RETREATING, Situation.CANCEL_DUE): (Phase.RETREATING, (Action.CANCEL_RESTING,)),
    (Phase.RETREATING, Situation.READY): (Phase.CLOSING, (Action.SEND_EXIT,)),
    (Phase.RETREATING, Situation.FLAT): (Phase.DONE, ()),
    (Phase.CLOSING, Situation.WAITING): (Phase.CLOSING, ()),
    (Phase.CLOSING, Situation.READY): (Phase.CLOSING, (Action.SEND_EXIT,)),  # rejected, expired or filled in part
    (Phase.CLOSING, Situation.FLAT): (Phase.DONE, ()),
    (Phase.DONE, Situation.WAITING): (Phase.DONE, ()),
    (Phase.DONE, Situation.READY): _RETREAT,  # a fill that came after everything was over
    (Phase.DONE, Situation.LEFTOVER): _RETREAT,
}


@dataclass(slots=True)
class Bracket:
    """Numbers of the orders that belong together. `side`: the DLL's side of the entry."""

    number: int
    symbol: int
    side: int
    phase: Phase = Phase.ENTERING
    reason: str = ""  # why it left, once it does
    entries: list[int] = field(default_factory=list)  # one, or none for an adopted position
    stops: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)  # those that rest, or did
    exits: list[int] = field(default_factory=list)
    adopted_quantity: int = 0  # in the direction of `side`
    adopted_price: float = 0.0
    adopts: bool = False  # an order of a person is, or was, among its orders
    exit_wanted: str = ""
    exit_tried_ns: int = 0  # monotonic, of the last exit order
    exit_asked_ns: int = 0  # monotonic: the broker was asked what it holds, before an exit
    triggered_ns: int = 0  # monotonic: the market was first seen beyond the trigger of its stop, 0 not yet
    best_ticks: int | None = None  # best price seen while it held something, in this incarnation
    exposed_since_ns: int = 0  # monotonic: since when contracts are held that no confirmed stop covers, 0 none
    exposure_told: bool = False
    target_refused: bool = False  # the gate said no to a resting target, in this incarnation
    target_told: bool = False  # it was said that the target is watched here after all

    @property
    def live(self) -> bool:
        return self.phase is not Phase.DONE


@dataclass(frozen=True)
class Facts:
    """What the orders of a bracket say now. Quantities in contracts."""

    open_quantity: int  # in the direction of the entry; negative: more was closed than opened
    covered: int  # contracts that an open stop still protects
    entry_open: bool
    entry_old: bool  # its time is over and its cancel is due
    stops_open: bool
    stop_failed: bool
    stop_traded: bool
    cancel_due: bool  # something rests whose cancel was not asked, or not answered in time
    exit_open: bool
    exit_due: bool  # another exit may be sent
    exit_wanted: bool
    exit_allowed: bool = True  # the broker was asked, and holds what an exit would close
    targets_open: bool = False
    too_many: bool = False  # an order of a leg must be cancelled, for the leg rests for more than is held
    target_due: bool = False  # what is held is protected, and a resting target for it is wanted and missing

    @property
    def rests(self) -> bool:
        """Whether anything of the bracket but an exit can still trade."""
        return self.entry_open or self.stops_open or self.targets_open


def situation(phase: Phase, facts: Facts) -> Situation:
    """The one situation that counts for this phase, the most urgent first."""
    if phase in (Phase.ENTERING, Phase.PROTECTED):
        return _while_holding(phase, facts)
    if phase is Phase.RETREATING:
        if facts.rests:
            return Situation.CANCEL_DUE if facts.cancel_due else Situation.WAITING
        if facts.open_quantity == 0:
            return Situation.FLAT
        return Situation.READY if facts.exit_allowed else Situation.WAITING
    if phase is Phase.CLOSING:
        if facts.exit_open:
            return Situation.WAITING
        if facts.open_quantity == 0:
            return Situation.FLAT
        return Situation.READY if facts.exit_due and facts.exit_allowed else Situation.WAITING
    if facts.open_quantity != 0:
        return Situation.READY
    return Situation.LEFTOVER if facts.rests else Situation.WAITING


def _while_holding(phase: Phase, facts: Facts) -> Situation:
    if facts.exit_wanted or facts.open_quantity < 0:
        return Situation.EXIT_WANTED
    if facts.stop_failed:
        return Situation.STOP_FAILED
    if facts.stop_traded and facts.entry_open:
        return Situation.STOPPED_OUT
    if facts.open_quantity > facts.covered:
        return Situation.UNCOVERED
    if facts.too_many and (facts.open_quantity > 0 or facts.entry_open):
        return Situation.TOO_MANY
    if facts.target_due:
        return Situation.TARGET_DUE
    if facts.entry_open:
        return Situation.ENTRY_OLD if facts.entry_old else Situation.WAITING
    if facts.open_quantity == 0:
        return Situation.LEFTOVER if facts.rests else Situation.FLAT
    return Situation.ENTERED if phase is Phase.ENTERING else Situation.WAITING
