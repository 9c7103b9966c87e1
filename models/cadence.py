"""When the ml stage speaks about one symbol: predictions by market time, abstentions when they are news or are due.

Consensus keeps the latest signal of a source, so the first moment of an abstention must be told at once, or an old
vote would count until it runs out; after that once a second is enough.
"""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"\d+")
REPEAT_NS = 1_000_000_000


class Cadence:
    """The schedule of one symbol."""

    def __init__(self, every_ns: int) -> None:
        self._every_ns = every_ns
        self._due_ts_ns = 0
        self._reason = ""
        self._told_ns = 0

    def prediction_due(self, ts_ns: int) -> bool:
        """Whether the vector of market time `ts_ns` is to be judged; if so the next is due `every_ns` later."""
        if ts_ns < self._due_ts_ns:
            return False
        self._due_ts_ns = ts_ns + self._every_ns
        return True

    @property
    def due_ts_ns(self) -> int:
        """Market time from which on a vector is to be judged; 0 at the start."""
        return self._due_ts_ns

    def voted(self) -> None:
        self._reason = ""

    def abstention_due(self, reason: str, now_ns: int) -> bool:
        """Whether to tell this reason now (monotonic); if so it is taken as told."""
        kind = _NUMBERS.sub("", reason)  # "has not beaten for 1100 ms" and "... 1150 ms" are the same news
        if kind == self._reason and now_ns - self._told_ns < REPEAT_NS:
            return False
        self._reason = kind
        self._told_ns = now_ns
        return True
