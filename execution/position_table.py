"""What a decision means, given what we hold: a table. By default no adding, and an opposite decision leaves the position.

Adding opens another bracket of its own; the risk gate's limits hold for all together. A reversal leaves and, once flat,
enters the other side on the same decision, if it is not too old by then: never with one order, which could fill twice.
"""

from __future__ import annotations

from enum import StrEnum

from config.schema import Execution
from consensus.threshold import BUY, HOLD, SELL


class Stance(StrEnum):
    """What we hold, or are getting into or out of, in one contract."""

    FLAT = "flat"
    LONG = "long"  # also while the entry works
    SHORT = "short"
    LEAVING = "leaving"


class Move(StrEnum):
    STAY = "hold"
    ENTER = "enter"
    EXIT = "exit"
    ADD = "add"
    REVERSE = "reverse"


TABLE: dict[tuple[Stance, str], Move] = {
    (Stance.FLAT, BUY): Move.ENTER,
    (Stance.FLAT, SELL): Move.ENTER,
    (Stance.FLAT, HOLD): Move.STAY,
    (Stance.LONG, BUY): Move.STAY,
    (Stance.LONG, SELL): Move.EXIT,
    (Stance.LONG, HOLD): Move.STAY,
    (Stance.SHORT, BUY): Move.EXIT,
    (Stance.SHORT, SELL): Move.STAY,
    (Stance.SHORT, HOLD): Move.STAY,
    (Stance.LEAVING, BUY): Move.STAY,
    (Stance.LEAVING, SELL): Move.STAY,
    (Stance.LEAVING, HOLD): Move.STAY,
}


def table_of(settings: Execution) -> dict[tuple[Stance, str], Move]:
    """TABLE as configured: `on_same_side` and `on_opposite` replace its cells for the side held and the other."""
    same = Move.ADD if settings.on_same_side == "add" else Move.STAY
    other = Move.REVERSE if settings.on_opposite == "reverse" else Move.EXIT
    return TABLE | {
        (Stance.LONG, BUY): same,
        (Stance.SHORT, SELL): same,
        (Stance.LONG, SELL): other,
        (Stance.SHORT, BUY): other,
    }
