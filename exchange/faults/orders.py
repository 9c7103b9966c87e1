"""What the order faults do to one message about an order: send it now, several times, later, or after its successor.

Pure: bytes and monotonic time in, bytes that are due out. One `OrderPost` a connection, because each client has its
own line. Without a fault a message passes through untouched.

Whatever comes late, the newest message about the order comes last: `SETTLE_NS` after an older one was sent behind it,
the newest is told again. So a client is misled for a while, and never for good.
"""

from __future__ import annotations

import heapq

from exchange.faults.running import Running
from exchange.faults.table import DuplicateOrders, LateOrders, OutOfOrderOrders

MS = 1_000_000
SETTLE_NS = 250 * MS


class OrderPost:
    """The messages about orders on their way to one client. `order`: any key that names the order."""

    def __init__(self) -> None:
        self._later: list[tuple[int, int, str, bytes]] = []  # due monotonic, number, order, message
        self._held: dict[str, int] = {}  # order -> number of its message that waits to be overtaken
        self._newest: dict[str, bytes] = {}
        self._numbers = 0

    def put(self, order: str, message: bytes, faults: Running, now_ns: int) -> list[bytes]:
        """What is to be sent now for a message. The rest becomes `due` later."""
        if not faults and not self._later:
            self._newest.clear()
            return [message]
        self._newest[order] = message
        held = self._held.pop(order, None)
        if held is not None:
            return [message, *self._behind(order, self._take(held), now_ns)]
        if faults.strike(OutOfOrderOrders):
            self._held[order] = self._wait(now_ns + SETTLE_NS, order, message)
            return []
        if late := faults.strike(LateOrders):
            self._wait(now_ns + int(late.delay_ms * MS), order, message)
            return []
        twice = faults.strike(DuplicateOrders)
        return [message] * (twice.times if twice else 1)

    def due(self, now_ns: int) -> list[bytes]:
        """The messages whose time has come, in the order of their time."""
        out: list[bytes] = []
        while self._later and self._later[0][0] <= now_ns:
            _, number, order, message = heapq.heappop(self._later)
            if self._held.get(order) == number:
                del self._held[order]  # nothing overtook it: it is only late
            out += self._behind(order, message, now_ns)
        return out

    def next_due_ns(self) -> int | None:
        return self._later[0][0] if self._later else None

    def _behind(self, order: str, message: bytes, now_ns: int) -> list[bytes]:
        """A message that was kept back goes out; when it is not the newest, the newest is told again soon."""
        newest = self._newest[order]
        waiting = any(each[2:] == (order, newest) for each in self._later)
        if message is not newest and not waiting:
            self._wait(now_ns + SETTLE_NS, order, newest)
        return [message]

    def _wait(self, due_ns: int, order: str, message: bytes) -> int:
        self._numbers += 1
        heapq.heappush(self._later, (due_ns, self._numbers, order, message))
        return self._numbers

    def _take(self, number: int) -> bytes:
        place = next(i for i, each in enumerate(self._later) if each[1] == number)
        message = self._later.pop(place)[3]
        heapq.heapify(self._later)
        return message
