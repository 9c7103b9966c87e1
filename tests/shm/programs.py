"""Programs that tests start as processes of their own: writers and readers that can be killed at any moment.

python -m tests.shm.programs write|answer|sleeper NAME...
"""

from __future__ import annotations

import sys

import numpy as np
from numba import carray

from runtime.clock import SharedClock
from runtime.native_clock import NativeClock, native_now_ns
from shm.atomics import at, load_acquire, load_acquire_32, store_release
from shm.counters import RunCounters
from shm.doorbell import BELL_SIZE, OFFSET_BELLS, Bell, Doorbells, bell_sleep
from shm.jit import inline, kernel
from shm.layouts import BOOK, OFFSET_CURSOR, TRADE
from shm.ring import READER_NEXT, RingReader, RingWriter, attach_ring, reader_next, ring_publish
from shm.segment import Segment

BOOK_CAPACITY = 256
TRADE_CAPACITY = 1024
SLEEP_NS = 50_000_000
INSIDE = 64  # bytes behind the word of acknowledgements: 1 while the writer publishes and looks for sleepers
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


@kernel("int64(uintp, uintp, uintp, uint64, uintp, uintp, int64, uintp)")
def take_asleep(reader, record, wake, bell, watched, acknowledged, rounds, clock):  # type: ignore[no-untyped-def]
    """Take `rounds` records, asleep between them; how many wake-ups were lost.

    A wake-up is lost when the sleep ends by its time-out, nobody has rung, and yet there is a record whose writer has gone on:
    one that was put aside between the record and the bell is still on its way. An event of Windows that was set for an
    earlier sleep ends one at once, which is no time-out.
    """
    inside = acknowledged + np.uint64(INSIDE)
    word = load_acquire(wake) + np.uint64(OFFSET_BELLS) + bell * np.uint64(BELL_SIZE)
    lost = 0
    for number in range(rounds):
        taken = reader_next(reader, record)
        while not taken:
            rung, since_ns = load_acquire_32(word), native_now_ns(clock)
            news = bell_sleep(wake, bell, watched, 1, SLEEP_NS)
            untouched = load_acquire_32(word) == rung and native_now_ns(clock) - since_ns >= SLEEP_NS // 2
            taken = reader_next(reader, record)
            if taken and news == 0 and untouched and load_acquire(inside) == np.uint64(0):
                lost += 1
        store_release(acknowledged, np.uint64(number + 1))
    return lost


@kernel("int64(uintp, uintp, uintp, uintp, int64)")
def publish_awaited(ring, record, wake, acknowledged, rounds):  # type: ignore[no-untyped-def]
    """Publish each record as soon as the last one is acknowledged, after a pause that sweeps over the moment at which
    the reader falls asleep. Returns how many were acknowledged (fewer: the reader never came back)."""
    inside = acknowledged + np.uint64(INSIDE)
    for number in range(rounds):
        store_release(inside, np.uint64(1))
        ring_publish(ring, record, wake)
        store_release(inside, np.uint64(0))
        patience = 4_000_000_000
        while load_acquire(acknowledged) != np.uint64(number + 1):
            patience -= 1
            if patience == 0:
                return number
        for _ in range(number % 1_499):
            load_acquire(acknowledged)
    return rounds


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


def sleeper(ring_name: str, bells_name: str, words_name: str, counters_name: str, rounds: str) -> None:
    """take_asleep at bell 1; prints how many wake-ups were lost."""
    doorbells = Doorbells.attach(bells_name)
    reader = RingReader(attach_ring(ring_name, TRADE, TRADE_CAPACITY), TRADE, Bell(doorbells, 1), "oldest")
    words = Segment.attach(words_name, 4096, 64, 1)
    acknowledged = words.address + 1024
    watched = np.array([reader.segment.address + OFFSET_CURSOR, reader.address + 8 * READER_NEXT], np.uint64)
    record = np.zeros(1, TRADE)
    run = RunCounters.attach(counters_name)
    clock = NativeClock(SharedClock(run))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    lost = take_asleep(
        reader.address,
        record.ctypes.data,
        doorbells.wake,
        1,
        watched.ctypes.data,
        acknowledged,
        int(rounds),
        clock.address,
    )
    sys.stdout.write(f"{lost}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"write": write, "answer": answer, "sleeper": sleeper}[sys.argv[1]](*sys.argv[2:])
