"""Turns closed stream segments into Parquet (zstd), about a tenth of the size.

The order is what makes it safe: write beside, sync, read back and compare every column with the stream, rename into
place, and only then remove the stream. A crash leaves the stream, or both with the same rows; the reader then takes
the Parquet file, and the next run removes the stream. Never while a recorder may still be writing: the newest segment
of a kind is left alone unless its writer closed it, or the caller knows that no recorder runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tape.format import (
    COLUMNS,
    KINDS,
    Segment,
    TapeError,
    column_view,
    read_header,
    segment_path,
    segments,
    sync_folder,
)
from tape.reader import import_parquet, read_parquet, read_stream, stream_map

Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Compacted:
    """One converted segment."""

    path: Path
    rows: int
    stream_bytes: int
    parquet_bytes: int


def compact(folder: Path, no_recorder_runs: bool = False) -> list[Compacted]:
    """Convert every closed stream segment of a tape; returns what was converted.

    no_recorder_runs: also the newest segments that have no end mark (their writer was killed).
    Raises TapeError; what was converted before stays converted.
    """
    read_header(folder)
    import_parquet(folder)
    try:
        _remove_leftovers(folder)
    except OSError as error:
        raise TapeError(f"{folder}: what a crash left cannot be removed: {error}") from error
    done = []
    for kind in KINDS:
        found = segments(folder, kind)
        for segment in found:
            newest = segment is found[-1]
            if segment.is_stream and (not newest or no_recorder_runs or stream_map(segment.path).ended):
                done.append(_convert(folder, segment))
    return done


def _convert(folder: Path, segment: Segment) -> Compacted:
    rows = read_stream(segment.path, segment.kind)
    target = segment_path(folder, segment.kind, segment.number, ".parquet")
    temporary = target.with_suffix(".parquet.tmp")
    stream_bytes = segment.path.stat().st_size
    try:
        _write_parquet(temporary, rows, segment.kind)
        if not same_rows(read_parquet(temporary, segment.kind), rows, segment.kind):
            raise TapeError(f"{temporary}: differs from {segment.path.name}, which is kept")
        os.replace(temporary, target)
        sync_folder(folder)
        os.remove(segment.path)
    except OSError as error:
        raise TapeError(f"{segment.path}: cannot be converted: {error}; it is kept") from error
    finally:
        temporary.unlink(missing_ok=True)
    return Compacted(target, len(rows), stream_bytes, target.stat().st_size)


def _write_parquet(path: Path, rows: Rows, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    columns = {column.name: np.ascontiguousarray(column_view(rows, column)) for column in COLUMNS[kind]}
    with open(path, "wb") as file:
        parquet.write_table(pa.table(columns), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())


def same_rows(first: Rows, second: Rows, kind: str) -> bool:
    """Whether all columns are equal bit for bit (so NaN equals NaN)."""
    if len(first) != len(second):
        return False
    return all(
        np.ascontiguousarray(column_view(first, column)).tobytes()
        == np.ascontiguousarray(column_view(second, column)).tobytes()
        for column in COLUMNS[kind]
    )


def _remove_leftovers(folder: Path) -> None:
    """What a crash left: unfinished files, and streams whose Parquet file is already in place."""
    for unfinished in folder.glob("*.parquet.tmp"):
        unfinished.unlink()
    for kind in KINDS:
        for segment in segments(folder, kind):
            stream = segment_path(folder, kind, segment.number)
            if not segment.is_stream and stream.exists():
                stream.unlink()
