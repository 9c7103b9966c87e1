"""The native callbacks: what becomes an event, what is counted and kept out, what the book and the bars look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import release
from ingest.depth import ADD, DELETE, EDIT, FLUSH, FULL_BOOK, INSERT, PREPARE, THEORETICAL
from ingest.recovery import relearn
from ingest.trades import DLL_TRADE
from profitdll.structs import TConnectorPriceGroup, TConnectorTrade
from shm.layouts import FLAG_AUCTION, FLAG_EMPTY, FLAG_REFILLED, KIND_GAP, KIND_TRADE
from tests.ingest.bench import Bench
from tests.ingest.fake_dll import OPENING_NS, DllTrade

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def test_the_dlls_structs_are_what_the_kernels_read() -> None:
    from ingest.depth import GROUP

    fields = {
        "number": "trade_number", "price": "price", "quantity": "quantity", "volume": "volume", "buyer": "buy_agent",
        "seller": "sell_agent", "trade_type": "trade_type", "year": "trade_date",
    }  # fmt: skip
    for ours, theirs in fields.items():
        assert DLL_TRADE.fields[ours][1] == getattr(TConnectorTrade, theirs).offset
    assert GROUP.itemsize == 40
    for name in ("price", "count", "quantity", "flags"):
        assert GROUP.fields[name][1] == getattr(TConnectorPriceGroup, name).offset


def test_a_trade_becomes_an_event(bench: Bench) -> None:
    bench.trade(DllTrade(OPENING_NS + 5_000_000, 10, 5_000.5, 7, 3, buyer=3, seller=308))
    (row,) = bench.read("trades")
    assert (row["ingest_seq"], row["ts_ns"], row["kind"]) == (1, OPENING_NS + 5_000_000, KIND_TRADE)
    assert (row["price"], row["quantity"], row["aggressor"], row["trade_type"]) == (5_000.5, 7, -1, 3)
    assert (row["buyer"], row["seller"], row["trade_number"], row["trade_date"]) == (3, 308, 10, 20261120)
    assert 0 < row["recv_ns"] <= row["publish_ns"]


@pytest.mark.parametrize(
    ("trade", "flags", "ticker", "counter"),
    [
        (DllTrade(OPENING_NS, 1), 1, "WDOFUT", "edits"),
        (DllTrade(OPENING_NS, 1, trade_type=5), 0, "WDOFUT", "other_trade_types"),
        (DllTrade(OPENING_NS, 1, trade_type=33), 0, "WDOFUT", "other_trade_types"),
        (DllTrade(OPENING_NS, 1, price=0.0), 0, "WDOFUT", "bad_trades"),
        (DllTrade(OPENING_NS, 1, price=float("-inf")), 0, "WDOFUT", "bad_trades"),
        (DllTrade(OPENING_NS, 1, price=float("nan")), 0, "WDOFUT", "bad_trades"),
        (DllTrade(OPENING_NS, 1, quantity=0), 0, "WDOFUT", "bad_trades"),
        (DllTrade(OPENING_NS, 1, empty_date=True), 0, "WDOFUT", "bad_trades"),
        (DllTrade(OPENING_NS, 1), 0, "PETR4", "unknown_tickers"),
        (DllTrade(OPENING_NS, 1), 0, "WDOFUTX", "unknown_tickers"),
        (DllTrade(OPENING_NS, 1), 0, "WDO", "unknown_tickers"),
        (DllTrade(OPENING_NS, 1, failure=-2147483647), 0, "WDOFUT", "translate_failures"),
    ],
)
def test_what_is_no_event_is_counted_and_kept_out(
    bench: Bench, trade: DllTrade, flags: int, ticker: str, counter: str
) -> None:
    bench.trade(trade, ticker, flags)
    assert len(bench.read("trades")) == 0
    assert bench.count(counter) == 1
    assert bench.count("trade_callbacks") == 1


def test_a_repeated_number_is_dropped_until_the_next_date(bench: Bench) -> None:
    tomorrow = OPENING_NS + 24 * 3600 * SECOND
    for ts_ns, number in ((OPENING_NS, 10), (OPENING_NS, 10), (OPENING_NS, 20), (tomorrow, 10), (OPENING_NS, 30)):
        bench.trade(DllTrade(ts_ns, number))
    assert bench.read("trades")["trade_number"].tolist() == [10, 20, 10]
    assert bench.count("repeats") == 2  # the second 10, and the 30 of a date that is over


def test_event_time_never_goes_back_within_a_symbol(bench: Bench) -> None:
    bench.trade(DllTrade(OPENING_NS + SECOND, 1))
    bench.trade(DllTrade(OPENING_NS, 2))
    bench.trade(DllTrade(OPENING_NS, 1), "WINFUT")
    rows = bench.read("trades")
    assert rows["ts_ns"].tolist() == [OPENING_NS + SECOND, OPENING_NS + SECOND, OPENING_NS]
    assert rows["symbol"].tolist() == [0, 0, 1]
    assert rows["ingest_seq"].tolist() == [1, 2, 3]


# --- the book


def levels(*prices: float) -> list[tuple[float, int, int]]:
    return [(price, 5 + place, 0) for place, price in enumerate(prices)]


def test_one_group_is_one_snapshot(bench: Bench) -> None:
    bench.dll.sides = {0: levels(4999.5, 4999.0), 1: levels(5000.0)}
    bench.at(OPENING_NS + 250_000_000)
    bench.depth(254, 0, PREPARE)
    bench.depth(254, 0, FULL_BOOK)
    assert len(bench.read("book")) == 0
    bench.depth(254, 0, FLUSH)
    (row,) = bench.read("book")
    assert row["bid_price"].tolist() == [4999.5, 4999.0] + [0.0] * 8
    assert row["bid_quantity"].tolist() == [5, 6] + [0] * 8
    assert row["ask_price"].tolist() == [5000.0] + [0.0] * 9
    assert row["ts_ns"] == OPENING_NS + 250_000_000
    assert row["flags"] == 0


def test_a_lone_notice_is_published_at_once(bench: Bench) -> None:
    bench.dll.sides = {0: levels(4999.5), 1: []}
    bench.depth(0, 0, ADD)
    assert len(bench.read("book")) == 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_book_follows_any_series_of_notices(data: Any) -> None:
    """The twin is the DLL's own list: after each flush the snapshot is its first ten levels."""
    bench = Bench()
    try:
        bench.dll.sides = {0: [], 1: []}
        for step in range(data.draw(st.integers(1, 15))):
            bench.depth(254, 0, PREPARE)
            for _ in range(data.draw(st.integers(1, 4))):
                side = data.draw(st.sampled_from([0, 1]))
                mine = bench.dll.sides[side]
                kind = data.draw(st.sampled_from([INSERT, DELETE, EDIT]))
                level = (4000.0 + step + data.draw(st.integers(0, 99)), data.draw(st.integers(1, 99)), 0)
                if kind == INSERT or not mine:
                    place = data.draw(st.integers(0, len(mine)))
                    mine.insert(place, level)
                    bench.depth(side, place, INSERT)
                else:
                    place = data.draw(st.integers(0, len(mine) - 1))
                    if kind == DELETE:
                        del mine[place]
                    else:
                        mine[place] = level
                    bench.depth(side, place, kind)
            bench.depth(254, 0, FLUSH)
            (row,) = bench.read("book")
            for side, name in ((0, "bid"), (1, "ask")):
                expected = [*bench.dll.sides[side][:10], *[(0.0, 0, 0)] * 10][:10]
                assert row[f"{name}_price"].tolist() == [price for price, _, _ in expected]
                assert row[f"{name}_quantity"].tolist() == [quantity for _, quantity, _ in expected]
    finally:
        bench.remove()


