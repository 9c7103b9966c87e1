"""Import of Parquet files: numbering, what is an error and what is only counted, and that nothing is left half-made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shm.layouts import KIND_BOOK, KIND_TRADE
from tape.dates import local_dates, numbers_by_date
from tape.format import TapeError
from tape.importer import BOOK_COLUMNS, ImportReport, import_tape
from tape.reader import Tape
from tests.tape.rows import SECOND_NS, START_NS, names

Columns = dict[str, Any]


def trade_columns(times: list[int] | None = None) -> Columns:
    times = [START_NS + i * SECOND_NS for i in range(6)] if times is None else times
    count = len(times)
    return {
        "ts": np.array(times, np.int64),
        "price": np.full(count, 5000.5),
        "quantity": np.arange(1, count + 1),
        "aggressor": np.resize(np.array([1, -1, 0], np.int8), count),
        "buyer": np.full(count, 3, np.int32),
        "seller": np.full(count, 8, np.int32),
    }


def book_columns(times: list[int] | None = None) -> Columns:
    times = [START_NS + i * SECOND_NS for i in range(4)] if times is None else times
    columns: Columns = {"ts": np.array(times, np.int64)}
    for name in BOOK_COLUMNS[1:]:
        side, what, level = name.split("_")
        step = 0.5 * int(level)
        price = 5000.5 - step if side == "bid" else 5000.0 + step
        columns[name] = np.full(len(times), price) if what == "price" else np.full(len(times), 10 * int(level))
    return columns


class Files:
    """Two files to import, and the tape they shall become."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trades = trade_columns()
        self.book: Columns | None = book_columns()

    def run(self, **options: Any) -> ImportReport:
        pq.write_table(pa.table(self.trades), self.folder / "trades.parquet")
        if self.book is not None:
            pq.write_table(pa.table(self.book), self.folder / "book.parquet")
        wanted = {"symbol": "WDOFUT", "tick": 0.5} | options
        book = self.folder / "book.parquet" if self.book is not None else None
        return import_tape(self.folder / "trades.parquet", book, self.folder / "tape", **wanted)

    def fails(self, **options: Any) -> str:
        with pytest.raises(TapeError) as caught:
            self.run(**options)
        assert not [name for name in names(self.folder) if "tape" in name], "something was left behind"
        return str(caught.value).replace(f"{self.folder}/", "").replace(f"{self.folder}\\", "")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_order_is_time_then_trades_then_row(files: Files) -> None:
    files.trades = trade_columns([START_NS, START_NS + 2, START_NS + 2, START_NS + 5])
    files.book = book_columns([START_NS + 1, START_NS + 2, START_NS + 2, START_NS + 9])
    report = files.run()
    tape = Tape.open(report.folder)
    merged = tape.merged()
    trade, book = KIND_TRADE, KIND_BOOK
    assert merged.kind.tolist() == [trade, book, trade, trade, book, book, trade, book]
    assert merged.row.tolist() == [0, 0, 1, 2, 1, 2, 3, 3]
    assert merged.ingest_seq.tolist() == list(range(1, 9))


def test_columns_arrive_as_they_were(files: Files) -> None:
    files.run(lot=5.0, timezone="America/Sao_Paulo")
    tape = Tape.open(files.folder / "tape")
    trades, book = tape.trades(), tape.book()
    assert trades["ts_ns"].tolist() == files.trades["ts"].tolist()
    assert trades["price"].tolist() == [5000.5] * 6
    assert trades["quantity"].tolist() == [1, 2, 3, 4, 5, 6]
    assert trades["aggressor"].tolist() == [1, -1, 0, 1, -1, 0]
    assert trades["trade_type"].tolist() == [2, 3, 1, 2, 3, 1]
    assert trades["trade_number"].tolist() == [1, 2, 3, 4, 5, 6]
    assert trades["trade_date"].tolist() == [20231114] * 6
    assert (trades["buyer"][0], trades["seller"][0]) == (3, 8)
    assert not trades["recv_ns"].any()
    assert book["bid_price"][0].tolist() == [5000.0 - 0.5 * level for level in range(10)]
    assert book["ask_quantity"][0].tolist() == [10 * level for level in range(1, 11)]
    assert tape.instruments[0].lot == 5.0
    assert tape.origin["source"] == "import"
    assert [item["rows"] for item in tape.origin["files"]] == [6, 4]


