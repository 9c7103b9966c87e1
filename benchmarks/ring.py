"""A hop through the ring between two spinning processes, against a ping over one bare atomic word between the same two."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.measure import Result, row
from benchmarks.partners import PING, PONG, WORDS_HASH, WORDS_SIZE
from benchmarks.scene import Scene
from shm.atomics import load_acquire, store_release
from shm.jit import kernel
from shm.layouts import TRADE
from shm.ring import RingReader, RingWriter, reader_next, ring_publish
from shm.segment import Segment

CAPACITY = 1024
BATCHES = 400
BATCH = 500
ROUNDS = BATCHES * BATCH


@kernel("void(uintp, int64, int64)")
def ping_words(words, first, count):  # type: ignore[no-untyped-def]
    for number in range(first, first + count):
        store_release(words + np.uint64(PING), np.uint64(number))
        while load_acquire(words + np.uint64(PONG)) != np.uint64(number):
            pass


@kernel("void(uintp, uintp, uintp, uintp, int64)")
def ping_rings(ring, reader, record, wake, count):  # type: ignore[no-untyped-def]
    for _ in range(count):
        ring_publish(ring, record, wake)
        while not reader_next(reader, record):
            pass


def run() -> Result:
    """Half of a round trip is a hop. Both are measured in batches; the medians of the batches are compared."""
    with Scene({"there": (TRADE, CAPACITY), "back": (TRADE, CAPACITY)}) as scene:
        words = Segment.create(scene.prefix + "words", WORDS_SIZE, 64, 1, WORDS_HASH)
        scene.keep(words)
        bare, hops = [], []
        partner = scene.partner("words", words.name, str(ROUNDS))
        for batch in range(BATCHES):
            began = time.perf_counter_ns()
            ping_words(words.address, 1 + batch * BATCH, BATCH)
            bare.append((time.perf_counter_ns() - began) / BATCH / 2)
        partner.wait(60)
        partner = scene.partner("rings", scene.prefix, str(ROUNDS), str(CAPACITY))
        writer = RingWriter(scene.rings["there"], TRADE, scene.doorbells)
        reader = RingReader(scene.rings["back"], TRADE)
        record = np.zeros(1, TRADE)
        for _ in range(BATCHES):
            began = time.perf_counter_ns()
            ping_rings(writer.address, reader.address, record.ctypes.data, writer.wake, BATCH)
            hops.append((time.perf_counter_ns() - began) / BATCH / 2)
        partner.wait(60)
    rows = [row("ring hop, 128-byte record", hops), row("one bare atomic word", bare)]
    ratio = rows[0].p50_ns / rows[1].p50_ns
    return Result("ring", "hop between two spinning processes", rows, ratio, "ring / bare word", "p50 <= 1.5", ratio <= 1.5)
