"""Where the whole records of a journal stand: the compiled part of `journal_format`.

A start reads its whole journal before it may protect anything, and a journal of an account lives for many days, nearly
all of it records that recovery does not need. So they are passed over at the speed of memory, checksums included, and
only what is needed is decoded. The checksum is that of zlib (CRC-32, polynomial 0xEDB88320), taken eight bytes at a time
(slicing-by-8, M. Kounavis and F. Berry, 2005).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from shm.jit import inline, kernel

from numba import types  # isort: skip  (after shm.jit, which places the cache)

HEAD = struct.Struct("<IIB")  # of a record: length of the body, crc32 of kind and body, kind
_HEAD_BYTES = HEAD.size
MAX_RECORD_BYTES = 16 * 2**20
BATCH = 4096
_ALL = np.uint32(0xFFFFFFFF)


def _tables() -> np.ndarray[Any, np.dtype[np.uint32]]:
    """(8, 256): row k is the remainder of a byte that k zero bytes follow."""
    rows = np.zeros((8, 256), np.uint32)
    rows[0] = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        rows[0] = (rows[0] >> np.uint32(1)) ^ np.where(rows[0] & 1, np.uint32(0xEDB88320), np.uint32(0))
    for k in range(1, 8):
        rows[k] = (rows[k - 1] >> np.uint32(8)) ^ rows[0][rows[k - 1] & np.uint32(0xFF)]
    return rows


_TABLES = _tables()


@inline
def _word(data, at):  # type: ignore[no-untyped-def]
    """The little-endian u32 at `at`, wherever that is."""
    return (
        np.uint32(data[at])
        | np.uint32(data[at + 1]) << np.uint32(8)
        | np.uint32(data[at + 2]) << np.uint32(16)
        | np.uint32(data[at + 3]) << np.uint32(24)
    )


@inline
def _byte(word, number):  # type: ignore[no-untyped-def]
    return (word >> np.uint32(8 * number)) & np.uint32(0xFF)


@inline
def crc32(data, at, end, start):  # type: ignore[no-untyped-def]
    """As zlib.crc32(data[at:end], start)."""
    crc = start ^ _ALL
    while at + 8 <= end:
        low, high = crc ^ _word(data, at), _word(data, at + 4)
        crc = (
            _TABLES[7, _byte(low, 0)] ^ _TABLES[6, _byte(low, 1)] ^ _TABLES[5, _byte(low, 2)] ^ _TABLES[4, _byte(low, 3)]
            ^ _TABLES[3, _byte(high, 0)] ^ _TABLES[2, _byte(high, 1)] ^ _TABLES[1, _byte(high, 2)]
            ^ _TABLES[0, _byte(high, 3)]
        )  # fmt: skip
        at += 8
    while at < end:
        crc = (crc >> np.uint32(8)) ^ _TABLES[0, (crc ^ np.uint32(data[at])) & np.uint32(0xFF)]
        at += 1
    return crc ^ _ALL


@kernel(
    types.int64(
        types.Array(types.uint8, 1, "C", readonly=True), types.int64, types.Array(types.uint8, 1, "C"),
        types.Array(types.int64, 1, "C"),
    )
)  # fmt: skip
def whole_records(data, at, kinds, ends):  # type: ignore[no-untyped-def]
    """From the record that begins at `at`: kind and end of each whole one into `kinds`, `ends` (same length, the most
    that are taken), up to the first that is not whole; returns how many."""
    count = 0
    while count < len(ends) and at + _HEAD_BYTES <= len(data):
        length, checksum, kind = np.int64(_word(data, at)), _word(data, at + 4), data[at + 8]
        begin, end = at + _HEAD_BYTES, at + _HEAD_BYTES + length
        if not 0 < length <= MAX_RECORD_BYTES or end > len(data):
            break
        if crc32(data, begin, end, np.uint32(kind)) != checksum:
            break
        kinds[count], ends[count] = kind, end
        count += 1
        at = end
    return count


def walk(data: bytes, at: int) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """The whole records from `at`, up to the first that is not, in batches: kinds u8, begins and ends i64 (offsets), each
    of shape (n,), n > 0. A batch is good until the next is asked for."""
    view = np.frombuffer(data, np.uint8)
    kinds, places = np.zeros(BATCH, np.uint8), np.zeros(BATCH + 1, np.int64)
    while True:
        places[0] = at
        count = whole_records(view, at, kinds, places[1:])
        if count:
            at = int(places[count])
            yield kinds[:count], places[:count], places[1 : count + 1]
        if count < BATCH:
            return


def is_whole(data: bytes, at: int) -> bool:
    """Whether a whole record begins at `at`."""
    return bool(whole_records(np.frombuffer(data, np.uint8), at, np.zeros(1, np.uint8), np.zeros(1, np.int64)))
