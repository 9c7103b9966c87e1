"""Monotonic time inside the compiled loop: the clock of time.perf_counter_ns without Python, or a manual one.

The stage chooses at start, from the clock its context gave it; a kernel only reads. Not a second door to time: what is
read here are stamps of latency, never a decision.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from runtime.clock import Clock, SharedClock
from shm.atomics import at, call_1, call_2
from shm.jit import inline

from numba import carray  # isort: skip

_POSIX_MONOTONIC = 1
MODE_POSIX, MODE_COUNTER, MODE_MANUAL = 0, 1, 2
# words: mode | function | ns per tick of a counter | 2 scratch words; a manual clock's time stands in the first
WORDS = 5
_SCRATCH = 3


@inline
def native_now_ns(clock):  # type: ignore[no-untyped-def]
    """Monotonic ns by the clock words at an address."""
    words = carray(at(clock), WORDS, np.int64)
    scratch = np.int64(clock) + 8 * _SCRATCH
    if words[0] == MODE_POSIX:
        call_2(np.uint64(words[1]), np.int64(_POSIX_MONOTONIC), scratch)
        return words[_SCRATCH] * 1_000_000_000 + words[_SCRATCH + 1]
    if words[0] == MODE_COUNTER:
        call_1(np.uint64(words[1]), scratch)
        return words[_SCRATCH] * words[2]
    return words[_SCRATCH]


class NativeClock:
    """The clock words of one process. `address` is for kernels."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.words: np.ndarray[Any, np.dtype[np.int64]] = np.zeros(WORDS, np.int64)
        self.address = int(self.words.ctypes.data)
        if not isinstance(clock, SharedClock):
            self.words[0] = MODE_MANUAL
        elif sys.platform == "win32":
            kernel = ctypes.WinDLL("kernel32")
            frequency = ctypes.c_int64()
            kernel.QueryPerformanceFrequency(ctypes.byref(frequency))
            if 1_000_000_000 % frequency.value:
                raise RuntimeError(f"the performance counter's {frequency.value} Hz are no whole number of ns a tick")
            self._set(MODE_COUNTER, kernel.QueryPerformanceCounter, 1_000_000_000 // frequency.value)
        else:
            self._set(MODE_POSIX, ctypes.CDLL(None).clock_gettime, 0)

    def _set(self, mode: int, function: Any, unit_ns: int) -> None:
        self.words[:3] = mode, int(ctypes.cast(function, ctypes.c_void_p).value or 0), unit_ns

    def refresh(self) -> None:
        """Before a batch: a manual clock's time becomes the time of the whole batch."""
        if self.words[0] == MODE_MANUAL:
            self.words[_SCRATCH] = self._clock.monotonic_ns()