@pytest.mark.parametrize("best", [(float("-inf"), 10, 0), (5000.0, 10, 1), (float("nan"), 10, 0)])
def test_a_theoretical_level_never_reaches_a_snapshot(bench: Bench, best: tuple[float, int, int]) -> None:
    bench.dll.sides = {0: [best, (4999.0, 4, 0)], 1: levels(5000.0)}
    bench.depth(254, 0, PREPARE)
    bench.depth(254, 0, FULL_BOOK)
    bench.depth(254, 0, FLUSH)
    (row,) = bench.read("book")
    assert (row["bid_price"][0], row["bid_quantity"][0]) == (0.0, 0)
    assert row["flags"] == FLAG_AUCTION
    assert bench.count("auction_books") == 1


def test_a_theoretical_notice_marks_the_snapshot(bench: Bench) -> None:
    bench.dll.sides = {0: levels(4999.5), 1: levels(5000.0)}
    bench.depth(254, 0, PREPARE)
    bench.depth(254, 0, THEORETICAL)
    bench.depth(254, 0, FLUSH)
    bench.depth(254, 0, PREPARE)
    bench.depth(254, 0, FLUSH)
    assert bench.read("book")["flags"].tolist() == [FLAG_AUCTION, 0]


# --- bars


def naive_bars(trades: list[tuple[int, float, int, int]], until_ns: int) -> list[tuple[Any, ...]]:
    """(start, open, high, low, close, volume, trades, buy, sell) of the bars complete at an event at until_ns."""
    if not trades:
        return []
    start = trades[0][0] // MINUTE * MINUTE
    close, bars = trades[0][1], []
    while start + MINUTE <= until_ns:
        inside = [t for t in trades if start <= t[0] < start + MINUTE]
        prices = [t[1] for t in inside] or [close]
        close = prices[-1]
        buy = sum(t[2] for t in inside if t[3] == 2)
        sell = sum(t[2] for t in inside if t[3] == 3)
        volume = sum(t[2] for t in inside)
        bars.append((start, prices[0], max(prices), min(prices), close, volume, len(inside), buy, sell))
        start += MINUTE
    return bars


