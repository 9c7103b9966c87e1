"""Several rings read as the one stream that ingest numbered: in the order of `ingest_seq`.

Ingest publishes event n on one ring before event n + 1 on any. So a reader that has taken n, and finds n + 2 at the
head of one ring and nothing on the others, looks at the others' cursors once more: n + 1 was published before n + 2, so
if it was published at all it is there now. No event is passed over, and nobody waits.

A candle carries the number of the event that completed it, and comes before that event's vectors: with equal numbers
the ring that stands earlier in the list goes first, so candles are listed first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shm.atomics import at
from shm.jit import inline, kernel
from shm.ring import RingReader, reader_next

from numba import carray  # isort: skip

MAX_RINGS = 4
# words of a merge state: 0 count | 1 last ingest_seq taken | from 2 on, per ring: reader, head buffer, head is full
MERGE_COUNT = 0
MERGE_LAST = 1
_PER_RING = 2
MERGE_WORDS = _PER_RING + 3 * MAX_RINGS


@inline
def head_address(merge, which):  # type: ignore[no-untyped-def]
    """Address of the record that merge_next has said is next on ring `which`; valid until the next call."""
    words = carray(at(merge), MERGE_WORDS, np.uint64)
    return np.uint64(words[_PER_RING + 3 * which + 1])


@inline
def _fill(words, which):  # type: ignore[no-untyped-def]
    base = _PER_RING + 3 * which
    if words[base + 2] == np.uint64(0) and reader_next(np.uint64(words[base]), np.uint64(words[base + 1])):
        words[base + 2] = np.uint64(1)


@inline
def _choose(words, count):  # type: ignore[no-untyped-def]
    chosen = -1
    lowest = np.int64(0)
    for which in range(count):
        base = _PER_RING + 3 * which
        if words[base + 2] != np.uint64(0):
            sequence = carray(at(np.uint64(words[base + 1]) + np.uint64(8)), 1, np.int64)[0]
            if chosen < 0 or sequence < lowest:
                chosen = which
                lowest = sequence
    return chosen, lowest


@inline
def merge_next(merge):  # type: ignore[no-untyped-def]
    """Index of the ring whose head is the next event, or -1. The record is at head_address until the next call.

    A record is taken: call again for the one after it.
    """
    words = carray(at(merge), MERGE_WORDS, np.uint64)
    count = np.int64(words[MERGE_COUNT])
    for which in range(count):
        _fill(words, which)
    chosen, lowest = _choose(words, count)
    if chosen < 0:
        return np.int64(-1)
    # Having seen the head `lowest`, all that was published before it is visible: look once more at the empty rings.
    for which in range(count):
        _fill(words, which)
    chosen, lowest = _choose(words, count)
    words[_PER_RING + 3 * chosen + 2] = np.uint64(0)
    words[MERGE_LAST] = np.uint64(lowest)
    return np.int64(chosen)


@kernel("int64(uintp)")
def next_ring(merge):  # type: ignore[no-untyped-def]
    """For Python: merge_next."""
    return merge_next(merge)


class MergedReader:
    """Rings as one stream. `address` is the merge state for kernels; `next` is the slow door for Python.

    readers: in the order in which equal numbers go (candles before trades before book).
    """

    def __init__(self, readers: dict[str, RingReader]) -> None:
        if not 1 <= len(readers) <= MAX_RINGS:
            raise ValueError(f"{len(readers)} rings; 1 to {MAX_RINGS} can be merged")
        self.readers = readers
        self.names = tuple(readers)
        self.heads: list[np.ndarray[Any, Any]] = [np.zeros(1, reader.dtype) for reader in readers.values()]
        self.state = np.zeros(MERGE_WORDS, np.uint64)
        self.state[MERGE_COUNT] = len(readers)
        self.address = int(self.state.ctypes.data)
        for which, (reader, head) in enumerate(zip(readers.values(), self.heads, strict=True)):
            base = _PER_RING + 3 * which
            self.state[base] = reader.address
            self.state[base + 1] = head.ctypes.data
        self.start_after(0)

    def start_after(self, ingest_seq: int) -> None:
        """Say which event came last; only an optimisation for the first call, never needed for correctness."""
        self.state[MERGE_LAST] = ingest_seq

    @property
    def last_ingest_seq(self) -> int:
        return int(self.state[MERGE_LAST])

    def positions(self) -> tuple[int, ...]:
        """Number of the next record of each ring that was not taken; one that waits in its head buffer was not."""
        waiting = (int(self.state[_PER_RING + 3 * which + 2]) for which in range(len(self.heads)))
        return tuple(reader.next_number - held for reader, held in zip(self.readers.values(), waiting, strict=True))

    @property
    def lost(self) -> int:
        """Records lost to laps on all rings."""
        return sum(reader.lost for reader in self.readers.values())

    def behind(self) -> int:
        return sum(reader.behind() for reader in self.readers.values())

    def next(self) -> tuple[str, np.ndarray[Any, Any]] | None:
        """(ring name, record of shape (1,)) of the next event, or None. The record is overwritten by the next call."""
        which = int(next_ring(self.address))
        if which < 0:
            return None
        return self.names[which], self.heads[which]

    def close(self) -> None:
        for reader in self.readers.values():
            reader.close()
