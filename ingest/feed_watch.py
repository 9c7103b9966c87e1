"""Decides from a few facts whether market data are being missed: connection lost, come back, feed silent, alive again.

Pure: facts in, one word out; the stage carries it out and reports back by what it asks next. A connected flag proves
nothing, so the age of the feed is watched, and that of trades by itself: they can stay away while the depth flows. (The
other way round features and execution see for themselves: a book that trades have left behind is stale.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """What the stage has to do now."""

    NOTHING = "nothing"
    LOST = "lost"  # the connection went: say so; events are held already
    BACK = "back"  # it is there again: catch up
    SILENT = "silent"  # nothing comes at all: hold
    ALIVE = "alive"  # something came after a silence: catch up
    DOUBT = "doubt"  # depth flows, trades do not: ask history whether some are missing


@dataclass(frozen=True)
class Facts:
    """losses: connections lost so far; trade_ns and book_ns: monotonic, the newest of each kind, 0 none yet."""

    now_ns: int
    connected: bool
    losses: int
    trade_ns: int
    book_ns: int


class FeedWatch:
    """silent_after_ns: 0 watches the connection only."""

    def __init__(self, silent_after_ns: int, losses: int) -> None:
        self._silent_after_ns = silent_after_ns
        self._losses = losses  # those that were dealt with
        self._down = False
        self._silent_since_ns = 0  # the newest event when the feed was found silent
        self._asked_ns = 0

    def step(self, facts: Facts) -> Step:
        """The next thing to do; call it until it says NOTHING."""
        if facts.losses != self._losses:
            if not self._down:
                self._down = True
                return Step.LOST
            if not facts.connected:
                return Step.NOTHING
            self._losses, self._down, self._silent_since_ns = facts.losses, False, 0
            self._asked_ns = facts.now_ns
            return Step.BACK
        return self._by_age(facts)

    def _by_age(self, facts: Facts) -> Step:
        newest_ns = max(facts.trade_ns, facts.book_ns)
        if not self._silent_after_ns or not newest_ns or not facts.connected:
            return Step.NOTHING
        if self._silent_since_ns:
            if newest_ns == self._silent_since_ns:
                return Step.NOTHING
            self._silent_since_ns, self._asked_ns = 0, facts.now_ns
            return Step.ALIVE
        if facts.now_ns - newest_ns > self._silent_after_ns:
            self._silent_since_ns = newest_ns
            return Step.SILENT
        if facts.now_ns - max(facts.trade_ns, self._asked_ns) > self._silent_after_ns:
            self._asked_ns = facts.now_ns
            return Step.DOUBT
        return Step.NOTHING