def test_numbers_start_again_with_each_local_date(files: Files) -> None:
    midnight = int(datetime(2023, 11, 15, tzinfo=ZoneInfo("America/Sao_Paulo")).timestamp()) * SECOND_NS
    files.trades = trade_columns([midnight - 2, midnight - 1, midnight, midnight + 1])
    files.book = None
    files.run()
    trades = Tape.open(files.folder / "tape").trades()
    assert trades["trade_date"].tolist() == [20231114, 20231114, 20231115, 20231115]
    assert trades["trade_number"].tolist() == [1, 2, 1, 2]


def change(name: str, row: int, value: object, book: bool = False) -> Callable[[Files], None]:
    def damage(files: Files) -> None:
        columns = files.book if book else files.trades
        assert columns is not None
        columns[name] = columns[name].copy()
        columns[name][row] = value

    return damage


def replace(name: str, values: object) -> Callable[[Files], None]:
    return lambda files: files.trades.__setitem__(name, values)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (change("price", 2, np.nan), "trades.parquet: price is NaN or infinite in 1 rows: 2"),
        (change("price", 2, np.inf), "trades.parquet: price is NaN or infinite in 1 rows: 2"),
        (change("quantity", 4, -1), "trades.parquet: quantity is negative in 1 rows: 4"),
        (change("ts", 3, START_NS), "trades.parquet: ts goes back in 1 rows: 3"),
        (change("ts", 0, 0), "trades.parquet: ts is zero or negative in 1 rows: 0"),
        (change("aggressor", 1, 2), "trades.parquet: aggressor is none of 1, -1 and 0 in 1 rows: 1"),
        (change("ts", 3, START_NS, book=True), "book.parquet: ts goes back in 1 rows: 3"),
        (change("ask_price_7", 3, np.nan, book=True), "book.parquet: ask_price_7 is NaN or infinite in 1 rows: 3"),
        (change("bid_quantity_1", 0, -4, book=True), "book.parquet: bid_quantity_1 is negative in 1 rows: 0"),
        (replace("price", ["5"] * 6), "trades.parquet: column price is string, not numbers (all 6 rows)"),
        (replace("quantity", np.full(6, 1.5)), "trades.parquet: column quantity is double, not integers (all 6 rows)"),
        (replace("quantity", pa.array([1, None, 3, None, 5, 6])), "quantity is missing in 2 rows: 1, 3"),
        (replace("price", pa.array([1.0, None, 3, 4, 5, 6])), "trades.parquet: price is missing in 1 rows: 1"),
        (replace("buyer", np.full(6, 2**40)), "buyer does not fit int32 in 6 rows: 0, 1, 2, 3, 4, ..."),
        (replace("quantity", np.full(6, 2**63, np.uint64)), "quantity does not fit int64 in 6 rows"),
    ],
)
def test_rows_that_cannot_be_events_are_named(
    files: Files, damage: Callable[[Files], None], expected: str
) -> None:
    damage(files)
    assert expected in files.fails()


def test_all_problems_of_both_files_are_told_at_once(files: Files) -> None:
    for damage in (change("price", 1, np.nan), change("quantity", 2, -3), change("bid_price_1", 0, np.nan, book=True)):
        damage(files)
    assert files.fails().split("\n") == [
        "trades.parquet: price is NaN or infinite in 1 rows: 1",
        "trades.parquet: quantity is negative in 1 rows: 2",
        "book.parquet: bid_price_1 is NaN or infinite in 1 rows: 0",
    ]


def test_missing_columns_are_named(files: Files) -> None:
    del files.trades["buyer"], files.trades["price"]
    assert files.fails() == "trades.parquet: columns missing: price, buyer"


