"""Record arrays to Arrow IPC messages and back, with nanoarrow.

Encoding goes through memory, so that a batch reaches the file in one write; decoding is given whole messages only.
Neither side touches a file it was not handed. No pyarrow here: live stages record with this.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import nanoarrow
import numpy as np
from nanoarrow import ipc

from tape.format import COLUMNS, KINDS, TapeError, column_view
from tape.frames import StreamMap

_ARROW_TYPES = {  # numpy's type -> nanoarrow's, and its letter in Arrow's C interface
    np.dtype("<i8"): (nanoarrow.int64(), "l"),
    np.dtype("<u8"): (nanoarrow.uint64(), "L"),
    np.dtype("<i4"): (nanoarrow.int32(), "i"),
    np.dtype("<f8"): (nanoarrow.float64(), "g"),
    np.dtype("u1"): (nanoarrow.uint8(), "C"),
    np.dtype("i1"): (nanoarrow.int8(), "c"),
}


class BatchEncoder:
    """Turns record arrays of one kind into the bytes of one stream: schema first, then a message per batch."""

    def __init__(self, kind: str) -> None:
        self._columns = COLUMNS[kind]
        fields = {column.name: _ARROW_TYPES[column.dtype][0] for column in self._columns}
        self._schema = nanoarrow.struct(fields, nullable=False)
        self._out = io.BytesIO()
        self._writer = ipc.StreamWriter.from_writable(self._out)

    def encode(self, rows: np.ndarray[Any, Any]) -> bytes:
        """The message of one batch of at least one row (after the schema's, the first time)."""
        array = nanoarrow.c_array_from_buffers(
            self._schema,
            length=len(rows),
            buffers=[None],
            null_count=0,
            children=[nanoarrow.c_array(np.ascontiguousarray(column_view(rows, column))) for column in self._columns],
        )
        self._writer.write_array(array)
        return self._take()

    def finish(self) -> bytes:
        """The end mark."""
        self._writer.close()
        return self._take()

    def _take(self) -> bytes:
        taken = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return taken


class _Whole(io.RawIOBase):
    """Some parts of a file as one: the schema's message and the batches that are wanted, all of them whole."""

    def __init__(self, file: BinaryIO, parts: list[tuple[int, int]]) -> None:
        self._file = file
        self._parts = parts  # (offset, end) still to be read

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        while self._parts and self._parts[0][0] == self._parts[0][1]:
            self._parts.pop(0)
        if not self._parts:
            return 0
        offset, end = self._parts[0]
        self._file.seek(offset)
        data = self._file.read(min(len(view), end - offset))
        view[: len(data)] = data
        self._parts[0] = (offset + len(data), end)
        return len(data)


def decode(
    file: BinaryIO, stream: StreamMap, kind: str, path: object, wanted: slice = slice(None)
) -> np.ndarray[Any, Any]:
    """The rows of the whole batches (or of a run of them) as records of KINDS[kind].

    Raises TapeError for columns that are missing or of another type, and for missing values.
    """
    batches = stream.batches[wanted]
    rows = np.zeros(sum(frame.rows for frame in batches), KINDS[kind])
    if not len(rows):
        return rows
    schema_end = stream.frames[0].offset + stream.frames[0].size
    source = _Whole(file, [(0, schema_end), (batches[0].offset, batches[-1].offset + batches[-1].size)])
    try:
        arrays = nanoarrow.c_array_stream(ipc.InputStream.from_readable(source))
        places = _places(arrays.get_schema(), kind, path)
        filled = 0
        for array in arrays:
            for column, child in zip(COLUMNS[kind], places, strict=True):
                _copy(array.child(child), column_view(rows, column)[filled : filled + array.length], column.name, path)
            filled += array.length
    except (RuntimeError, ValueError, OSError) as error:  # nanoarrow raises RuntimeError for bytes it refuses
        raise TapeError(f"{path}: cannot be decoded: {error}") from error
    if filled != len(rows):
        raise TapeError(f"{path}: {filled} rows decoded, {len(rows)} announced: the file is damaged")
    return rows


def _places(schema: Any, kind: str, path: object) -> list[int]:
    """Where each column stands in the stream's schema."""
    names = {schema.child(index).name: index for index in range(schema.n_children)}
    missing = [column.name for column in COLUMNS[kind] if column.name not in names]
    if missing:
        raise TapeError(f"{path}: columns missing: {', '.join(missing)}")
    for column in COLUMNS[kind]:
        found = schema.child(names[column.name]).format
        if found != _ARROW_TYPES[column.dtype][1]:
            raise TapeError(f"{path}: column {column.name} has Arrow format {found!r}, not {column.dtype}")
    return [names[column.name] for column in COLUMNS[kind]]


def _copy(child: Any, target: np.ndarray[Any, Any], name: str, path: object) -> None:
    if child.null_count:
        raise TapeError(f"{path}: column {name} has missing values")
    target[:] = np.frombuffer(child.view().buffer(1), dtype=target.dtype)[child.offset : child.offset + child.length]
