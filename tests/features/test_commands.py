"""The `features` verb: what it writes is the library's table, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

import supervisor
from config.schema import Config, Instrument
from features.offline import compute, compute_parts
from features.registry import NAMES
from features.selection import Overrides, SelectionError, select
from shm.layouts import KIND_BOOK
from tape.format import TapeHeader, TapeInstrument
from tape.writer import TapeWriter
from tests.processes import PROJECT
from tests.streams import NO_CANDLES, Stream, instrument, made

OURS = TapeInstrument(symbol="WDOFUT", tick=0.5, timezone="UTC")
OTHER = TapeInstrument(symbol="WINFUT", tick=5.0, timezone="UTC")


def write_tape(
    folder: Path, stream: Stream, instruments: tuple[TapeInstrument, ...] = (OURS,), symbol: int = 0
) -> Path:
    with TapeWriter.create(folder, TapeHeader(instruments=instruments, origin={"source": "test"})) as writer:
        for kind, rows in (("trades", stream.trades), ("book", stream.book)):
            records = np.zeros(len(rows), writer_dtype(kind))
            for field in records.dtype.names or ():
                records[field] = rows[field]
            records["symbol"] = symbol
            writer.append(kind, records)
    return folder


def writer_dtype(kind: str) -> np.dtype[Any]:
    from tape.format import KINDS

    return KINDS[kind]


def test_the_file_is_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = made(3, 900, dirt=0.1)
    tape, out = write_tape(tmp_path / "tape", stream), tmp_path / "out.parquet"
    arguments = ["features", "--tape", str(tape), "--out", str(out), "--bar-seconds", "2", "--open", "00:00"]
    assert supervisor.main([*arguments, "--close", "24:00"]) == 0
    said = capsys.readouterr().out
    assert "WDOFUT: tick 0.5, bars of 2 s, session 00:00-24:00 UTC" in said
    table = compute(stream.trades, stream.book, NO_CANDLES, instrument(2))
    assert f"{len(table)} vectors" in said
    assert f"dropped_repeat: {table.counts['dropped_repeat']}" in said
    found = parquet.read_table(out)
    assert found.column_names == ["event", "ts", "kind", "ready", *NAMES]
    np.testing.assert_array_equal(found["ts"].to_numpy(), table.ts_ns)
    np.testing.assert_array_equal(found["ready"].to_numpy(), table.ready)
    np.testing.assert_array_equal(found["kind"].to_numpy(), (table.kind == KIND_BOOK).astype(np.uint8))
    # ingest_seq counts all records from 1, so the row in merged order is one less, dropped rows counted
    np.testing.assert_array_equal(found["event"].to_numpy(), table.ingest_seq - 1)
    for i, name in enumerate(NAMES):
        np.testing.assert_array_equal(found[name].to_numpy().view(np.uint64), table.values[:, i].view(np.uint64))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "tape"]


@pytest.mark.parametrize("events", [1, 7, 250, 900, 5000])
def test_parts_are_the_whole(events: int) -> None:
    stream, one = made(8, 500, dirt=0.05), instrument(2)
    whole = compute(stream.trades, stream.book, NO_CANDLES, one)
    parts = list(compute_parts(stream.trades, stream.book, NO_CANDLES, one, events))
    for name in ("event", "ts_ns", "kind", "ready", "ingest_seq", "values"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    assert parts[-1].counts == whole.counts


def config_of(*instruments: Instrument) -> Config:
    return Config(instruments=instruments)


def test_the_command_line_goes_before_the_configuration() -> None:
    config = config_of(instrument(7, session_open="10:00", session_close="11:00", timezone="America/Chicago"))
    place, found = select((OTHER, OURS), config, Overrides(session_close="12:30", timezone="Asia/Kolkata"))
    assert place == 1
    assert (found.bar_seconds, found.session_open, found.session_close) == (7, "10:00", "12:30")
    assert found.timezone == "Asia/Kolkata"


@pytest.mark.parametrize(
    "tape,config,said,message",
    [
        ((OURS, OTHER), None, Overrides(), "WDOFUT, WINFUT: say which one with --symbol"),
        ((OURS,), None, Overrides(symbol="PETR4"), "the tape has WDOFUT, not PETR4"),
        ((OTHER,), config_of(instrument()), Overrides(), "nothing in common"),
        ((OURS,), config_of(instrument(tick=1.0)), Overrides(), "the tape has tick 0.5, the configuration 1"),
        ((OURS,), None, Overrides(bar_seconds=0), "bar_seconds"),
        ((OURS,), None, Overrides(session_open="9:00"), "session_open"),
        ((OURS,), None, Overrides(timezone="Mars/Olympus"), "'Mars/Olympus' is no time zone"),
        ((OURS,), None, Overrides(timezone="../x"), "is no time zone"),
    ],
)  # fmt: skip
def test_what_is_refused(
    tape: tuple[TapeInstrument, ...], config: Config | None, said: Overrides, message: str
) -> None:
    with pytest.raises(SelectionError, match=message):
        select(tape, config, said)


def test_the_verb_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert supervisor.main(["features", "--tape", str(tmp_path), "--out", str(tmp_path / "x.parquet")]) == 2
    assert "not a tape" in capsys.readouterr().err
    tape = write_tape(tmp_path / "tape", made(1, 30))
    out = tmp_path / "nowhere" / "x.parquet"
    assert supervisor.main(["features", "--tape", str(tape), "--out", str(out)]) == 2
    assert "nowhere" in capsys.readouterr().err
    missing = tmp_path / "none.toml"
    assert supervisor.main(["features", "--tape", str(tape), "--out", str(out), "--config", str(missing)]) == 3
    assert "none.toml" in capsys.readouterr().err


def test_the_parser_loads_no_kernel() -> None:
    code = "import supervisor, sys; supervisor.build_parser(); sys.stdout.write(str('numba' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "False"), done.stderr
