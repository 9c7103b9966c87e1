"""Parquet files of trades and books from elsewhere, as a tape.

Rows that cannot be an event (a price that is NaN, a negative quantity, time going back, a missing value) are an error
that names them, and no tape is made. Rows that can be an event but that the feature contract leaves out (crossed or
one-sided book, zero quantity, price off the grid) stay in the tape, hold their place in the numbering, and are counted.

Numbering: `ingest_seq` is 1, 2, ... over (ts, trades before books, row of the file); 0 is what comes before all events.
trade_type: aggressor +1 -> 2 (buy), -1 -> 3 (sell), 0 -> 1 (cross: no aggressor), the DLL's own numbers.
trade_number: 1, 2, ... within a local date. recv_ns and publish_ns stay 0: nobody measured them.

The tape appears under its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shm.layouts import BOOK, BOOK_LEVELS, KIND_BOOK, KIND_TRADE, TRADE
from tape.columns import ImportedColumns
from tape.dates import local_dates, numbers_by_date, zone_of
from tape.drops import dropped
from tape.format import TapeError, TapeHeader, TapeInstrument
from tape.writer import TapeWriter

Rows = np.ndarray[Any, Any]

TRADE_COLUMNS = ("ts", "price", "quantity", "aggressor", "buyer", "seller")
_LEVELS = [f"{side}_{what}" for side in ("bid", "ask") for what in ("price", "quantity")]
BOOK_COLUMNS = ("ts", *(f"{name}_{level}" for name in _LEVELS for level in range(1, BOOK_LEVELS + 1)))
TYPE_OF_AGGRESSOR = {1: 2, -1: 3, 0: 1}
BATCH_ROWS = 65_536


@dataclass(frozen=True)
class ImportReport:
    """What an import made."""

    folder: Path
    trades: int
    books: int
    left_out: int  # rows of other symbols
    dropped: dict[str, int]  # cause -> rows that stay in the tape but give no feature vector


def import_tape(
    trades: str | Path,
    book: str | Path | None,
    out: str | Path,
    symbol: str,
    tick: float,
    lot: float = 1.0,
    only: str | None = None,
    timezone: str = "America/Sao_Paulo",
) -> ImportReport:
    """Make the tape `out` from a trades file and, if there is one, a book file.

    trades: columns ts (int64 ns UTC), price, quantity, aggressor (+1, -1, 0), buyer, seller. book: ts and ten levels
    of bid/ask price and quantity, 0 for a level that is not there. only: the symbol to take from files with several.
    Raises TapeError, naming all bad rows, and leaves nothing behind.
    """
    folder = Path(out)
    instrument = _instrument(symbol, tick, lot, timezone)
    if folder.exists():
        raise TapeError(f"{folder}: exists already; a tape is never written over")
    files = [ImportedColumns(Path(trades), TRADE_COLUMNS, only)]
    trade_rows = _trades(files[0], timezone)
    book_rows = np.zeros(0, BOOK)
    if book is not None:
        book_only = only if only is not None and _has_symbols(Path(book)) else None
        files.append(ImportedColumns(Path(book), BOOK_COLUMNS, book_only))
        book_rows = _book(files[1])
    if problems := [line for file in files for line in file.problems]:
        raise TapeError("\n".join(problems))
    if not len(trade_rows) and not len(book_rows):
        raise TapeError(f"{trades}: no rows to import")
    _number(trade_rows, book_rows)
    report = ImportReport(
        folder,
        len(trade_rows),
        len(book_rows),
        sum(file.rows_in_file - len(file) for file in files),
        dropped(trade_rows, book_rows, (tick,)),
    )
    _write(folder, instrument, trade_rows, book_rows, _origin(files, only, report))
    return report


def _instrument(symbol: str, tick: float, lot: float, timezone: str) -> TapeInstrument:
    for name, value in (("tick", tick), ("lot", lot)):
        if not (math.isfinite(value) and value > 0):
            raise TapeError(f"{name} {value} is not a positive number")
    if not symbol:
        raise TapeError("the symbol needs a name")
    zone_of(timezone)
    return TapeInstrument(symbol=symbol, tick=tick, lot=lot, timezone=timezone)


def _has_symbols(path: Path) -> bool:
    """A book file of one instrument need not repeat its name in every row."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return "symbol" in parquet.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise TapeError(f"{path}: cannot be read as Parquet: {error}") from error


