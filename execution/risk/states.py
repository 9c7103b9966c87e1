"""Whether trading is ACTIVE, REDUCING or HALTED: what each state allows, and who moves between them. Two tables.

Protective orders (stops, exits that leave a position) and cancels go out in every state; no state can stop them. What a
person or a limit closed, only a person's `resume` opens, also after a restart; and a limit that is still passed closes it
again at once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from execution.events import FLATTEN, HALT, KILL, REDUCE, RESUME


class Trading(StrEnum):
    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Allows(NamedTuple):
    entries: bool  # orders that open or add
    reducing_entries: bool  # entry orders that only make a position smaller
    working_entries: bool  # entries that work already may go on working
    decisions_exit: bool  # a decision against the position leaves it


ALLOWS: dict[Trading, Allows] = {
    Trading.ACTIVE: Allows(True, True, True, True),
    Trading.REDUCING: Allows(False, True, False, True),
    Trading.HALTED: Allows(False, False, False, False),  # the strategy has no say; stops, targets and people do
}


class Limit(StrEnum):
    """Causes that no person gave."""

    HALT = "limit halts"  # a limit whose action is "halt"
    REDUCE = "limit reduces"
    SESSION_END = "session ends"


class Move(NamedTuple):
    """The next state, and whether every position is left."""

    state: Trading
    flatten: bool = False


_ALL_HALT = {
    HALT: Move(Trading.HALTED),
    FLATTEN: Move(Trading.HALTED, True),
    KILL: Move(Trading.HALTED, True),
    RESUME: Move(Trading.ACTIVE),
    Limit.HALT: Move(Trading.HALTED, True),
}
MOVES: dict[tuple[Trading, str], Move] = {
    **{(state, cause): move for state in Trading for cause, move in _ALL_HALT.items()},
    **{(state, Limit.SESSION_END): Move(state, True) for state in Trading},
    **{(state, cause): Move(Trading.REDUCING) for state in (Trading.ACTIVE, Trading.REDUCING)
       for cause in (REDUCE, Limit.REDUCE)},
    # nothing but `resume` loosens
    (Trading.HALTED, REDUCE): Move(Trading.HALTED),
    (Trading.HALTED, Limit.REDUCE): Move(Trading.HALTED),
}  # fmt: skip
"""(state, word or Limit) -> Move. A word that is not here moves nothing."""


def move_of(state: Trading, cause: str) -> Move:
    return MOVES.get((state, cause), Move(state))
