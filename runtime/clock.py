"""The two clocks, and the one door to time.

Monotonic time measures: latency, ages in the pipeline, heartbeats, rate limits. It is `perf_counter_ns`, which steps
100 ns on Windows (`monotonic` steps 16 ms there) and is the same for all processes of a machine.
Market time decides: session, expiry, bars, labels, validity of signals. It follows the DLL's server clock, which ingest
maps onto monotonic time in shared memory; in replay it runs at the tape's speed.

Exchange time is America/Sao_Paulo; everything here is int64 nanoseconds UTC.
"""

from __future__ import annotations

import time
from typing import Protocol

from shm.counters import RUN_CLOCK_OFFSET_NS, RUN_CLOCK_READY, RUN_CLOCK_SPEED, RunCounters


class Clock(Protocol):
    """What a stage may know of time."""

    def monotonic_ns(self) -> int: ...

    def market_ns(self) -> int:
        """Market time now; 0 while nobody knows it."""
        ...

    def ns_until(self, market_ns: int) -> int:
        """Monotonic ns until that market time; 0 or less: it is past, or market time is not known."""
        ...


class SharedClock:
    """The live clock: monotonic time from the system, market time by the mapping that ingest keeps in shared memory."""

    def __init__(self, run: RunCounters) -> None:
        # views that give Python's own numbers: every event asks
        self._words, self._floats = run.words.data, run.floats.data

    def monotonic_ns(self) -> int:
        return time.perf_counter_ns()

    def market_ns(self) -> int:
        if not self._words[RUN_CLOCK_READY]:
            return 0
        offset_ns: int = self._words[RUN_CLOCK_OFFSET_NS]
        return int(time.perf_counter_ns() * self._floats[RUN_CLOCK_SPEED]) + offset_ns

    def ns_until(self, market_ns: int) -> int:
        now_ns = self.market_ns()
        return int((market_ns - now_ns) / self._floats[RUN_CLOCK_SPEED]) if now_ns else 0


class ManualClock:
    """The clock of replay and tests: stands still until it is told."""

    def __init__(self, monotonic_ns: int = 0, market_ns: int = 0) -> None:
        self._monotonic_ns = monotonic_ns
        self._market_ns = market_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def market_ns(self) -> int:
        return self._market_ns

    def ns_until(self, market_ns: int) -> int:
        return market_ns - self._market_ns if self._market_ns else 0

    def advance(self, duration_ns: int, speed: float = 1.0) -> None:
        """Move both clocks forward, market time `speed` times as far."""
        if duration_ns < 0:
            raise ValueError(f"clocks do not go back: {duration_ns} ns")
        self._monotonic_ns += duration_ns
        self._market_ns += int(duration_ns * speed)

    def set_market(self, market_ns: int) -> None:
        self._market_ns = market_ns


def set_market_clock(run: RunCounters, market_ns: int, monotonic_ns: int, speed: float) -> None:
    """Ingest's door: from now on market time is `market_ns` at `monotonic_ns`, and runs `speed` times as fast."""
    run.floats[RUN_CLOCK_SPEED] = speed
    run.words[RUN_CLOCK_OFFSET_NS] = market_ns - int(monotonic_ns * speed)
    run.words[RUN_CLOCK_READY] = 1


def monotonic_ns() -> int:
    """Monotonic time for code that runs outside a stage (supervisor, tools)."""
    return time.perf_counter_ns()


def wall_ns() -> int:
    """The system's calendar clock, ns UTC: names of runs, dates of reports; never a decision of trading."""
    return time.time_ns()


def sleep_s(seconds: float) -> None:
    """Let the supervisor and tools wait; stages sleep at their bell."""
    time.sleep(seconds)
