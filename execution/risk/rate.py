"""How many orders and cancels may go out in a time: token buckets in exact integers.

A bucket of `capacity` tokens refills evenly in `period_ns` and starts full, so a burst of `capacity` passes and then
the even rate. Time is the monotonic clock's, handed in. Cancels are never refused, but an entry brings cancels with it, so
while theirs are used up no entry goes out.
"""

from __future__ import annotations

from collections.abc import Iterable

from config.schema import Risk

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


class TokenBucket:
    """One token is `period_ns` units of level, so refilling needs no fractions."""

    __slots__ = ("_full", "_level", "_seen_ns", "capacity", "period_ns")

    def __init__(self, capacity: int, period_ns: int) -> None:
        self.capacity = capacity
        self.period_ns = period_ns
        self._full = self._level = capacity * period_ns
        self._seen_ns = 0

    def level(self, now_ns: int) -> int:
        """Tokens times `period_ns`. A clock that goes back adds none."""
        if now_ns > self._seen_ns:  # plain comparisons: every order comes by here several times
            level = self._level + (now_ns - self._seen_ns) * self.capacity
            self._level = level if level < self._full else self._full
            self._seen_ns = now_ns
        return self._level

    def tokens(self, now_ns: int) -> int:
        """Whole tokens that are there."""
        return self.level(now_ns) // self.period_ns

    def take(self, now_ns: int) -> None:
        """Take one, or what is left: an order that had to go out counts against the next ones."""
        level = self.level(now_ns) - self.period_ns
        self._level = level if level > 0 else 0


class MessageRate:
    """The rates of one kind of message, for all contracts together."""

    def __init__(self, what: str, per_second: int, per_minute: int) -> None:
        self._what = what
        self._buckets = (TokenBucket(per_second, SECOND_NS), TokenBucket(per_minute, MINUTE_NS))

    def refusal(self, now_ns: int) -> str:
        for bucket in self._buckets:
            if bucket.level(now_ns) < bucket.period_ns:
                return f"more than {bucket.capacity} {self._what} in {bucket.period_ns // SECOND_NS} s"
        return ""

    def count(self, now_ns: int) -> None:
        for bucket in self._buckets:
            bucket.take(now_ns)


class Rates:
    """Orders and cancels."""

    def __init__(self, limits: Risk) -> None:
        self.orders = MessageRate("orders", limits.max_orders_per_s, limits.max_orders_per_min)
        self.cancels = MessageRate("cancels", limits.max_cancels_per_s, limits.max_cancels_per_min)

    def restore(self, now_ns: int, orders_ns: Iterable[int], cancels_ns: Iterable[int]) -> None:
        """What earlier incarnations sent. Times ahead of now are of before the machine was last started: passed over."""
        for rate, times in ((self.orders, orders_ns), (self.cancels, cancels_ns)):
            for time_ns in times:
                if time_ns <= now_ns:
                    rate.count(time_ns)
