"""The microstructure family: long windows, brokers, large trades, and the book's shape at its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from features.families import READY_MICROSTRUCTURE
from features.offline import FeatureTable, compute
from features.registry import INDEX
from shm.layouts import BOOK, TRADE
from tests.features.test_twins import compare
from tests.streams import NO_CANDLES, SECOND, START_NS, Stream, book_record, instrument, made, trade_record, wild

NO_BOOK, NO_TRADES = np.zeros(0, BOOK), np.zeros(0, TRADE)
Array = np.ndarray[Any, Any]


def trades_of(**columns: Any) -> Array:
    """Trades a millisecond apart with those columns (lists of one length)."""
    count = len(next(iter(columns.values())))
    out = np.concatenate([trade_record(START_NS + i * 10**6, i + 1, 100.0) for i in range(count)])
    for name, values in columns.items():
        out[name] = values
    if "aggressor" in columns:
        out["trade_type"] = np.select([out["aggressor"] > 0, out["aggressor"] < 0], [2, 3], 1)
    return out


def run(trades: Array, book: Array = NO_BOOK) -> FeatureTable:
    return compute(trades, book, NO_CANDLES, instrument())


def column(table: FeatureTable, name: str) -> Any:
    return table.values[:, INDEX[name]]


def some_rows(seed: int, length: int, count: int) -> set[int]:
    return set(np.random.default_rng(seed).choice(length, count, replace=False).tolist()) | {length - 1}


@pytest.mark.parametrize("brokers", [2, 90, 4_000])
def test_long_windows_turn_over(brokers: int) -> None:
    """More trades than any window counts, so that brokers come and go; up to a thousand of them at once."""
    one = instrument(2, tick=1.0)
    stream = wild(brokers, 3200, brokers=brokers, price_ticks=2**14, quantity=2**10)
    table = compute(stream.trades, stream.book, NO_CANDLES, one)
    rows = some_rows(1, len(table), 80)
    assert compare(stream, table, one, rows) == len(rows)
    assert np.isfinite(table.values[-1, 44:59]).all()


def test_sessions_start_empty() -> None:
    one = instrument(60, session_open="09:00", session_close="18:00", timezone="America/Sao_Paulo")
    stream = made(3, 1400, mean_gap_s=0.2, jump_s=150_000.0, dirt=0.02)
    table = compute(stream.trades, stream.book, NO_CANDLES, one)
    rows = some_rows(2, len(table), 120)
    assert compare(stream, table, one, rows) == len(rows)


def test_large_is_decided_at_arrival() -> None:
    quantity = [10, 40, 39, *[1] * 97, 7, 1]
    table = run(trades_of(quantity=quantity))
    large = column(table, "large_trade_ratio_100")
    # the first is not large; 1 x 40 >= 4 x 10 is; 2 x 39 < 4 x 50 is not
    assert np.isnan(large[:99]).all()
    assert large[99] == 40 / sum(quantity[:100])
    # 100 x 7 >= 4 x 186 is not so, and nothing that comes later changes it
    assert large[100] == 40 / sum(quantity[1:101])
    assert large[101] == 0.0


def test_the_run_ignores_trades_without_a_side_and_is_clipped() -> None:
    sides = [0, 1, 0, 1, -1, 0, -1, *[1] * 60, -1]
    run_length = column(run(trades_of(aggressor=sides)), "aggressor_run")
    assert np.isnan(run_length[0])
    assert run_length[1:8].tolist() == [1, 1, 2, -1, -1, -2, 1]
    assert run_length[-2] == 50
    assert run_length[-1] == -1


def test_brokers_that_are_unknown() -> None:
    buyer, seller = [0] * 120, [0] * 120
    table = run(trades_of(buyer=buyer, seller=seller))
    for name in ("buyer_concentration_500", "seller_concentration_500", "top_broker_net_500", "broker_turnover_100"):
        assert np.isnan(column(table, name)).all()
    buyer[110] = 7
    table = run(trades_of(buyer=buyer, seller=seller))
    assert np.isnan(column(table, "top_broker_net_500")[:110]).all()
    assert column(table, "buyer_concentration_500")[110] == 1.0
    assert np.isnan(column(table, "seller_concentration_500")).all()
    assert column(table, "top_broker_net_500")[119] == 1 / 120
    turnover = column(table, "broker_turnover_100")
    assert np.isnan(turnover[:110]).all()
    assert turnover[110:113].tolist() == [0.01, 0.02, 0.02]  # unknown differs from known, both ways


def test_ties_of_the_top_broker_go_to_the_lowest_code() -> None:
    table = run(trades_of(buyer=[9, 4], seller=[5, 4], quantity=[6, 3]))
    assert column(table, "top_broker_net_500").tolist() == [-1.0, -6 / 9]  # 5 sold 6, 9 bought 6; 4 with itself is 0


def test_sizes_against_all_until_a_thousand() -> None:
    quantity = np.random.default_rng(0).integers(1, 90, 1200)
    ratio = column(run(trades_of(quantity=quantity)), "trade_size_ratio_50")
    assert np.isnan(ratio[:49]).all()
    for n in (50, 700, 1000, 1001, 1200):
        expected = quantity[n - 50 : n].mean() / quantity[max(0, n - 1000) : n].mean()
        assert ratio[n - 1] == pytest.approx(expected, rel=1e-14)


def test_the_book_of_one_level() -> None:
    book = book_record(START_NS, 1, 100.0, 101.0, 30, 10)
    for side in ("bid", "ask"):
        book[f"{side}_price"][0, 1:] = 0.0
        book[f"{side}_quantity"][0, 1:] = 0
    last = run(NO_TRADES, book).values[-1]
    assert last[INDEX["spread_ticks"]] == 2.0
    for levels in (1, 5, 10):
        assert last[INDEX[f"book_imbalance_{levels}"]] == 0.5
    assert last[INDEX["microprice_offset_5"]] == 0.5  # (101 x 30 + 100 x 10) / 40 - 100.5, in ticks of 0.5
    assert np.isnan(last[INDEX["liquidity_consumption_5s"]])


def test_snapshots_are_counted_from_their_full_window_on() -> None:
    spread = np.random.default_rng(1).integers(1, 9, 600)
    books = np.concatenate(
        [book_record(START_NS + i, i + 1, 100.0, 100.0 + 0.5 * s, 3 + i % 7) for i, s in enumerate(spread)]
    )
    table = run(NO_TRADES, books)
    ratio = column(table, "spread_ratio_500")
    assert np.isnan(ratio[:499]).all()
    for n in (500, 501, 600):
        assert ratio[n - 1] == pytest.approx(spread[n - 1] / spread[n - 500 : n].mean(), rel=1e-14)
    depth = (books["bid_quantity"] + books["ask_quantity"]).sum(axis=1)
    assert column(table, "depth_ratio_500")[599] == pytest.approx(depth[599] / depth[100:600].mean(), rel=1e-14)


def test_consumption_counts_trades_with_a_side() -> None:
    trades = trades_of(aggressor=[1, 0, -1], quantity=[4, 100, 2])
    book = book_record(START_NS - 1, 0, 100.0, 100.5, 10, 10)
    used = column(run(trades, book), "liquidity_consumption_5s")
    near = 2 * (10 + 11 + 12 + 13 + 14)
    assert np.isnan(used[0])
    assert used[1:].tolist() == [4 / near, 4 / near, 6 / near]


def test_a_quantity_that_is_absurd_drops_the_snapshot() -> None:
    books = [book_record(START_NS + i, i + 1, 100.0, 100.5) for i in range(2)]
    books[1]["ask_quantity"][0, 6] = 2**32 + 1
    table = run(NO_TRADES, np.concatenate(books))
    assert len(table) == 1
    assert table.counts["dropped_value"] == 1


def test_ready_waits_for_snapshots_only_when_there_is_a_book() -> None:
    trades = trades_of(quantity=[1] * 1005)
    alone = [bool(r & READY_MICROSTRUCTURE) for r in run(trades).ready.tolist()]
    assert alone == [False] * 999 + [True] * 6
    book = book_record(START_NS - SECOND, 0, 100.0, 100.5)
    assert not np.any(run(trades, book).ready & np.uint64(READY_MICROSTRUCTURE))
    books = np.concatenate([book_record(START_NS - SECOND, -i, 100.0, 100.5) for i in range(499, -1, -1)])
    stream = Stream(trades, books)
    ready = run(stream.trades, stream.book).ready
    assert ready[-1] & np.uint64(READY_MICROSTRUCTURE)
