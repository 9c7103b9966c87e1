"""Whether a run's feature vectors are what its recorded market gives: each is computed again and compared bit for bit.

The worker may have been restarted any number of times: a restart resumes exactly, so the recomputation knows nothing of it.
Gaps stand in the tape as records. What the worker itself lost to a lap of a ring stands nowhere else, so its vectors
differ there, and say so by their cause `lapped`. Only reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from config.schema import Instrument
from features.families import CAUSE_LAPPED, describe_ready
from features.offline import FeatureTable, compute_parts
from features.registry import NAMES
from runtime.run_info import read_run
from shm.layouts import KIND_TRADE
from tape.reader import Tape

Array = np.ndarray[Any, Any]

TAPE_FOLDER = "tape"  # in the run's folder
PART_EVENTS = 1 << 17
_SHOWN = 5


class VerifyError(Exception):
    """The run has nothing that could be compared; the message says why."""


class NotRecorded(VerifyError):
    """The run was told to record no vectors."""


@dataclass(frozen=True)
class Difference:
    """The first vector of an instrument that is not the recomputed one."""

    ingest_seq: int
    text: str


@dataclass(frozen=True)
class Verified:
    """vectors: compared and equal; unpublished: events behind the newest vector, whose vectors no longer came out."""

    vectors: int
    unpublished: int
    difference: Difference | None


def verify_vectors(folder: Path) -> Verified:
    """Recompute every vector of the run in that folder. Raises VerifyError, FileNotFoundError, TapeError."""
    info = read_run(folder)
    config = info.config
    if not (config.recorder.enabled and config.recorder.vectors):
        switch = "recorder.vectors" if config.recorder.enabled else "recorder.enabled"
        raise NotRecorded(f"{folder}: the run recorded no vectors ({switch} was off)")
    tape = Tape.open(folder / TAPE_FOLDER)
    vectors = tape.vectors()
    if not len(vectors):
        raise VerifyError(f"{folder}: the run recorded no vectors (recorder.vectors is on, but no event gave one)")
    every = config.features.publish == "every"
    found = [
        _verify_symbol(tape, vectors[vectors["symbol"] == symbol], symbol, instrument, every)
        for symbol, instrument in enumerate(config.instruments)
    ]
    differences = [one.difference for one in found if one.difference is not None]
    return Verified(
        sum(one.vectors for one in found),
        sum(one.unpublished for one in found),
        min(differences, key=lambda one: one.ingest_seq) if differences else None,
    )


def _verify_symbol(tape: Tape, published: Array, symbol: int, instrument: Instrument, every: bool) -> Verified:
    trades, book, candles = (rows[rows["symbol"] == symbol] for rows in (tape.trades(), tape.book(), tape.candles()))
    sequence = published["ingest_seq"]
    twice = np.flatnonzero(sequence[1:] <= sequence[:-1])
    if len(twice):
        number = int(sequence[twice[0] + 1])
        return _differs(0, number, f"{instrument.symbol}: it was published again, or out of order")
    last = int(sequence[-1]) if len(sequence) else -1
    equal = unpublished = done = 0
    for table in compute_parts(trades, book, candles, instrument, PART_EVENTS):
        upto = int(np.searchsorted(sequence, table.ingest_seq[-1], "right")) if len(table) else done
        part = published[done:upto]
        found = _first_difference(table, part, instrument.symbol, last if every else -1)
        if found is not None:
            return _differs(equal, *found)
        equal += len(part)
        unpublished += int(np.count_nonzero(table.ingest_seq > last))
        done = upto
    if done < len(sequence):
        return _differs(equal, int(sequence[done]), f"{instrument.symbol}: the tape has no event that gives it")
    return Verified(equal, unpublished, None)


def _differs(equal: int, number: int, text: str) -> Verified:
    return Verified(equal, 0, Difference(number, text))


def _first_difference(table: FeatureTable, published: Array, symbol: str, every_up_to: int) -> tuple[int, str] | None:
    """(ingest_seq, what differs) of the first difference in a part. Up to `every_up_to` each event has its vector."""
    found: list[tuple[int, str]] = []
    unknown = np.setdiff1d(published["ingest_seq"], table.ingest_seq, assume_unique=True)
    if len(unknown):
        found.append((int(unknown[0]), f"{symbol}: the tape has no event that gives it"))
    expected = table.ingest_seq[table.ingest_seq <= every_up_to]
    absent = np.setdiff1d(expected, published["ingest_seq"], assume_unique=True)
    if len(absent):
        found.append((int(absent[0]), f"{symbol}: the event gives a vector, and none was recorded"))
    _, ours, theirs = np.intersect1d(table.ingest_seq, published["ingest_seq"], assume_unique=True, return_indices=True)
    again = np.ascontiguousarray(table.values[ours]).view(np.uint64)
    out = np.ascontiguousarray(published["values"][theirs]).view(np.uint64)
    differs = (again != out).any(axis=1)
    for name in ("ts_ns", "kind", "ready"):
        differs |= getattr(table, name)[ours] != published[name][theirs]
    rows = np.flatnonzero(differs)
    if len(rows):
        row = int(rows[0])
        found.append(_describe(table, int(ours[row]), published[int(theirs[row])], symbol))
    return min(found) if found else None


def _describe(table: FeatureTable, row: int, vector: Any, symbol: str) -> tuple[int, str]:
    what = []
    for name in ("ts_ns", "kind"):
        if getattr(table, name)[row] != vector[name]:
            what.append(f"{name} {vector[name]}, recomputed {getattr(table, name)[row]}")
    if table.ready[row] != vector["ready"]:
        what.append(f"{describe_ready(int(vector['ready']))}, recomputed {describe_ready(int(table.ready[row]))}")
    bits = vector["values"].view(np.uint64) != table.values[row].view(np.uint64)
    columns = np.flatnonzero(bits)
    what += [
        f"{NAMES[i]} {float(vector['values'][i])!r}, recomputed {float(table.values[row, i])!r}"
        for i in columns[:_SHOWN]
    ]
    if len(columns) > _SHOWN:
        what.append(f"and {len(columns) - _SHOWN} columns more")
    if int(vector["ready"]) & CAUSE_LAPPED:
        what.append("this vector says that its worker lost records of the rings")
    event = "trade" if table.kind[row] == KIND_TRADE else "book"
    return int(table.ingest_seq[row]), f"{symbol}, {event} at {int(table.ts_ns[row])}: " + "; ".join(what)
