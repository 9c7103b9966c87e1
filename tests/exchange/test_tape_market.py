"""The recorded market: what is played, when, and how our orders fare in it without changing it."""

from __future__ import annotations

import numpy as np
import pytest

from exchange.frames import BOOK_FRAME
from exchange.market import KIND_BOOK, KIND_TRADE, Batch, Fill
from exchange.recording import Recording
from exchange.tape_market import TapeMarket
from shm import layouts
from tests.exchange.kit import SECOND_NS, START_NS, TapeRows, instrument

BUY, SELL = 1, 2
FOREVER = 1 << 62


def played(market: TapeMarket, to_ns: int = FOREVER, limit: int = 1000) -> list[Batch]:
    out = []
    while (batch := market.advance(to_ns, limit)) is not None:
        out.append(batch)
    return out


def fills_in(batches: list[Batch]) -> list[Fill]:
    return [fill for batch in batches for fill in batch.fills]


def two_sided() -> TapeRows:
    return TapeRows().book(0, [(100, 10), (99, 20)], [(101, 8), (102, 30)])


def test_events_come_in_recorded_order_at_their_time_with_their_content():
    rows = two_sided().trade(1, 101, 3, trade_type=2).trade(1, 100, 2).book(2, [(100, 8)], [(101, 5)])
    market = rows.market()
    assert market.first_ns == market.next_due_ns() == START_NS
    assert market.advance(START_NS - 1, 10) is None
    first = market.advance(START_NS + SECOND_NS, 10)
    assert first.kinds.tolist() == [KIND_BOOK, KIND_TRADE, KIND_TRADE]
    body = first.trades["body"]
    assert body["price"].tolist() == [50.5, 50.0]
    assert body["number"].tolist() == [1, 2]
    assert body["trade_type"].tolist() == [2, 3]
    assert (body["buyer"][0], body["seller"][0]) == (3, 8)
    book = first.books["body"][0]
    assert book["ask_price"][:3].tolist() == [50.5, 51.0, 0.0]
    assert book["ask_count"][:3].tolist() == [1, 1, 0]
    assert market.next_due_ns() == START_NS + 2 * SECOND_NS
    assert market.advance(FOREVER, 10).kinds.tolist() == [KIND_BOOK]
    assert market.next_due_ns() is None


def test_limit_bounds_a_batch():
    rows = TapeRows()
    for second in range(10):
        rows.trade(second, 100 + second, 1)
    batches = played(rows.market(), limit=3)
    assert [len(batch.kinds) for batch in batches] == [3, 3, 3, 1]


def test_resting_order_waits_behind_the_recorded_queue():
    rows = two_sided().trade(1, 100, 6).trade(2, 100, 6).trade(3, 100, 1)
    market = rows.market()
    market.advance(START_NS, 10)
    market.rest(0, 41, BUY, 100, 3, 0, START_NS)
    assert market.queue_ahead(0, 41) == 10
    assert market.advance(START_NS + SECOND_NS, 10).fills == []
    assert market.queue_ahead(0, 41) == 4
    assert fills_in(played(market)) == [
        Fill(41, 100, 2, START_NS + 2 * SECOND_NS),
        Fill(41, 100, 1, START_NS + 3 * SECOND_NS),
    ]


def test_a_batch_ends_at_our_fill_and_the_rest_follows():
    rows = two_sided().trade(1, 99, 1).trade(2, 99, 1).trade(3, 99, 1)
    market = rows.market()
    market.advance(START_NS, 10)
    market.rest(0, 7, BUY, 100, 5, 0, START_NS)
    batch = market.advance(FOREVER, 10)
    assert batch.fills == [Fill(7, 100, 5, START_NS + SECOND_NS)]
    assert batch.last_ns == START_NS + SECOND_NS
    assert len(market.advance(FOREVER, 10).kinds) == 2


def test_a_trade_that_does_not_touch_the_queue_fills_nobody():
    market = two_sided().trade(1, 98, 50, trade_type=1).trade(2, 98, 50, trade_type=13).market()
    market.advance(START_NS, 10)
    market.rest(0, 7, BUY, 100, 5, 0, START_NS)
    assert fills_in(played(market)) == []


def test_incoming_order_walks_the_recorded_depth_once_per_snapshot():
    market = two_sided().book(1, [(100, 10)], [(101, 8), (102, 30)]).market()
    market.advance(START_NS, 10)
    assert market.available(0, BUY, None, 100) == 38
    assert market.take(0, 1, BUY, 102, 10, 0, START_NS) == [Fill(0, 101, 8, START_NS), Fill(0, 102, 2, START_NS)]
    assert market.take(0, 2, BUY, 101, 5, 0, START_NS) == []
    assert market.available(0, BUY, 102, 100) == 28
    assert market.take(0, 3, SELL, None, 4, 0, START_NS) == [Fill(0, 100, 4, START_NS)]
    market.advance(FOREVER, 10)
    assert market.available(0, BUY, 101, 100) == 8, "the next snapshot is the recording again"