def as_tuples(candles: Any) -> list[tuple[Any, ...]]:
    names = ["start_ns", "open", "high", "low", "close", "volume", "trades", "buy_volume", "sell_volume"]
    return [tuple(row[name].item() for name in names) for row in candles]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 150), st.integers(1, 50), st.integers(1, 9), st.sampled_from([1, 2, 3])),
        min_size=1,
        max_size=25,
    )
)
def test_candles_equal_the_naive_bars(steps: list[tuple[int, int, int, int]]) -> None:
    bench = Bench()
    try:
        now_ns, trades = OPENING_NS, []
        for number, (pause_s, price, quantity, kind) in enumerate(steps, 1):
            now_ns += pause_s * SECOND
            trades.append((now_ns, price * 0.5, quantity, kind))
            bench.trade(DllTrade(now_ns, number, price * 0.5, quantity, kind))
        candles = bench.read("candles")
        assert as_tuples(candles) == naive_bars(trades, now_ns)
        assert ((candles["flags"] & FLAG_EMPTY != 0) == (candles["trades"] == 0)).all()
        numbers = bench.read("trades")["ingest_seq"].tolist()
        assert set(candles["ingest_seq"].tolist()) <= set(numbers)
    finally:
        bench.remove()


def test_a_session_ends_the_bar_and_makes_none_for_the_night(bench: Bench) -> None:
    next_day = OPENING_NS + 3 * 24 * 3600 * SECOND  # Friday to Monday
    bench.trade(DllTrade(OPENING_NS, 1, 5000.0))
    bench.trade(DllTrade(next_day, 1, 5010.0))
    bench.trade(DllTrade(next_day + MINUTE, 2, 5011.0))
    candles = bench.read("candles")
    assert candles["start_ns"].tolist() == [OPENING_NS, next_day]
    assert candles["close"].tolist() == [5000.0, 5010.0]


# --- held, refilled, relearnt


