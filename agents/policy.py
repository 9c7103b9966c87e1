"""From evidence to a word: what a specialist thinks, and when it says so. Pure: market times and evidence in, out what
to send. It never speaks a neutral vote: without a pattern, or with patterns that cancel out, it abstains and says why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

NO_PATTERN = "no pattern"
DISAGREE = "patterns disagree"
COLD = "warming up"
MINIMUM_AGREEMENT = 0.3
REPEAT_ABSTENTION_NS = 1_000_000_000
_NUMBERS = re.compile(r"\d+")


class Opinion(NamedTuple):
    """direction in [-1, 1]: how far the patterns agree, signed; confidence in [0, 1]: how strong they are together.

    abstains: the reason why it is none; direction and confidence are 0 then and must not be read.
    """

    direction: float = 0.0
    confidence: float = 0.0
    patterns: tuple[str, ...] = ()
    abstains: str = ""


_NOTHING_SEEN = Opinion(abstains=NO_PATTERN)


def opinion(strengths: Sequence[float], names: tuple[str, ...], weights: tuple[float, ...]) -> Opinion:
    """Weighs the patterns that are seen.

    With w weights and e strengths: direction = sum(w e) / sum(w abs(e)); confidence = min(1, 2 sum(w abs(e)) / sum(w)):
    one heavy pattern at full strength, or several at half, is certainty.
    """
    weighted = [weight * strength for weight, strength in zip(weights, strengths, strict=False)]
    size = sum([abs(value) for value in weighted])
    if size == 0.0:
        return _NOTHING_SEEN
    direction = sum(weighted) / size
    if abs(direction) < MINIMUM_AGREEMENT:
        return Opinion(abstains=DISAGREE)
    seen = tuple(name for name, value in zip(names, weighted, strict=False) if value != 0.0)
    return Opinion(max(-1.0, min(1.0, direction)), min(1.0, 2.0 * size / sum(weights)), seen)


class Speaker:
    """When to say it, for one symbol.

    At most one signal in `every_ns` of market time, unless the sign of the votes turns. A vote stands for `horizon_ns`:
    while it does, the mere end of its pattern is not said. Every other reason to abstain is said at once, because
    consensus must not go on counting the vote; after that once a second.
    """

    def __init__(self, every_ns: int, horizon_ns: int) -> None:
        self._every_ns = every_ns
        self._horizon_ns = horizon_ns
        self._said_ns: int | None = None
        self._sign = 0  # of the last vote
        self._vote_until_ns = 0  # 0: the last word was no vote
        self._reason = ""

    def says(self, ts_ns: int, what: Opinion) -> bool:
        """Whether to send it at market time `ts_ns`; if so it counts as sent."""
        due = self._said_ns is None or ts_ns - self._said_ns >= self._every_ns
        if what.abstains:
            return self._says_abstention(ts_ns, what.abstains, due)
        sign = 1 if what.direction > 0 else -1
        if not due and sign == self._sign:
            return False
        self._said_ns, self._sign, self._reason = ts_ns, sign, ""
        self._vote_until_ns = ts_ns + self._horizon_ns
        return True

    def _says_abstention(self, ts_ns: int, reason: str, due: bool) -> bool:
        vote_stands = 0 < ts_ns <= self._vote_until_ns
        if reason in (NO_PATTERN, DISAGREE):
            if vote_stands or not due:
                return False
        else:
            reason = _NUMBERS.sub("", reason)  # what changes in it each time is no news
        if reason == self._reason and self._said_ns is not None and ts_ns - self._said_ns < REPEAT_ABSTENTION_NS:
            return False
        if not due and not vote_stands:
            return False
        self._said_ns, self._reason, self._vote_until_ns = ts_ns, reason, 0
        return True
