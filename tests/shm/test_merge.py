"""Rings as one stream: the order of ingest_seq, nothing passed over, candles before their event."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shm.doorbell import Doorbells
from shm.layouts import BOOK, CANDLE, TRADE
from shm.merge import MergedReader
from shm.ring import RingReader, RingWriter, create_ring
from shm.segment import run_prefix

DTYPES = {"candles": CANDLE, "trades": TRADE, "book": BOOK}


class Rings:
    def __init__(self, prefix: str, capacity: int = 64) -> None:
        self.doorbells = Doorbells.create(prefix + "bells")
        self.segments = {n: create_ring(prefix + n, d, capacity) for n, d in DTYPES.items()}
        self.writers = {n: RingWriter(s, DTYPES[n], self.doorbells) for n, s in self.segments.items()}
        self.merged = MergedReader({n: RingReader(s, DTYPES[n]) for n, s in self.segments.items()})

    def write(self, ring: str, ingest_seq: int) -> None:
        row = np.zeros(1, DTYPES[ring])
        row["ingest_seq"] = ingest_seq
        self.writers[ring].publish(row)

    def take(self, limit: int) -> list[tuple[str, int]]:
        taken = []
        while len(taken) < limit and (found := self.merged.next()) is not None:
            taken.append((found[0], int(found[1]["ingest_seq"][0])))
        return taken

    def remove(self) -> None:
        for segment in (self.doorbells.segment, *self.segments.values()):
            segment.remove()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["trades", "book", "candle", "read"]), st.integers(1, 5)), max_size=30))
def test_the_stream_is_what_was_written_in_order(steps: list[tuple[str, int]]) -> None:
    import os
    import random

    rings = Rings(run_prefix(os.getpid()) + f"merge{random.getrandbits(40)}")
    try:
        expected: list[tuple[str, int]] = []
        got: list[tuple[str, int]] = []
        number = 0
        for what, count in steps:
            if what == "read":
                got += rings.take(count)
                continue
            for _ in range(count):
                number += 1
                if what == "candle":  # numbered by the event that completed it, and published before that event
                    rings.write("candles", number)
                    expected.append(("candles", number))
                ring = "book" if what == "book" else "trades"
                rings.write(ring, number)
                expected.append((ring, number))
        got += rings.take(10_000)
        assert got == expected
        assert rings.merged.lost == 0
    finally:
        rings.remove()


def test_a_number_that_was_never_published_holds_nothing_up(names: Any) -> None:
    rings = Rings(names("gap"))
    try:
        rings.write("trades", 1)
        rings.write("book", 5)
        rings.write("trades", 9)
        assert rings.take(9) == [("trades", 1), ("book", 5), ("trades", 9)]
    finally:
        rings.remove()


def test_a_lap_on_one_ring_is_counted_and_the_order_holds(names: Any) -> None:
    rings = Rings(names("lap"), capacity=16)
    try:
        for number in range(1, 101):
            rings.write("trades" if number % 2 else "book", number)
        taken = [number for _, number in rings.take(1_000)]
        assert taken == sorted(taken)
        assert len(taken) + rings.merged.lost == 100
    finally:
        rings.remove()


def test_too_many_rings_are_refused() -> None:
    with pytest.raises(ValueError, match="5 rings"):
        MergedReader(dict.fromkeys("abcde"))  # type: ignore[arg-type]