def test_held_events_come_after_history_and_once(bench: Bench) -> None:
    bench.trade(DllTrade(OPENING_NS, 10))
    release.hold(bench.native.address, 0)
    bench.trade(DllTrade(OPENING_NS + 3 * SECOND, 40))
    bench.dll.sides = {0: levels(4999.5), 1: levels(5000.0)}
    bench.depth(254, 0, FULL_BOOK)
    assert len(bench.read("book")) == 0
    release.begin_history(bench.native.address, 0)
    for number, second in ((9, -1), (10, 0), (20, 1), (30, 2), (40, 3)):  # 9 was before our time
        bench.history(DllTrade(OPENING_NS + second * SECOND, number), flags=2 if number == 40 else 0)
    assert bench.native["history_done"] == 1
    known = np.zeros(2, np.int64)
    release.compare(bench.native.address, 0, OPENING_NS + MINUTE, known.ctypes.data)
    assert known.tolist() == [3, 2], "9 and 10 are old, 40 is kept back; 20 and 30 never came"
    assert release.release(bench.native.address, 0, 1, 1, OPENING_NS, OPENING_NS + SECOND, 0, True)
    bench.trade(DllTrade(OPENING_NS + 4 * SECOND, 50))
    rows = bench.read("trades")
    assert rows["kind"].tolist() == [KIND_TRADE, KIND_GAP, *[KIND_TRADE] * 4]
    assert rows["trade_number"].tolist() == [10, 0, 20, 30, 40, 50]
    assert (rows["flags"] & FLAG_REFILLED != 0).tolist() == [False, False, True, True, True, False]
    assert rows["ingest_seq"].tolist() == sorted(rows["ingest_seq"].tolist())
    assert (rows["gap_from_ns"][1], rows["cause"][1], rows["gap_trades_missing"][1]) == (OPENING_NS, 1, 0)
    assert len(bench.read("book")) == 1  # the book as it stands when the hold ends


def test_a_hold_that_is_asked_for_again_outlives_the_first_history(bench: Bench) -> None:
    bench.trade(DllTrade(OPENING_NS, 10))
    release.hold(bench.native.address, 0)
    release.hold(bench.native.address, 0)  # the connection was lost once more
    bench.trade(DllTrade(OPENING_NS + SECOND, 30))
    assert not release.release(bench.native.address, 0, 1, 2, OPENING_NS, OPENING_NS, 0, False)
    assert bench.read("trades")["trade_number"].tolist() == [10]
    assert release.release(bench.native.address, 0, 2, 2, OPENING_NS, OPENING_NS, -1, False)
    assert bench.read("trades")["kind"].tolist() == [KIND_GAP, KIND_TRADE]
    bench.trade(DllTrade(OPENING_NS + SECOND, 40))
    assert bench.read("trades")["trade_number"].tolist() == [40]


def test_late_answers_to_another_request_are_kept_out(bench: Bench) -> None:
    bench.history(DllTrade(OPENING_NS, 1))
    release.begin_history(bench.native.address, 0)
    bench.history(DllTrade(OPENING_NS, 2), "WINFUT", flags=2)
    assert (bench.native["staged"], bench.native["history_done"]) == (0, 0)
    bench.history(DllTrade(OPENING_NS, 3), flags=2)
    assert (bench.native["staged"], bench.native["history_done"]) == (1, 1)
    assert bench.count("history_strays") == 2


def test_a_new_incarnation_learns_from_its_rings(bench: Bench) -> None:
    for number in range(1, 8):
        bench.trade(DllTrade(OPENING_NS + number * 25 * SECOND, number, 5000.0 + number))
    before = bench.read("trades")
    bench.start()
    assert relearn(bench.native.address, bench.native.scratch()) == 7
    bench.trade(DllTrade(OPENING_NS + 8 * 25 * SECOND, 7))  # a repeat across the restart
    bench.trade(DllTrade(OPENING_NS + 9 * 25 * SECOND, 8, 5008.0))
    (after,) = bench.read("trades")
    assert after["ingest_seq"] == before["ingest_seq"][-1] + 1
    trades = [(int(r["ts_ns"]), float(r["price"]), 1, 2) for r in [*before, after]]
    assert as_tuples(bench.read("candles")) == naive_bars(trades, int(after["ts_ns"]))


def test_a_bar_that_was_published_before_the_crash_is_not_published_twice(bench: Bench) -> None:
    bench.trade(DllTrade(OPENING_NS, 1, 5000.0))
    bench.at(OPENING_NS + 2 * MINUTE)
    bench.depth(0, 0, ADD)  # a book event completes two bars
    assert len(bench.read("candles")) == 2
    bench.start()
    relearn(bench.native.address, bench.native.scratch())
    bench.trade(DllTrade(OPENING_NS + 3 * MINUTE, 2, 5001.0))
    candles = bench.read("candles")
    assert candles["start_ns"].tolist() == [OPENING_NS + 2 * MINUTE]
    assert candles["close"].tolist() == [5000.0]
    assert np.all(candles["flags"] & FLAG_EMPTY)
