"""The call auction against a slow twin that tries every price, and what a call must never do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import auction
from exchange.auction import CallAuction, Theoretical, slots_of_owners
from exchange.book import BEST_ASK, BEST_BID, BUY, LEAVES, LIVE, NUMBER, SELL, OrderBook, book_add, book_queue_ahead

BASE, SPAN, CAPACITY = 100, 30, 80


def naive_price(bids: list[tuple[int, int]], asks: list[tuple[int, int]], reference: int) -> Theoretical:
    """bids, asks: (price, quantity). Tries every price of the ladder, by the words of the rule."""
    tried = []
    for price in range(BASE, BASE + SPAN):
        demand = sum(quantity for limit, quantity in bids if limit >= price)
        supply = sum(quantity for limit, quantity in asks if limit <= price)
        tried.append((price, min(demand, supply), demand - supply))
    most = max(quantity for _, quantity, _ in tried)
    if most == 0:
        return Theoretical(0, 0, 0)
    first = [(price, surplus) for price, quantity, surplus in tried if quantity == most]
    buys = min((surplus for _, surplus in first if surplus >= 0), default=None)
    sells = max((surplus for _, surplus in first if surplus <= 0), default=None)
    ends = [price for price, surplus in first if surplus in (buys, sells)]
    price = min(range(min(ends), max(ends) + 1), key=lambda each: abs(each - reference))
    return Theoretical(price, most, dict(first)[price])


def made(orders: list[tuple[int, int, int]]) -> CallAuction:
    call = CallAuction(OrderBook(BASE, SPAN, CAPACITY))
    call.open()
    for number, (side, price, quantity) in enumerate(orders, start=1):
        ladder = call.ladder(side)
        book_add(*ladder.arrays, number, side, ladder.row(price), quantity, 10 + number, number)
    return call


def of(orders: list[tuple[int, int, int]], side: int) -> list[tuple[int, int]]:
    return [(price, quantity) for each, price, quantity in orders if each == side]


order = st.tuples(st.sampled_from((BUY, SELL)), st.integers(BASE, BASE + SPAN - 1), st.integers(1, 9))


@settings(max_examples=300, deadline=None)
@given(st.lists(order, max_size=30), st.integers(BASE - 5, BASE + SPAN + 5))
def test_price_agrees_with_its_twin(orders, reference):
    assert made(orders).theoretical(reference) == naive_price(of(orders, BUY), of(orders, SELL), reference)


@settings(max_examples=300, deadline=None)
@given(st.lists(order, max_size=40), st.integers(BASE, BASE + SPAN - 1))
def test_uncross_trades_by_price_then_time_and_leaves_a_book_that_is_not_crossed(orders, reference):
    call = made(orders)
    found, pairs = call.uncross(reference)
    assert pairs[:, auction.PAIR_QUANTITY].sum() == found.quantity
    for side, column in ((BUY, auction.PAIR_BUY_OWNER), (SELL, auction.PAIR_SELL_OWNER)):
        wanted, left = [], found.quantity
        queue = [
            (price if side == SELL else -price, number)
            for number, (each, price, _) in enumerate(orders, 1)
            if each == side
        ]
        for _, number in sorted(queue):
            traded = min(left, orders[number - 1][2])
            left -= traded
            if traded:
                wanted.append((number, traded))
        got: dict[int, int] = {}
        for row in pairs:
            got[int(row[column])] = got.get(int(row[column]), 0) + int(row[auction.PAIR_QUANTITY])
        assert list(got.items()) == wanted
        for number, _ in wanted:
            price = orders[number - 1][1]
            assert price >= found.price_ticks if side == BUY else price <= found.price_ticks
    eliminated = call.close()
    assert set(eliminated) <= {n for n, (s, p, _) in enumerate(orders, 1) if p == BASE + (SPAN - 1 if s == BUY else 0)}
    book = call.bids
    assert book.state[BEST_BID] < book.state[BEST_ASK]
    traded_of = {n: 0 for n in range(1, len(orders) + 1)}
    for row in pairs:
        traded_of[int(row[auction.PAIR_BUY_OWNER])] += int(row[auction.PAIR_QUANTITY])
        traded_of[int(row[auction.PAIR_SELL_OWNER])] += int(row[auction.PAIR_QUANTITY])
    left = {
        n: orders[n - 1][2] - traded_of[n] for n in traded_of if n not in eliminated and orders[n - 1][2] > traded_of[n]
    }
    slots = slots_of_owners(book)
    assert {owner: int(book.orders[slot, LEAVES]) for owner, slot in slots.items()} == left, "nothing is made or lost"
    for number, slot in slots.items():
        side, price, _ = orders[number - 1]
        ahead = sum(left[n] for n in left if n < number and orders[n - 1][:2] == (side, price))
        assert book_queue_ahead(book.orders, slot) == ahead, "time priority outlives the call"


@pytest.mark.parametrize(
    ("bids", "asks", "reference", "price", "why"),
    [
        ([(110, 5)], [(105, 5)], 120, 110, "balanced over a range: the end nearest to the last price"),
        ([(110, 5)], [(105, 5)], 107, 107, "balanced over a range: the last price itself"),
        ([(110, 9)], [(105, 5)], 107, 107, "the same surplus everywhere: the last price"),
        ([(110, 5), (108, 5)], [(105, 5)], 106, 109, "the smallest surplus beats the nearness"),
        ([(110, 5)], [(105, 5), (108, 1)], 110, 107, "the smallest surplus of sells"),
    ],
)
def test_each_criterion(bids, asks, reference, price, why):
    orders = [(BUY, *each) for each in bids] + [(SELL, *each) for each in asks]
    assert made(orders).theoretical(reference).price_ticks == price, why


def test_opening_a_call_takes_the_queues_over_and_closing_it_untouched_gives_them_back():
    book = OrderBook(BASE, SPAN, CAPACITY)
    for number, (side, row) in enumerate([(BUY, 5), (BUY, 5), (SELL, 9), (SELL, 9), (SELL, 12), (BUY, 3)], start=1):
        book_add(*book.arrays, number, side, row, number, 1, number)
    before = {
        int(book.orders[slot, NUMBER]): book_queue_ahead(book.orders, slot) for slot in book.live[: book.state[LIVE]]
    }
    depth = [book.depth(side, 10).tolist() for side in (BUY, SELL)]
    call = CallAuction(book)
    call.open()
    assert (int(book.state[BEST_ASK]), int(call.asks.state[BEST_ASK])) == (SPAN, 9)
    assert call.theoretical(105) == Theoretical(0, 0, 0)
    assert call.close() == []
    after = {
        int(book.orders[slot, NUMBER]): book_queue_ahead(book.orders, slot) for slot in book.live[: book.state[LIVE]]
    }
    assert after == before
    assert [book.depth(side, 10).tolist() for side in (BUY, SELL)] == depth


def test_orders_at_market_come_first_and_are_eliminated():
    call = made([(BUY, 110, 5), (SELL, 105, 4)])
    row = call.market_row(BUY)
    book_add(*call.bids.arrays, 7, BUY, row, 6, 99, 7)
    found, pairs = call.uncross(108)
    assert found == Theoretical(111, 4, 2), "beyond 110 only the order at market still buys"
    assert pairs[:, auction.PAIR_BUY_OWNER].tolist() == [7]
    assert call.close() == [7]
    assert slots_of_owners(call.bids) == {1: slots_of_owners(call.bids)[1]}


def test_depth_of_a_call_shows_the_theoretical_price_first_then_what_lies_beyond():
    call = made([(BUY, 110, 5), (BUY, 104, 2), (BUY, 103, 1), (SELL, 105, 4), (SELL, 112, 3)])
    bids, asks, found = call.depth(107, 10)
    assert found == Theoretical(107, 4, 1)
    assert bids[:3].tolist() == [[107, 5, 1], [104, 2, 1], [103, 1, 1]]
    assert asks[:3].tolist() == [[107, 4, 1], [112, 3, 1], [0, 0, 0]]
    alone = made([(BUY, 104, 2)])
    book_add(*alone.bids.arrays, 9, BUY, alone.market_row(BUY), 3, 1, 9)
    bids, asks, found = alone.depth(107, 10)
    assert bids[:2].tolist() == [[auction.AT_MARKET_TICKS, 3, 1], [104, 2, 1]]
    assert not np.any(asks)
    assert found.quantity == 0
