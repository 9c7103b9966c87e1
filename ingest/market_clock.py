"""Maps the DLL's server clock onto monotonic time: market_ns = monotonic_ns x speed + offset.

The server clock is cut to milliseconds, so a reading m taken at p says: offset >= m - p x speed, by less than 1 ms. The
largest of several such bounds is the estimate. When a reading disagrees by more than the tolerance (the simulated
clock was started, the server's was set) the estimate starts over. Pure: readings in, offset out.
"""

from __future__ import annotations

from dataclasses import dataclass

MILLISECOND_NS = 1_000_000
TOLERANCE_NS = 50_000_000  # of monotonic time
RELAX_NS = 20_000  # given back at each reading, so that the estimate follows a slow drift


@dataclass
class ClockMapping:
    """The estimate. speed: market seconds per second."""

    speed: float
    offset_ns: int = 0
    known: bool = False
    jumps: int = 0

    def reading(self, market_ns: int, monotonic_ns: int) -> int:
        """Take a reading of the server's clock; returns the offset to use from now on."""
        bound = market_ns - int(monotonic_ns * self.speed)
        off_by = bound - self.offset_ns
        if not self.known or off_by > TOLERANCE_NS * self.speed or off_by < -TOLERANCE_NS * self.speed - MILLISECOND_NS:
            self.jumps += self.known
            self.offset_ns = bound
            self.known = True
        else:
            self.offset_ns = max(bound, self.offset_ns - int(RELAX_NS * self.speed))
        return self.offset_ns

    def market_at(self, monotonic_ns: int) -> int:
        return int(monotonic_ns * self.speed) + self.offset_ns
