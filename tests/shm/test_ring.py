"""The ring's contract: order, whole records, counted loss, take-over of a dead writer."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shm.atomics import write_word
from shm.doorbell import Bell, Doorbells
from shm.layouts import BOOK, FEATURE, OFFSET_CURSOR, OFFSET_SLOTS, TRADE
from shm.ring import RingReader, RingWriter, attach_ring, create_ring
from shm.segment import SegmentError
from tests.processes import await_ready, program
from tests.shm.programs import BOOK_CAPACITY, torn_words


def record(number: int) -> Any:
    row = np.zeros(1, TRADE)
    row["ingest_seq"] = number
    row["price"] = number * 0.5
    return row


@pytest.fixture
def ring(names: Any) -> Any:
    doorbells = Doorbells.create(names("bells"))
    segment = create_ring(names("trades"), TRADE, 8)
    return RingWriter(segment, TRADE, doorbells), segment


def test_records_come_in_order_and_whole(ring: Any) -> None:
    writer, segment = ring
    reader = RingReader(segment, TRADE)
    for number in range(5):
        assert writer.publish(record(number)) == number
    out = np.zeros(8, TRADE)
    assert reader.read(out) == 5
    assert out["ingest_seq"][:5].tolist() == [0, 1, 2, 3, 4]
    assert out["sequence"][:5].tolist() == [2, 4, 6, 8, 10]
    assert reader.read(out) == 0
    assert reader.lost == 0


def test_a_reader_starts_where_it_says(ring: Any) -> None:
    writer, segment = ring
    for number in range(20):
        writer.publish(record(number))
    assert RingReader(segment, TRADE, start="next").next_number == 20
    assert RingReader(segment, TRADE, start="oldest").next_number == 13  # 20 - 8, and an eighth of 8
    assert RingReader(segment, TRADE, start=15).next_number == 15
    with pytest.raises(ValueError, match="start 'last'"):
        RingReader(segment, TRADE, start="last")


class NaiveRing:
    """The obvious twin: everything ever written, and the loss rule in words of the contract."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.written: list[int] = []
        self.next = 0
        self.lost = 0

    def read(self, limit: int) -> list[int]:
        taken = []
        while len(taken) < limit and self.next < len(self.written):
            if len(self.written) - self.next > self.capacity:
                restart = len(self.written) - (self.capacity - self.capacity // 8)
                self.lost += restart - self.next
                self.next = restart
            taken.append(self.written[self.next])
            self.next += 1
        return taken


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 40), st.integers(-9, -1)), max_size=40))
def test_reading_equals_the_naive_ring(names_steps: list[int]) -> None:
    import os

    from shm.segment import run_prefix

    prefix = run_prefix(os.getpid()) + f"naive{random.getrandbits(40)}"
    doorbells = Doorbells.create(prefix + "b")
    segment = create_ring(prefix + "t", TRADE, 16)
    try:
        writer, reader, naive = RingWriter(segment, TRADE, doorbells), RingReader(segment, TRADE), NaiveRing(16)
        for step in names_steps:  # positive: write so many; negative: read up to so many
            if step > 0:
                for _ in range(step):
                    writer.publish(record(len(naive.written)))
                    naive.written.append(len(naive.written))
            else:
                out = np.zeros(-step, TRADE)
                count = reader.read(out)
                assert out["ingest_seq"][:count].tolist() == naive.read(-step)
                assert reader.lost == naive.lost
    finally:
        for part in (doorbells.segment, segment):
            part.remove()


def test_loss_and_what_was_read_add_up_to_what_was_written(ring: Any) -> None:
    writer, segment = ring
    reader, out, got = RingReader(segment, TRADE), np.zeros(64, TRADE), 0
    for number in range(1_000):
        writer.publish(record(number))
        if number % 37 == 0:
            got += reader.read(out)
    got += reader.read(out)
    assert got + reader.lost == 1_000
    assert reader.lost > 0 and reader.laps > 0


def test_starting_at_the_oldest_is_not_lapped_at_once(ring: Any) -> None:
    writer, segment = ring
    for number in range(20):
        writer.publish(record(number))
    reader = RingReader(segment, TRADE, start="oldest")
    writer.publish(record(20))
    out = np.zeros(8, TRADE)
    assert reader.read(out) == 8
    assert reader.lost == 0


def test_a_half_written_slot_is_not_given_out(ring: Any) -> None:
    writer, segment = ring
    for number in range(10):
        writer.publish(record(number))
    reader = RingReader(segment, TRADE, start=2)  # in slot 2
    write_word(segment.address + OFFSET_SLOTS + 2 * TRADE.itemsize, 2 * 10 + 1)  # record 10 is being written there
    out = np.zeros(8, TRADE)
    count = reader.read(out)
    assert 2 not in out["ingest_seq"][:count].tolist()
    assert count + reader.lost == 8


