"""The door: what is an event, what is dropped, and what each dropped one is counted as. And the ready mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from features.families import (
    ABSENT_BOOK,
    ABSENT_BROKERS,
    ABSENT_HISTORY,
    CAUSE_AUCTION,
    CAUSE_GAP,
    CAUSE_STALE,
    CAUSE_WARMING,
    READY_ORDER_FLOW,
    READY_TEMPORAL,
    describe_ready,
    missing,
)
from features.offline import FeatureTable, compute
from features.registry import COLUMNS, INDEX, NAMES
from shm.layouts import BOOK, FLAG_AUCTION, GAP_CONNECTION_LOST, KIND_BOOK, KIND_GAP, KIND_TRADE, TRADE
from tests.streams import NO_CANDLES, SECOND, START_NS, book_record, instrument, trade_record

ONE = instrument()


def run(trades: list[np.ndarray[Any, Any]], books: list[np.ndarray[Any, Any]] | None = None) -> FeatureTable:
    join = np.concatenate
    return compute(
        join(trades) if trades else np.zeros(0, TRADE), join(books) if books else np.zeros(0, BOOK), NO_CANDLES, ONE
    )


@pytest.mark.parametrize(
    "change,counter",
    [
        ({"price": 0.0}, "dropped_value"), ({"price": -1.0}, "dropped_value"), ({"price": np.nan}, "dropped_value"),
        ({"price": np.inf}, "dropped_value"), ({"quantity": 0}, "dropped_value"), ({"quantity": -2}, "dropped_value"),
        ({"quantity": 2**40}, "dropped_value"), ({"price": 100.2}, "dropped_off_grid_trade"),
        ({"price": 1e300}, "dropped_off_grid_trade"), ({"price": 100.0 + 2e-6}, "dropped_off_grid_trade"),
        ({"trade_type": 5}, "dropped_type"), ({"trade_type": 32}, "dropped_type"), ({"ts_ns": START_NS - 5}, "dropped_time"),
    ],
)  # fmt: skip
def test_dropped_trades(change: dict[str, Any], counter: str) -> None:
    good, bad = trade_record(START_NS, 1, 100.0), trade_record(START_NS, 2, 100.0)
    for field, value in change.items():
        bad[field] = value
    table = run([good, bad])
    assert len(table) == 1
    assert table.counts[counter] == 1
    assert table.counts["trades"] == 1


@pytest.mark.parametrize("kind,expected", [(1, 0.0), (2, 1.0), (3, -1.0), (4, 0.0), (13, 0.0), (0, 1.0)])
def test_the_side_comes_from_the_type(kind: int, expected: float) -> None:
    record = trade_record(START_NS, 1, 100.0, 7, 1)
    record["trade_type"] = kind
    assert run([record]).values[0, INDEX["signed_volume_ratio_1s"]] == expected


def test_prices_within_a_millionth_of_a_tick_are_on_the_grid() -> None:
    assert len(run([trade_record(START_NS, 1, 100.0 + 4e-7)])) == 1


def test_edits_and_repeats_are_ignored() -> None:
    records = []
    for seq, number in enumerate([5, 6, 5, 7, 6, 4, 4], 1):  # 4 is new although it is late
        record = trade_record(START_NS, seq, 100.0, seq)
        record["trade_number"], record["trade_date"] = number, 20231114
        records.append(record)
    table = run(records)
    assert table.ingest_seq.tolist() == [1, 2, 4, 6]
    assert table.counts["dropped_repeat"] == 3
    tomorrow = trade_record(START_NS, 8, 100.0)
    tomorrow["trade_number"], tomorrow["trade_date"] = 5, 20231115
    assert run([*records, tomorrow]).counts["dropped_repeat"] == 3


def damaged_book(seq: int, what: str) -> np.ndarray[Any, Any]:
    record = book_record(START_NS, seq, 100.0, 100.5)
    if what == "empty bid":
        record["bid_quantity"][0, 0] = 0
    elif what == "no ask":
        record["ask_price"][0], record["ask_quantity"][0] = 0.0, 0
    elif what == "nan":
        record["bid_price"][0, 0] = np.nan
    elif what == "locked":
        record["ask_price"][0, 0] = 100.0
    elif what == "crossed":
        record["ask_price"][0, 0] = 99.0
    elif what == "flag":
        record["flags"] = FLAG_AUCTION
    elif what == "deep off grid":
        record["ask_price"][0, 9] += 0.1
    elif what == "best off grid":
        record["bid_price"][0, 0] += 0.1
    return record


@pytest.mark.parametrize("what", ["empty bid", "no ask", "nan", "locked", "crossed", "flag"])
def test_auction_books_are_dropped_and_the_next_vectors_say_so(what: str) -> None:
    books = [book_record(START_NS, 1, 100.0, 100.5), damaged_book(2, what), book_record(START_NS, 4, 100.0, 100.5)]
    table = run([trade_record(START_NS, 3, 100.0), trade_record(START_NS, 5, 100.0)], books)
    assert table.counts["dropped_auction"] == 1
    assert table.ingest_seq.tolist() == [1, 3, 4, 5]
    assert [bool(ready & CAUSE_AUCTION) for ready in table.ready.tolist()] == [False, True, False, False]


@pytest.mark.parametrize("what", ["deep off grid", "best off grid"])
def test_off_grid_books_are_dropped_without_an_auction(what: str) -> None:
    table = run([trade_record(START_NS, 3, 100.0)], [book_record(START_NS, 1, 100.0, 100.5), damaged_book(2, what)])
    assert table.counts["dropped_off_grid_book"] == 1
    assert not table.ready[-1] & np.uint64(CAUSE_AUCTION)


def test_levels_that_are_not_there_need_no_grid() -> None:
    record = book_record(START_NS, 1, 100.0, 100.5)
    record["bid_price"][0, 7], record["bid_quantity"][0, 7] = 12.34, 0
    record["ask_price"][0, 8] = np.inf
    assert len(run([], [record])) == 1


def test_rows_say_where_they_come_from() -> None:
    table = run(
        [trade_record(START_NS, 2, 100.0), trade_record(START_NS, 4, -1.0), trade_record(START_NS, 5, 100.0)],
        [book_record(START_NS, 1, 100.0, 100.5), book_record(START_NS, 3, 100.0, 100.5)],
    )
    assert table.kind.tolist() == [KIND_BOOK, KIND_TRADE, KIND_BOOK, KIND_TRADE]
    assert table.event.tolist() == [0, 0, 1, 2]
    assert table.values.shape == (4, 65)


def test_nothing_is_a_table_too() -> None:
    assert len(run([])) == 0


def test_offline_refuses_another_layout_and_another_order() -> None:
    with pytest.raises(TypeError, match="fields"):
        compute(np.zeros(1, BOOK), np.zeros(0, BOOK), NO_CANDLES, ONE)
    with pytest.raises(ValueError, match="order"):
        run([trade_record(START_NS, 2, 100.0), trade_record(START_NS, 1, 100.0)])


# --- the ready mask


def test_order_flow_is_ready_after_fifty_trades_without_a_book() -> None:
    table = run([trade_record(START_NS + i, i + 1, 100.0) for i in range(60)])
    assert [bool(ready & READY_ORDER_FLOW) for ready in table.ready.tolist()] == [False] * 49 + [True] * 11
    assert np.all(table.ready & np.uint64(ABSENT_BOOK))
    assert np.all(table.ready & np.uint64(ABSENT_BROKERS))
    assert np.all(table.ready & np.uint64(ABSENT_HISTORY))
    assert np.all(table.ready & np.uint64(READY_TEMPORAL))
    assert np.all(table.ready & np.uint64(CAUSE_WARMING))  # a hundred bars are not there


def test_brokers_are_absent_until_one_is_named() -> None:
    records = [trade_record(START_NS + i, i + 1, 100.0) for i in range(4)]
    records[2]["seller"] = 3
    records[1]["buyer"] = -1
    assert [bool(r & ABSENT_BROKERS) for r in run(records).ready.tolist()] == [True, True, False, False]


def test_a_trade_long_after_the_last_snapshot_is_stale() -> None:
    table = run(
        [trade_record(START_NS + 60 * SECOND, 2, 100.0), trade_record(START_NS + 60 * SECOND + 1, 3, 100.0)],
        [book_record(START_NS, 1, 100.0, 100.5), book_record(START_NS + 61 * SECOND, 4, 100.0, 100.5)],
    )
    assert [bool(r & CAUSE_STALE) for r in table.ready.tolist()] == [False, False, True, False]


@pytest.mark.parametrize("missed,sums_known", [(0, True), (3, False), (-1, False)])
def test_a_gap_is_said_until_the_windows_are_whole(missed: int, sums_known: bool) -> None:
    gap_at = START_NS + 100 * SECOND
    gap = np.zeros(1, TRADE)
    gap["kind"], gap["ts_ns"], gap["ingest_seq"], gap["cause"] = KIND_GAP, gap_at, 101, GAP_CONNECTION_LOST
    gap["gap_to_ns"], gap["gap_trades_missing"] = gap_at, missed
    before = [trade_record(START_NS + i * SECOND, i + 1, 100.0) for i in range(100)]
    after = [trade_record(gap_at + i * SECOND, i + 102, 100.0) for i in range(80)]
    table = run([*before, gap, *after])
    assert table.counts["gaps"] == 1
    assert not np.any(table.ready[:100] & np.uint64(CAUSE_GAP))
    assert table.ready[99] & np.uint64(READY_ORDER_FLOW)
    flow = [bool(r & READY_ORDER_FLOW) for r in table.ready[100:].tolist()]
    assert flow == [False] * 49 + [True] * 31  # 50 trades take longer than 30 s here
    said = [bool(r & CAUSE_GAP) for r in table.ready[100:].tolist()]
    assert said == [True] * 80  # a thousand trades are longer still
    whole = [bool(r & READY_TEMPORAL) for r in table.ready[100:].tolist()]
    assert whole == [True] * 80
    more = [trade_record(gap_at + i * SECOND, i + 102, 100.0) for i in range(1001)]
    said = [bool(r & CAUSE_GAP) for r in run([*before, gap, *more]).ready[100:].tolist()]
    assert said == [True] * 999 + [False] * 2
    assert bool(np.isfinite(table.values[-1, INDEX["cumulative_delta_ratio"]])) == sums_known


def test_masks_in_words() -> None:
    words = describe_ready(READY_ORDER_FLOW | CAUSE_GAP | ABSENT_BOOK)
    assert words == "ready order_flow; because of gap; without book"
    assert missing(READY_ORDER_FLOW, ("order_flow",)) == ""
    assert missing(CAUSE_WARMING, ("order_flow", "temporal")) == "order_flow, temporal not ready (warming)"


# --- the registry


def test_the_registry_describes_every_standing_column() -> None:
    assert len(NAMES) == 65 and [column.index for column in COLUMNS] == list(range(65))
    for column in COLUMNS:
        if column.feature is not None:
            assert column.feature.name == column.name
            assert column.feature.formula and column.feature.unit and column.feature.warm_up
