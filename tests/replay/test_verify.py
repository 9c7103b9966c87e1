"""Vectors of a run against its own tape: equal ones pass, and every kind of difference is found, the first one first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import supervisor
from config.schema import Config, Features, Recorder
from features.checkpoint import private_segments
from features.families import CAUSE_LAPPED
from features.stage import FeatureStage
from replay.verify import NotRecorded, VerifyError, verify_vectors
from runtime.run_info import RunInfo
from shm.layouts import CANDLE, FLAG_HISTORY, RINGS
from tape.format import TapeError, TapeHeader, TapeInstrument
from tape.writer import TapeWriter
from tests.market_rings import Feed, MarketRings, read_all
from tests.streams import SECOND, Stream, instrument, made

Rows = np.ndarray[Any, Any]
ONE = instrument(2)


def history(stream: Stream) -> Rows:
    """Thirty candles before the stream's first event."""
    first = min(int(stream.trades["ts_ns"][0]), int(stream.book["ts_ns"][0])) // (2 * SECOND) * 2 * SECOND
    candles = np.zeros(30, CANDLE)
    candles["start_ns"] = first - np.arange(30, 0, -1) * 2 * SECOND
    candles["flags"], candles["volume"] = FLAG_HISTORY, 7
    for name in ("open", "high", "low", "close"):
        candles[name] = 500.0 + 0.5 * (np.arange(30) % 4)
    candles["high"] += 3.0
    candles["low"] -= 3.0
    return candles


