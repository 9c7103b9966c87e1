"""From a feature vector to an opinion, or to the reason why there is none. Pure: no ring, no socket, no clock.

direction x confidence = P(up) - P(down): direction is the balance between the two, confidence the probability that the
move beats its cost at all. An opinion is never made up: what the model was not trained for makes it abstain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.contract import why_not_ready


@dataclass(frozen=True)
class Opinion:
    """What the model says about one vector."""

    direction: float = 0.0  # -1 ... 1
    confidence: float = 0.0  # 0 ... 1
    abstains: str = ""  # reason; empty: it votes


class Predictor:
    """A bundle at work on vectors of its instrument."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._needs = bundle.header.needs

    def judge(self, vector: np.void | np.ndarray[Any, Any]) -> Opinion:
        """The opinion on one FEATURE record (0-d or a scalar of its dtype)."""
        if reason := why_not_ready(int(vector["ready"]), self._needs):
            return Opinion(abstains=reason)
        values = np.ascontiguousarray(vector["values"])
        if name := self._bundle.missing(values):
            return Opinion(abstains=f"{name} is not defined")
        down, _, up = self._bundle.probabilities(values).tolist()
        return opinion_of(down, up)


def opinion_of(down: float, up: float) -> Opinion:
    """Direction and confidence of the probabilities of a move beyond the cost.

    >>> opinion_of(0.1, 0.3)
    Opinion(direction=0.5, confidence=0.4, abstains='')
    """
    moves = min(1.0, down + up)
    if moves <= 0.0:
        return Opinion()
    return Opinion(direction=max(-1.0, min(1.0, (up - down) / moves)), confidence=moves)
