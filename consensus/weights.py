"""What the configuration says each source weighs: groups with a share, members with a weight within their group.

These are the weights that a run starts with; `shares` makes of them what each vote weighs in a decision, `learner` what
has been learned since.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from config.schema import Consensus

ML = "ml"
AGENTS = ("order_flow", "liquidity", "tape_reading", "footprint")
SOURCES = (ML, *AGENTS)
TOLERANCE = 1e-9  # sums of shares are compared with it: 0.6 x (0.3 + 0.2 + 0.25 + 0.25) is not exactly 0.6


@dataclass(frozen=True)
class Group:
    """`share` of the whole vote, split among `members` (source, weight; the weights sum to 1)."""

    share: float
    members: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Weights:
    """Shares of the groups sum to 1. Raises ValueError otherwise, or for a weight that is not a share."""

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        _check_sum("shares of the groups", [group.share for group in self.groups])
        for group in self.groups:
            _check_sum("weights within a group", [weight for _, weight in group.members])

    def nominal(self) -> dict[str, float]:
        """source -> its weight when everybody votes; sums to 1."""
        return {source: group.share * weight for group in self.groups for source, weight in group.members}


def start_weights(section: Consensus) -> Weights:
    """The configured weights. Raises ValueError naming the sum that is not 1."""
    agents = tuple((agent, float(getattr(section, agent))) for agent in AGENTS)
    return Weights((Group(section.ml_weight, ((ML, 1.0),)), Group(section.agents_weight, agents)))


def _check_sum(what: str, parts: list[float]) -> None:
    if any(not 0.0 <= part <= 1.0 for part in parts):  # also refuses NaN
        raise ValueError(f"{what} must lie in 0 ... 1: {parts}")
    total = math.fsum(parts)
    if abs(total - 1.0) > TOLERANCE:
        raise ValueError(f"{what} must sum to 1, they sum to {total}: {parts}")
