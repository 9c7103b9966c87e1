"""A broadcast ring of fixed-size records in shared memory: one writer, any number of readers.

The contract:
- The writer never waits for a reader.
- A reader gets whole records in order, or learns how many it lost. A reader that was lapped goes on at a record that
  is an eighth of the ring ahead of the oldest, so that it is not lapped again at once. Loss is never silent.
- A torn record is never returned: the slot's sequence is read before and after the copy.
- A new writer (the last one died) takes the next epoch, finishes or clears the slot that was being written, and goes on
  at the cursor. Readers notice nothing.

Record n lives in slot n mod capacity; its sequence is 2n + 1 while it is written and 2n + 2 when it is whole.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import psutil

from shm.atomics import (
    copy_bytes,
    fence_acquire,
    fence_release,
    keep_bits,
    load_acquire,
    load_relaxed,
    read_word,
    set_bits,
    store_relaxed,
    store_release,
)
from shm.doorbell import Bell, Doorbells, ring_bells
from shm.jit import inline, kernel
from shm.layouts import (
    OFFSET_CAPACITY,
    OFFSET_CURSOR,
    OFFSET_RECORD_SIZE,
    OFFSET_SLOTS,
    OFFSET_SUBSCRIBERS,
    OFFSET_WRITER_EPOCH,
    OFFSET_WRITER_PID,
    dtype_hash,
)
from shm.segment import Segment, SegmentError

# words of a reader's state, in its own process's memory
READER_RING = 0
READER_NEXT = 1  # number of the next record to read
READER_LOST = 2  # records lost to laps
READER_LAPS = 3
READER_WORDS = 4

ALL_BITS = 2**64 - 1

_HALF = np.uint64(0xFFFF_FFFF)


@inline
def _record_size(ring):  # type: ignore[no-untyped-def]
    return load_relaxed(ring + np.uint64(OFFSET_RECORD_SIZE - 4)) >> np.uint64(32)  # u32 behind the version


@inline
def slot_address(ring, number):  # type: ignore[no-untyped-def]
    """Address of the slot of record `number`."""
    mask = load_relaxed(ring + np.uint64(OFFSET_CAPACITY)) - np.uint64(1)
    return ring + np.uint64(OFFSET_SLOTS) + (number & mask) * _record_size(ring)


@inline
def ring_store(ring, record):  # type: ignore[no-untyped-def]
    """Publish the record at address `record` without ringing; returns its number. The writer only."""
    number = load_relaxed(ring + np.uint64(OFFSET_CURSOR))
    slot = slot_address(ring, number)
    store_relaxed(slot, np.uint64(2) * number + np.uint64(1))
    fence_release()  # partner: fence_acquire in ring_copy; who saw any of the new bytes sees the odd mark
    copy_bytes(slot + np.uint64(8), record + np.uint64(8), _record_size(ring) - np.uint64(8))
    store_release(slot, np.uint64(2) * number + np.uint64(2))  # partner: load_acquire of the sequence in ring_copy
    store_release(ring + np.uint64(OFFSET_CURSOR), number + np.uint64(1))  # partner: load_acquire of the cursor
    return number


@inline
def ring_publish(ring, record, wake):  # type: ignore[no-untyped-def]
    """ring_store, then wake the subscribers that sleep."""
    number = ring_store(ring, record)
    ring_bells(wake, ring)
    return number


@inline
def _count_lap(reader, ring, number):  # type: ignore[no-untyped-def]
    """The reader was lapped: go on an eighth of the ring ahead of the oldest record, and count what is lost."""
    cursor = load_acquire(ring + np.uint64(OFFSET_CURSOR))  # partner: store_release of the cursor
    capacity = load_relaxed(ring + np.uint64(OFFSET_CAPACITY))
    restart = cursor - (capacity - capacity // np.uint64(8)) if cursor > capacity else np.uint64(0)
    restart = max(restart, number + np.uint64(1))
    lost = reader + np.uint64(8 * READER_LOST)
    laps = reader + np.uint64(8 * READER_LAPS)
    store_relaxed(lost, load_relaxed(lost) + restart - number)
    store_relaxed(laps, load_relaxed(laps) + np.uint64(1))
    store_relaxed(reader + np.uint64(8 * READER_NEXT), restart)


@inline
def ring_copy(ring, number, out):  # type: ignore[no-untyped-def]
    """Copy record `number` to address `out`. 1: done; 0: it is not written yet; -1: it was overwritten."""
    slot = slot_address(ring, number)
    whole = np.uint64(2) * number + np.uint64(2)
    sequence = load_acquire(slot)  # partner: store_release of the even sequence
    if sequence != whole:
        return 0 if sequence < whole else -1
    copy_bytes(out, slot, _record_size(ring))
    fence_acquire()  # partner: fence_release after the odd mark
    return 1 if load_relaxed(slot) == whole else -1


@inline
def reader_lost(reader):  # type: ignore[no-untyped-def]
    """Records that a reader has lost to laps so far."""
    return load_relaxed(reader + np.uint64(8 * READER_LOST))


@inline
def reader_behind(reader):  # type: ignore[no-untyped-def]
    """Published records that a reader has not taken."""
    cursor = load_relaxed(load_relaxed(reader + np.uint64(8 * READER_RING)) + np.uint64(OFFSET_CURSOR))
    return np.int64(cursor) - np.int64(load_relaxed(reader + np.uint64(8 * READER_NEXT)))


@inline
def reader_next(reader, out):  # type: ignore[no-untyped-def]
    """Copy a reader's next record to address `out`; False when there is none. Counts what a lap has cost.

    The slot's own sequence says whether the record is there: one cache line, where the cursor would be a second. It
    may be seen just before the cursor moves; a writer that dies between the two leaves a record which its successor
    counts as published.
    """
    ring = load_relaxed(reader + np.uint64(8 * READER_RING))
    while True:
        number = load_relaxed(reader + np.uint64(8 * READER_NEXT))
        found = ring_copy(ring, number, out)
        if found == 0:
            return False
        if found == 1:
            store_relaxed(reader + np.uint64(8 * READER_NEXT), number + np.uint64(1))
            return True
        _count_lap(reader, ring, number)


@kernel("uint64(uintp, uintp, uintp)")
def publish(ring, record, wake):  # type: ignore[no-untyped-def]
    """For Python: ring_publish."""
    return ring_publish(ring, record, wake)


@kernel("int64(uintp, uintp, int64)")
def read(reader, out, limit):  # type: ignore[no-untyped-def]
    """For Python: up to `limit` next records to address `out`; returns how many."""
    size = _record_size(load_relaxed(reader + np.uint64(8 * READER_RING)))
    count = 0
    while count < limit and reader_next(reader, out + np.uint64(count) * size):
        count += 1
    return count


@kernel("boolean(uintp, uint64, uintp)")
def copy_record(ring, number, out):  # type: ignore[no-untyped-def]
    """For Python: whether record `number` could be copied whole."""
    return ring_copy(ring, number, out) == 1


@kernel("int64(uintp)")
def _repair(ring):  # type: ignore[no-untyped-def]
    """Finish what a dead writer left: 1 a whole record without its cursor, 2 a torn one cleared, 0 nothing."""
    number = load_relaxed(ring + np.uint64(OFFSET_CURSOR))
    slot = slot_address(ring, number)
    sequence = load_acquire(slot)
    if sequence == np.uint64(2) * number + np.uint64(2):
        store_release(ring + np.uint64(OFFSET_CURSOR), number + np.uint64(1))
        return 1
    if sequence == np.uint64(2) * number + np.uint64(1):
        store_release(slot, np.uint64(0))
        return 2
    return 0


def ring_size(dtype: np.dtype[Any], capacity: int) -> int:
    """Bytes of a ring segment."""
    return OFFSET_SLOTS + dtype.itemsize * capacity


def create_ring(name: str, dtype: np.dtype[Any], capacity: int) -> Segment:
    """A new empty ring; capacity is a power of two. The supervisor's job."""
    if capacity < 8 or capacity & (capacity - 1):
        raise SegmentError(f"ring {name}: capacity {capacity} is not a power of two of at least 8")
    return Segment.create(name, ring_size(dtype, capacity), dtype.itemsize, capacity, dtype_hash(dtype))


