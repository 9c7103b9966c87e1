"""Reads a tape: finished, still being written, or cut short by a crash (every whole batch is there).

`.arrows` segments need nothing but nanoarrow; `.parquet` ones need pyarrow, which the live environment does not have:
it is imported when such a segment is read, and if it is missing the error says what to install.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shm.layouts import KIND_BOOK, KIND_CANDLE, KIND_GAP, KIND_TRADE
from tape.format import (
    COLUMNS,
    KINDS,
    Segment,
    TapeError,
    TapeHeader,
    TapeInstrument,
    column_view,
    read_header,
    segments,
)
from tape.frames import StreamMap, map_stream
from tape.stream import decode

Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class MergedOrder:
    """All events of a tape in `ingest_seq` order, as places in `trades()` and `book()`."""

    kind: Rows  # uint8[n]: KIND_TRADE, KIND_GAP, KIND_BOOK, KIND_CANDLE
    row: Rows  # int64[n]: index into the array of that kind (gap records stand in trades())
    ingest_seq: Rows  # int64[n]


class Tape:
    """A tape folder. Rows are read when first asked for, and kept: they are shared, so nobody writes into them.

    They are not marked read-only, because kernels of explicit signatures take writable arrays only.
    """

    def __init__(self, folder: Path, header: TapeHeader) -> None:
        """Use `Tape.open`."""
        self.folder = folder
        self.header = header
        self._rows: dict[str, Rows] = {}

    @classmethod
    def open(cls, path: str | Path) -> Tape:
        """Raises TapeError if the folder is not a tape."""
        folder = Path(path)
        return cls(folder, read_header(folder))

    @property
    def instruments(self) -> tuple[TapeInstrument, ...]:
        return self.header.instruments

    @property
    def origin(self) -> dict[str, Any]:
        return self.header.origin

    def trades(self) -> Rows:
        """shm.layouts.TRADE records, shape (n,), by ingest_seq; gap records (kind GAP) among them."""
        return self._read("trades")

    def book(self) -> Rows:
        """shm.layouts.BOOK records, shape (n,), by ingest_seq."""
        return self._read("book")

    def candles(self) -> Rows:
        """shm.layouts.CANDLE records, shape (n,), in the order in which they were published."""
        return self._read("candles")

    def vectors(self) -> Rows:
        """shm.layouts.FEATURE records, shape (n,), in the order in which they were published; empty if not recorded."""
        return self._read("features")

    def merged(self, candles: bool = False) -> MergedOrder:
        """Trades and books (and candles, before the event that completed them) as one stream."""
        parts = [("candles", KIND_CANDLE)] if candles else []
        parts += [("trades", KIND_TRADE), ("book", KIND_BOOK)]
        sequence = np.concatenate([self._read(name)["ingest_seq"] for name, _ in parts])
        kind = np.concatenate([np.full(len(self._read(name)), value, np.uint8) for name, value in parts])
        row = np.concatenate([np.arange(len(self._read(name)), dtype=np.int64) for name, _ in parts])
        gap = np.flatnonzero(kind == KIND_TRADE)
        kind[gap[self.trades()["kind"] == KIND_GAP]] = KIND_GAP
        order = np.argsort(sequence, kind="stable")
        return MergedOrder(kind[order], row[order], sequence[order])

    def _read(self, kind: str) -> Rows:
        if kind not in self._rows:
            rows = join([read_segment(segment) for segment in segments(self.folder, kind)], kind)
            self._rows[kind] = rows
        return self._rows[kind]


def join(parts: list[Rows], kind: str) -> Rows:
    """Records one after the other. np.concatenate would drop the dtype's padding, and with it the record's size."""
    rows = np.zeros(sum(len(part) for part in parts), KINDS[kind])
    filled = 0
    for part in parts:
        rows[filled : filled + len(part)] = part
        filled += len(part)
    return rows


def read_segment(segment: Segment) -> Rows:
    """All whole batches of one segment, as records of KINDS[segment.kind]."""
    return read_stream(segment.path, segment.kind) if segment.is_stream else read_parquet(segment.path, segment.kind)


def stream_map(path: Path) -> StreamMap:
    """Where the messages of a stream segment stand."""
    try:
        with open(path, "rb") as file:
            return map_stream(file, path)
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error}") from error


def read_stream(path: Path, kind: str, wanted: slice = slice(None)) -> Rows:
    """The whole batches of a stream segment, or a run of them."""
    try:
        with open(path, "rb") as file:
            return decode(file, map_stream(file, path), kind, path, wanted)
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error}") from error


def read_parquet(path: Path, kind: str) -> Rows:
    """The rows of a Parquet segment."""
    parquet = import_parquet(path)
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file:  # given a path, pyarrow closes late, and Windows renames no open file
            table = parquet.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise TapeError(f"{path}: cannot be read: {error}") from error
    missing = [column.name for column in COLUMNS[kind] if column.name not in table.column_names]
    if missing:
        raise TapeError(f"{path}: columns missing: {', '.join(missing)}")
    rows = np.zeros(table.num_rows, KINDS[kind])
    for column in COLUMNS[kind]:
        values = table[column.name]
        if values.null_count or values.type != pa.from_numpy_dtype(column.dtype):
            raise TapeError(f"{path}: column {column.name} is {values.type} with {values.null_count} missing values")
        column_view(rows, column)[:] = values.to_numpy()
    return rows


def import_parquet(path: object) -> Any:
    """pyarrow.parquet, or a TapeError that says how to get it."""
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise TapeError(f'{path}: reading Parquet needs pyarrow: pip install -e ".[tools]"') from error
    return parquet
