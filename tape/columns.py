"""Columns of a Parquet file somebody else wrote, checked before they are believed.

Every problem names the file, the column and the first rows (0 is the first row), and all problems of a file are
found before any is reported. Nothing is guessed: a wrong type or a missing value is an error, not a default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tape.format import TapeError
from tape.reader import import_parquet

Rows = np.ndarray[Any, Any]
_SHOWN = 5


class ImportedColumns:
    """The columns of one file, after the choice of a symbol, with what is wrong with them."""

    def __init__(self, path: Path, required: tuple[str, ...], only: str | None) -> None:
        """Raises TapeError if the file cannot be read, lacks columns, or leaves open which symbol is meant."""
        parquet = import_parquet(path)
        import pyarrow as pa

        try:
            table = parquet.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise TapeError(f"{path}: cannot be read as Parquet: {error}") from error
        missing = [name for name in required if name not in table.column_names]
        if missing:
            raise TapeError(f"{path}: columns missing: {', '.join(missing)}")
        self.path = path
        self.problems: list[str] = []
        self.rows_in_file = table.num_rows
        self._table, self._row = _choose(table, only, path)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def integers(self, name: str, dtype: str = "<i8") -> Rows:
        """An integer column; zeros where a problem was noted."""
        import pyarrow as pa

        column = self._table[name]
        if not pa.types.is_integer(column.type):
            return self._wrong_type(name, column.type, "integers", dtype)
        if column.null_count:
            return self._missing(name, column, dtype)
        limits = np.iinfo(dtype)
        values = column.to_numpy()
        self.refuse((values < limits.min) | (values > limits.max), f"{name} does not fit {np.dtype(dtype).name}")
        return values.astype(dtype)

    def prices(self, name: str) -> Rows:
        """A column of float64 prices, all finite; zeros where a problem was noted."""
        import pyarrow as pa

        column = self._table[name]
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            return self._wrong_type(name, column.type, "numbers", "<f8")
        if column.null_count:
            return self._missing(name, column, "<f8")
        values = column.to_numpy().astype("<f8")
        self.refuse(~np.isfinite(values), f"{name} is NaN or infinite")
        return values

    def refuse(self, bad: Rows, what: str) -> None:
        """Note a problem if any row is bad. bad: bool[n]."""
        rows = self._row[np.flatnonzero(bad)]
        if len(rows):
            first = ", ".join(str(row) for row in rows[:_SHOWN])
            more = ", ..." if len(rows) > _SHOWN else ""
            self.problems.append(f"{self.path}: {what} in {len(rows)} rows: {first}{more}")

    def _wrong_type(self, name: str, found: object, wanted: str, dtype: str) -> Rows:
        self.problems.append(f"{self.path}: column {name} is {found}, not {wanted} (all {len(self)} rows)")
        return np.zeros(len(self), dtype)

    def _missing(self, name: str, column: Any, dtype: str) -> Rows:
        self.refuse(column.is_null().to_numpy(), f"{name} is missing")
        return np.zeros(len(self), dtype)


def _choose(table: Any, only: str | None, path: Path) -> tuple[Any, Rows]:
    """The rows of the chosen symbol, and their row numbers in the file."""
    import pyarrow as pa
    import pyarrow.compute as pc

    row = np.arange(table.num_rows, dtype=np.int64)
    if "symbol" not in table.column_names:
        if only is not None:
            raise TapeError(f"{path}: --only {only} needs a symbol column; there is none")
        return table, row
    names = table["symbol"]
    if pa.types.is_dictionary(names.type):
        names = names.cast(names.type.value_type)
    if not (pa.types.is_string(names.type) or pa.types.is_large_string(names.type)):
        raise TapeError(f"{path}: column symbol is {names.type}, not text")
    found = pc.unique(names).to_pylist()
    if only is None:
        if len(found) > 1:
            some = ", ".join(str(name) for name in found[:_SHOWN])
            raise TapeError(f"{path}: {len(found)} symbols ({some} ...): say which one with --only SYMBOL")
        return table, row
    if only not in found:
        raise TapeError(f"{path}: no row of symbol {only} among {len(found)} symbols")
    chosen = pc.fill_null(pc.equal(names, only), False)
    return table.filter(chosen), row[chosen.to_numpy()]
