"""From a total vote to an action, and how high the total must be. A NaN is a HOLD.

The configured threshold is the least. Where the voters contradict each other, and where the costs are large against what
the market moves, more is asked for:

    threshold = min(most, least x (1 + a dispersion + b cost / (cost + volatility sqrt(horizon))))

dispersion: the weighted standard deviation of the votes, 0 (all say the same) ... 1 (half say buy, half sell, surely).
Costs that are not known, or a volatility that is not, count as the worst: the second fraction is 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

BUY = "BUY"
SELL = "SELL"
HOLD = "HOLD"


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """least, most: shares 0 ... 1; dispersion, cost: how strongly each raises it (a and b above), 0: not at all."""

    least: float
    most: float
    dispersion: float
    cost: float

    def threshold(self, dispersion: float, cost_share: float) -> float:
        """Both arguments in [0, 1]. Never below `least`, never above `most` unless that is below `least`.

        >>> rule = ThresholdRule(0.1, 0.3, 1.0, 1.0)
        >>> rule.threshold(0.0, 0.0), round(rule.threshold(0.5, 0.25), 3), rule.threshold(1.0, 1.0)
        (0.1, 0.175, 0.3)
        """
        raised = self.least * (1.0 + self.dispersion * dispersion + self.cost * cost_share)
        return max(self.least, min(self.most, raised))


def cost_share(cost: float, volatility: float, horizon_s: float) -> float:
    """cost / (cost + volatility sqrt(horizon)); 1 when one of them is not known or the market does not move.

    cost: points; volatility: points per sqrt(second).
    """
    whole = cost + volatility * math.sqrt(horizon_s)
    if not (math.isfinite(whole) and whole > 0.0):
        return 1.0
    return min(1.0, max(0.0, cost / whole))


def dispersion_of(votes: Iterable[tuple[float, float]], total: float, held: float) -> float:
    """Weighted standard deviation of the votes. votes: (weight, vote); total: their weighted sum; held: sum of weights."""
    if held <= 0.0:
        return 0.0
    mean = total / held
    square = math.fsum([weight * vote * vote for weight, vote in votes]) / held
    return math.sqrt(max(0.0, square - mean * mean))


def action_of(total: float, threshold: float) -> str:
    """BUY or SELL when the total reaches the threshold (at it counts), else HOLD.

    >>> action_of(0.1, 0.1), action_of(-0.2, 0.1), action_of(0.09, 0.1), action_of(float("nan"), 0.1)
    ('BUY', 'SELL', 'HOLD', 'HOLD')

    A total of exactly 0 has no side, so it is a HOLD even with a threshold of 0.
    """
    if total > 0.0 and total >= threshold:
        return BUY
    if total < 0.0 and -total >= threshold:
        return SELL
    return HOLD
