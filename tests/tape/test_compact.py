"""Streams to Parquet: the same rows, never before they are safe, never the segment that is being written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tape import compact as module
from tape.compact import compact, same_rows
from tape.format import COLUMNS, KINDS, TapeError, column_view
from tape.reader import Tape
from tape.writer import TapeWriter
from tests.tape.rows import HEADER, columns_equal, names, random_rows, sound_trades


def test_every_bit_survives(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    rows = {kind: random_rows(kind, 250, 3) for kind in KINDS}
    with TapeWriter.create(folder, HEADER, segment_rows=100) as writer:
        for kind, some in rows.items():
            for start in range(0, 250, 50):
                writer.append(kind, some[start : start + 50])
    done = compact(folder)
    assert sum(item.rows for item in done) == 250 * len(KINDS)
    assert not list(folder.glob("*.arrows"))
    tape = Tape.open(folder)
    for kind, found in (("trades", tape.trades()), ("book", tape.book()), ("candles", tape.candles())):
        assert columns_equal(found, rows[kind], kind)
    assert compact(folder) == []


def test_the_open_segment_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    writer = TapeWriter.create(folder, HEADER, segment_rows=10)
    writer.append("trades", sound_trades(np.arange(10)))
    writer.append("trades", sound_trades(np.arange(10, 20)))
    assert [item.path.name for item in compact(folder)] == ["trades-000001.parquet"]
    writer.append("trades", sound_trades(np.arange(20, 25)))  # rotates
    writer.abandon()
    assert [item.path.name for item in compact(folder)] == ["trades-000002.parquet"]
    assert [item.path.name for item in compact(folder, no_recorder_runs=True)] == ["trades-000003.parquet"]
    assert Tape.open(folder).trades()["ingest_seq"].tolist() == list(range(25))


@pytest.mark.parametrize("fails_at", ["write", "verify", "replace", "remove"])
def test_a_crash_at_any_step_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str) -> None:
    folder = tmp_path / "tape"
    rows = random_rows("trades", 40, 9)
    rows["ingest_seq"] = np.arange(40)
    with TapeWriter.create(folder, HEADER) as writer:
        writer.append("trades", rows)

    def crash(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if fails_at == "write":
            patch.setattr(module, "_write_parquet", crash)
        elif fails_at == "verify":
            patch.setattr(module, "same_rows", crash)
        elif fails_at == "replace":
            patch.setattr(os, "replace", crash)
        else:
            patch.setattr(os, "remove", crash)
        with pytest.raises(KeyboardInterrupt):
            compact(folder)
    assert columns_equal(Tape.open(folder).trades(), rows, "trades")
    compact(folder)
    assert names(folder) == ["tape.json", "trades-000001.parquet"]
    assert columns_equal(Tape.open(folder).trades(), rows, "trades")


def test_a_conversion_that_differs_keeps_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tape"
    with TapeWriter.create(folder, HEADER) as writer:
        writer.append("trades", sound_trades(np.arange(5)))
    honest = module._write_parquet
    monkeypatch.setattr(module, "_write_parquet", lambda path, rows, kind: honest(path, rows[:-1], kind))
    with pytest.raises(TapeError, match=r"differs from trades-000001\.arrows, which is kept"):
        compact(folder)
    assert names(folder) == ["tape.json", "trades-000001.arrows"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_any_changed_column_is_a_difference(kind: str) -> None:
    rows = random_rows(kind, 4, 1)
    assert same_rows(rows, rows.copy(), kind)
    for column in COLUMNS[kind]:
        other = rows.copy()
        raw = column_view(other, column)[2:3].copy().view(np.uint8)
        raw[0] ^= 1
        column_view(other, column)[2:3] = raw.view(column.dtype)
        assert not same_rows(rows, other, kind), column.name
