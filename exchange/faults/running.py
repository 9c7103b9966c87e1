"""Which faults are on right now, and what is left of each. Time is an argument; nothing here touches a message.

A fault with `for_s` ends by time, one with `count` when it has struck that often, one with both by whichever comes
first. Starting a fault that is on begins it anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from exchange.faults.table import Fault

SomeFault = TypeVar("SomeFault", bound=Fault)


@dataclass(slots=True)
class _On:
    fault: Any
    until_ns: int | None  # monotonic
    left: int | None
    seen: int = 0  # what it could have struck, for `every`


class Running:
    """The faults that are on. `now` must be called before the rest is asked, at each turn."""

    def __init__(self) -> None:
        self._on: dict[type[Fault], _On] = {}
        self.now_ns = 0  # monotonic, of this turn

    def __bool__(self) -> bool:
        return bool(self._on)

    def start(self, fault: Fault, now_ns: int) -> None:
        """Switch a fault on. now_ns: monotonic."""
        seconds, count = getattr(fault, "for_s", None), getattr(fault, "count", None)
        until_ns = None if seconds is None else now_ns + int(seconds * 1e9)
        self._on[type(fault)] = _On(fault, until_ns, count)

    def now(self, now_ns: int) -> list[Fault]:
        """Take the time of this turn, and switch off what its time is over for; those that ended."""
        self.now_ns = now_ns
        ended = [on.fault for on in self._on.values() if on.until_ns is not None and now_ns >= on.until_ns]
        for fault in ended:
            del self._on[type(fault)]
        return ended

    def clear(self) -> list[Fault]:
        """Switch everything off; what was on."""
        ended = [on.fault for on in self._on.values()]
        self._on.clear()
        return ended

    def active(self, kind: type[SomeFault]) -> SomeFault | None:
        """The fault of that kind while it is on."""
        on = self._on.get(kind)
        return on.fault if on is not None else None

    def strike(self, kind: type[SomeFault]) -> SomeFault | None:
        """The fault of that kind if it strikes what is before it now; takes one of its `count`."""
        on = self._on.get(kind)
        if on is None:
            return None
        on.seen += 1
        if on.seen % getattr(on.fault, "every", 1):
            return None
        if on.left is not None:
            on.left -= 1
            if on.left == 0:
                del self._on[kind]
        fault: SomeFault = on.fault
        return fault

    def next_end_ns(self) -> int | None:
        """When, monotonic, the next fault ends by time."""
        return min((on.until_ns for on in self._on.values() if on.until_ns is not None), default=None)
