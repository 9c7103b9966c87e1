"""Latency histograms in shared memory: buckets of constant relative width, as HdrHistogram draws them.

Values are nanoseconds. Below 64 each has its own bucket; above, every power of two is cut into 32, so a percentile is
right within 1/32 of its value. One writer records with plain stores; readers may see a count that is one behind.

    0    samples u64 | sum u64 | largest u64 | (spare)
    64   buckets u64 x BUCKETS
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from shm.atomics import load_relaxed, store_relaxed
from shm.jit import inline, kernel

from numba import types  # isort: skip
from numba.extending import intrinsic  # isort: skip

SUB_BITS = 5
TOP_BIT = 40  # the last bucket holds everything from about 18 minutes on
BUCKETS = ((TOP_BIT - SUB_BITS) << SUB_BITS) + (1 << SUB_BITS)
OFFSET_BUCKETS = 64
HISTOGRAM_SIZE = OFFSET_BUCKETS + 8 * BUCKETS


@intrinsic
def _top_bit(typingctx: Any, word: Any) -> Any:
    """Index of the highest set bit of a uint64 that is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sub(ir.IntType(64)(63), builder.ctlz(args[0], ir.IntType(1)(1)))

    return types.uint64(types.uint64), codegen


@inline
def bucket_of(value):  # type: ignore[no-untyped-def]
    """Bucket number of a duration in nanoseconds; negative durations count as 0."""
    if value < 64:
        return np.int64(max(value, 0))
    top = np.int64(_top_bit(np.uint64(value)))
    if top >= TOP_BIT:
        return np.int64(BUCKETS - 1)
    shift = top - SUB_BITS
    return (shift << SUB_BITS) + (value >> shift)


@inline
def histogram_record(histogram, value):  # type: ignore[no-untyped-def]
    """Count one duration (ns) in the histogram at an address. The histogram's one writer only."""
    store_relaxed(histogram, load_relaxed(histogram) + np.uint64(1))
    total = histogram + np.uint64(8)
    store_relaxed(total, load_relaxed(total) + np.uint64(max(value, 0)))
    largest = histogram + np.uint64(16)
    if np.uint64(max(value, 0)) > load_relaxed(largest):
        store_relaxed(largest, np.uint64(max(value, 0)))
    bucket = histogram + np.uint64(OFFSET_BUCKETS) + np.uint64(8 * bucket_of(value))
    store_relaxed(bucket, load_relaxed(bucket) + np.uint64(1))


@kernel("void(uintp, int64)")
def record(histogram, value):  # type: ignore[no-untyped-def]
    """For Python: histogram_record."""
    histogram_record(histogram, value)


def upper_edge(bucket: int) -> int:
    """Largest value (ns) that falls into a bucket."""
    if bucket < 64:
        return bucket
    shift = (bucket >> SUB_BITS) - 1
    return ((bucket - (shift << SUB_BITS) + 1) << shift) - 1


class Histogram:
    """A view of one histogram: uint64 words over its HISTOGRAM_SIZE bytes."""

    def __init__(self, words: np.ndarray[Any, np.dtype[np.uint64]]) -> None:
        self.words = words
        self.address = int(words.ctypes.data)

    @classmethod
    def private(cls) -> Histogram:
        """One in this process's own memory, for tests and tools."""
        return cls(np.zeros(HISTOGRAM_SIZE // 8, np.uint64))

    def record(self, value_ns: int) -> None:
        record(self.address, value_ns)

    @property
    def samples(self) -> int:
        return int(self.words[0])

    @property
    def largest(self) -> int:
        return int(self.words[2])

    @property
    def mean(self) -> float:
        """Mean in ns; NaN without samples."""
        return float(self.words[1]) / self.samples if self.samples else float("nan")

    def percentile(self, percent: float) -> int | None:
        """Smallest bucket edge (ns) that at least `percent` % of the samples do not exceed; None without samples."""
        counts = self.words[OFFSET_BUCKETS // 8 :]
        total = int(counts.sum())
        if total == 0:
            return None
        rank = max(1, int(np.ceil(total * percent / 100.0)))
        return min(upper_edge(int(np.searchsorted(np.cumsum(counts), rank))), self.largest)

    def clear(self) -> None:
        self.words[:] = 0
