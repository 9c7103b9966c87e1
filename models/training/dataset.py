"""From a tape to rows that can be learnt from: vectors as live, thinned as live, labelled, with the columns that stand.

A column is taken if the vector defines it often enough; a family is needed if its windows are full in most rows. What
is not computed yet (NaN in every row) is left out, so the same training goes on when further families stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from config.schema import Config, Instrument
from features.offline import FeatureTable, compute
from features.sessions import instrument_record
from models.contract import FAMILIES, FEATURE_NAMES, SILENCING, family_of, ready_mask
from models.training.labels import MarkOuts, Quotes, classes, heard_until, mark_outs, outside_gaps
from models.training.splits import every
from shm.layouts import KIND_BOOK, KIND_GAP
from tape.reader import Tape

Array = np.ndarray[Any, Any]

DEFINED_SHARE = 0.05  # of the rows in which a column must be finite
READY_SHARE = 0.5  # of the rows in which a family must be ready to be needed
CALENDAR = ("session_elapsed", "minute", "day_of_week", "is_opening_30min", "is_closing_30min")
CALENDAR_SESSIONS = 5  # with fewer, a column of the calendar only says which part of the tape a row is from


class TrainingError(Exception):
    """Nothing can be learnt from this tape as it is; the message says what is missing."""


@dataclass(frozen=True)
class Dataset:
    """Rows of one instrument, by time. n rows."""

    instrument: Instrument
    horizon_ns: int
    values: Array  # float64[n, 65]
    ts_ns: Array  # int64[n]
    mark_out_ticks: Array  # float64[n]
    spread_ticks: Array  # float64[n], at t
    fees_ticks: float  # of both sides
    label: Array  # int64[n]: DOWN, FLAT, UP
    columns: tuple[int, ...]
    may_be_missing: tuple[bool, ...]  # per column
    needs: tuple[str, ...]  # families
    sessions: int

    @property
    def label_end_ns(self) -> Array:
        return self.ts_ns + self.horizon_ns

    def __len__(self) -> int:
        return len(self.ts_ns)


def load(tape: Tape, config: Config) -> Dataset:
    """The dataset of the one instrument that tape and configuration share. Raises TrainingError, TapeError."""
    number, instrument = _shared_instrument(tape, config)
    trades, book, candles = (rows[rows["symbol"] == number] for rows in (tape.trades(), tape.book(), tape.candles()))
    table = compute(trades, book, candles, instrument)
    return build(table, trades, book, instrument, config.models.horizon_ms, config.models.predict_every_ms)


def build(
    table: FeatureTable, trades: Array, book: Array, instrument: Instrument, horizon_ms: int, every_ms: int
) -> Dataset:
    """Choose, label and thin the rows of a feature table. Raises TrainingError."""
    horizon_ns = horizon_ms * 1_000_000
    quotes = _quotes(table, book, instrument.tick)
    if not len(quotes.ts_ns):
        raise TrainingError("the tape has no book: there is no mid to make labels of")
    starts_ns = _session_starts(instrument)
    until_ns = heard_until(table.ts_ns, starts_ns, table.ts_ns)
    marks = mark_outs(table.ts_ns, table.ingest_seq, quotes, horizon_ns, until_ns)
    usable = marks.valid & outside_gaps(table.ts_ns, horizon_ns, _gaps(trades))
    for bit in SILENCING:
        usable &= table.ready >> np.uint64(bit) & np.uint64(1) == 0
    needs = _needs(table, usable)
    mask = np.uint64(ready_mask(needs))
    usable &= table.ready & mask == mask
    rows = np.flatnonzero(usable)
    rows = rows[every(table.ts_ns[rows], every_ms * 1_000_000)]
    if not len(rows):
        raise TrainingError(
            f"no row of the tape has a label {horizon_ms} ms later and full windows ({', '.join(needs) or 'no family'})"
        )
    sessions = len(np.unique(np.searchsorted(starts_ns, table.ts_ns[rows], "right")))
    return _dataset(table, marks, rows, instrument, horizon_ns, needs, sessions)


def _dataset(
    table: FeatureTable,
    marks: MarkOuts,
    rows: Array,
    instrument: Instrument,
    horizon_ns: int,
    needs: tuple[str, ...],
    sessions: int,
) -> Dataset:
    values = np.ascontiguousarray(table.values[rows])
    columns = _columns(values, sessions)
    fees_ticks = 2.0 * instrument.fee_per_contract / (instrument.point_value * instrument.tick)
    spread_ticks = marks.spread_ticks[rows]
    mark_out_ticks = marks.mark_out_ticks[rows]
    return Dataset(
        instrument=instrument,
        horizon_ns=horizon_ns,
        values=values,
        ts_ns=table.ts_ns[rows],
        mark_out_ticks=mark_out_ticks,
        spread_ticks=spread_ticks,
        fees_ticks=fees_ticks,
        label=classes(mark_out_ticks, spread_ticks / 2.0 + fees_ticks),
        columns=columns,
        may_be_missing=tuple(bool(np.isnan(values[:, column]).any()) for column in columns),
        needs=needs,
        sessions=sessions,
    )


def _shared_instrument(tape: Tape, config: Config) -> tuple[int, Instrument]:
    symbols = [item.symbol for item in tape.instruments]
    shared = [instrument for instrument in config.instruments if instrument.symbol in symbols]
    if len(shared) != 1:
        wanted = ", ".join(instrument.symbol for instrument in config.instruments)
        raise TrainingError(
            f"{tape.folder}: the tape has {', '.join(symbols)}, the configuration {wanted}; "
            "a bundle is for one instrument: choose with --config the configuration that shares exactly one"
        )
    number = symbols.index(shared[0].symbol)
    for name in ("tick", "lot"):
        found, expected = getattr(tape.instruments[number], name), getattr(shared[0], name)
        if found != expected:
            raise TrainingError(f"{tape.folder}: {shared[0].symbol} has {name} {found}, the configuration {expected}")
    return number, shared[0]


def _quotes(table: FeatureTable, book: Array, tick: float) -> Quotes:
    """The snapshots that the features took as valid: exactly those that caused a vector."""
    rows = table.event[table.kind == KIND_BOOK]
    bid, ask = book["bid_price"][rows, 0], book["ask_price"][rows, 0]
    return Quotes(
        book["ingest_seq"][rows], book["ts_ns"][rows], np.rint((bid + ask) / tick) / 2.0, np.rint((ask - bid) / tick)
    )


def _gaps(trades: Array) -> Array:
    gaps = trades[trades["kind"] == KIND_GAP]
    begin = np.where(gaps["gap_from_ns"] > 0, gaps["gap_from_ns"], gaps["ts_ns"])
    return np.stack([begin, np.maximum(gaps["gap_to_ns"], gaps["ts_ns"])], axis=1)


def _session_starts(instrument: Instrument) -> Array:
    record = instrument_record(instrument)[0]
    return record["session_start_ns"][: int(record["sessions"])]


def _needs(table: FeatureTable, usable: Array) -> tuple[str, ...]:
    """Families whose windows are full in most of the rows that could be learnt from."""
    ready = table.ready[usable]
    if not len(ready):
        return ()
    shares = {name: (ready >> np.uint64(bit) & np.uint64(1)).mean() for bit, name in enumerate(FAMILIES)}
    return tuple(name for name, share in shares.items() if share >= READY_SHARE)


def _columns(values: Array, sessions: int) -> tuple[int, ...]:
    """Columns that are defined often enough and can tell rows apart."""
    chosen = []
    for column, name in enumerate(FEATURE_NAMES):
        defined = values[~np.isnan(values[:, column]), column]
        if np.isinf(defined).any():
            raise TrainingError(f"{name} ({family_of(column)}) is infinite in some rows; a feature is a number or NaN")
        if len(defined) < max(1, DEFINED_SHARE * len(values)) or defined.min() == defined.max():
            continue
        if name in CALENDAR and sessions < CALENDAR_SESSIONS:
            continue
        chosen.append(column)
    if not chosen:
        raise TrainingError("no feature is defined and varies in the rows of this tape")
    return tuple(chosen)

