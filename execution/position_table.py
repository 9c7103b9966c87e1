"""What a decision means, given what we hold: a table. No adding to a position; an opposite decision leaves it.

A reversal is two decisions: one that exits, and a later one, once flat, that enters.
"""

from __future__ import annotations

from enum import StrEnum

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
