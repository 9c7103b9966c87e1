"""Made rows for the tests of the tape: random to the bit, and small tapes that are sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shm.layouts import BOOK, CANDLE, KIND_BOOK, KIND_CANDLE, KIND_TRADE, TRADE
from tape.format import COLUMNS, KINDS, TapeHeader, TapeInstrument, column_view

Rows = np.ndarray[Any, Any]

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
INSTRUMENT = TapeInstrument(symbol="WDOFUT", tick=0.5)
HEADER = TapeHeader(instruments=(INSTRUMENT,), origin={"source": "test"})


def random_rows(kind: str, count: int, seed: int) -> Rows:
    """Every column filled with random bits, so floats include NaN with payloads, infinities and subnormals."""
    source = np.random.default_rng(seed)
    rows = np.zeros(count, KINDS[kind])
    for column in COLUMNS[kind]:
        bits = source.integers(0, 256, count * column.dtype.itemsize, dtype=np.uint8)
        column_view(rows, column)[:] = bits.view(column.dtype)
    return rows


def columns_equal(first: Rows, second: Rows, kind: str) -> bool:
    """Bit for bit, column by column: the slow obvious comparison."""
    if len(first) != len(second):
        return False
    for column in COLUMNS[kind]:
        left, right = column_view(first, column), column_view(second, column)
        if any(left[i].tobytes() != right[i].tobytes() for i in range(len(left))):
            return False
    return True


def sound_trades(sequence: Rows) -> Rows:
    rows = np.zeros(len(sequence), TRADE)
    rows["ingest_seq"] = sequence
    rows["ts_ns"] = START_NS + np.asarray(sequence) * 1_000_000
    rows["kind"] = KIND_TRADE
    rows["trade_type"] = 2
    rows["aggressor"] = 1
    rows["price"] = 5000.5
    rows["quantity"] = 5
    rows["trade_date"] = 20231114
    rows["trade_number"] = np.asarray(sequence) + 1
    return rows


def sound_book(sequence: Rows) -> Rows:
    rows = np.zeros(len(sequence), BOOK)
    rows["ingest_seq"] = sequence
    rows["ts_ns"] = START_NS + np.asarray(sequence) * 1_000_000
    rows["kind"] = KIND_BOOK
    for level in range(10):
        rows["bid_price"][:, level] = 5000.0 - 0.5 * level
        rows["ask_price"][:, level] = 5000.5 + 0.5 * level
    rows["bid_quantity"] = 10
    rows["ask_quantity"] = 20
    return rows


def sound_candles(sequence: Rows) -> Rows:
    rows = np.zeros(len(sequence), CANDLE)
    rows["ingest_seq"] = sequence
    rows["kind"] = KIND_CANDLE
    rows["close"] = 5000.5
    return rows


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
