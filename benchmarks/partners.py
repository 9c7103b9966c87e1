"""The other side of a benchmark, in a process of its own: `python -m benchmarks.partners NAME ARGUMENTS`."""

from __future__ import annotations

import sys
import time

import numpy as np

from shm.atomics import call_7, load_acquire, load_acquire_32, store_release
from shm.doorbell import Bell, Doorbells
from shm.jit import inline, kernel
from shm.layouts import BOOK, TRADE
from shm.ring import RingReader, RingWriter, attach_ring, reader_next, ring_publish
from shm.segment import Segment

WORDS_SIZE = 4096
WORDS_HASH = 0xBE9C_0001
PING, PONG = 1024, 2048  # offsets of two words on cache lines of their own

FUTEX = 202

LINE = np.dtype([("sequence", "<u8"), ("payload", "<i8", (7,))])
RECORDS = {"line": LINE, "trade": TRADE, "book": BOOK}


@kernel("void(uintp, int64)")
def pong_words(words, rounds):  # type: ignore[no-untyped-def]
    """Answer a bare word by a bare word."""
    for number in range(1, rounds + 1):
        while load_acquire(words + np.uint64(PING)) != np.uint64(number):
            pass
        store_release(words + np.uint64(PONG), np.uint64(number))


@kernel("void(uintp, uintp, uintp, uintp, int64)")
def pong_rings(reader, ring, record, wake, rounds):  # type: ignore[no-untyped-def]
    """Answer a record by a record, spinning."""
    for _ in range(rounds):
        while not reader_next(reader, record):
            pass
        ring_publish(ring, record, wake)


@inline
def futex(syscall, word, operation, value):  # type: ignore[no-untyped-def]
    return call_7(syscall, FUTEX, np.int64(word), operation, np.int64(value), 0, 0, 0)


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def words(name: str, rounds: str) -> None:
    segment = Segment.attach(name, WORDS_SIZE, 64, WORDS_HASH)
    _ready()
    pong_words(segment.address, int(rounds))


def rings(prefix: str, rounds: str, capacity: str, kind: str) -> None:
    doorbells, dtype = Doorbells.attach(prefix + "bells"), RECORDS[kind]
    reader = RingReader(attach_ring(f"{prefix}{kind}_there", dtype, int(capacity)), dtype)
    writer = RingWriter(attach_ring(f"{prefix}{kind}_back", dtype, int(capacity)), dtype, doorbells)
    record = np.zeros(1, dtype)
    _ready()
    pong_rings(reader.address, writer.address, record.ctypes.data, writer.wake, int(rounds))


def bells(prefix: str, rounds: str, capacity: str) -> None:
    """Answer each record, asleep between them."""
    doorbells = Doorbells.attach(prefix + "bells")
    bell = Bell(doorbells, 1)
    reader = RingReader(attach_ring(prefix + "there", TRADE, int(capacity)), TRADE, bell)
    writer = RingWriter(attach_ring(prefix + "back", TRADE, int(capacity)), TRADE, doorbells)
    out, answered = np.zeros(1, TRADE), 0
    _ready()
    while answered < int(rounds):
        if reader.read(out):
            writer.publish(out)
            answered += 1
        else:
            bell.wait()


def futexes(name: str, rounds: str) -> None:
    segment = Segment.attach(name, WORDS_SIZE, 64, WORDS_HASH)
    word = FutexWord(segment)
    _ready()
    for number in range(1, int(rounds) + 1):
        word.wait(PING, number)
        word.wake(PONG, number)


class FutexWord:
    """A bare futex from Python: what the doorbell is measured against."""

    def __init__(self, segment: Segment) -> None:
        import ctypes

        self._address = segment.address
        self._syscall = int(ctypes.cast(ctypes.CDLL(None).syscall, ctypes.c_void_p).value or 0)

    def wait(self, offset: int, number: int) -> None:
        """Sleep until the word at `offset` is `number` (it is number - 1 before)."""
        while futex_wait(self._address + offset, self._syscall, number) == 0:
            pass

    def wake(self, offset: int, number: int) -> None:
        futex_wake(self._address + offset, self._syscall, number)


@kernel("int64(uintp, uintp, int64)")
def futex_wait(word, syscall, number):  # type: ignore[no-untyped-def]
    """One sleep at most; 1 when the word is `number`."""
    if load_acquire_32(word) == np.uint32(number):
        return 1
    futex(syscall, word, 0, number - 1)
    return 1 if load_acquire_32(word) == np.uint32(number) else 0


@kernel("void(uintp, uintp, int64)")
def futex_wake(word, syscall, number):  # type: ignore[no-untyped-def]
    store_release(word, np.uint64(number))
    futex(syscall, word, 1, 1)


def fan(prefix: str, capacity: str, number: str) -> None:
    """Read everything, asleep when there is nothing; report what was read and lost when the writer says done."""
    doorbells = Doorbells.attach(prefix + "bells")
    bell = Bell(doorbells, int(number))
    reader = RingReader(attach_ring(prefix + "fan", TRADE, int(capacity)), TRADE, bell)
    out, taken, done = np.zeros(4096, TRADE), 0, False
    _ready()
    give_up = time.monotonic() + 300
    while not done and time.monotonic() < give_up:
        count = reader.read(out)
        taken += count
        done = bool(count) and out["quantity"][count - 1] < 0
        if not count:
            bell.wait()
    sys.stdout.write(f"{taken} {reader.lost} {reader.laps}\n")
    sys.stdout.flush()


def bus(keys: str, endpoint: str, awake_every_s: str) -> None:
    from benchmarks.zeromq import partner

    partner(keys, endpoint, awake_every_s)


if __name__ == "__main__":
    PROGRAMS = {"words": words, "rings": rings, "bells": bells, "futexes": futexes, "fan": fan, "bus": bus}
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
