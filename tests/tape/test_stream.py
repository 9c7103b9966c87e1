"""Batches to bytes and back; streams that end anywhere; bytes that are damaged."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shm.layouts import BOOK, TRADE
from tape.format import COLUMNS, KINDS, TapeError, column_view
from tape.frames import map_stream
from tape.reader import join, read_stream
from tape.stream import BatchEncoder, decode
from tests.tape.rows import columns_equal, random_rows

kinds = st.sampled_from(sorted(KINDS))


def encode(kind: str, batches: list[np.ndarray], finish: bool) -> list[bytes]:
    encoder = BatchEncoder(kind)
    return [encoder.encode(rows) for rows in batches] + ([encoder.finish()] if finish else [])


def read_back(data: bytes, kind: str) -> np.ndarray:
    file = io.BytesIO(data)
    return decode(file, map_stream(file, "memory"), kind, "memory")


@settings(max_examples=60, deadline=None)
@given(kinds, st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 2**31), st.booleans())
def test_round_trip_keeps_every_bit(kind: str, sizes: list[int], seed: int, finish: bool) -> None:
    batches = [random_rows(kind, size, seed + i) for i, size in enumerate(sizes)]
    data = b"".join(encode(kind, batches, finish))
    assert columns_equal(read_back(data, kind), join(batches, kind), kind)
    stream = map_stream(io.BytesIO(data), "memory")
    assert [frame.rows for frame in stream.batches] == sizes
    assert stream.ended is finish
    assert stream.torn_bytes == 0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_stream_is_plain_arrow(kind: str) -> None:
    batches = [random_rows(kind, 7, 1), random_rows(kind, 3, 2)]
    table = pa.ipc.open_stream(b"".join(encode(kind, batches, True))).read_all()
    assert table.column_names == [column.name for column in COLUMNS[kind]]
    for column in COLUMNS[kind]:
        expected = np.concatenate([np.ascontiguousarray(column_view(rows, column)) for rows in batches])
        assert table[column.name].to_numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_cut_anywhere_in_the_last_batch(kind: str, tmp_path) -> None:
    """At every byte near its ends, and at every seventh between, where alignments and fields take all their turns."""
    batches = [random_rows(kind, 3, 1), random_rows(kind, 2, 2), random_rows(kind, 1, 3)]
    parts = encode(kind, batches, False)
    whole = join(batches[:2], kind)
    before = len(parts[0]) + len(parts[1])
    data = b"".join(parts)
    path = tmp_path / "cut.arrows"
    near = [*range(before, before + 256), *range(len(data) - 256, len(data))]
    for cut in sorted({*near, *range(before, len(data), 7)}):
        path.write_bytes(data[:cut])
        rows = read_stream(path, kind)
        assert rows.dtype == KINDS[kind]
        assert columns_equal(rows, whole, kind), cut
    path.write_bytes(data)
    assert len(read_stream(path, kind)) == 6


def test_cut_inside_the_first_message_is_an_empty_segment(tmp_path) -> None:
    data = encode("trades", [random_rows("trades", 2, 1)], False)[0]
    path = tmp_path / "cut.arrows"
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        assert len(read_stream(path, "trades")) == 0


def test_zeros_behind_the_last_batch_are_left_out() -> None:
    data = b"".join(encode("book", [random_rows("book", 4, 1)], False))
    for zeros in (1, 7, 8, 9, 4096):
        stream = map_stream(io.BytesIO(data + bytes(zeros)), "memory")
        assert (stream.whole_bytes, stream.torn_bytes, stream.rows) == (len(data), zeros, 4)


def test_foreign_bytes_are_named_with_their_place() -> None:
    data = b"".join(encode("trades", [random_rows("trades", 4, 1)], False))
    with pytest.raises(TapeError, match=f"x.arrows: not an Arrow stream message at byte {len(data)}"):
        map_stream(io.BytesIO(data + b"garbage!!"), "x.arrows")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_metadata_byte_never_crashes(place: int, change: int) -> None:
    """Any byte of the batch's metadata may be wrong: rows come back or TapeError, nothing else."""
    schema_and_first, second = encode("candles", [random_rows("candles", 2, 1), random_rows("candles", 2, 2)], False)
    first_size = map_stream(io.BytesIO(schema_and_first), "memory").frames[0].size
    damaged = bytearray(schema_and_first + second)
    metadata = int.from_bytes(damaged[first_size + 4 : first_size + 8], "little") + 8
    damaged[first_size + place % metadata] ^= change
    try:
        rows = read_back(bytes(damaged), "candles")
    except TapeError as error:
        assert "memory" in str(error)
    else:
        assert rows.dtype == KINDS["candles"]


def test_other_columns_are_refused_by_name() -> None:
    data = b"".join(encode("candles", [random_rows("candles", 2, 1)], True))
    file = io.BytesIO(data)
    with pytest.raises(TapeError, match=r"columns missing: aggressor|columns missing: price, quantity"):
        decode(file, map_stream(file, "memory"), "trades", "memory")


def test_a_run_of_batches_can_be_read_alone() -> None:
    batches = [random_rows("trades", size, size) for size in (3, 1, 4, 2)]
    file = io.BytesIO(b"".join(encode("trades", batches, True)))
    stream = map_stream(file, "memory")
    for wanted in (slice(0, 1), slice(1, 3), slice(3, 4), slice(2, None)):
        expected = join(batches[wanted], "trades")
        assert columns_equal(decode(file, stream, "trades", "memory", wanted), expected, "trades")


def test_layouts_are_covered_but_for_the_sequence() -> None:
    assert {column.field for column in COLUMNS["trades"]} == set(TRADE.names or ()) - {"sequence"}
    assert {column.field for column in COLUMNS["book"]} == set(BOOK.names or ()) - {"sequence"}
    assert [column.name for column in COLUMNS["book"] if column.field == "bid_price"] == [
        f"bid_price_{level}" for level in range(1, 11)
    ]