def attach_ring(name: str, dtype: np.dtype[Any], capacity: int) -> Segment:
    return Segment.attach(name, ring_size(dtype, capacity), dtype.itemsize, dtype_hash(dtype))


def _word(segment: Segment, offset: int) -> np.ndarray[Any, Any]:
    return segment.buffer[offset : offset + 8].view("<u8")


class RingWriter:
    """The one writer of a ring. Taking over from a dead writer repairs the ring; from a living one is refused."""

    def __init__(self, segment: Segment, dtype: np.dtype[Any], doorbells: Doorbells) -> None:
        self.segment = segment
        self.dtype = dtype
        self.address = segment.address
        self.wake = doorbells.wake
        self._doorbells = doorbells
        self._record: np.ndarray[Any, Any] | None = None
        self._record_address = 0
        holder = int(_word(segment, OFFSET_WRITER_PID)[0])
        if holder not in (0, os.getpid()) and psutil.pid_exists(holder):
            raise SegmentError(f"ring {segment.name} has a living writer, process {holder}; stop it first")
        _word(segment, OFFSET_WRITER_PID)[0] = os.getpid()
        _word(segment, OFFSET_WRITER_EPOCH)[0] += 1
        self.repaired = int(_repair(self.address))

    @property
    def epoch(self) -> int:
        """1 for the first writer of this ring, and one more for each that took over."""
        return int(_word(self.segment, OFFSET_WRITER_EPOCH)[0])

    @property
    def cursor(self) -> int:
        """Records published so far by all writers."""
        return int(read_word(self.address + OFFSET_CURSOR))

    def publish(self, record: np.ndarray[Any, Any]) -> int:
        """Publish one record (array of the ring's dtype with one element); returns its number."""
        if record is not self._record:  # a stage publishes out of the same array each time: looked at once
            if record.dtype != self.dtype or record.size != 1 or not record.flags.c_contiguous:
                raise TypeError(f"ring {self.segment.name} takes one whole record of {self.dtype.itemsize} bytes")
            self._record, self._record_address = record, int(record.ctypes.data)
        return int(publish(self.address, self._record_address, self.wake))

    def last_record(self) -> np.ndarray[Any, Any] | None:
        """The newest whole record (shape (1,)), or None when nothing was published. For a writer that comes back."""
        cursor = self.cursor
        if cursor == 0:
            return None
        out = np.zeros(1, self.dtype)
        if not copy_record(self.address, cursor - 1, out.ctypes.data):
            raise SegmentError(
                f"ring {self.segment.name}: record {cursor - 1} is not whole, though its cursor has passed it"
            )
        return out

    def close(self) -> None:
        _word(self.segment, OFFSET_WRITER_PID)[0] = 0
        self.segment.close()


