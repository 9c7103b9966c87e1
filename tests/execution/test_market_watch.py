"""The newest market out of the rings: what counts, what does not, and what must be forgotten."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from execution.market_watch import BATCH, BATCHES_A_TURN, STALE_BOOK_NS, MarketWatch
from execution.newest import forget_prices, take, unknown
from shm.layouts import BOOK, FLAG_REFILLED, KIND_BOOK, KIND_GAP, KIND_TRADE, TRADE
from tests.execution import naive_watch
from tests.execution.rig import HandReader


class Feed:
    def __init__(self, contracts: int = 2) -> None:
        self.trades, self.books = HandReader(TRADE), HandReader(BOOK)
        self.watch = MarketWatch(self.trades, self.books, contracts)  # type: ignore[arg-type]
        self.seq = 0

    def trade(self, price: float, symbol: int = 0, **changes: Any) -> None:
        self.seq += 1
        row = np.zeros(1, TRADE)
        fields = {"ingest_seq": self.seq, "ts_ns": self.seq * 10, "recv_ns": self.seq * 100, "symbol": symbol,
                  "kind": KIND_TRADE, "trade_type": 2, "price": price, **changes}  # fmt: skip
        for name, value in fields.items():
            row[name] = value
        self.trades.waiting.append(row)

    def book(self, bid: float, ask: float, symbol: int = 0, bids: int = 5, asks: int = 5) -> None:
        self.seq += 1
        row = np.zeros(1, BOOK)
        row["ingest_seq"], row["ts_ns"], row["recv_ns"] = self.seq, self.seq * 10, self.seq * 100
        row["symbol"], row["kind"] = symbol, KIND_BOOK
        row["bid_price"][0, 0], row["bid_quantity"][0, 0] = bid, bids
        row["ask_price"][0, 0], row["ask_quantity"][0, 0] = ask, asks
        self.books.waiting.append(row)


def prices(feed: Feed, symbol: int = 0) -> tuple[float, float, float]:
    feed.watch.refresh()
    quote = feed.watch.look(symbol)[1]
    return quote.last, quote.bid, quote.ask


def test_nothing_is_known_at_first() -> None:
    assert all(math.isnan(price) for price in prices(Feed()))
    assert Feed().watch.look(0)[0] == -1


def test_the_newest_of_each_contract() -> None:
    feed = Feed()
    feed.trade(100.0)
    feed.trade(7.0, symbol=1)
    feed.book(99.5, 100.5)
    feed.trade(100.5)
    assert prices(feed) == (100.5, 99.5, 100.5)
    assert prices(feed, 1)[0] == 7.0
    ingest_seq, quote = feed.watch.look(0)
    assert (quote.ts_ns, quote.recv_ns, ingest_seq) == (40, 400, 4)


@pytest.mark.parametrize("changes", [{"trade_type": 1}, {"trade_type": 8}, {"flags": FLAG_REFILLED}])
def test_prices_that_are_not_the_markets_do_not_count(changes: dict[str, int]) -> None:
    feed = Feed()
    feed.trade(100.0)
    feed.trade(50.0, **changes)
    assert prices(feed)[0] == 100.0


def test_an_empty_side_is_not_a_price_of_zero() -> None:
    feed = Feed()
    feed.book(99.5, 0.0, asks=0)
    last, bid, ask = prices(feed)
    assert bid == 99.5 and math.isnan(ask) and math.isnan(last)


def test_a_gap_makes_everything_before_it_unknown() -> None:
    feed = Feed()
    feed.trade(100.0)
    feed.book(99.5, 100.5)
    prices(feed)
    feed.trade(0.0, kind=KIND_GAP)
    assert all(math.isnan(price) for price in prices(feed))
    feed.trade(90.0)
    assert prices(feed)[0] == 90.0
    feed.trade(0.0, kind=KIND_GAP, symbol=1)
    assert prices(feed)[0] == 90.0, "another contract's gap"


def test_a_book_from_before_a_gap_that_is_read_with_it_has_no_prices() -> None:
    feed = Feed()
    feed.book(99.5, 100.5)
    feed.trade(0.0, kind=KIND_GAP)
    assert all(math.isnan(price) for price in prices(feed))
    feed.book(89.5, 90.5)
    assert prices(feed)[1:] == (89.5, 90.5)


def test_a_lap_makes_everything_unknown() -> None:
    feed = Feed()
    feed.trade(100.0)
    prices(feed)
    feed.books.lost = 3
    assert math.isnan(prices(feed)[0])


def test_a_flood_is_taken_in_bounded_turns() -> None:
    feed = Feed(contracts=1)
    row = np.zeros(1, TRADE)
    feed.trades.waiting.extend([row] * (BATCH * BATCHES_A_TURN + 5))
    assert feed.watch.refresh() == BATCH * BATCHES_A_TURN
    assert feed.watch.refresh() == 5


def test_a_book_that_trades_have_left_behind_is_forgotten_until_the_next_one() -> None:
    feed = Feed()
    feed.book(99.5, 100.5)
    feed.trade(100.0, ts_ns=10 + STALE_BOOK_NS)
    assert prices(feed) == (100.0, 99.5, 100.5)
    feed.trade(100.0, ts_ns=11 + STALE_BOOK_NS)
    last, bid, ask = prices(feed)
    assert last == 100.0 and math.isnan(bid) and math.isnan(ask)
    feed.seq = STALE_BOOK_NS
    feed.book(98.5, 99.0)
    assert prices(feed) == (100.0, 98.5, 99.0)


@given(st.lists(st.tuples(
    st.booleans(), st.integers(0, 2), st.sampled_from((KIND_TRADE, KIND_GAP, 0)), st.integers(0, 255),
    st.sampled_from((0, FLAG_REFILLED, 2, 3)), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2),
)))  # fmt: skip
@example([*[(False, 0, 1, 0, 0, 1, 0, 0)] * 20, (False, 1, 1, 0, 0, 1, 0, 1), (True, 1, KIND_GAP, 0, 0, 1, 0, 0)])
@example([(False, 0, 1, 0, 0, 1, 0, 0), *[(True, 0, 1, 0, 0, 1, 0, 0)] * 3, (True, 1, KIND_GAP, 0, 0, 1, 0, 0),
          (False, 1, 1, 0, 0, 1, 0, 1)])  # fmt: skip
def test_the_compiled_look_is_that_of_its_twin(records: list[tuple[bool, int, int, int, int, int, int, int]]) -> None:
    """Any types, flags and empty sides, three contracts, a gap that is seen before an older book or behind a newer one."""
    ingest_seq = 0
    trades, books = np.zeros(len(records), TRADE), np.zeros(len(records), BOOK)
    counts = {True: 0, False: 0}
    for number, (is_trade, symbol, kind, trade_type, flags, ahead, bids, asks) in enumerate(records):
        rows = trades if is_trade else books
        row = rows[counts[is_trade] : counts[is_trade] + 1]
        counts[is_trade] += 1
        ingest_seq += ahead
        row["symbol"], row["ingest_seq"] = symbol, ingest_seq
        row["ts_ns"], row["recv_ns"] = 7 * number, 11 * number
        if is_trade:
            row["kind"], row["trade_type"], row["flags"], row["price"] = kind, trade_type, flags, 100.0 + number
        else:
            row["bid_price"][0, 0], row["bid_quantity"][0, 0] = 50.0 + number, bids
            row["ask_price"][0, 0], row["ask_quantity"][0, 0] = 51.0 + number, asks
    newest, half = unknown(3), len(records) // 2
    trades, books = trades[: counts[True]], books[: counts[False]]
    for part in (slice(0, half), slice(half, None)):  # of each ring: one may be seen ahead of the other
        take(trades[part], len(trades[part]), books[part], len(books[part]), newest)
        twins = [naive_watch.Newest() for _ in range(3)]
        naive_watch.take(trades[: part.stop], books[: part.stop], twins)
        seen = [row[:-2] for row in newest.tolist()]  # but for the places of book and gap, which the twin need not remember
        assert str(seen) == str([twin.row() for twin in twins])  # as text: NaN is NaN


def test_prices_are_forgotten_and_nothing_else() -> None:
    newest = unknown(2)
    newest[1] = (1.0, 2.0, 3.0, 4, 5, 6, 7, 8, 9)
    forget_prices(newest)
    assert str(newest.tolist()[1]) == "(nan, nan, nan, 4, 5, 6, 7, 8, 9)"
