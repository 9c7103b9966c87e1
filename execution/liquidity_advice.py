"""What share of an entry's size the liquidity specialist leaves, read from its own vote in the decision. Pure.

It publishes no size of its own; its vote says on which side the book is leaving or standing. With us or silent for want of
a pattern: the whole size. Against us: less, the surer it is. Not heard, run out, cold or stale: nobody knows the book, so
the floor.
"""

from __future__ import annotations

from bus.messages import Decision
from execution.sizing import direction

LIQUIDITY = "liquidity"
SEES_NOTHING = frozenset({"no pattern", "patterns disagree"})
"""Reasons to abstain of an agent that watches a whole book and finds nothing in it. Each other one means: not known."""


def liquidity_share(decision: Decision, side: int, floor: float) -> float:
    """In floor ... 1. side: the DLL's, of the entry."""
    for source, _, vote, confidence in decision.votes:
        if source == LIQUIDITY:
            return max(floor, 1.0 - max(0.0, -vote * direction(side)) * confidence)
    return 1.0 if dict(decision.abstained).get(LIQUIDITY) in SEES_NOTHING else floor
