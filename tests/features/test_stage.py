"""The worker on real rings: the vectors of the offline run, each exactly once, whatever ends it and wherever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from config.schema import Config, Features
from features.checkpoint import PART, Checkpoint, private_segments, size
from features.families import CAUSE_LAPPED, READY_ORDER_FLOW
from features.offline import FeatureTable, compute
from features.registry import INDEX, indices
from features.stage import FeatureStage
from runtime.clock import ManualClock, SharedClock
from shm.counters import StageCounters
from shm.layouts import KIND_BOOK
from shm.ring import RingReader
from tests.market_rings import Feed, MarketRings, read_all
from tests.streams import NO_CANDLES, Stream, instrument, made

ONE = instrument(2)


def config(**features: Any) -> Config:
    return Config(instruments=(ONE,), features=Features(**features))


@pytest.fixture
def rings() -> Iterator[MarketRings]:
    with MarketRings(config(checkpoint_events=64), 4096, private_segments(config())) as made_rings:
        yield made_rings


def offline(stream: Stream) -> FeatureTable:
    return compute(stream.trades, stream.book, NO_CANDLES, ONE)


def assert_same(vectors: np.ndarray[Any, Any], table: FeatureTable, rows: slice = slice(None)) -> None:
    np.testing.assert_array_equal(vectors["ingest_seq"], table.ingest_seq[rows])
    np.testing.assert_array_equal(vectors["ts_ns"], table.ts_ns[rows])
    np.testing.assert_array_equal(vectors["kind"], table.kind[rows])
    np.testing.assert_array_equal(vectors["ready"], table.ready[rows])
    np.testing.assert_array_equal(vectors["values"].view(np.uint64), table.values[rows].view(np.uint64))


def started(rings: MarketRings, counters: StageCounters | None = None, epoch: int = 0) -> tuple[FeatureStage, Any]:
    stage, context = FeatureStage(), rings.context("features", counters, epoch)
    stage.on_start(context)
    return stage, context


def checkpoint_buffer(rings: MarketRings) -> np.ndarray[Any, Any]:
    segment = rings.context("features").segment(PART, size(1))
    return np.asarray(segment.buffer)


def drain(stage: FeatureStage) -> None:
    while stage.do_work():
        pass


def drain_reading(stage: FeatureStage, out: RingReader) -> np.ndarray[Any, Any]:
    """All vectors of the work there is, read in small pieces so that this reader is not lapped itself."""
    got = []
    while stage.do_work():
        got.append(read_all(out))
    return np.concatenate(got)


def test_live_vectors_are_the_offline_ones_bit_for_bit(rings: MarketRings) -> None:
    stream = made(3, 1200, dirt=0.1)
    feed, (stage, context) = Feed(rings, stream), started(rings)
    out = rings.reader("features")
    got = []
    while not feed.done:
        feed.publish(37)
        rings.clock.advance(1_000)
        drain(stage)
        got.append(read_all(out))
    vectors, table = np.concatenate(got), offline(stream)
    assert_same(vectors, table)
    assert np.all(vectors["publish_ns"] >= vectors["read_ns"])
    assert np.all(vectors["read_ns"] > 0)
    assert context.counters.get("vectors") == len(table)
    for name, count in table.counts.items():
        assert context.counters.get(name) == count
    assert context.counters.get("checkpoints") == pytest.approx(1200 / 64, abs=4)
    assert context.histogram("work").samples == len(table)


@pytest.mark.parametrize("seed", range(6))
def test_a_restart_publishes_every_event_exactly_once(rings: MarketRings, seed: int) -> None:
    """The stage is dropped without on_close after random amounts of work, like one that was killed between batches."""
    rng = np.random.default_rng(seed)
    stream = made(seed, 1500, dirt=0.05, jump_s=200.0)
    feed, counters = Feed(rings, stream), StageCounters.private()
    stage, _ = started(rings, counters)
    for epoch in range(1, 9):
        for _ in range(int(rng.integers(1, 6))):
            feed.publish(int(rng.integers(1, 60)))
            stage.do_work()
        feed.publish(int(rng.integers(0, 80)))
        stage, _ = started(rings, counters, epoch)
    while feed.publish(100):
        drain(stage)
    drain(stage)
    assert counters.get("resumed") >= 5
    assert_same(read_all(rings.reader("features", "oldest")), offline(stream))


def test_without_a_checkpoint_the_rings_are_enough(rings: MarketRings) -> None:
    stream = made(11, 40, dirt=0.0)
    feed, (stage, _) = Feed(rings, stream), started(rings)
    feed.publish(40)
    stage.do_work()
    stage, context = started(rings, epoch=1)
    drain(stage)
    assert context.counters.get("resumed") == 0
    assert_same(read_all(rings.reader("features", "oldest")), offline(stream))


def test_a_torn_checkpoint_is_passed_over(rings: MarketRings) -> None:
    stream = made(4, 600)
    feed, (stage, _) = Feed(rings, stream), started(rings)
    while feed.publish(50):
        drain(stage)
    checkpoint = stage._checkpoint
    newest = checkpoint._newest()
    assert newest is not None
    checkpoint._headers[newest]["guard"] |= 1  # as if killed while writing it
    stage, context = started(rings, epoch=1)
    assert context.counters.get("resumed") == 1
    drain(stage)
    assert_same(read_all(rings.reader("features", "oldest")), offline(stream))
    checkpoint._headers[1 - newest]["checksum"] ^= 1
    checkpoint._headers[newest]["guard"] |= 1
    assert Checkpoint(checkpoint_buffer(rings), stage._instruments).load() is None


def test_a_lap_is_said_until_the_windows_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.stage.BATCH", 100)
    stream = made(6, 4600, mean_gap_s=0.2, dirt=0.0, jump_s=1.0)
    with MarketRings(config(), 512, private_segments(config())) as rings:
        feed, (stage, context) = Feed(rings, stream), started(rings)
        out = rings.reader("features")
        feed.publish(200)
        before = drain_reading(stage, out)
        assert not np.any(before["ready"] & np.uint64(CAUSE_LAPPED))
        feed.publish(1800)  # more than the rings hold
        lapped = drain_reading(stage, out)
        assert context.counters.get("lost") > 0
        assert context.counters.get("laps") > 0
        assert lapped["ready"][0] & np.uint64(CAUSE_LAPPED)
        assert not lapped["ready"][0] & np.uint64(READY_ORDER_FLOW)
        assert np.all(np.isnan(lapped["values"][:, INDEX["cumulative_delta_ratio"]]))
        assert np.all(np.diff(lapped["ingest_seq"]) > 0)
        while feed.publish(100):
            after = drain_reading(stage, out)
        assert not after["ready"][-1] & np.uint64(CAUSE_LAPPED)
        assert after["ready"][-1] & np.uint64(READY_ORDER_FLOW)
        table = offline(stream)
        skipped = {INDEX[name] for name in ("cumulative_delta_ratio",)} | set(range(0, 10)) | set(range(14, 20))
        skipped |= set(indices("technical")) | set(range(28, 32))
        kept = [i for i in range(65) if i not in skipped]  # bars that span the loss stay as heard
        np.testing.assert_array_equal(after["values"][-1][kept], table.values[-1][kept])


def test_a_start_without_a_checkpoint_behind_the_rings_is_a_lap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.stage.BATCH", 100)
    stream = made(8, 2000, dirt=0.0, jump_s=1.0)
    with MarketRings(config(), 256, private_segments(config())) as rings:
        feed = Feed(rings, stream)
        feed.publish(1990)
        stage, context = started(rings)
        out = rings.reader("features")
        vectors = drain_reading(stage, out)
        assert context.counters.get("lost") > 0
        assert np.all(vectors["ready"][:50] & np.uint64(CAUSE_LAPPED))
        assert np.all(np.isnan(vectors["values"][:, INDEX["cumulative_delta_ratio"]]))


def test_newest_publishes_one_vector_per_batch_with_the_same_values() -> None:
    stream = made(12, 800, dirt=0.02)
    with MarketRings(config(publish="newest"), 4096, private_segments(config())) as rings:
        feed, (stage, _) = Feed(rings, stream), started(rings)
        batches = 0
        while feed.publish(50):
            stage.do_work()
            batches += 1
        vectors = read_all(rings.reader("features", "oldest"))
        table = offline(stream)
        assert 0 < len(vectors) <= batches
        rows = np.searchsorted(table.ingest_seq, vectors["ingest_seq"])
        np.testing.assert_array_equal(table.ingest_seq[rows], vectors["ingest_seq"])
        np.testing.assert_array_equal(table.values[rows], vectors["values"])


def test_two_symbols_do_not_touch_each_other() -> None:
    first, second = made(21, 400), made(22, 400)
    both = Config(instruments=(ONE, instrument(60, symbol="WINFUT")))
    with MarketRings(both, 4096, private_segments(both)) as rings:
        writers = {ring: rings.writer(ring) for ring in ("trades", "book")}
        stage, context = started(rings)
        for number, (a, b) in enumerate(zip(first.by_seq(), second.by_seq(), strict=True)):
            for symbol, record in ((0, a), (1, b)):
                ring = "book" if record["kind"] == KIND_BOOK else "trades"
                whole = np.zeros(1, writers[ring].dtype)
                for field in whole.dtype.names or ():
                    whole[field] = record[field]
                whole["symbol"], whole["ingest_seq"] = symbol, 2 * number + symbol + 1
                writers[ring].publish(whole)
        drain(stage)
        vectors = read_all(rings.reader("features", "oldest"))
        for symbol, stream, one in ((0, first, ONE), (1, second, both.instruments[1])):
            table = compute(stream.trades, stream.book, NO_CANDLES, one)
            own = vectors[vectors["symbol"] == symbol]
            np.testing.assert_array_equal(own["values"], table.values)
            np.testing.assert_array_equal((own["ingest_seq"] - 1 - symbol) // 2 + 1, table.ingest_seq)
        assert np.all(np.diff(vectors["ingest_seq"]) > 0)
        assert context.counters.get("unknown_symbol") == 0


def test_the_native_clock_is_perf_counter() -> None:
    import time

    from runtime.native_clock import NativeClock
    from tests.features.clock_probe import probe

    shared = SharedClock.__new__(SharedClock)
    native = NativeClock(shared)
    before, inside, after = time.perf_counter_ns(), int(probe(native.address)), time.perf_counter_ns()
    assert before <= inside <= after
    manual = ManualClock(monotonic_ns=77)
    words = NativeClock(manual)
    words.refresh()
    assert int(probe(words.address)) == 77
