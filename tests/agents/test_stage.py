"""The agent processes' stage on real rings: the offline opinions, with their stamps, and silence for every good reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from agents.offline import evidence_of, judge
from agents.policy import Speaker
from agents.stage import LAPPED, MODULES, AgentStage
from bus.messages import Signal, decode, encode
from config.schema import Agents, Config
from features.checkpoint import private_segments
from features.stage import FeatureStage
from shm.layouts import BOOK, FEATURE, TRADE
from tests.agents.test_detectors import detector_of, vectors_of, whole
from tests.market_rings import Feed, MarketRings, read_all
from tests.processes import PROJECT
from tests.streams import Stream, instrument, made

SOURCES = tuple(MODULES)
ONE = instrument(30)
CONFIG = Config(instruments=(ONE,), agents=Agents(horizon_ms=2_000, signal_every_ms=100))


@pytest.fixture
def rings() -> Iterator[MarketRings]:
    with MarketRings(CONFIG, 8192, private_segments(CONFIG)) as made_rings:
        yield made_rings


@pytest.fixture(scope="module")
def stream() -> Stream:
    return made(2, 2500, mean_gap_s=0.3, dirt=0.02, jump_s=10.0, book_share=0.6)


class Pipeline:
    """Feed, features and one agent, stepped by hand."""

    def __init__(self, rings: MarketRings, stream: Stream, source: str) -> None:
        self.rings, self.feed = rings, Feed(rings, stream)
        self.features, self.agent = FeatureStage(), AgentStage(source)
        self.features.on_start(rings.context("features"))
        self.context: Any = rings.context(source, epoch=3)
        self.agent.on_start(self.context)

    def step(self, count: int) -> int:
        sent = self.feed.publish(count)
        while self.features.do_work():
            pass
        while self.agent.do_work():
            pass
        return sent

    @property
    def signals(self) -> list[Signal]:
        return list(self.context.published)


@pytest.mark.parametrize("source", SOURCES)
def test_event_by_event_it_says_what_the_offline_run_says(rings: MarketRings, stream: Stream, source: str) -> None:
    pipeline, detector = Pipeline(rings, stream, source), detector_of(source)
    while pipeline.step(1):
        rings.clock.advance(1_000)
    vectors = vectors_of(stream, ONE)
    evidence = evidence_of(detector, vectors, whole(stream.trades, TRADE), whole(stream.book, BOOK), (ONE,))
    speaker = Speaker(100_000_000, 2_000_000_000)
    expected = []
    for row in range(len(vectors)):
        what = judge(detector, int(vectors["ready"][row]), evidence[row])
        if speaker.says(int(vectors["ts_ns"][row]), what):
            expected.append((int(vectors["ingest_seq"][row]), what))
    signals = pipeline.signals
    assert [signal.ingest_seq for signal in signals] == [seq for seq, _ in expected]
    for signal, (_, what) in zip(signals, expected, strict=True):
        assert (signal.direction, signal.confidence, signal.patterns, signal.abstains) == (
            what.direction, what.confidence, what.patterns, what.abstains,
        )  # fmt: skip
    assert sum(not signal.abstains for signal in signals) >= 5
    published = {int(v["ingest_seq"]): v for v in read_all(rings.reader("features", "oldest"))}
    for number, signal in enumerate(signals):
        base = published[signal.ingest_seq]
        assert signal.sequence == number and signal.epoch == 3 and signal.source == source
        assert (signal.ts_ns, signal.recv_ns) == (base["ts_ns"], base["recv_ns"])
        assert signal.features_publish_ns == base["publish_ns"] <= signal.publish_ns
        assert signal.valid_until_ns == signal.ts_ns + 2_000_000_000
        assert decode(encode(signal)) == signal
    counters = pipeline.context.counters
    assert counters.get("signals") + counters.get("abstentions") == len(signals)
    assert counters.get("vectors") == len(vectors)


@pytest.mark.parametrize("source", SOURCES)
def test_batches_see_every_record_too(rings: MarketRings, stream: Stream, source: str) -> None:
    """Larger steps say less, but the last word is that of the event-by-event run."""
    pipeline, detector = Pipeline(rings, stream, source), detector_of(source)
    while pipeline.step(97):
        pass
    vectors = vectors_of(stream, ONE)
    evidence = evidence_of(detector, vectors, whole(stream.trades, TRADE), whole(stream.book, BOOK), (ONE,))
    rows = {int(seq): row for row, seq in enumerate(vectors["ingest_seq"])}
    for signal in pipeline.signals:
        row = rows[signal.ingest_seq]
        what = judge(detector, int(vectors["ready"][row]), evidence[row])
        assert (signal.direction, signal.confidence, signal.abstains) == (
            what.direction,
            what.confidence,
            what.abstains,
        )
    assert any(not signal.abstains for signal in pipeline.signals)


@pytest.mark.parametrize("source", SOURCES)
def test_it_begins_cold_and_says_so(rings: MarketRings, stream: Stream, source: str) -> None:
    pipeline = Pipeline(rings, stream, source)
    pipeline.step(40)
    assert pipeline.signals
    assert all("warming" in signal.abstains for signal in pipeline.signals)


@pytest.mark.parametrize("source", SOURCES)
def test_a_new_incarnation_begins_cold_again(rings: MarketRings, stream: Stream, source: str) -> None:
    pipeline = Pipeline(rings, stream, source)
    while pipeline.step(50) and len(pipeline.signals) < 40:
        pass
    agent, context = AgentStage(source), rings.context(source, epoch=4)
    agent.on_start(context)
    pipeline.feed.publish(1)
    while pipeline.features.do_work():
        pass
    agent.do_work()
    for signal in context.published:
        assert signal.epoch == 4 and (signal.abstains or source == "order_flow")


def warm(pipeline: Pipeline) -> None:
    for _ in range(1500):
        pipeline.step(1)


@pytest.mark.parametrize("source", SOURCES)
def test_features_down_silences_it(rings: MarketRings, stream: Stream, source: str) -> None:
    pipeline = Pipeline(rings, stream, source)
    warm(pipeline)
    pipeline.context.problems["features"] = "features is failed"
    before = len(pipeline.signals)
    for _ in range(3):
        pipeline.agent.do_work()  # without a new vector
    last = pipeline.signals[-1]
    was_a_vote = not pipeline.signals[before - 1].abstains
    assert last.abstains == "features is failed" or not was_a_vote
    pipeline.step(30)
    assert pipeline.signals[-1].abstains == "features is failed"
    pipeline.context.problems.clear()


@pytest.mark.parametrize("source", SOURCES)
def test_old_data_silence_it(stream: Stream, source: str) -> None:
    with MarketRings(CONFIG, 8192, private_segments(CONFIG)) as rings:
        stamped = Stream(stream.trades.copy(), stream.book.copy())
        stamped.trades["recv_ns"], stamped.book["recv_ns"] = 1_000, 1_000
        pipeline = Pipeline(rings, stamped, source)
        warm(pipeline)
        rings.clock.advance(2_000_000_000)
        pipeline.step(300)
        assert pipeline.signals[-1].abstains == "data is older than 1000 ms"


@pytest.mark.parametrize("source", SOURCES)
def test_a_lap_silences_it_until_it_is_warm_again(stream: Stream, source: str) -> None:
    with MarketRings(CONFIG, 1024, private_segments(CONFIG)) as rings:
        pipeline = Pipeline(rings, stream, source)
        for _ in range(600):
            pipeline.step(2)
        while pipeline.feed.publish(100):  # the agent sleeps
            while pipeline.features.do_work():
                pass
        while pipeline.agent.do_work():
            pass
        assert pipeline.context.counters.get("lost") > 0
        assert pipeline.signals[-1].abstains == LAPPED
        assert not np.any(pipeline.agent._lapped)


def test_two_symbols_are_judged_apart() -> None:
    both = Config(instruments=(ONE, instrument(10, symbol="WINFUT")), agents=CONFIG.agents)
    with MarketRings(both, 8192) as rings:
        agent, context = AgentStage("order_flow"), rings.context("order_flow")
        agent.on_start(context)
        writer = rings.writer("features")
        for seq in range(1, 5):
            vector = np.zeros(1, FEATURE)
            vector["ingest_seq"], vector["ts_ns"], vector["symbol"], vector["ready"] = seq, seq * 10**9, seq % 2, 1 << 2
            vector["values"][0, 21:27] = 0.9 if seq % 2 else -0.9
            writer.publish(vector)
            agent.do_work()
        assert [(s.symbol, s.direction > 0, s.abstains) for s in context.published] == [
            (1, True, ""), (0, False, ""), (1, True, ""), (0, False, ""),
        ]  # fmt: skip


def test_an_unknown_specialist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no specialist"):
        AgentStage("astrology")


def test_live_agents_import_no_training_library() -> None:
    code = (
        "import sys; import agents.stage, agents.order_flow, agents.liquidity, agents.tape_reading, agents.footprint;"
        "bad = {'pandas', 'pyarrow', 'xgboost', 'lightgbm', 'sklearn', 'features'} & set(sys.modules);"
        "print(bad); sys.exit(len(bad))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