@pytest.mark.parametrize(("sequence", "repaired", "cursor"), [(2 * 3 + 1, 2, 3), (2 * 3 + 2, 1, 4), (0, 0, 3)])
def test_a_new_writer_repairs_what_a_dead_one_left(ring: Any, sequence: int, repaired: int, cursor: int) -> None:
    writer, segment = ring
    for number in range(3):
        writer.publish(record(number))
    write_word(segment.address + OFFSET_SLOTS + 3 * TRADE.itemsize, sequence)
    successor = RingWriter(segment, TRADE, writer._doorbells)
    assert (successor.repaired, successor.cursor, successor.epoch) == (repaired, cursor, 2)
    assert successor.publish(record(99)) == cursor
    last = successor.last_record()
    assert last is not None and last["ingest_seq"][0] == 99


def test_another_layout_is_refused_with_both_named(names: Any) -> None:
    name = names("trades")
    segment = create_ring(name, TRADE, 64)
    with pytest.raises(SegmentError, match=r"bytes, this build wants"):
        attach_ring(name, FEATURE, 64)
    changed = np.dtype([(f if f != "buyer" else "bought_by", TRADE.fields[f][0]) for f in TRADE.names], align=True)
    same_size = np.dtype({**_as_dict(TRADE), "names": ["x" + n for n in TRADE.names]})
    assert changed.names != TRADE.names
    with pytest.raises(SegmentError, match=r"layout hash is 0x[0-9a-f]+, this build has 0x[0-9a-f]+"):
        attach_ring(name, same_size, 64)
    segment.buffer[8:12].view("<u4")[0] = 77
    with pytest.raises(SegmentError, match="layout version is 0x4d, this build has 0x1"):
        attach_ring(name, TRADE, 64)


def _as_dict(dtype: Any) -> dict[str, Any]:
    return {
        "names": list(dtype.names),
        "formats": [dtype.fields[n][0] for n in dtype.names],
        "offsets": [dtype.fields[n][1] for n in dtype.names],
        "itemsize": dtype.itemsize,
    }


def test_two_living_writers_are_refused(names: Any) -> None:
    bells, ring_name = names("bells"), names("book")
    doorbells = Doorbells.create(bells)
    segment = create_ring(ring_name, BOOK, BOOK_CAPACITY)
    with program("tests.shm.programs", "write", ring_name, bells, str(10**12)) as process:
        await_ready(process)
        with pytest.raises(SegmentError, match=f"living writer, process {process.pid}"):
            RingWriter(segment, BOOK, doorbells)


def test_wrong_records_and_capacities_are_refused(ring: Any, names: Any) -> None:
    writer, segment = ring
    with pytest.raises(TypeError, match="one whole record of 128 bytes"):
        writer.publish(np.zeros(1, BOOK))
    with pytest.raises(TypeError, match="its own dtype"):
        RingReader(segment, TRADE).read(np.zeros(1, BOOK))
    with pytest.raises(SegmentError, match="not a power of two"):
        create_ring(names("odd"), TRADE, 100)


def test_killed_writers_leave_a_ring_that_goes_on(names: Any) -> None:
    """SIGKILL at random moments: every record that comes out is whole, none twice, and the numbers stay contiguous."""
    bells, ring_name = names("bells"), names("book")
    doorbells = Doorbells.create(bells)
    segment = create_ring(ring_name, BOOK, BOOK_CAPACITY)
    reader = RingReader(segment, BOOK, Bell(doorbells, 2))
    out, seed = np.zeros(BOOK_CAPACITY, BOOK), random.Random(20261122)
    taken, last_sequence = 0, 0
    for _ in range(6):
        with program("tests.shm.programs", "write", ring_name, bells, str(10**12)) as process:
            await_ready(process)
            until = time.monotonic() + seed.uniform(0.02, 0.15)
            while time.monotonic() < until:
                count = reader.read(out)
                assert torn_words(out.ctypes.data, count, 0) == 0
                sequences = out["sequence"][:count].astype(np.int64)
                assert (np.diff(sequences) > 0).all() and (count == 0 or sequences[0] > last_sequence)
                last_sequence = int(sequences[-1]) if count else last_sequence
                taken += count
            process.kill()
    writer = RingWriter(segment, BOOK, doorbells)
    while count := reader.read(out):
        taken += count
    assert taken > 1_000
    assert taken + reader.lost == writer.cursor
    assert int(segment.buffer[OFFSET_CURSOR : OFFSET_CURSOR + 8].view("<u8")[0]) == writer.cursor
    assert writer.epoch == 7
