"""The `tape` verbs, as typed."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from tape import commands
from tape.writer import TapeWriter
from tests.captures import folder as capture
from tests.tape.rows import HEADER, sound_book, sound_trades


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    return commands.run(parser.parse_args([str(word) for word in words]))


@pytest.mark.parametrize(
    ("name", "tick", "rows", "span"),
    [
        ("es_2023-12-25", 0.25, "2973 trades, 36916 books", "3,599.447 s"),
        ("btcusdt_2024-08-08", 0.1, "21313 trades, 6545 books", "344.745 s"),
    ],
)
def test_captures_import_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, tick: float, rows: str, span: str
) -> None:
    source, out = capture(name), tmp_path / "tape"
    files = ("--trades", source / "trades.parquet", "--book", source / "book.parquet")
    assert run("import", *files, "--out", out, "--symbol", "X", "--tick", tick) == 0
    assert rows in capsys.readouterr().out
    assert run("info", out) == 0
    before = capsys.readouterr().out
    assert f"{rows}, 0 candles, 0 gap records" in before
    assert span in before
    assert "  sound" in before
    assert run("compact", out) == 0
    capsys.readouterr()
    assert run("info", out) == 0
    assert "trades-000001.parquet" in capsys.readouterr().out


def test_one_symbol_of_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = capture("b3_options_20160624"), tmp_path / "tape"
    words = ("import", "--trades", source / "trades.parquet", "--out", out, "--symbol", "PETRG10", "--tick", 0.01)
    assert run(*words) == 2
    assert "--only SYMBOL" in capsys.readouterr().err
    assert run(*words, "--lot", 100, "--only", "PETRG10") == 0
    assert "6711 trades, 0 books\nleft out: 52728 rows" in capsys.readouterr().out


def test_info_tells_problems_torn_ends_and_drops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tape"
    writer = TapeWriter.create(out, HEADER)
    trades = sound_trades(np.array([1, 2, 5]))
    trades["quantity"][0] = 0
    writer.append("trades", trades)
    writer.append("book", sound_book(np.array([3])))
    writer.abandon()
    with open(out / "book-000001.arrows", "ab") as file:
        file.write(b"\xff\xff\xff\xff\x10")
    assert run("info", out) == 1
    said = capsys.readouterr().out
    assert "book-000001.arrows: 1 rows" in said
    assert "open or cut short, 5 bytes of an unfinished batch" in said
    assert "trade: quantity not above 0: 1" in said
    assert "PROBLEM: trades and book: 1 holes, 1 events missing; after ingest_seq 3" in said


def test_a_folder_that_is_no_tape_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", tmp_path) == 2
    assert "not a tape" in capsys.readouterr().err
    assert run("compact", tmp_path) == 2
