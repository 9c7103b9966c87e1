"""Each detector against its slow twin, at every vector; without look-ahead; and what they say on the captures."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.detector import Detector
from agents.offline import evidence_of, spoken
from agents.policy import Opinion
from agents.stage import MODULES
from agents.vector import CAUSES, COLUMN_NAMES, FAMILIES, why_silent
from config.schema import Instrument
from features import families, registry
from features.offline import compute
from shm.layouts import BOOK, FEATURE, GAP_CONNECTION_LOST, KIND_BOOK, KIND_GAP, TRADE
from tests import captures
from tests.agents.naive_detectors import Footprint, Liquidity, OrderFlow, TapeReading
from tests.streams import BTC, ES, NO_CANDLES, Stream, capture, instrument, made

Array = np.ndarray[Any, Any]
SOURCES = tuple(MODULES)


def detector_of(source: str) -> Detector:
    detector: Detector = import_module(MODULES[source]).DETECTOR
    return detector


def twin_of(source: str, one: Instrument) -> Any:
    if source == "footprint":
        return Footprint(one.tick, one.bar_seconds * 1_000_000_000)
    return {"order_flow": OrderFlow, "liquidity": Liquidity, "tape_reading": TapeReading}[source]()


def whole(records: Array, dtype: np.dtype[Any]) -> Array:
    out = np.zeros(len(records), dtype)
    for field in dtype.names or ():
        out[field] = records[field]
    return out


def vectors_of(stream: Stream, one: Instrument) -> Array:
    table = compute(stream.trades, stream.book, NO_CANDLES, one)
    vectors = np.zeros(len(table), FEATURE)
    for field in ("ingest_seq", "ts_ns", "kind", "ready", "values"):
        vectors[field] = getattr(table, field)
    return vectors


def assert_as_twin(source: str, stream: Stream, one: Instrument, vectors: Array) -> Array:
    trades, books = whole(stream.trades, TRADE), whole(stream.book, BOOK)
    evidence = evidence_of(detector_of(source), vectors, trades, books, (one,))
    twin = twin_of(source, one)
    records = stream.by_seq()
    record = next(records, None)
    for n in range(len(vectors)):
        while record is not None and record["ingest_seq"] <= vectors["ingest_seq"][n]:
            (twin.book if record["kind"] == KIND_BOOK else twin.trade)(record)
            record = next(records, None)
        warm, strengths = twin.vector(vectors[n])
        assert bool(evidence["warm"][n]) == warm, f"row {n}"
        np.testing.assert_allclose(evidence["strength"][n], strengths, rtol=1e-9, atol=1e-12, err_msg=f"row {n}")
    return evidence


@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), bar_seconds=st.sampled_from([10, 30]))
def test_made_streams(source: str, seed: int, bar_seconds: int) -> None:
    one = instrument(bar_seconds)
    share = 0.9 if source == "liquidity" else 0.3
    stream = made(seed, 700, mean_gap_s=0.3, dirt=0.1, jump_s=20.0, book_share=share)
    evidence = assert_as_twin(source, stream, one, vectors_of(stream, one))
    assert evidence["warm"].any()


@pytest.mark.parametrize("source", SOURCES)
def test_a_piece_of_a_capture(source: str) -> None:
    stream = capture(captures.folder("btcusdt_2024-08-08"))
    first = 9_000
    stream = Stream(stream.trades[stream.trades["ingest_seq"] > first], stream.book[stream.book["ingest_seq"] > first])
    cut = first + (3_500 if source == "liquidity" else 7_000)
    stream = Stream(stream.trades[stream.trades["ingest_seq"] < cut], stream.book[stream.book["ingest_seq"] < cut])
    one = Instrument(
        symbol="BTCUSDT",
        tick=0.1,
        point_value=0.001,
        bar_seconds=15,
        session_open="00:00",
        session_close="24:00",
        timezone="UTC",
    )
    vectors = vectors_of(stream, one)
    rows = slice(0, None) if source in ("order_flow", "footprint") else slice(0, None, 9)
    evidence = assert_as_twin(source, stream, one, np.ascontiguousarray(vectors[rows]))
    assert np.count_nonzero(evidence["strength"]) > 10


@pytest.mark.parametrize("source", SOURCES)
def test_evidence_does_not_look_ahead(source: str) -> None:
    """Cutting the market off behind a vector changes nothing up to it."""
    one = instrument(10)
    stream = made(5, 1500, mean_gap_s=0.3, dirt=0.02, jump_s=10.0, book_share=0.6)
    vectors = vectors_of(stream, one)
    everything = evidence_of(
        detector_of(source), vectors, whole(stream.trades, TRADE), whole(stream.book, BOOK), (one,)
    )
    for cut in (700, 1100, 1400):
        seq = int(vectors["ingest_seq"][cut - 1])
        trades = whole(stream.trades[stream.trades["ingest_seq"] <= seq], TRADE)
        books = whole(stream.book[stream.book["ingest_seq"] <= seq], BOOK)
        np.testing.assert_array_equal(
            evidence_of(detector_of(source), vectors[:cut], trades, books, (one,)), everything[:cut]
        )


@pytest.mark.parametrize("source", ["tape_reading", "footprint"])
def test_a_gap_makes_the_tape_cold(source: str) -> None:
    one = instrument(10)
    stream = made(8, 1200, mean_gap_s=0.3, dirt=0.0, jump_s=5.0, book_share=0.3)
    vectors = vectors_of(stream, one)
    trades = whole(stream.trades, TRADE)
    gap = int(np.searchsorted(trades["ingest_seq"], vectors["ingest_seq"][900]))
    trades["kind"][gap], trades["cause"][gap] = KIND_GAP, GAP_CONNECTION_LOST
    evidence = evidence_of(detector_of(source), vectors, trades, whole(stream.book, BOOK), (one,))
    row = int(np.searchsorted(vectors["ingest_seq"], trades["ingest_seq"][gap]))
    assert evidence["warm"][row - 1] == 1
    assert evidence["warm"][row] == 0
    assert not np.any(evidence["strength"][row])


def test_the_copy_of_the_vectors_contract() -> None:
    assert tuple(family.name for family in families.FAMILIES) == FAMILIES
    for index, name in COLUMN_NAMES.items():
        assert registry.NAMES[index] == name
    for bit, text in families.CAUSES.items():
        assert text in CAUSES[bit.bit_length() - 1]
    assert len(CAUSES) == len(families.CAUSES)
    assert why_silent(families.READY_ORDER_FLOW, ("order_flow",)) == ""
    assert why_silent(families.READY_ORDER_FLOW | families.CAUSE_STALE, ("order_flow",)) == "the book is stale"
    assert why_silent(families.READY_TEMPORAL | families.CAUSE_GAP, ()) == "gap"
    assert why_silent(families.CAUSE_LAPPED, ("order_flow",)) == "lapped"
    assert why_silent(families.READY_ORDER_FLOW | families.CAUSE_GAP, ("order_flow",)) == ""  # of a longer family
    assert (
        why_silent(families.READY_TEMPORAL | families.CAUSE_WARMING, ("order_flow",))
        == "order_flow not ready (warming)"
    )


@pytest.mark.parametrize("source", SOURCES)
def test_the_parts_of_a_detector_fit(source: str) -> None:
    detector = detector_of(source)
    assert detector.source == source
    assert len(detector.patterns) == len(detector.weights) <= 4
    assert sum(detector.weights) == pytest.approx(1.0)
    assert detector.state.itemsize < 2 * 2**20


# --- what they say on real markets


def report(votes: list[tuple[int, Opinion]], vectors: Array, stream: Stream, horizon_ns: int) -> dict[str, float]:
    """Votes, and the share whose direction the mid took over the horizon after them (of those where it moved)."""
    times = stream.book["ts_ns"]
    mids = (stream.book["bid_price"][:, 0] + stream.book["ask_price"][:, 0]) / 2
    rows = np.array([row for row, _ in votes])
    at = vectors["ts_ns"][rows]
    inside = at + horizon_ns <= times[-1]
    before = np.searchsorted(times, at, side="right") - 1
    after = np.searchsorted(times, at + horizon_ns, side="right") - 1
    signs = np.sign([what.direction for _, what in votes])
    moves = (mids[after] - mids[before])[inside] * signs[inside]
    moved = moves[moves != 0]
    return {
        "votes": len(votes),
        "moved": len(moved),
        "hit_rate": float(np.mean(moved > 0)),
        "mean_move": float(moves.mean()),
    }


@pytest.mark.parametrize("name,one", [("es_2023-12-25", ES), ("btcusdt_2024-08-08", BTC)])
@pytest.mark.parametrize("source", SOURCES)
def test_votes_on_the_captures(source: str, name: str, one: Instrument, record_property: Any) -> None:
    """Each specialist speaks often enough to matter, on both sides, and never faster than it may; the report is kept."""
    stream = capture(captures.folder(name))
    vectors = vectors_of(stream, one)
    detector = detector_of(source)
    said = spoken(detector, vectors, evidence_of(detector, vectors, stream.trades, stream.book, (one,)), 100, 5_000)
    votes = [(row, what) for row, what in said if not what.abstains]
    result = report(votes, vectors, stream, 5_000_000_000)
    for key, value in result.items():
        record_property(key, value)
    assert result["votes"] >= 100
    assert 0.3 < result["hit_rate"] < 0.9  # better would be look-ahead, worse a flipped sign
    directions = Counter(what.direction > 0 for _, what in votes)
    assert min(directions.values()) >= 0.05 * len(votes)
    for _, what in votes:
        assert 0.0 < abs(what.direction) <= 1.0 and 0.0 < what.confidence <= 1.0 and what.patterns
    for (row, what), (next_row, next_what) in pairwise(votes):
        if what.direction * next_what.direction > 0:
            assert vectors["ts_ns"][next_row] - vectors["ts_ns"][row] >= 100_000_000
    assert {what.abstains.split(":")[0].split(" (")[0] for _, what in said} - {""} <= {
        "no pattern", "patterns disagree", "warming up", "order_flow not ready",
    }  # fmt: skip
