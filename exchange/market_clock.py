"""Market time of the simulated exchange: frozen until the market starts, then `speed` times monotonic time.

The one mapping between the two clocks here. It reads no clock itself: monotonic time is an argument.
"""

from __future__ import annotations

from typing import NamedTuple

LEAD_IN_NS = 1_000_000_000  # monotonic time between the start and the first event


class Moment(NamedTuple):
    """The time of one piece of work: both clocks, and how the market clock runs."""

    monotonic_ns: int
    market_ns: int
    speed: float
    running: bool


class MarketClock:
    """Frozen one `LEAD_IN_NS` before the first event. speed: market seconds per second, > 0."""

    def __init__(self, first_ns: int, speed: float) -> None:
        self.speed = speed
        self._anchor_ns = first_ns - int(LEAD_IN_NS * speed)
        self._started_ns: int | None = None

    @property
    def running(self) -> bool:
        return self._started_ns is not None

    def start(self, monotonic_ns: int) -> None:
        """From this moment on market time runs. A second start changes nothing."""
        if self._started_ns is None:
            self._started_ns = monotonic_ns

    def stop(self, monotonic_ns: int) -> None:
        """Freeze market time where it is: the run is ending, and nothing more is played."""
        self._anchor_ns = self.market_ns(monotonic_ns)
        self._started_ns = None

    def market_ns(self, monotonic_ns: int) -> int:
        """Market time at a monotonic time."""
        if self._started_ns is None:
            return self._anchor_ns
        return self._anchor_ns + int((monotonic_ns - self._started_ns) * self.speed)

    def monotonic_at(self, market_ns: int) -> int | None:
        """When, monotonic, market time will have reached `market_ns`; None while frozen."""
        if self._started_ns is None:
            return None
        return self._started_ns + -int(-(market_ns - self._anchor_ns) // self.speed)