class RingReader:
    """One reader's place in a ring. Reading never blocks; sleep at the stage's bell.

    start: "next" (what is published from now on), "oldest" (what is still there, less the eighth of a full ring that is
    overwritten next, which would lap the reader at once), or a record number.
    """

    def __init__(
        self, segment: Segment, dtype: np.dtype[Any], bell: Bell | None = None, start: str | int = "next"
    ) -> None:
        self.segment = segment
        self.dtype = dtype
        self.state = np.zeros(READER_WORDS, np.uint64)
        self.address = int(self.state.ctypes.data)
        self.state[READER_RING] = segment.address
        self._out: np.ndarray[Any, Any] | None = None
        self._out_address = 0
        if isinstance(start, int):
            self.seek(start)
        elif start in ("next", "oldest"):
            self.seek(self.published if start == "next" else self._oldest())
        else:
            raise ValueError(f"start {start!r} is not 'next', 'oldest' or a record number")
        self._bell = bell
        self._listens = False
        self.listen(True)

    def _oldest(self) -> int:
        capacity, published = self.segment.capacity, self.published
        return published - (capacity - capacity // 8) if published > capacity else 0

    @property
    def published(self) -> int:
        """Records that the writer has published so far."""
        return int(read_word(self.segment.address + OFFSET_CURSOR))

    @property
    def next_number(self) -> int:
        return int(self.state[READER_NEXT])

    @property
    def lost(self) -> int:
        """Records lost to laps since this reader was made."""
        return int(self.state[READER_LOST])

    @property
    def laps(self) -> int:
        return int(self.state[READER_LAPS])

    def behind(self) -> int:
        """Published records that this reader has not taken."""
        return self.published - self.next_number

    def listen(self, on: bool) -> None:
        """Whether new records wake the stage; without, it looks when something else has woken it. No bell: no matter.

        When it listens again, records that came meanwhile keep it from falling asleep.
        """
        if self._bell is None or on == self._listens:
            return
        subscribers, bit = self.segment.address + OFFSET_SUBSCRIBERS, 1 << self._bell.number
        pair = (self.segment.address + OFFSET_CURSOR, self.address + 8 * READER_NEXT)
        if on:
            set_bits(subscribers, bit)
            self._bell.watch(*pair, keep=self)
        else:
            self._bell.ignore(*pair)
            keep_bits(subscribers, ~bit & ALL_BITS)
        self._listens = on

    def seek(self, number: int) -> None:
        """Go on at record `number`; one that is overwritten already counts as lost at the next read."""
        self.state[READER_NEXT] = number

    def read(self, out: np.ndarray[Any, Any]) -> int:
        """Fill `out` (array of the ring's dtype) from the front with the next whole records; returns how many."""
        if out is not self._out:  # a stage reads into the same array each time: looked at once
            if out.dtype != self.dtype or not out.flags.c_contiguous:
                raise TypeError(f"ring {self.segment.name} fills arrays of its own dtype ({self.dtype.itemsize} bytes)")
            self._out, self._out_address = out, int(out.ctypes.data)
        return int(read(self.address, self._out_address, len(out)))

    def close(self) -> None:
        self.segment.close()
