"""When a stage that ended is started again: pure decisions over times, without processes and without clocks.

The first restart is immediate, since a lost second is a lost market; then the wait doubles. More than `limit` restarts
within `window_s` means that restarting does not help: give up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST_DELAYS_S = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)


@dataclass
class RestartPolicy:
    """The restarts of one stage. Times are monotonic nanoseconds."""

    limit: int
    window_s: float
    _ends_ns: list[int] = field(default_factory=list)

    def ended(self, now_ns: int) -> float | None:
        """The stage ended by itself at `now_ns`: seconds to wait before the next start, or None to give up."""
        horizon_ns = now_ns - int(self.window_s * 1e9)
        self._ends_ns = [end_ns for end_ns in self._ends_ns if end_ns > horizon_ns]
        self._ends_ns.append(now_ns)
        recent = len(self._ends_ns)
        if recent > self.limit:
            return None
        return FIRST_DELAYS_S[min(recent, len(FIRST_DELAYS_S)) - 1]
