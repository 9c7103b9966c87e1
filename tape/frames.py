"""Where the messages of an Arrow IPC stream begin and end, without decoding them.

Why it stands here: a stream whose writer was killed ends in the middle of a message, and a decoder must never be
given such a tail (nanoarrow 0.9 crashes the process on it). This walk finds how far the stream is whole, and also
how many rows each batch has, so that a reader can allocate once.

A message: 0xFFFFFFFF | metadata size u32 | metadata (flatbuffer `Message`, padded to 8) | body. Size 0 ends the stream.
Source: the Apache Arrow columnar format, "Encapsulated message format", and its Message.fbs.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from tape.format import TapeError

CONTINUATION = b"\xff\xff\xff\xff"
END_OF_STREAM = CONTINUATION + b"\0\0\0\0"
MESSAGE_SCHEMA = 1
MESSAGE_BATCH = 3
_LARGEST_METADATA = 1 << 24


@dataclass(frozen=True)
class Frame:
    """One whole message of a stream."""

    offset: int
    size: int  # bytes, prefix, metadata and body
    message: int  # MESSAGE_*
    rows: int  # of a batch, else 0


@dataclass(frozen=True)
class StreamMap:
    """What stands in a stream file."""

    frames: tuple[Frame, ...]
    whole_bytes: int  # up to here every message is complete (the end mark not counted)
    torn_bytes: int  # after it: the beginning of a message that its writer did not finish
    ended: bool  # the writer closed it

    @property
    def rows(self) -> int:
        return sum(frame.rows for frame in self.frames)

    @property
    def batches(self) -> tuple[Frame, ...]:
        return tuple(frame for frame in self.frames if frame.message == MESSAGE_BATCH)


def map_stream(file: BinaryIO, path: object) -> StreamMap:
    """Walk the messages of an open stream file; reads the metadata only.

    Raises TapeError, naming path and offset, for bytes that are neither a message nor the beginning of one.
    """
    file.seek(0, os.SEEK_END)
    end = file.tell()
    frames: list[Frame] = []
    offset = 0
    while offset < end:
        file.seek(offset)
        prefix = file.read(8)
        if prefix == END_OF_STREAM:
            return StreamMap(tuple(frames), offset, 0, True)
        if len(prefix) < 8 or prefix == b"\0" * 8:  # zeros: the file system grew the file, the data never came
            break
        size = struct.unpack_from("<I", prefix, 4)[0]
        if prefix[:4] != CONTINUATION or size > _LARGEST_METADATA:
            raise TapeError(f"{path}: not an Arrow stream message at byte {offset}: the file is damaged")
        metadata = file.read(size)
        if len(metadata) < size:
            break
        try:
            message, body, rows = _read_message(metadata)
        except (struct.error, IndexError, ValueError) as error:
            raise TapeError(f"{path}: unreadable message at byte {offset}: the file is damaged") from error
        total = 8 + size + body
        if offset + total > end:
            break
        frames.append(Frame(offset, total, message, rows))
        offset += total
    return StreamMap(tuple(frames), offset, end - offset, False)


def _read_message(metadata: bytes) -> tuple[int, int, int]:
    """(message type, body size in bytes, rows) of a flatbuffer Message."""
    root = struct.unpack_from("<I", metadata, 0)[0]
    type_at = _field(metadata, root, 1)
    header_at = _field(metadata, root, 2)
    body_at = _field(metadata, root, 3)
    message = metadata[type_at] if type_at else 0
    body = struct.unpack_from("<q", metadata, body_at)[0] if body_at else 0
    if body < 0:
        raise ValueError("negative body size")
    rows = 0
    if message == MESSAGE_BATCH and header_at:
        batch = header_at + struct.unpack_from("<I", metadata, header_at)[0]
        length_at = _field(metadata, batch, 0)
        rows = struct.unpack_from("<q", metadata, length_at)[0] if length_at else 0
    if not 0 <= rows <= body:  # every row has at least a byte
        raise ValueError("number of rows does not fit the body")
    return message, body, rows


def _field(buffer: bytes, table: int, index: int) -> int:
    """Where a field of a flatbuffer table stands, 0 if it is left out."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    if vtable < 0:
        raise ValueError("table without a vtable")
    entry = 4 + 2 * index
    if entry >= struct.unpack_from("<H", buffer, vtable)[0]:
        return 0
    shift = struct.unpack_from("<H", buffer, vtable + entry)[0]
    return table + shift if shift else 0
