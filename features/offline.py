"""The features of a recorded market at once: the same kernels as live, over arrays instead of rings.

Training, replay checks and benchmarks use it. One compiled loop; nothing here computes a feature. A long market is
computed in parts, so that its vectors need not fit the memory together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.schema import Instrument
from features.engine import (
    BookRecord,
    CandleRecord,
    InstrumentRecord,
    State,
    TradeRecord,
    apply_book,
    apply_candle,
    apply_trade,
    emit,
)
from features.events import COUNT_NAMES
from features.sessions import instrument_record
from features.state import new_states
from shm.jit import kernel
from shm.layouts import BOOK, CANDLE, FEATURE_COUNT, KIND_BOOK, KIND_TRADE, TRADE

from numba import types  # isort: skip

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class FeatureTable:
    """One row per vector, in ingest_seq order.

    event (n,) int64: row of `trades` or of `book` (by kind) that caused it; ts_ns (n,) int64: market time;
    kind (n,) uint8: KIND_TRADE or KIND_BOOK; ready (n,) uint64: bits of features.families; values (n, 65) float64;
    ingest_seq (n,) int64; counts: accepted, dropped and overflowed events by name.
    """

    event: Array
    ts_ns: Array
    kind: Array
    ready: Array
    values: Array
    ingest_seq: Array
    counts: dict[str, int]

    def __len__(self) -> int:
        return len(self.event)


_i64 = types.Array(types.int64, 1, "C")
_columns = types.Array(types.float64, 2, "C")


@kernel(
    types.int64(
        types.Array(State, 1, "C"), types.Array(InstrumentRecord, 1, "C"), types.Array(TradeRecord, 1, "C"),
        types.Array(BookRecord, 1, "C"), types.Array(CandleRecord, 1, "C"),
        _i64, _i64, types.Array(types.uint8, 1, "C"), types.Array(types.uint64, 1, "C"), _columns, _i64,
    )
)  # fmt: skip
def _run(states, instruments, trades, book, candles, event, ts_ns, kind, ready, values, ingest_seq):
    """Merge by ingest_seq (candles, trades, book where equal), apply, and write a row per vector; returns how many."""
    state, instrument = states[0], instruments[0]
    i = j = k = n = 0
    while i < len(trades) or j < len(book) or k < len(candles):
        trade_seq = trades[i].ingest_seq if i < len(trades) else np.iinfo(np.int64).max
        book_seq = book[j].ingest_seq if j < len(book) else np.iinfo(np.int64).max
        if k < len(candles) and candles[k].ingest_seq <= min(trade_seq, book_seq):
            apply_candle(state, instrument, candles[k])
            k += 1
            continue
        if i < len(trades) and trade_seq <= book_seq:
            due, row, what, at_ns, seq = (
                apply_trade(state, instrument, trades[i]),
                i,
                KIND_TRADE,
                trades[i].ts_ns,
                trade_seq,
            )
            i += 1
        else:
            due, row, what, at_ns, seq = apply_book(state, instrument, book[j]), j, KIND_BOOK, book[j].ts_ns, book_seq
            j += 1
        if due:
            event[n] = row
            ts_ns[n] = at_ns
            kind[n] = what
            ready[n] = emit(state, instrument, values[n])
            ingest_seq[n] = seq
            n += 1
    return n


def _checked(name: str, records: Array, dtype: np.dtype[Any]) -> Array:
    if records.ndim != 1 or records.dtype.names != dtype.names:
        raise TypeError(f"{name} must be one-dimensional with the fields {dtype.names}; found {records.dtype}")
    if records.dtype != dtype:  # numpy packs the padding away when arrays of a layout are joined
        padded = np.zeros(len(records), dtype)
        for field in dtype.names or ():
            padded[field] = records[field]
        records = padded
    sequences = records["ingest_seq"]
    if len(records) > 1 and bool(np.any(sequences[1:] < sequences[:-1])):
        raise ValueError(f"{name} are not in the order of ingest_seq")
    return np.ascontiguousarray(records).view(dtype)


def compute(trades: Array, book: Array, candles: Array, instrument: Instrument) -> FeatureTable:
    """All vectors of one instrument's recorded market.

    trades, book, candles: arrays (n,) of shm.layouts TRADE (gap records included), BOOK and CANDLE, of this instrument
    only, each in the order of ingest_seq; any may be empty. Candles count when they are FLAG_HISTORY.
    Raises TypeError for another layout, ValueError for another order.
    """
    return next(compute_parts(trades, book, candles, instrument, max(1, len(trades) + len(book))))


def compute_parts(
    trades: Array, book: Array, candles: Array, instrument: Instrument, events: int
) -> Iterator[FeatureTable]:
    """The same in parts of `events` records of trades and book each; at least one. `event` counts from the beginning."""
    trades, book = _checked("trades", trades, TRADE), _checked("book", book, BOOK)
    candles = _checked("candles", candles, CANDLE)
    engine = OfflineEngine(instrument)
    sequence = np.sort(np.concatenate([trades["ingest_seq"], book["ingest_seq"]]))
    done = (0, 0, 0)
    for end in range(events, max(len(sequence), 1) + events, events):
        if end < len(sequence):
            upto = tuple(int(np.searchsorted(rows["ingest_seq"], sequence[end])) for rows in (trades, book, candles))
        else:
            upto = len(trades), len(book), len(candles)
        part = [rows[first:last] for rows, first, last in zip((trades, book, candles), done, upto, strict=True)]
        table = engine.take(part[0], part[1], part[2])
        table.event[:] += np.where(table.kind == KIND_TRADE, done[0], done[1])
        yield table
        done = upto


class OfflineEngine:
    """One instrument's state between parts of a market."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument_record(instrument)
        self._states = new_states(1)

    def take(self, trades: Array, book: Array, candles: Array) -> FeatureTable:
        """The vectors of the next part: arrays of the exact dtypes TRADE, BOOK and CANDLE, in the order of ingest_seq."""
        rows = len(trades) + len(book)
        event, ts_ns, ingest_seq = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
        kind, ready = np.empty(rows, np.uint8), np.empty(rows, np.uint64)
        values = np.empty((rows, FEATURE_COUNT), np.float64)
        states, record = self._states, self._instrument
        count = _run(states, record, trades, book, candles, event, ts_ns, kind, ready, values, ingest_seq)
        counts = dict(zip(COUNT_NAMES, (int(c) for c in states[0]["small"]["counts"]), strict=True))
        return FeatureTable(
            event[:count], ts_ns[:count], kind[:count], ready[:count], values[:count], ingest_seq[:count], counts
        )
