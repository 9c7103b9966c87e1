"""A hop through the ring between two spinning processes, against a ping over one bare atomic word between the same two.

The ratio is for a record of one cache line. A longer record cannot be as fast as one word: its further lines are fetched
after the sequence was seen, one transfer later. The rows of the real records show that.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.measure import Result, row
from benchmarks.partners import PING, PONG, RECORDS, WORDS_HASH, WORDS_SIZE
from benchmarks.scene import Scene
from shm.atomics import load_acquire, store_release
from shm.jit import kernel
from shm.ring import RingReader, RingWriter, reader_next, ring_publish
from shm.segment import Segment

CAPACITY = 1024
BATCHES = 300
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


def _bare(scene: Scene, words: Segment) -> list[float]:
    partner, halves = scene.partner("words", words.name, str(ROUNDS)), []
    for batch in range(BATCHES):
        began = time.perf_counter_ns()
        ping_words(words.address, 1 + batch * BATCH, BATCH)
        halves.append((time.perf_counter_ns() - began) / BATCH / 2)
    partner.wait(60)
    return halves


def _hops(scene: Scene, kind: str, dtype: np.dtype[Any]) -> list[float]:
    partner, halves = scene.partner("rings", scene.prefix, str(ROUNDS), str(CAPACITY), kind), []
    writer = RingWriter(scene.rings[f"{kind}_there"], dtype, scene.doorbells)
    reader = RingReader(scene.rings[f"{kind}_back"], dtype)
    record = np.zeros(1, dtype)
    for _ in range(BATCHES):
        began = time.perf_counter_ns()
        ping_rings(writer.address, reader.address, record.ctypes.data, writer.wake, BATCH)
        halves.append((time.perf_counter_ns() - began) / BATCH / 2)
    partner.wait(60)
    return halves


def run() -> Result:
    """Half of a round trip is a hop. All are measured in batches; the medians of the batches are compared."""
    rings = {f"{kind}_{way}": (dtype, CAPACITY) for kind, dtype in RECORDS.items() for way in ("there", "back")}
    with Scene(rings) as scene:
        words = Segment.create(scene.prefix + "words", WORDS_SIZE, 64, 1, WORDS_HASH)
        scene.keep(words)
        rows = [row("one bare atomic word", _bare(scene, words))]
        for kind, dtype in RECORDS.items():
            rows.append(row(f"ring hop, {kind} of {dtype.itemsize} bytes", _hops(scene, kind, dtype)))
    ratio = rows[1].p50_ns / rows[0].p50_ns
    ratio_of = "ring hop of one cache line / bare word"
    return Result("ring", "hop between two spinning processes", rows, ratio, ratio_of, "p50 <= 1.5", ratio <= 1.5)
