"""Sleeping and waking: no lost wake-up, one ring a burst, no harm from a sleeper that was killed."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from shm.atomics import read_word, set_bits
from shm.counters import RunCounters
from shm.doorbell import MAX_SLEEP_NS, OFFSET_SLEEPERS, Bell, Doorbells
from shm.layouts import TRADE
from shm.ring import RingReader, RingWriter, create_ring
from shm.segment import Segment
from tests.processes import await_ready, program
from tests.shm.programs import TRADE_CAPACITY, publish_awaited


@pytest.fixture
def parts(names: Any) -> Any:
    doorbells = Doorbells.create(names("bells"))
    segment = create_ring(names("trades"), TRADE, TRADE_CAPACITY)
    return doorbells, RingWriter(segment, TRADE, doorbells), segment


def test_news_before_sleeping_is_not_slept_over(parts: Any) -> None:
    doorbells, writer, segment = parts
    bell = Bell(doorbells, 3)
    reader = RingReader(segment, TRADE, bell)
    assert bell.wait(0) is False
    writer.publish(np.zeros(1, TRADE))
    assert bell.wait() is True
    assert reader.read(np.zeros(4, TRADE)) == 1
    assert bell.wait(0) is False


def test_a_sleeper_leaves_no_bit_behind(parts: Any) -> None:
    doorbells, _, segment = parts
    bell = Bell(doorbells, 3)
    RingReader(segment, TRADE, bell)
    bell.wait(1_000_000)
    assert read_word(doorbells.segment.address + OFFSET_SLEEPERS) == 0


def test_the_bit_of_a_killed_sleeper_is_cleared_by_the_next_record(parts: Any) -> None:
    doorbells, writer, segment = parts
    RingReader(segment, TRADE, Bell(doorbells, 3))
    set_bits(doorbells.segment.address + OFFSET_SLEEPERS, 1 << 3)
    writer.publish(np.zeros(1, TRADE))
    assert read_word(doorbells.segment.address + OFFSET_SLEEPERS) == 0


def test_a_reader_that_does_not_listen_is_neither_woken_nor_kept_awake(parts: Any) -> None:
    doorbells, writer, segment = parts
    bell = Bell(doorbells, 3)
    reader, other = RingReader(segment, TRADE, bell), RingReader(segment, TRADE, Bell(doorbells, 4))
    reader.listen(False)
    set_bits(doorbells.segment.address + OFFSET_SLEEPERS, 1 << 3 | 1 << 4)
    writer.publish(np.zeros(1, TRADE))
    assert read_word(doorbells.segment.address + OFFSET_SLEEPERS) == 1 << 3
    assert bell.wait(0) is False
    reader.listen(True)
    assert bell.wait() is True  # what came meanwhile
    assert reader.read(np.zeros(4, TRADE)) == 1 and other.behind() == 1
    set_bits(doorbells.segment.address + OFFSET_SLEEPERS, 1 << 3)
    writer.publish(np.zeros(1, TRADE))
    assert read_word(doorbells.segment.address + OFFSET_SLEEPERS) == 0


def test_only_subscribers_are_woken(parts: Any) -> None:
    doorbells, writer, segment = parts
    RingReader(segment, TRADE, Bell(doorbells, 3))
    set_bits(doorbells.segment.address + OFFSET_SLEEPERS, 1 << 3 | 1 << 4)
    writer.publish(np.zeros(1, TRADE))
    assert read_word(doorbells.segment.address + OFFSET_SLEEPERS) == 1 << 4


def test_a_bell_that_is_rung_wakes_without_any_record(parts: Any) -> None:
    doorbells, _, _ = parts
    woken = threading.Event()

    def sleep() -> None:
        bell = Bell(doorbells, 5)
        value = int(doorbells.segment.buffer[128 + 5 * 64 : 132 + 5 * 64].view("<u4")[0])
        while int(doorbells.segment.buffer[128 + 5 * 64 : 132 + 5 * 64].view("<u4")[0]) == value:
            bell.wait()
        woken.set()

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    time.sleep(0.01)
    doorbells.ring(5)
    sleeper.join(30)
    assert woken.is_set()


def test_a_sleep_ends_by_itself(parts: Any) -> None:
    doorbells, _, _ = parts
    before = time.perf_counter_ns()
    Bell(doorbells, 6).wait(20_000_000)
    assert time.perf_counter_ns() - before >= 15_000_000  # Windows counts in ticks of 15.6 ms


def test_a_bell_that_is_none_is_refused(parts: Any) -> None:
    with pytest.raises(ValueError, match="bell 32"):
        Bell(parts[0], 32)


def test_no_wake_up_is_lost_between_two_processes(names: Any) -> None:
    """A ping that is answered only when its reader wakes up. A lost wake-up is a round that lasts the whole sleep.

    A noisy machine can make single rounds slow; lost wake-ups would make a fixed share of them last MAX_SLEEP_NS.
    """
    rounds = 4_000
    bells_name, there_name, back_name = names("bells"), names("there"), names("back")
    doorbells = Doorbells.create(bells_name)
    there = create_ring(there_name, TRADE, TRADE_CAPACITY)
    back = create_ring(back_name, TRADE, TRADE_CAPACITY)
    bell = Bell(doorbells, 2)
    reader, writer = RingReader(back, TRADE, bell), RingWriter(there, TRADE, doorbells)
    out, slept_through = np.zeros(4, TRADE), 0
    with program("tests.shm.programs", "answer", there_name, back_name, bells_name, str(rounds)) as process:
        await_ready(process)
        for number in range(rounds):
            row = np.zeros(1, TRADE)
            row["ingest_seq"] = number
            began = time.perf_counter_ns()
            writer.publish(row)
            give_up = began + 60_000_000_000
            while reader.read(out) == 0:
                assert time.perf_counter_ns() < give_up, f"round {number} was never answered"
                bell.wait()
            assert out["ingest_seq"][0] == number
            slept_through += time.perf_counter_ns() - began >= MAX_SLEEP_NS
    assert slept_through <= rounds // 200


def test_no_wake_up_is_lost_at_the_moment_of_falling_asleep(names: Any) -> None:
    """Two compiled loops: one publishes just when the other looks, sets its bit, looks again and sleeps."""
    rounds = 300_000
    bells_name, ring_name, words_name = names("bells"), names("trades"), names("words")
    doorbells = Doorbells.create(bells_name)
    ring = create_ring(ring_name, TRADE, TRADE_CAPACITY)
    words = Segment.create(words_name, 4096, 64, 1, 1)
    acknowledged = words.address + 1024
    run = RunCounters.create(counters_name := names("counters"))
    writer, record = RingWriter(ring, TRADE, doorbells), np.zeros(1, TRADE)
    with program(
        "tests.shm.programs", "sleeper", ring_name, bells_name, words_name, counters_name, str(rounds)
    ) as process:
        await_ready(process)
        done = publish_awaited(writer.address, record.ctypes.data, writer.wake, acknowledged, rounds)
        assert done == rounds, f"the reader never took record {done}"
        assert process.stdout is not None
        assert int(process.stdout.readline()) <= 1  # a sleep that ends just as the record comes looks the same
    run.segment.close()