def live_run(stream: Stream, config: Config) -> tuple[Rows, Rows]:
    """(vectors, candles) of a feature worker on real rings, started anew twice."""
    candles = history(stream)
    with MarketRings(config, 4096, private_segments(config)) as rings:
        feed = Feed(rings, stream)
        for candle in candles:
            feed.candle(np.array([candle], CANDLE))
        for epoch in range(3):
            stage = FeatureStage()
            stage.on_start(rings.context("features", epoch=epoch))
            for _ in range(10):
                feed.publish(len(stream.trades) // 15)
                stage.do_work()
        while feed.publish(200):
            stage.do_work()
        return read_all(rings.reader("features", "oldest")), candles


def write_run(folder: Path, config: Config, stream: Stream, vectors: Rows, candles: Rows) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    RunInfo(folder=str(folder), prefix="", supervisor_pid=1, config=config, bus_ports={}, dll_path="").write()
    header = TapeHeader(
        instruments=tuple(TapeInstrument(symbol=i.symbol, tick=i.tick) for i in config.instruments), origin={}
    )
    with TapeWriter.create(folder / "tape", header) as writer:
        for kind, rows in (
            ("trades", stream.trades), ("book", stream.book), ("candles", candles), ("features", vectors)
        ):  # fmt: skip
            records = np.zeros(len(rows), RINGS[kind][0])
            for field in records.dtype.names or ():
                records[field] = rows[field]
            writer.append(kind, records)
    return folder


@pytest.fixture(scope="module")
def recorded() -> tuple[Stream, Rows, Rows]:
    stream = made(5, 1500, dirt=0.05, jump_s=100.0)
    vectors, candles = live_run(stream, Config(instruments=(ONE,), features=Features(checkpoint_events=64)))
    return stream, vectors, candles


def check(tmp_path: Path, recorded: tuple[Stream, Rows, Rows], change: Any, **sections: Any) -> Any:
    stream, vectors, candles = recorded
    vectors = change(vectors.copy())
    config = Config(instruments=(ONE,), **sections)
    return verify_vectors(write_run(tmp_path / "run", config, stream, vectors, candles))


def test_a_run_with_restarts_is_equal(
    tmp_path: Path, recorded: tuple[Stream, Rows, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.verify.PART_EVENTS", 400)  # several parts
    found = check(tmp_path, recorded, lambda vectors: vectors)
    assert (found.difference, found.unpublished) == (None, 0)
    assert found.vectors == len(recorded[1]) > 1300
    assert np.isfinite(recorded[1]["values"][:, 9]).all(), "the candles of history were used"


def test_the_end_may_be_missing_and_is_said(tmp_path: Path, recorded: tuple[Stream, Rows, Rows]) -> None:
    found = check(tmp_path, recorded, lambda vectors: vectors[:-4])
    assert (found.difference, found.unpublished) == (None, 4)


def _set(field: str, row: int, value: Any, column: int | None = None) -> Any:
    def change(vectors: Rows) -> Rows:
        if column is None:
            vectors[field][row] = value
        else:
            vectors[field][row, column] = value
        return vectors

    return change


@pytest.mark.parametrize(
    "change,row,words",
    [
        (_set("values", 700, 1e-300, 33), 700, "trade_intensity_ratio 1e-300, recomputed "),
        (_set("values", 0, 0.0, 3), 0, "volatility_100 0.0, recomputed nan"),
        (_set("ready", 600, 127 | CAUSE_LAPPED), 600, "because of lapped.*its worker lost records"),
        (_set("ts_ns", 500, 12), 500, "ts_ns 12, recomputed 17"),
        (lambda vectors: np.delete(vectors, 300), 300, "none was recorded"),
        (lambda vectors: vectors[[*range(900), 899, *range(900, len(vectors))]], 899, "published again"),
    ],
)
def test_the_first_difference_is_told(
    tmp_path: Path, recorded: tuple[Stream, Rows, Rows], change: Any, row: int, words: str
) -> None:
    found = check(tmp_path, recorded, change)
    assert found.difference is not None
    assert found.difference.ingest_seq == recorded[1]["ingest_seq"][row]
    assert "WDOFUT" in found.difference.text
    assert re.search(words, found.difference.text), found.difference.text


def test_a_vector_of_no_event(tmp_path: Path, recorded: tuple[Stream, Rows, Rows]) -> None:
    def change(vectors: Rows) -> Rows:
        vectors["ingest_seq"][-1] += 1000
        return vectors

    found = check(tmp_path, recorded, change)
    assert found.difference is not None
    assert found.difference.ingest_seq == recorded[1]["ingest_seq"][-1], "the event before has lost its vector"
    other = check(tmp_path / "newest", recorded, change, features=Features(publish="newest"))
    assert "no event that gives it" in other.difference.text


def test_newest_only_compares_what_was_published(tmp_path: Path, recorded: tuple[Stream, Rows, Rows]) -> None:
    found = check(tmp_path, recorded, lambda vectors: vectors[::7], features=Features(publish="newest"))
    assert found.difference is None
    assert found.vectors == len(recorded[1][::7])


def test_the_verb(
    tmp_path: Path,
    recorded: tuple[Stream, Rows, Rows],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, vectors, candles = recorded
    config = Config(instruments=(ONE,))
    monkeypatch.setattr("replay.commands._orders", lambda folder: 0)  # no journal here: see test_orders
    good = write_run(tmp_path / "good", config, stream, vectors, candles)
    assert supervisor.main(["replay", str(good), "--verify"]) == 0
    assert f"{len(vectors)} published, each equal" in capsys.readouterr().out
    bad = write_run(tmp_path / "bad", config, stream, _set("values", 9, 2.0, 60)(vectors.copy()), candles)
    assert supervisor.main(["replay", str(bad), "--verify"]) == 1
    assert "minute 2.0, recomputed" in capsys.readouterr().out
    assert supervisor.main(["replay", str(tmp_path), "--verify"]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err


def test_nothing_to_compare(tmp_path: Path, recorded: tuple[Stream, Rows, Rows]) -> None:
    stream, vectors, candles = recorded
    config = Config(instruments=(ONE,), recorder=Recorder(vectors=False))
    run = write_run(tmp_path / "run", config, stream, vectors[:0], candles)
    with pytest.raises(NotRecorded, match=r"recorder\.vectors was off"):
        verify_vectors(run)
    empty = write_run(tmp_path / "empty", Config(instruments=(ONE,)), stream, vectors[:0], candles)
    with pytest.raises(VerifyError, match="no event gave one"):
        verify_vectors(empty)
    config = Config(instruments=(ONE,))
    RunInfo(folder=str(tmp_path), prefix="", supervisor_pid=1, config=config, bus_ports={}, dll_path="").write()
    with pytest.raises(TapeError, match="not a tape"):
        verify_vectors(tmp_path)
