"""The ml stage on a real feature ring, with a publisher that keeps what it is given."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from bus.messages import Signal, decode, encode
from config.schema import Config, Models
from models.stage import ModelStage
from runtime.clock import ManualClock
from runtime.stage import Refusal
from shm.atomics import read_word
from shm.counters import StageCounters
from shm.doorbell import Bell, Doorbells
from shm.layouts import FEATURE, OFFSET_SUBSCRIBERS
from shm.ring import RingReader, RingWriter, attach_ring, create_ring
from shm.segment import run_prefix
from tests.models.vectors import INSTRUMENT, fitted, make_bundle, random_rows, vector

PROJECT = Path(__file__).resolve().parents[2]
MS = 1_000_000
BELL = 6
START = 1_700_000_000_000_000_000
OTHER = msgspec.structs.replace(INSTRUMENT, symbol="WINFUT", tick=5.0)
ROWS = random_rows(2000, 4, missing=0.0)


class Desk:
    """The ml stage, its ring, its clock, and what it said."""

    def __init__(self, bundle: Path | None, capacity: int = 256, instruments: tuple = (INSTRUMENT,)) -> None:
        prefix = run_prefix(os.getpid()) + f"ml{id(self)}"
        self._made = [create_ring(f"{prefix}features", FEATURE, capacity)]
        self._doorbells = Doorbells.create(f"{prefix}bells")
        self._made.append(self._doorbells.segment)
        self._name, self._capacity = f"{prefix}features", capacity
        self.writer = RingWriter(attach_ring(self._name, FEATURE, capacity), FEATURE, self._doorbells)
        self.clock = ManualClock(monotonic_ns=10**12, market_ns=START)
        self.counters = StageCounters.private()
        self.said: list[Signal] = []
        self.problem = ""
        self.waits: list[int] = []
        models = Models(bundle=str(bundle) if bundle else "")
        self.context: Any = SimpleNamespace(
            config=Config(instruments=instruments, models=models),
            clock=self.clock,
            counters=self.counters,
            histogram=self.counters.histogram,
            log=logging.getLogger("test.ml"),
            epoch=2,
            reader=lambda ring: RingReader(
                attach_ring(self._name, FEATURE, capacity), FEATURE, Bell(self._doorbells, BELL)
            ),
            wait=self.waits.append,
            publisher=lambda: SimpleNamespace(publish=self._keep),
            upstream_problem=lambda stage: self.problem,
        )
        self.stage = ModelStage()
        self._next = 0

    def _keep(self, message: Signal) -> int:
        assert decode(encode(message)) == message
        self.said.append(message)
        return len(self.said) - 1

    def start(self) -> Desk:
        self.stage.on_start(self.context)
        return self

    def feed(self, count: int = 1, apart_ms: int = 10, **fields: Any) -> None:
        """Publish vectors `apart_ms` of both clocks apart."""
        for _ in range(count):
            self.clock.advance(apart_ms * MS)
            record = vector(ROWS[self._next % len(ROWS)], self.clock.market_ns(), self._next + 1, **fields)
            record["recv_ns"] = record["publish_ns"] = self.clock.monotonic_ns()
            self.writer.publish(record)
            self._next += 1

    def wait(self, timeout_ns: int) -> tuple[bool, int]:
        """Let it wait: whether vectors would wake it, and for how long it would sleep (ns)."""
        self.stage.wait(timeout_ns)
        wakes = read_word(self.writer.segment.address + OFFSET_SUBSCRIBERS) >> BELL & 1
        return bool(wakes), self.waits[-1]

    def work(self) -> list[Signal]:
        """Let the stage work until nothing is left; what it said meanwhile."""
        before = len(self.said)
        while self.stage.do_work():
            pass
        return self.said[before:]

    def close(self) -> None:
        for segment in self._made:
            segment.remove()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "model")


@pytest.fixture
def desk(bundle: Path) -> Iterator[Desk]:
    desk = Desk(bundle)
    yield desk.start()
    desk.close()


def test_a_vote_carries_the_event_it_rests_on(desk: Desk) -> None:
    desk.feed()
    (signal,) = desk.work()
    down, _, up = fitted().probabilities(ROWS[:1])[0]
    assert signal.direction * signal.confidence == pytest.approx(up - down, abs=1e-12)
    now = desk.clock.monotonic_ns()
    assert signal == Signal(
        version=1,
        source="ml",
        sequence=0,
        epoch=2,
        symbol=0,
        ingest_seq=1,
        ts_ns=START + 10 * MS,
        recv_ns=now,
        features_publish_ns=now,
        publish_ns=now,
        direction=signal.direction,
        confidence=signal.confidence,
        horizon_ms=5000,
        valid_until_ns=START + 5010 * MS,
    )
    assert desk.work() == [], "one vector, one opinion"


def test_it_judges_every_100_ms_of_market_time(desk: Desk) -> None:
    told = []
    for _ in range(50):
        desk.feed()
        told += desk.work()
    assert [signal.ingest_seq for signal in told] == [1, 11, 21, 31, 41]
    assert desk.counters.get("predictions") == 5
    assert desk.counters.get("vectors") == 50


def test_of_a_burst_only_the_newest_is_judged(desk: Desk) -> None:
    desk.feed(200)
    told = desk.work()
    assert [signal.ingest_seq for signal in told] == [200]


def test_without_a_bundle_it_says_so_every_second(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(None)
    try:
        with caplog.at_level(logging.WARNING):
            desk.start()
        assert [record.message for record in caplog.records] == [
            "no model bundle (models.bundle, or up --model): this source abstains"
        ]
        (first,) = desk.work()
        assert (first.abstains, first.ingest_seq, first.ts_ns) == ("no model bundle", -1, START)
        told = []
        for _ in range(40):
            desk.feed(apart_ms=100)
            told += desk.work()
        assert [signal.abstains for signal in told] == ["no model bundle"] * 4
        assert desk.counters.get("predictions") == 0
        assert told[-1].ingest_seq == 40
    finally:
        desk.close()


def test_before_the_first_vector_it_abstains(desk: Desk) -> None:
    assert [signal.abstains for signal in desk.work()] == ["no feature vector yet"]


def test_cold_vectors_make_it_abstain_and_warm_ones_speak(desk: Desk) -> None:
    desk.feed(ready=1 << 16)
    assert [signal.abstains for signal in desk.work()] == ["returns, order_flow not ready (warming)"]
    desk.feed(30, ready=1 << 16)
    assert desk.work() == [], "the same reason within a second"
    desk.feed(10)
    (signal,) = desk.work()
    assert (signal.abstains, signal.sequence) == ("", 1)


def test_features_down_is_told_at_once_even_when_nothing_comes(desk: Desk) -> None:
    desk.feed()
    assert desk.work()[0].abstains == ""
    desk.problem = "features is failed"
    (signal,) = desk.work()
    assert (signal.abstains, signal.ingest_seq) == ("features is failed", 1)
    desk.clock.advance(999 * MS)
    assert desk.work() == []
    desk.clock.advance(1 * MS)
    assert len(desk.work()) == 1


def test_old_data_make_it_abstain(desk: Desk) -> None:
    desk.feed()
    desk.clock.advance(1001 * MS)
    assert [signal.abstains for signal in desk.work()] == ["data is older than 1000 ms"]


def test_a_lap_makes_it_abstain_once_and_is_counted(bundle: Path) -> None:
    desk = Desk(bundle, capacity=64).start()
    try:
        desk.feed(200, apart_ms=1)
        told = desk.work()
        assert "lapped: feature vectors were lost" in [signal.abstains for signal in told]
        assert desk.counters.get("lost") + desk.counters.get("vectors") == 200
        assert desk.counters.get("lost") > 0
        desk.feed(20)
        assert desk.work()[-1].abstains == ""
    finally:
        desk.close()


def test_instruments_without_a_model_abstain(bundle: Path) -> None:
    desk = Desk(bundle, instruments=(OTHER, INSTRUMENT)).start()
    try:
        desk.feed(symbol=0)
        desk.feed(symbol=1)
        told = {signal.symbol: signal.abstains for signal in desk.work()}
        assert told == {0: "no model bundle", 1: ""}
    finally:
        desk.close()


@pytest.mark.parametrize(
    ("instruments", "message"),
    [
        ((OTHER,), "trained for WDOFUT; this run trades WINFUT"),
        ((msgspec.structs.replace(INSTRUMENT, tick=1.0),), "tick is 1.0, the bundle's 0.5"),
    ],
)
def test_a_bundle_for_another_market_is_refused(bundle: Path, instruments: tuple, message: str) -> None:
    desk = Desk(bundle, instruments=instruments)
    try:
        with pytest.raises(Refusal, match=message):
            desk.start()
    finally:
        desk.close()


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "model")
    (folder / "lightgbm.txt").write_bytes(b"")
    desk = Desk(folder)
    try:
        with pytest.raises(Refusal, match=r"lightgbm\.txt: was changed after training"):
            desk.start()
    finally:
        desk.close()


def test_a_bundle_without_skill_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(make_bundle(tmp_path / "model", skill=False))
    try:
        with caplog.at_level(logging.WARNING):
            desk.start()
        assert "no better than the base rate" in caplog.text
    finally:
        desk.close()


def test_the_same_vectors_give_the_same_signals(bundle: Path) -> None:
    told = []
    for _ in range(2):
        desk = Desk(bundle).start()
        try:
            for _ in range(300):
                desk.feed()
                desk.work()
            told.append(desk.said)
        finally:
            desk.close()
    assert told[0] == told[1]
    assert len({np.sign(signal.direction) for signal in told[0]}) > 1


def test_it_needs_no_training_library() -> None:
    code = (
        "import sys, models.stage;"
        "heavy = {'xgboost', 'lightgbm', 'pyarrow', 'pandas', 'features'} & set(sys.modules);"
        "sys.stdout.write(','.join(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_vectors_wake_it_only_when_a_prediction_is_due(desk: Desk) -> None:
    desk.feed()
    assert desk.work()
    assert desk.wait(50 * MS) == (False, 50 * MS)  # 100 ms between predictions
    desk.clock.advance(70 * MS)
    assert desk.wait(50 * MS) == (False, 30 * MS)
    desk.clock.advance(30 * MS)
    assert desk.wait(50 * MS) == (True, 50 * MS)
    desk.feed()
    assert desk.work()
    assert desk.wait(50 * MS) == (False, 50 * MS)


def test_without_a_model_vectors_never_wake_it() -> None:
    desk = Desk(None).start()
    try:
        desk.feed()
        desk.work()
        desk.clock.advance(1_000 * MS)
        assert desk.wait(50 * MS) == (False, 50 * MS)
    finally:
        desk.close()
