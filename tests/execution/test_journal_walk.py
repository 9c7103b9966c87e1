"""The compiled walk over a journal against its slow twin, on whole, torn and damaged bytes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution import journal_walk
from execution.events import Tick
from execution.journal_format import MAGIC, encode_record, examine, scan
from execution.journal_walk import BATCH, MAX_RECORD_BYTES, is_whole, walk

bodies = st.lists(st.tuples(st.binary(min_size=1, max_size=70), st.integers(0, 255)), max_size=12)


def written(records: list[tuple[bytes, int]]) -> bytes:
    return b"".join(struct.pack("<IIB", len(body), zlib.crc32(body, kind), kind) + body for body, kind in records)


def naive(data: bytes, at: int) -> list[tuple[int, int, int]]:
    """(kind, begin, end) of the whole records from `at`."""
    found = []
    while at + 9 <= len(data):
        length, checksum, kind = struct.unpack_from("<IIB", data, at)
        end = at + 9 + length
        if not 0 < length <= MAX_RECORD_BYTES or end > len(data) or zlib.crc32(data[at + 9 : end], kind) != checksum:
            break
        found.append((kind, at, end))
        at = end
    return found


def walked(data: bytes, at: int) -> list[tuple[int, int, int]]:
    return [
        record
        for kinds, begins, ends in walk(data, at)
        for record in zip(kinds.tolist(), begins.tolist(), ends.tolist(), strict=True)
    ]


@given(bodies, st.binary(max_size=40), st.binary(max_size=20))
def test_as_the_twin(records: list[tuple[bytes, int]], before: bytes, behind: bytes) -> None:
    data = before + written(records) + behind
    assert walked(data, len(before)) == naive(data, len(before))
    for at in range(len(data) + 1):
        assert is_whole(data, at) == bool(naive(data, at))


@given(bodies.filter(bool), st.data())
def test_one_flipped_bit_ends_it_where_it_is(records: list[tuple[bytes, int]], data: st.DataObject) -> None:
    whole = written(records)
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    kept = [record for record in naive(whole, 0) if record[2] <= place]
    assert walked(bytes(flipped), 0)[: len(kept) + 1] == naive(bytes(flipped), 0)[: len(kept) + 1]
    assert walked(bytes(flipped), 0)[: len(kept)] == kept
    assert len(walked(bytes(flipped), 0)) == len(kept)


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH])
def test_batches_join_without_a_seam(count: int) -> None:
    data = MAGIC + b"".join(encode_record(Tick(number, number)) for number in range(count)) + bytes(64)
    assert walked(data, len(MAGIC)) == naive(data, len(MAGIC))
    assert sum(1 for _ in scan(data)) == count
    assert examine(data).end == len(data) - 64


def test_an_absurd_length_is_no_record() -> None:
    for length in (0, MAX_RECORD_BYTES + 1, 2**31, 2**32 - 1):
        assert walked(struct.pack("<IIB", length, 0, 1) + bytes(100), 0) == []


def test_the_tables_are_those_of_the_polynomial() -> None:
    """Row 0 is what zlib says of one byte, without its inversions; row k of a byte and k zeros."""
    for row in range(8):
        for byte in (0, 1, 2, 127, 128, 255):
            zeros = zlib.crc32(bytes(1 + row))
            assert zlib.crc32(bytes([byte]) + bytes(row)) ^ zeros == journal_walk._TABLES[row, byte]
    assert journal_walk._TABLES.dtype == np.uint32
