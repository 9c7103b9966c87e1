"""The `features` verb: all vectors of a tape into one Parquet file. Files and printing; nothing is computed here."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from config.schema import Config
from features.offline import FeatureTable, compute_parts
from features.registry import NAMES
from features.selection import Overrides, SelectionError, select
from shm.layouts import KIND_BOOK
from tape.format import TapeError
from tape.reader import Tape, import_parquet

PART_EVENTS = 1 << 17
TRADE_ROW, BOOK_ROW = 0, 1


def run(arguments: argparse.Namespace, config: Config | None) -> int:
    """0 the file is written, 2 it cannot be (the reason is on stderr)."""
    said = Overrides(
        arguments.symbol, arguments.bar_seconds, arguments.open, arguments.close, arguments.tz
    )  # fmt: skip
    try:
        lines = write(Path(arguments.tape), Path(arguments.out), config, said)
    except (TapeError, SelectionError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def write(folder: Path, out: Path, config: Config | None, said: Overrides) -> list[str]:
    """Compute and write; returns lines for a person. Raises TapeError, SelectionError, OSError."""
    parquet = import_parquet(out)
    tape = Tape.open(folder)
    place, instrument = select(tape.instruments, config, said)
    kinds = {name: getattr(tape, name)() for name in ("trades", "book", "candles")}
    ours = {name: rows["symbol"] == place for name, rows in kinds.items()}
    order = np.sort(np.concatenate([kinds["trades"]["ingest_seq"], kinds["book"]["ingest_seq"]]))
    parts = compute_parts(
        *(kinds[name][ours[name]] for name in ("trades", "book", "candles")), instrument, events=PART_EVENTS
    )
    temporary = out.with_name(out.name + ".tmp")
    rows, table = 0, None
    try:
        with open(temporary, "wb") as file, parquet.ParquetWriter(file, _schema(), compression="zstd") as writer:
            for table in parts:
                writer.write_table(_arrow(table, order))
                rows += len(table)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    hours = f"{instrument.session_open}-{instrument.session_close} {instrument.timezone}"
    lines = [
        f"{instrument.symbol}: tick {instrument.tick:g}, bars of {instrument.bar_seconds} s, session {hours}",
        f"{out}: {rows} vectors",
    ]
    assert table is not None
    return lines + [f"  {name}: {count}" for name, count in table.counts.items() if count]


def _schema() -> Any:
    import pyarrow as pa

    stamps = [("event", pa.int64()), ("ts", pa.int64()), ("kind", pa.uint8()), ("ready", pa.uint64())]
    return pa.schema([*stamps, *((name, pa.float64()) for name in NAMES)])


def _arrow(table: FeatureTable, order: np.ndarray[Any, Any]) -> Any:
    """order: ingest_seq of all trades and books of the tape, sorted; a vector's `event` is its place there."""
    import pyarrow as pa

    columns: list[Any] = [
        np.searchsorted(order, table.ingest_seq),
        table.ts_ns,
        np.where(table.kind == KIND_BOOK, BOOK_ROW, TRADE_ROW).astype(np.uint8),
        table.ready,
        *(np.ascontiguousarray(table.values[:, i]) for i in range(len(NAMES))),
    ]
    return pa.Table.from_arrays([pa.array(column) for column in columns], schema=_schema())
