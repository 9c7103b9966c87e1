"""How many orders may go out in a time: token buckets in exact integers.

A bucket of `capacity` tokens refills evenly in `period_ns` and starts full, so a burst of `capacity` passes and then
the even rate. Time is the monotonic clock's, handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


@dataclass
class TokenBucket:
    """One token is `period_ns` units of level, so refilling needs no fractions."""

    capacity: int
    period_ns: int
    _level: int = -1  # -1: not used yet, so full
    _seen_ns: int = 0

    def tokens(self, now_ns: int) -> int:
        """Whole tokens that are there. A clock that goes back adds none."""
        full = self.capacity * self.period_ns
        if self._level < 0:
            self._level, self._seen_ns = full, now_ns
        elapsed = max(0, now_ns - self._seen_ns)
        self._level = min(full, self._level + elapsed * self.capacity)
        self._seen_ns = max(self._seen_ns, now_ns)
        return self._level // self.period_ns

    def take(self, now_ns: int) -> None:
        """Take one, or what is left: an order that had to go out counts against the next ones."""
        self.tokens(now_ns)
        self._level = max(0, self._level - self.period_ns)


class OrderRate:
    """Both limits of the order rate, for all contracts together."""

    def __init__(self, per_second: int, per_minute: int) -> None:
        self._buckets = (TokenBucket(per_second, SECOND_NS), TokenBucket(per_minute, MINUTE_NS))

    def refusal(self, now_ns: int) -> str:
        for bucket in self._buckets:
            if bucket.tokens(now_ns) < 1:
                return f"more than {bucket.capacity} orders in {bucket.period_ns // SECOND_NS} s"
        return ""

    def count(self, now_ns: int) -> None:
        for bucket in self._buckets:
            bucket.take(now_ns)
