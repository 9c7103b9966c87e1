"""What the exchange tells its clients travels here: reports on one line, market data and states on the other.

It holds actions, not bytes: what a message says was settled when it was sent, who is there to hear it when it arrives.
A route without latency acts at once. No clock: `now_ns` (monotonic) is set by the caller in each turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exchange.latency import MARKET_DATA, REPORTS, Line, Route

Action = Callable[[], object]


class Outbound:
    """The two lines to the clients. routes: REPORTS and MARKET_DATA."""

    def __init__(self, routes: Mapping[int, Route]) -> None:
        self.now_ns = 0
        self._lines = {number: Line[Action](routes[number]) for number in (MARKET_DATA, REPORTS)}

    def send(self, line: int, action: Action) -> None:
        """Act when the message arrives, which without latency is now."""
        if self._lines[line].route.immediate:
            action()
        else:
            self._lines[line].put(action, self.now_ns)

    def arrive(self, now_ns: int) -> int:
        """Act for every message that has arrived. Returns how many."""
        self.now_ns = now_ns
        done = 0
        for line in self._lines.values():
            for action in line.arrived(now_ns):
                action()
                done += 1
        return done

    def next_due_ns(self) -> int | None:
        """When, monotonic, the next message arrives."""
        dues = [line.next_due_ns() for line in self._lines.values()]
        return min((due for due in dues if due is not None), default=None)