def test_rows_that_the_features_leave_out_stay_and_are_counted(files: Files) -> None:
    for damage in (
        change("price", 0, 0.0),
        change("price", 1, 5000.3),
        change("quantity", 2, 0),
        change("bid_price_1", 0, 5000.5, book=True),
        change("bid_quantity_1", 1, 0, book=True),
        change("ask_price_9", 2, 5004.3, book=True),
    ):
        damage(files)
    report = files.run()
    assert report.dropped == {
        "trade: price not above 0": 1,
        "trade: quantity not above 0": 1,
        "trade: off the grid": 1,
        "book: one side empty": 1,
        "book: crossed or locked": 1,
        "book: off the grid": 1,
    }
    tape = Tape.open(report.folder)
    assert (len(tape.trades()), len(tape.book())) == (6, 4)
    assert tape.merged().ingest_seq.tolist() == list(range(1, 11))
    assert tape.origin["dropped_by_features"] == report.dropped


def test_several_symbols_need_a_choice(files: Files) -> None:
    files.trades["symbol"] = ["A", "B", "A", "B", "C", "A"]
    files.trades["price"][1] = np.nan  # another symbol's problem
    assert "3 symbols (A, B, C ...): say which one with --only SYMBOL" in files.fails()
    assert "no row of symbol Z among 3 symbols" in files.fails(only="Z")
    report = files.run(only="A")
    assert (report.trades, report.books, report.left_out) == (3, 4, 3)
    assert Tape.open(report.folder).trades()["quantity"].tolist() == [1, 3, 6]


def test_rows_are_named_by_their_place_in_the_file(files: Files) -> None:
    files.trades["symbol"] = ["A", "B", "A", "B", "C", "A"]
    files.trades["quantity"][5] = -1
    assert "quantity is negative in 1 rows: 5" in files.fails(only="A")


def test_a_single_symbol_needs_no_choice_and_a_choice_needs_symbols(files: Files) -> None:
    assert "--only A needs a symbol column; there is none" in files.fails(only="A")
    files.trades["symbol"] = ["A"] * 6
    assert files.run().trades == 6


def test_the_book_is_filtered_when_it_names_symbols(files: Files) -> None:
    files.trades["symbol"] = ["A", "B"] * 3
    assert files.book is not None
    files.book["symbol"] = pa.array(["B", "B", "A", "B"]).dictionary_encode()
    assert files.run(only="A").books == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tick": 0.0}, "tick 0.0 is not a positive number"),
        ({"tick": float("nan")}, "tick nan is not a positive number"),
        ({"lot": -1.0}, "lot -1.0 is not a positive number"),
        ({"symbol": ""}, "the symbol needs a name"),
        ({"timezone": "Mars/Olympus"}, "time zone 'Mars/Olympus' is not known"),
    ],
)
def test_wrong_options_are_refused(files: Files, options: dict[str, Any], expected: str) -> None:
    assert expected in files.fails(**options)


def test_an_existing_tape_is_never_written_over(files: Files) -> None:
    files.run()
    before = {path: path.read_bytes() for path in (files.folder / "tape").iterdir()}
    with pytest.raises(TapeError, match="exists already"):
        files.run()
    assert {path: path.read_bytes() for path in (files.folder / "tape").iterdir()} == before


def test_files_that_are_not_parquet_or_not_there(files: Files) -> None:
    (files.folder / "x.parquet").write_text("no")
    for name in ("x.parquet", "y.parquet"):
        with pytest.raises(TapeError, match=f"{name}: cannot be read as Parquet"):
            import_tape(files.folder / name, None, files.folder / "tape", "A", 1.0)


def test_empty_files_make_no_tape(files: Files) -> None:
    files.trades, files.book = trade_columns([]), None
    assert "no rows to import" in files.fails()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=20),
    st.sampled_from(["America/Sao_Paulo", "UTC", "Asia/Kolkata", "America/Chicago", "Australia/Lord_Howe"]),
)
def test_local_dates_by_the_library(seconds: list[int], timezone: str) -> None:
    times = np.array(sorted(seconds), np.int64) * SECOND_NS + 999_999_999
    expected = [
        int(datetime.fromtimestamp(int(ts) // SECOND_NS, ZoneInfo(timezone)).strftime("%Y%m%d")) for ts in times
    ]
    dates = local_dates(times, timezone)
    assert dates.tolist() == expected
    counted: dict[int, int] = {}
    numbers = []
    for date in dates.tolist():
        counted[date] = counted.get(date, 0) + 1
        numbers.append(counted[date])
    assert numbers_by_date(dates).tolist() == numbers
