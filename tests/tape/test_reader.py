"""Opening tapes: headers, the merged order, mixed segments, what happens without pyarrow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shm.layouts import KIND_BOOK, KIND_CANDLE, KIND_GAP, KIND_TRADE
from tape.compact import compact
from tape.format import TapeError
from tape.reader import Tape
from tape.writer import TapeWriter
from tests.tape.rows import HEADER, sound_book, sound_candles, sound_trades

PROJECT = Path(__file__).resolve().parents[2]


def write(folder: Path, trades: list[int], book: list[int], candles: list[int], gap: int | None = None) -> Tape:
    rows = sound_trades(np.array(trades, np.int64))
    rows["kind"][rows["ingest_seq"] == gap] = KIND_GAP
    with TapeWriter.create(folder, HEADER) as writer:
        writer.append("trades", rows)
        writer.append("book", sound_book(np.array(book, np.int64)))
        writer.append("candles", sound_candles(np.array(candles, np.int64)))
    return Tape.open(folder)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), max_size=40), st.lists(st.integers(0, 39), max_size=6))
def test_merged_order_is_that_of_a_walk(tmp_path_factory, is_trade: list[bool], bars: list[int]) -> None:
    trades = [i for i, trade in enumerate(is_trade) if trade]
    book = [i for i, trade in enumerate(is_trade) if not trade]
    candles = sorted(bar for bar in bars if bar < len(is_trade))
    tape = write(tmp_path_factory.mktemp("walk") / "tape", trades, book, candles, gap=3)
    walk = []
    for number, trade in enumerate(is_trade):
        walk += [(KIND_CANDLE, i, number) for i, bar in enumerate(candles) if bar == number]
        kind = (KIND_GAP if number == 3 else KIND_TRADE) if trade else KIND_BOOK
        walk.append((kind, (trades if trade else book).index(number), number))
    merged = tape.merged(candles=True)
    assert list(zip(merged.kind.tolist(), merged.row.tolist(), merged.ingest_seq.tolist(), strict=True)) == walk
    assert len(tape.merged().kind) == len(is_trade)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "tape version 2; this build reads 1"),
        ({"format": "other"}, "format is 'other'"),
        ({"instruments": []}, "names no instrument"),
        ({"instruments": [{"symbol": "X"}]}, "not a tape header.*tick"),
    ],
)
def test_a_header_that_is_not_ours(tmp_path: Path, change: dict, message: str) -> None:
    tape = write(tmp_path / "tape", [0], [1], [])
    path = tape.folder / "tape.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(TapeError, match=message):
        Tape.open(tape.folder)


def test_a_folder_that_is_no_tape(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"not a tape \(no tape.json\)"):
        Tape.open(tmp_path)
    with pytest.raises(TapeError, match="not a tape"):
        Tape.open(tmp_path / "missing")


def test_a_damaged_parquet_segment_is_named(tmp_path: Path) -> None:
    tape = write(tmp_path / "tape", [0], [1], [])
    compact(tape.folder)
    (tape.folder / "trades-000001.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(TapeError, match=r"trades-000001.parquet: cannot be read"):
        Tape.open(tape.folder).trades()


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None
from tape.format import TapeError
from tape.reader import Tape
tape = Tape.open(sys.argv[1])
sys.stdout.write(f"{len(tape.trades())}|")
try:
    tape.book()
except TapeError as error:
    sys.stdout.write(str(error))
"""


def test_without_pyarrow_streams_read_and_parquet_says_what_to_install(tmp_path: Path) -> None:
    tape = write(tmp_path / "tape", [0, 1, 2], [3], [])
    stream = (tape.folder / "trades-000001.arrows").read_bytes()
    compact(tape.folder)
    (tape.folder / "trades-000001.parquet").unlink()
    (tape.folder / "trades-000001.arrows").write_bytes(stream)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYARROW, str(tape.folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows, message = done.stdout.split("|", 1)
    assert rows == "3"
    assert "book-000001.parquet" in message
    assert 'pip install -e ".[tools]"' in message
