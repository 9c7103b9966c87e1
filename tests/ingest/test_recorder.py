"""The recorder on real rings: nothing lost, nothing twice, whatever ends it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from config.schema import Config, Instrument, Recorder
from ingest.recorder import RecorderStage
from ingest.recorder_lane import Lane
from runtime.clock import ManualClock
from runtime.stage import Refusal
from shm.counters import StageCounters
from shm.doorbell import Doorbells
from shm.layouts import RINGS
from shm.ring import RingReader, RingWriter, attach_ring, create_ring
from shm.segment import Segment, run_prefix
from tape.format import segments
from tape.reader import Tape, join
from tape.tail import RecordedUpTo, recorded_up_to
from tape.verify import check
from tape.writer import TapeWriter
from tests.tape.rows import HEADER, columns_equal, random_rows, sound_book, sound_candles, sound_trades

KINDS = ("trades", "book", "candles", "features")
MS = 1_000_000
PROJECT = Path(__file__).resolve().parents[2]


class Market:
    """Four small rings and those who write them."""

    def __init__(self, capacity: int = 1024) -> None:
        self.prefix = run_prefix(os.getpid()) + f"recorder{id(self)}"
        self.capacity = capacity
        self.made = [create_ring(f"{self.prefix}{ring}", RINGS[ring][0], capacity) for ring in KINDS]
        self.doorbells = Doorbells.create(f"{self.prefix}bells")
        self.made.append(self.doorbells.segment)
        self.writers = {ring: RingWriter(self.segment(ring), RINGS[ring][0], self.doorbells) for ring in KINDS}
        self.next = 1

    def segment(self, ring: str) -> Segment:
        return attach_ring(f"{self.prefix}{ring}", RINGS[ring][0], self.capacity)

    def publish(self, count: int) -> None:
        """Events in their order: every third a trade, with two candles before every tenth."""
        for number in range(self.next, self.next + count):
            if number % 10 == 0:
                for start in (1, 2):
                    candle = sound_candles(np.array([number]))
                    candle["start_ns"] = start
                    self.writers["candles"].publish(candle)
            ring, rows = ("trades", sound_trades) if number % 3 == 0 else ("book", sound_book)
            self.writers[ring].publish(rows(np.array([number])))
            if number % 4:  # not every event gives a vector
                self.writers["features"].publish(random_vector(number))
        self.next += count

    def close(self) -> None:
        for segment in self.made:
            segment.remove()


def random_vector(number: int) -> np.ndarray:
    vector = random_rows("features", 1, number)
    vector["ingest_seq"] = number
    return vector


class Run:
    """What a recorder is given, and recorders one after the other."""

    def __init__(self, folder: Path, market: Market, **options: Any) -> None:
        self.market = market
        self.clock = ManualClock(monotonic_ns=10**9)
        self.counters = StageCounters.private()
        instrument = Instrument(symbol="WDOFUT", tick=0.5, point_value=10.0)
        self.context: Any = SimpleNamespace(
            config=Config(instruments=(instrument,), recorder=Recorder(**options)),
            run_folder=folder,
            clock=self.clock,
            counters=self.counters,
            histogram=self.counters.histogram,
            log=logging.getLogger("test.recorder"),
            ring_segment=market.segment,
        )

    def start(self) -> RecorderStage:
        stage = RecorderStage()
        stage.on_start(self.context)
        return stage

    def pump(self, stage: RecorderStage, events: int, step: int = 10) -> None:
        """Publish and let the recorder work, 100 ms a step."""
        for _ in range(0, events, step):
            self.market.publish(step)
            self.clock.advance(100 * MS)
            while stage.do_work():
                pass

    def tape(self) -> Tape:
        return Tape.open(self.context.run_folder / "tape")


@pytest.fixture
def market() -> Iterator[Market]:
    market = Market()
    yield market
    market.close()


def assert_whole(tape: Tape, last: int) -> None:
    """Events 1 to `last`, and the candles, each once."""
    assert tape.merged().ingest_seq.tolist() == list(range(1, last + 1))
    expected = [(number, start) for number in range(10, last + 1, 10) for start in (1, 2)]
    candles = tape.candles()
    assert list(zip(candles["ingest_seq"].tolist(), candles["start_ns"].tolist(), strict=True)) == expected
    assert check(tape.trades(), tape.book(), tape.candles(), 1) == []
    published = [random_vector(number) for number in range(1, last + 1) if number % 4]
    assert columns_equal(tape.vectors(), join(published, "features"), "features")


def test_everything_published_is_recorded(tmp_path: Path, market: Market) -> None:
    run = Run(tmp_path, market)
    market.publish(7)  # before the recorder stands
    stage = run.start()
    run.pump(stage, 200)
    stage.on_close()
    tape = run.tape()
    assert_whole(tape, 207)
    assert tape.origin == {"source": "recorded", "mode": "paper", "market": "simulator"}
    assert run.counters.get("rows") == 207 + 40 + 156  # events, candles, vectors
    assert run.counters.get("lost") == 0
    assert run.counters.get("bytes") == sum(
        path.stat().st_size - 8
        for path in tape.folder.glob("*.arrows")  # but for the end marks
    )


def test_a_batch_is_written_when_it_is_due_and_not_before(tmp_path: Path, market: Market) -> None:
    run = Run(tmp_path, market, batch_ms=1000)
    stage = run.start()
    market.publish(6)
    run.clock.advance(999 * MS)
    stage.do_work()
    assert run.counters.get("batches") == 0
    run.clock.advance(1 * MS)
    stage.do_work()
    assert run.counters.get("batches") == 3  # trades, book and vectors
    assert len(run.tape().trades()) == 2, "readable while the recorder still writes"
    stage.on_close()


def test_segments_rotate(tmp_path: Path, market: Market) -> None:
    run = Run(tmp_path, market, batch_ms=100, segment_rows=20)
    stage = run.start()
    run.pump(stage, 300)
    stage.on_close()
    assert len(segments(run.tape().folder, "book")) == 10
    assert_whole(run.tape(), 300)


@pytest.mark.parametrize("stop", ["clean", "killed"])
@pytest.mark.parametrize("seed", range(8))
def test_restarts_lose_nothing_and_repeat_nothing(tmp_path: Path, market: Market, stop: str, seed: int) -> None:
    """Killed: what stood in the buffers is gone, and is read again from the ring."""
    chance = np.random.default_rng(seed)
    run = Run(tmp_path, market, batch_ms=int(chance.integers(50, 700)), segment_rows=int(chance.integers(5, 90)))
    for _ in range(4):
        stage = run.start()
        run.pump(stage, int(chance.integers(1, 12)) * 10)
        market.publish(int(chance.integers(0, 30)))
        if stop == "clean":
            stage.on_close()
        else:
            assert stage._writer is not None
            stage._writer.abandon()
    stage = run.start()
    while stage.do_work():
        pass
    stage.on_close()
    assert_whole(run.tape(), market.next - 1)
    assert run.counters.get("lost") == 0
    assert run.counters.get("may_miss") == 0


def test_a_lap_while_it_was_down_is_said(tmp_path: Path) -> None:
    market = Market(capacity=64)
    try:
        run = Run(tmp_path, market, batch_ms=100)
        stage = run.start()
        run.pump(stage, 20)
        stage.on_close()
        market.publish(400)
        stage = run.start()
        run.pump(stage, 10)
        stage.on_close()
        assert run.counters.get("may_miss") == 4  # each ring was written round
        tape = run.tape()
        assert check(tape.trades(), tape.book(), tape.candles(), 1) != []
    finally:
        market.close()


def test_a_lap_while_it_runs_is_counted(tmp_path: Path) -> None:
    market = Market(capacity=64)
    try:
        run = Run(tmp_path, market, batch_ms=100)
        stage = run.start()
        run.pump(stage, 20)
        market.publish(300)  # 200 books through a ring of 64
        run.clock.advance(100 * MS)
        while stage.do_work():
            pass
        stage.on_close()
        recorded = run.counters.get("rows") - len(run.tape().candles())
        assert recorded + run.counters.get("lost") == 320 + 240  # events and vectors
        assert run.counters.get("lost") > 100
    finally:
        market.close()


def test_a_full_disk_ends_it_with_the_path(tmp_path: Path, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, market, batch_ms=100)
    stage = run.start()
    run.pump(stage, 50)
    before = run.tape().merged().ingest_seq.tolist()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stage._writer, "_sync", full)
        for segment in stage._writer._open.values():  # type: ignore[union-attr]
            patch.setattr(segment, "_sync", full)
        market.publish(10)
        run.clock.advance(100 * MS)
        with pytest.raises(Refusal, match=r"recording ends: .*-000001\.arrows: cannot be written: .*No space left"):
            stage.do_work()
        stage.on_close()
    assert run.counters.get("errors") == 1
    assert run.tape().merged().ingest_seq.tolist() == before
    stage = run.start()  # when there is room again
    run.pump(stage, 10)
    stage.on_close()
    assert_whole(run.tape(), 70)


def test_vectors_are_recorded_only_when_wanted(tmp_path: Path, market: Market) -> None:
    run = Run(tmp_path, market, vectors=False)
    stage = run.start()
    run.pump(stage, 40)
    stage.on_close()
    assert run.tape().merged().ingest_seq.tolist() == list(range(1, 41))
    assert len(run.tape().vectors()) == 0
    assert not list(run.tape().folder.glob("features-*"))


def test_a_tape_of_another_instrument_is_refused(tmp_path: Path, market: Market) -> None:
    TapeWriter.create(tmp_path / "tape", HEADER).close()
    run = Run(tmp_path, market)
    with pytest.raises(Refusal, match="recorded for WDOFUT"):
        run.start()  # the header of these tests has no exchange


def test_the_tail_of_a_tape_over_batches_and_segments(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    writer = TapeWriter.create(folder, HEADER, segment_rows=3)
    assert recorded_up_to(folder, "candles") == RecordedUpTo(-1, 0)
    for sequence, expected in (
        ([0, 0], RecordedUpTo(0, 2)),
        ([3], RecordedUpTo(3, 1)),
        ([3, 3], RecordedUpTo(3, 3)),
        ([3], RecordedUpTo(3, 4)),
        ([7, 8], RecordedUpTo(8, 1)),
    ):
        writer.append("candles", sound_candles(np.array(sequence)))
        assert recorded_up_to(folder, "candles") == expected
    writer.close()
    assert recorded_up_to(folder, "trades") == RecordedUpTo()


@pytest.mark.parametrize("recorded", [RecordedUpTo(), *(RecordedUpTo(n, k) for n in (0, 4, 9) for k in (1, 2))])
def test_a_lane_leaves_out_exactly_what_is_recorded(market: Market, recorded: RecordedUpTo) -> None:
    sequence = [0, 0, 2, 4, 4, 4, 9, 9, 12]
    for number in sequence:
        market.writers["candles"].publish(sound_candles(np.array([number])))
    lane = Lane("candles", RingReader(market.segment("candles"), RINGS["candles"][0], None, "oldest"), recorded)
    while lane.take():
        pass
    skipped, kept = 0, []
    for number in sequence:
        if number < recorded.ingest_seq:
            continue
        if number == recorded.ingest_seq and skipped < recorded.rows:
            skipped += 1
            continue
        kept.append(number)
    assert lane.rows()["ingest_seq"].tolist() == kept
    assert not lane.may_miss


def test_it_needs_no_reader_of_parquet() -> None:
    code = "import sys, ingest.recorder; sys.stdout.write(','.join({'pyarrow', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
