"""Writes the segments of a tape: append, synced, so that a crash at any instruction costs the unfinished batch only.

Each batch is one write and one sync. If the disk is full the file is cut back to its last whole batch and TapeError
names the path. A writer never opens a segment that exists: after a restart it goes on in the next number.
This file must stay light: the recorder runs beside the market.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tape.format import (
    HEADER_FILE,
    KINDS,
    TapeError,
    TapeHeader,
    read_header,
    segment_path,
    segments,
    sync_folder,
    write_header,
)
from tape.stream import BatchEncoder


class SegmentWriter:
    """One .arrows file, from its first batch to its end mark."""

    def __init__(self, path: Path, kind: str, sync: Callable[[int], None] = os.fsync) -> None:
        self.path = path
        self._sync = sync
        self.rows = 0
        self.size = 0  # bytes that are whole and synced
        self._encoder = BatchEncoder(kind)
        try:
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - lives as long as this object
            sync_folder(path.parent)
        except OSError as error:
            raise TapeError(f"{path}: cannot be created: {error}") from error

    def append(self, rows: np.ndarray[Any, Any]) -> int:
        """Append one batch and sync it; returns the bytes written. After TapeError the segment is closed."""
        written = self._write(self._encoder.encode(rows))
        self.rows += len(rows)
        return written

    def close(self) -> None:
        """Write the end mark and close; without it the segment counts as cut short, and reads all the same."""
        if not self._file.closed:
            self._write(self._encoder.finish())
            self._file.close()

    def abandon(self) -> None:
        """Close without the end mark."""
        self._file.close()

    def _write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
            self._sync(self._file.fileno())
        except OSError as error:
            self._cut_back()
            raise TapeError(f"{self.path}: cannot be written: {error}; {self.size} bytes before are whole") from error
        self.size += len(data)
        return len(data)

    def _cut_back(self) -> None:
        """Take the unfinished batch away; if even that fails, readers leave it out by themselves."""
        try:
            os.ftruncate(self._file.fileno(), self.size)
        except OSError:
            return
        finally:
            self._file.close()


class TapeWriter:
    """A tape folder open for appending."""

    def __init__(self, folder: Path, header: TapeHeader, segment_rows: int, sync: Callable[[int], None]) -> None:
        """Use `create` or `resume`. sync: makes the file of a descriptor durable; the recorder measures it."""
        self.folder = folder
        self.header = header
        self._segment_rows = segment_rows
        self._sync = sync
        self._open: dict[str, SegmentWriter] = {}

    @classmethod
    def create(
        cls,
        folder: Path,
        header: TapeHeader,
        segment_rows: int = 2_000_000,
        sync: Callable[[int], None] = os.fsync,
    ) -> TapeWriter:
        """A new tape. Raises TapeError if the folder is not empty."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = f"{HEADER_FILE}.tmp"  # a crash before the tape began
            taken = next((path for path in folder.iterdir() if path.name != unfinished), None)
        except OSError as error:
            raise TapeError(f"{folder}: cannot be created: {error}") from error
        if taken is not None:
            raise TapeError(f"{folder}: not empty; a tape is never written over")
        write_header(folder, header)
        return cls(folder, header, segment_rows, sync)

    @classmethod
    def resume(
        cls,
        folder: Path,
        header: TapeHeader,
        segment_rows: int = 2_000_000,
        sync: Callable[[int], None] = os.fsync,
    ) -> TapeWriter:
        """Go on with a tape of the same instruments, in new segments."""
        if (found := read_header(folder).instruments) != header.instruments:
            raise TapeError(f"{folder}: recorded for {_names(found)}, not for {_names(header.instruments)}")
        return cls(folder, header, segment_rows, sync)

    def append(self, kind: str, rows: np.ndarray[Any, Any]) -> int:
        """Append records of KINDS[kind] as one synced batch; returns bytes written. Empty arrays write nothing."""
        if rows.dtype != KINDS[kind]:
            raise TypeError(f"{kind} rows have dtype {rows.dtype}, not the record's")
        if not len(rows):
            return 0
        segment = self._open.get(kind)
        if segment is not None and segment.rows >= self._segment_rows:
            segment.close()
            segment = None
        if segment is None:
            segment = self._open[kind] = SegmentWriter(self._next_path(kind), kind, self._sync)
        try:
            return segment.append(rows)
        except TapeError:
            del self._open[kind]  # it is closed; whoever tries again gets the next number
            raise

    def close(self) -> None:
        for segment in self._open.values():
            segment.close()
        self._open.clear()

    def abandon(self) -> None:
        """Close the files without end marks: after an error, when nothing more may be written."""
        for segment in self._open.values():
            segment.abandon()
        self._open.clear()

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _next_path(self, kind: str) -> Path:
        found = segments(self.folder, kind)
        return segment_path(self.folder, kind, found[-1].number + 1 if found else 1)


def _names(instruments: tuple[Any, ...]) -> str:
    return ", ".join(f"{item.symbol} (tick {item.tick:g})" for item in instruments)
