"""The book against a slow, obvious twin: plain lists, sorted when asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import book as kernels
from exchange.book import (
    BUY,
    FILL_NUMBER,
    FILL_QUANTITY,
    FILL_ROW,
    LEAVES,
    LIVE,
    NUMBER,
    REMAINING,
    SELL,
    OrderBook,
    book_add,
    book_available,
    book_match,
    book_queue_ahead,
    book_reduce,
    book_remove,
)

SPAN = 24
CAPACITY = 40


@dataclass
class Resting:
    number: int
    side: int
    row: int
    leaves: int


class NaiveBook:
    """Orders in a list, oldest first."""

    def __init__(self) -> None:
        self.orders: list[Resting] = []

    def other_side(self, side: int, limit: int) -> list[Resting]:
        if side == BUY:
            return sorted((o for o in self.orders if o.side == SELL and o.row <= limit), key=lambda o: o.row)
        return sorted((o for o in self.orders if o.side == BUY and o.row >= limit), key=lambda o: -o.row)

    def match(self, side: int, limit: int, quantity: int) -> tuple[list[tuple[int, int, int]], int]:
        fills = []
        for order in self.other_side(side, limit):
            if quantity:
                traded = min(quantity, order.leaves)
                order.leaves -= traded
                quantity -= traded
                fills.append((order.number, order.row, traded))
        self.orders = [order for order in self.orders if order.leaves]
        return fills, quantity

    def depth(self, side: int) -> list[tuple[int, int, int]]:
        rows = sorted({o.row for o in self.orders if o.side == side}, reverse=side == BUY)
        level = [[o.leaves for o in self.orders if o.side == side and o.row == row] for row in rows]
        return [(row, sum(leaves), len(leaves)) for row, leaves in zip(rows, level, strict=True)]

    def ahead(self, number: int) -> int:
        me = next(o for o in self.orders if o.number == number)
        before = self.orders[: self.orders.index(me)]
        return sum(o.leaves for o in before if (o.side, o.row) == (me.side, me.row))


class Pair:
    """Both books, given the same commands and compared after each."""

    def __init__(self) -> None:
        self.book, self.naive, self.numbers = OrderBook(100, SPAN, CAPACITY), NaiveBook(), 0

    def send(self, side: int, row: int, quantity: int) -> None:
        available = sum(o.leaves for o in self.naive.other_side(side, row))
        assert book_available(self.book.levels, self.book.state, side, row, quantity) == min(available, quantity)
        count = book_match(*self.book.arrays, self.book.fills, side, row, quantity)
        got = self.book.fills[:count][:, [FILL_NUMBER, FILL_ROW, FILL_QUANTITY]].tolist()
        fills, left = self.naive.match(side, row, quantity)
        assert [tuple(fill) for fill in got] == fills
        assert self.book.state[REMAINING] == left
        assert sum(fill[2] for fill in fills) + left == quantity
        if left:
            self.numbers += 1
            slot = book_add(*self.book.arrays, self.numbers, side, row, left, 3, 0)
            if len(self.naive.orders) == CAPACITY:
                assert slot == kernels.NONE
            else:
                assert self.book.orders[slot, NUMBER] == self.numbers
                self.naive.orders.append(Resting(self.numbers, side, row, left))

    def slot(self, number: int) -> int:
        live = self.book.live[: self.book.state[LIVE]]
        return int(live[self.book.orders[live, NUMBER] == number][0])

    def cancel(self, pick: int) -> None:
        if self.naive.orders:
            order = self.naive.orders.pop(pick % len(self.naive.orders))
            book_remove(*self.book.arrays, self.slot(order.number))

    def reduce(self, pick: int, quantity: int) -> None:
        if self.naive.orders:
            order = self.naive.orders[pick % len(self.naive.orders)]
            order.leaves = 1 + quantity % order.leaves
            book_reduce(self.book.levels, self.book.orders, self.slot(order.number), order.leaves)

    def check(self) -> None:
        for side in (BUY, SELL):
            wanted = [(row + 100, quantity, orders) for row, quantity, orders in self.naive.depth(side)]
            assert [tuple(level) for level in self.book.depth(side, SPAN).tolist()] == wanted
        bids, asks = self.naive.depth(BUY), self.naive.depth(SELL)
        assert not bids or not asks or bids[0][0] < asks[0][0], "crossed"
        assert int(self.book.state[LIVE]) == len(self.naive.orders)
        for order in self.naive.orders:
            slot = self.slot(order.number)
            assert self.book.orders[slot, LEAVES] == order.leaves
            assert book_queue_ahead(self.book.orders, slot) == self.naive.ahead(order.number)


command = st.one_of(
    st.tuples(st.just("send"), st.sampled_from((BUY, SELL)), st.integers(0, SPAN - 1), st.integers(1, 9)),
    st.tuples(st.just("cancel"), st.integers(0, 99)),
    st.tuples(st.just("reduce"), st.integers(0, 99), st.integers(0, 99)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(command, max_size=60))
def test_book_agrees_with_its_twin(commands):
    pair = Pair()
    for name, *arguments in commands:
        getattr(pair, name)(*arguments)
        pair.check()


def test_same_commands_give_the_same_bytes():
    def run() -> bytes:
        rng = np.random.default_rng(5)
        pair = Pair()
        for _ in range(400):
            pair.send(int(rng.integers(1, 3)), int(rng.integers(0, SPAN)), int(rng.integers(1, 9)))
            pair.cancel(int(rng.integers(0, 50)))
        return b"".join(array.tobytes() for array in pair.book.arrays)

    assert run() == run()


@pytest.mark.parametrize(("side", "rows"), [(BUY, (3, 5, 4)), (SELL, (20, 18, 19))])
def test_a_market_sweep_takes_best_price_first_and_empties_the_side(side, rows):
    pair = Pair()
    resting = BUY if side == SELL else SELL
    for row in rows:
        pair.send(resting, row, 2)
    pair.send(side, SPAN - 1 if side == BUY else 0, 6)
    pair.check()
    assert pair.naive.orders == []