def _times(file: ImportedColumns) -> Rows:
    times = file.integers("ts")
    file.refuse(times <= 0, "ts is zero or negative")
    file.refuse(np.concatenate([[False], times[1:] < times[:-1]]) if len(times) else times < 0, "ts goes back")
    return times


def _trades(file: ImportedColumns, timezone: str) -> Rows:
    rows = np.zeros(len(file), TRADE)
    rows["kind"] = KIND_TRADE
    rows["ts_ns"] = _times(file)
    rows["price"] = file.prices("price")
    rows["quantity"] = file.integers("quantity")
    file.refuse(rows["quantity"] < 0, "quantity is negative")
    aggressor = file.integers("aggressor")
    file.refuse(~np.isin(aggressor, (-1, 0, 1)), "aggressor is none of 1, -1 and 0")
    rows["aggressor"] = np.clip(aggressor, -1, 1)
    for side, number in TYPE_OF_AGGRESSOR.items():
        rows["trade_type"][aggressor == side] = number
    rows["buyer"] = file.integers("buyer", "<i4")
    rows["seller"] = file.integers("seller", "<i4")
    if not file.problems:
        rows["trade_date"] = local_dates(rows["ts_ns"], timezone)
        rows["trade_number"] = numbers_by_date(rows["trade_date"])
    return rows


def _book(file: ImportedColumns) -> Rows:
    rows = np.zeros(len(file), BOOK)
    rows["kind"] = KIND_BOOK
    rows["ts_ns"] = _times(file)
    for side in ("bid", "ask"):
        for level in range(BOOK_LEVELS):
            rows[f"{side}_price"][:, level] = file.prices(f"{side}_price_{level + 1}")
            quantity = file.integers(f"{side}_quantity_{level + 1}")
            file.refuse(quantity < 0, f"{side}_quantity_{level + 1} is negative")
            rows[f"{side}_quantity"][:, level] = quantity
    return rows


def _number(trades: Rows, book: Rows) -> None:
    """Give both their place in the merged order."""
    times = np.concatenate([trades["ts_ns"], book["ts_ns"]])
    order = np.argsort(times, kind="stable")  # equal times: trades stand first, then the row of the file
    sequence = np.empty(len(order), np.int64)
    sequence[order] = np.arange(1, len(order) + 1)
    trades["ingest_seq"] = sequence[: len(trades)]
    book["ingest_seq"] = sequence[len(trades) :]


def _origin(files: list[ImportedColumns], only: str | None, report: ImportReport) -> dict[str, Any]:
    return {
        "source": "import",
        "files": [{"name": file.path.name, "rows": file.rows_in_file, "sha256": _sha256(file.path)} for file in files],
        "only": only,
        "left_out": report.left_out,
        "dropped_by_features": report.dropped,
    }


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(folder: Path, instrument: TapeInstrument, trades: Rows, book: Rows, origin: dict[str, Any]) -> None:
    temporary = folder.with_name(f"{folder.name}.importing-{os.getpid()}")
    try:
        with TapeWriter.create(temporary, TapeHeader(instruments=(instrument,), origin=origin)) as writer:
            for kind, rows in (("trades", trades), ("book", book)):
                for start in range(0, len(rows), BATCH_ROWS):
                    writer.append(kind, rows[start : start + BATCH_ROWS])
        os.rename(temporary, folder)
    except OSError as error:
        raise TapeError(f"{folder}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
