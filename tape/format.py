"""What a tape folder is: its files, its columns, its header.

    tape.json                 format version, instruments (their place is the `symbol` of every row), origin
    trades-000001.arrows      an Arrow IPC stream: being written, or never converted
    trades-000001.parquet     the same rows after `tape compact`
    book-000001.arrows ...    one numbered run of segments for each of trades, book, candles
    features-000001.arrows    the vectors that the run published, when its recorder keeps them (recorder.vectors)

A segment's columns are the fields of the ring record (`shm.layouts`), without the slot's own `sequence`; the ten
levels of a book become bid_price_1 ... bid_price_10, the 65 values of a vector values_1 ... values_65. Rows stand in
`ingest_seq` order, which is THE order of events: trades (gap records among them) and books share one numbering.
`recv_ns` and `publish_ns` are 0 in an imported tape: nobody measured them. If a number has both files, the Parquet one
counts: it is renamed into place only when verified.

This file knows names and types only: it never opens a segment.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shm.layouts import BOOK, CANDLE, FEATURE, TRADE

FORMAT_NAME = "quantumtrader tape"
FORMAT_VERSION = 1
HEADER_FILE = "tape.json"

KINDS: dict[str, np.dtype[Any]] = {"trades": TRADE, "book": BOOK, "candles": CANDLE, "features": FEATURE}
"""Segment prefix -> record dtype. The same names as the rings."""

_SEGMENT = re.compile(r"^(trades|book|candles|features)-(\d{6,})\.(arrows|parquet)$")


class TapeError(Exception):
    """A tape, or a file to import, that cannot be read or written; the message names the path and the reason."""


@dataclass(frozen=True)
class Column:
    """One column of a segment, and the field (and level) of the record that it holds."""

    name: str
    dtype: np.dtype[Any]
    field: str
    level: int  # index into the field's array, -1 for a plain field


@dataclass(frozen=True)
class Segment:
    """One segment file."""

    kind: str
    number: int
    path: Path

    @property
    def is_stream(self) -> bool:
        return self.path.suffix == ".arrows"


class TapeInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """What a row's `symbol` index stands for."""

    symbol: str
    tick: float  # price step, points
    lot: float = 1.0  # what one unit of quantity is
    timezone: str = "America/Sao_Paulo"  # of trade_date and of the session
    exchange: str = ""


class TapeHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The content of tape.json."""

    format: str = FORMAT_NAME
    version: int = FORMAT_VERSION
    instruments: tuple[TapeInstrument, ...]
    origin: dict[str, Any]  # where the rows come from: {"source": "live", ...} or {"source": "import", files, counts}


def _columns(dtype: np.dtype[Any]) -> tuple[Column, ...]:
    found = []
    for name in dtype.names or ():
        if name == "sequence":
            continue
        field = dtype[name]
        if field.shape == ():
            found.append(Column(name, field, name, -1))
        else:
            found += [Column(f"{name}_{level + 1}", field.base, name, level) for level in range(field.shape[0])]
    return tuple(found)


COLUMNS: dict[str, tuple[Column, ...]] = {kind: _columns(dtype) for kind, dtype in KINDS.items()}


def column_view(rows: np.ndarray[Any, Any], column: Column) -> np.ndarray[Any, Any]:
    """The column of a structured array, as a (strided) view of shape (len(rows),)."""
    field = rows[column.field]
    return field if column.level < 0 else field[:, column.level]


def segment_path(folder: Path, kind: str, number: int, suffix: str = ".arrows") -> Path:
    return folder / f"{kind}-{number:06d}{suffix}"


def segments(folder: Path, kind: str) -> list[Segment]:
    """The segments of a kind in order; where a number has both files, the Parquet one."""
    found: dict[int, Segment] = {}
    for path in sorted(folder.iterdir()):  # .arrows sorts before .parquet
        match = _SEGMENT.match(path.name)
        if match and match[1] == kind:
            found[int(match[2])] = Segment(kind, int(match[2]), path)
    return [found[number] for number in sorted(found)]


def write_header(folder: Path, header: TapeHeader) -> None:
    """Write tape.json; a crash leaves the old one or the new one."""
    path = folder / HEADER_FILE
    temporary = path.with_suffix(".json.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(header), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(folder)
    except OSError as error:
        raise TapeError(f"{path}: cannot be written: {error}") from error


def read_header(folder: Path) -> TapeHeader:
    """Raises TapeError if the folder is not a tape that this build reads."""
    path = folder / HEADER_FILE
    try:
        header = msgspec.json.decode(path.read_bytes(), type=TapeHeader)
    except FileNotFoundError as error:
        raise TapeError(f"{folder}: not a tape (no {HEADER_FILE})") from error
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error}") from error
    except msgspec.DecodeError as error:
        raise TapeError(f"{path}: not a tape header: {error}") from error
    if header.format != FORMAT_NAME:
        raise TapeError(f"{path}: format is {header.format!r}, not {FORMAT_NAME!r}")
    if header.version != FORMAT_VERSION:
        raise TapeError(f"{path}: tape version {header.version}; this build reads {FORMAT_VERSION}")
    if not header.instruments:
        raise TapeError(f"{path}: names no instrument")
    return header


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable. Windows has no such call: NTFS journals them."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
