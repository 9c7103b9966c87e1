"""From a total vote to an action. The one place where a number becomes BUY or SELL; a NaN is a HOLD."""

from __future__ import annotations

BUY = "BUY"
SELL = "SELL"
HOLD = "HOLD"


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
