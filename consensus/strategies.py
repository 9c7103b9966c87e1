"""The rules by which votes become an action: a table of small pure functions, chosen and ordered by the configuration.

Each looks at the votes that count and says BUY, SELL or HOLD and why. The first that does not hold wins. That enough
sources with enough weight vote at all was checked before, whatever the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from consensus.threshold import BUY, HOLD, SELL, action_of
from consensus.weights import ML

Vote = tuple[str, float, float, float]
"""source, weight in this decision, direction, confidence."""

STRONG_TOTAL, STRONG_AGREE = 0.6, 4
QUALIFIED_TOTAL, QUALIFIED_AGENTS = 0.4, 2
SPECIALIST_CONFIDENCE, SPECIALIST_OPPOSED, SPECIALIST_SIZE = 0.85, 0.3, 0.5
TOLERANCE = 1e-9  # a total of 0.6 is a sum of parts


class Verdict(NamedTuple):
    """rule: the strategy that gave the action, empty for a HOLD; size: share of the full size."""

    action: str
    reason: str
    rule: str = ""
    size: float = 1.0


class Tally(NamedTuple):
    """The votes that count, their weighted total, and the threshold of the moment."""

    votes: Sequence[Vote]
    total: float
    threshold: float

    def agreeing(self) -> list[str]:
        """Sources with a weight whose direction is that of the total."""
        return [
            source for source, weight, direction, confidence in self.votes
            if weight > 0.0 and direction * confidence * self.total > 0.0
        ]  # fmt: skip


def by_threshold(tally: Tally) -> Verdict:
    """The total reaches the threshold of the moment."""
    action = action_of(tally.total, tally.threshold)
    side = "reaches" if action != HOLD else "is below"
    return _verdict("threshold", action, f"total {tally.total:+.3f} {side} the threshold {tally.threshold:.3f}")


def strong(tally: Tally) -> Verdict:
    """The total is at least 0.6 and four sources agree with it."""
    agreeing = len(tally.agreeing())
    action = action_of(tally.total, STRONG_TOTAL - TOLERANCE) if agreeing >= STRONG_AGREE else HOLD
    return _verdict(
        "strong", action,
        f"strong: total {tally.total:+.3f} of {STRONG_TOTAL}, {agreeing} of {STRONG_AGREE} sources agree",
    )  # fmt: skip


def qualified(tally: Tally) -> Verdict:
    """The total is at least 0.4, and the model and two agents agree with it."""
    agreeing = tally.agreeing()
    with_ml = ML in agreeing
    agents = len(agreeing) - with_ml
    enough = with_ml and agents >= QUALIFIED_AGENTS
    action = action_of(tally.total, QUALIFIED_TOTAL - TOLERANCE) if enough else HOLD
    return _verdict(
        "qualified",
        action,
        f"qualified: total {tally.total:+.3f} of {QUALIFIED_TOTAL}, {ML} {'agrees' if with_ml else 'does not agree'},"
        f" {agents} of {QUALIFIED_AGENTS} agents do",
    )


def specialist(tally: Tally) -> Verdict:
    """One agent is sure (confidence 0.85 at least), and nobody says the opposite beyond 0.3: half the size.

    Of several sure ones the surest leads; a sure one of the opposite side opposes.
    """
    sure = [
        vote for vote in tally.votes
        if vote[0] != ML and vote[1] > 0.0 and vote[2] != 0.0 and vote[3] >= SPECIALIST_CONFIDENCE
    ]  # fmt: skip
    if not sure:
        return Verdict(HOLD, f"specialist: no agent is sure to {SPECIALIST_CONFIDENCE}")
    source, _, direction, confidence = max(sure, key=lambda vote: (vote[3], abs(vote[2])))
    against = [
        other for other, _, opposite, its_confidence in tally.votes
        if opposite * direction < 0.0 and abs(opposite * its_confidence) > SPECIALIST_OPPOSED
    ]  # fmt: skip
    reason = f"specialist: {source} is sure to {confidence:.2f}, opposed by {', '.join(against) or 'nobody'}"
    action = HOLD if against else BUY if direction > 0.0 else SELL
    return _verdict("specialist", action, reason, SPECIALIST_SIZE)


def _verdict(rule: str, action: str, reason: str, size: float = 1.0) -> Verdict:
    return Verdict(HOLD, reason) if action == HOLD else Verdict(action, reason, rule, size)


STRATEGIES: dict[str, Callable[[Tally], Verdict]] = {
    "threshold": by_threshold,
    "strong": strong,
    "qualified": qualified,
    "specialist": specialist,
}
