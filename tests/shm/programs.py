"""Programs that tests start as processes of their own: writers and readers that can be killed at any moment.

python -m tests.shm.programs write|wait|ping NAME...
"""

from __future__ import annotations

import sys

import numpy as np
from numba import carray

from shm.atomics import at, load_acquire
from shm.doorbell import Bell, Doorbells
from shm.jit import inline, kernel
from shm.layouts import BOOK, OFFSET_CURSOR, TRADE
from shm.ring import RingReader, RingWriter, attach_ring, ring_publish

BOOK_CAPACITY = 256
TRADE_CAPACITY = 1024
BOOK_WORDS = BOOK.itemsize // 8


@inline
def fill(record, number):  # type: ignore[no-untyped-def]
    """Every word of a record is derived from its number, so that a mixture of two shows."""
    view = carray(at(record), BOOK_WORDS, np.int64)
    for word in range(1, BOOK_WORDS):
        view[word] = number * 1_000 + word


@kernel("void(uintp, uintp, uintp, int64)")
def write_forever(ring, record, wake, limit):  # type: ignore[no-untyped-def]
    """Publish up to record `limit` as fast as possible."""
    while np.int64(load_acquire(ring + np.uint64(OFFSET_CURSOR))) < limit:
        fill(record, np.int64(load_acquire(ring + np.uint64(OFFSET_CURSOR))))
        ring_publish(ring, record, wake)


@kernel("int64(uintp, int64, uint64)")
def torn_words(records, count, first_number):  # type: ignore[no-untyped-def]
    """How many of `count` BOOK records at an address are not whole. Numbers come from their own sequence words."""
    bad = 0
    for place in range(count):
        view = carray(at(records + np.uint64(place * BOOK_WORDS * 8)), BOOK_WORDS, np.int64)
        number = view[0] // 2 - 1
        for word in range(1, BOOK_WORDS):
            if view[word] != number * 1_000 + word:
                bad += 1
                break
    return bad


def write(ring_name: str, bells_name: str, limit: str) -> None:
    doorbells = Doorbells.attach(bells_name)
    writer = RingWriter(attach_ring(ring_name, BOOK, BOOK_CAPACITY), BOOK, doorbells)
    record = np.zeros(1, BOOK)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    write_forever(writer.address, record.ctypes.data, writer.wake, int(limit))


def answer(there: str, back: str, bells_name: str, rounds: str) -> None:
    """Wait at bell 1 for each record of `there` and answer it on `back`: a lost wake-up shows as a slow round."""
    doorbells = Doorbells.attach(bells_name)
    bell = Bell(doorbells, 1)
    reader = RingReader(attach_ring(there, TRADE, TRADE_CAPACITY), TRADE, bell, "oldest")
    writer = RingWriter(attach_ring(back, TRADE, TRADE_CAPACITY), TRADE, doorbells)
    out = np.zeros(64, TRADE)
    answered = 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while answered < int(rounds):
        for place in range(reader.read(out)):
            writer.publish(out[place : place + 1])
            answered += 1
        bell.wait()


if __name__ == "__main__":
    {"write": write, "answer": answer}[sys.argv[1]](*sys.argv[2:])
