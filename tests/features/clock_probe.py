"""A compiled door to the native clock, for its test."""

from __future__ import annotations

from runtime.native_clock import native_now_ns
from shm.jit import kernel


@kernel("int64(uintp)")
def probe(clock):
    return native_now_ns(clock)