def test_our_orders_do_not_change_what_is_played():
    rows = two_sided()
    for second in range(1, 30):
        rows.trade(second, 100 - second % 3, second % 7 + 1)
        rows.book(second + 0.5, [(100, second % 5 + 1)], [(101, 9)])
    quiet, busy = rows.market(), rows.market()
    busy.advance(START_NS, 1)
    for number in range(1, 6):
        busy.rest(0, number, BUY, 99 + number % 2, number, 0, START_NS)
    busy.take(0, 9, BUY, None, 5, 0, START_NS)
    want, got = played(quiet), played(busy)
    assert fills_in(got)
    assert b"".join(b.trades.tobytes() for b in want) == b"".join(b.trades.tobytes() for b in got)
    # the busy market had played its first book before it was compared
    books = b"".join(b.books.tobytes() for b in want)[BOOK_FRAME.itemsize :]
    assert books == b"".join(b.books.tobytes() for b in got)


def test_withdrawn_and_reduced_orders():
    market = two_sided().trade(1, 99, 100).market()
    market.advance(START_NS, 10)
    for number in (1, 2, 3):
        market.rest(0, number, BUY, 100, 5, 0, START_NS)
    market.withdraw(0, 2, START_NS)
    market.reduce(0, 3, 1, START_NS)
    assert [(fill.order, fill.quantity) for fill in fills_in(played(market))] == [(1, 5), (3, 1)]


def test_watched_price_ends_a_batch():
    market = two_sided().trade(1, 101, 1).trade(2, 105, 1).trade(3, 106, 1).market()
    market.watch(0, -1, 105)
    assert len(market.advance(FOREVER, 10).kinds) == 3
    assert market.last_ticks(0) == 105
    market.watch(0, -1, FOREVER)
    assert len(market.advance(FOREVER, 10).kinds) == 1


def test_history_is_what_was_played_within_the_times_asked_for():
    rows = TapeRows()
    for second in range(10):
        rows.trade(second, 100 + second, 1)
    market = rows.market()
    assert len(market.history(0, 0, FOREVER)) == 0
    market.advance(START_NS + 6 * SECOND_NS, 100)
    found = market.history(0, START_NS + 2 * SECOND_NS, START_NS + 20 * SECOND_NS)
    assert found["number"].tolist() == [3, 4, 5, 6, 7]
    assert len(market.history(1, 0, FOREVER)) == 0


def test_two_instruments_have_their_own_queues():
    rows = two_sided().book(0, [(200, 4)], [(201, 4)], symbol=1).trade(1, 199, 1, symbol=1).trade(2, 99, 1)
    market = rows.market(instrument(), instrument(symbol="WINFUT"))
    market.advance(START_NS, 10)
    market.rest(0, 1, BUY, 100, 1, 0, START_NS)
    market.rest(1, 2, BUY, 200, 1, 0, START_NS)
    assert [(fill.order, fill.price_ticks) for fill in fills_in(played(market))] == [(2, 200), (1, 100)]
    assert (market.last_ticks(0), market.last_ticks(1)) == (99, 199)


def test_gap_records_are_not_played_and_an_empty_tape_is_refused():
    trades, book = two_sided().trade(1, 100, 1).arrays()
    trades["kind"] = layouts.KIND_GAP
    market = TapeMarket([instrument()], Recording([instrument()], trades, book))
    assert [len(batch.trades) for batch in played(market)] == [0]
    with pytest.raises(ValueError, match="no event"):
        Recording([instrument()], trades, book[:0])


def test_mixed_trade_numbers_are_refused_and_missing_ones_are_counted():
    trades, book = TapeRows().trade(0, 100, 1).trade(1, 100, 1).arrays()
    trades["trade_number"] = 0
    assert Recording([instrument()], trades, book).numbers.tolist() == [1, 2]
    trades["trade_number"] = [5, 0]
    with pytest.raises(ValueError, match="with and without a number"):
        Recording([instrument()], trades, book)


def test_recorded_prices_pass_unchanged():
    trades, book = TapeRows().trade(0, 100, 1).arrays()
    spec = instrument(tick=0.1)
    trades["price"] = 60000.1
    batch = TapeMarket([spec], Recording([spec], trades, book)).advance(FOREVER, 1)
    assert batch.trades["body"]["price"][0] == np.float64(60000.1)
