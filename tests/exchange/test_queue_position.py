"""Queue positions in a recording against the rules written out slowly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.queue_position import AHEAD, LEAVES, LEVEL, queue_on_book, queue_on_trade, recorded_quantity

BUY, SELL = 1, 2


def rows(*orders: tuple[int, int, int, float]) -> np.ndarray:
    """(side, price ticks, leaves, ahead) of each order, oldest first; all of `ahead` stands at the level."""
    return np.array([(i + 1, *order, order[3]) for i, order in enumerate(orders)], np.float64)


def fills_of(own: np.ndarray, price: int, quantity: int) -> list[tuple[int, int, int]]:
    out = np.zeros((len(own), 3), np.int64)
    count = queue_on_trade(own, len(own), price, quantity, out)
    return [tuple(row) for row in out[:count].tolist()]


def side_of(levels: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    ticks, quantity = np.zeros(10, np.int64), np.zeros(10, np.int64)
    for i, (price, size) in enumerate(levels):
        ticks[i], quantity[i] = price, size
    return ticks, quantity


def test_a_trade_takes_what_is_ahead_before_it_takes_ours():
    own = rows((BUY, 100, 5, 12.0))
    assert fills_of(own, 100, 10) == []
    assert own[0, AHEAD] == 2
    assert fills_of(own, 100, 5) == [(1, 100, 3)]
    assert own[0, LEAVES] == 2
    assert fills_of(own, 100, 9) == [(1, 100, 2)]


@pytest.mark.parametrize(("side", "through"), [(BUY, 99), (SELL, 101)])
def test_a_trade_through_our_price_fills_it_whole_at_our_price(side, through):
    own = rows((side, 100, 5, 1000.0))
    assert fills_of(own, through, 1) == [(1, 100, 5)]


@pytest.mark.parametrize(("side", "away"), [(BUY, 101), (SELL, 99)])
def test_a_trade_on_the_other_side_of_our_price_does_nothing(side, away):
    own = rows((side, 100, 5, 0.0))
    assert fills_of(own, away, 100) == []


def test_our_orders_at_one_price_share_one_trade_in_their_order():
    own = rows((BUY, 100, 2, 3.0), (BUY, 100, 4, 5.0))
    assert fills_of(own, 100, 8) == [(1, 100, 2), (2, 100, 1)]  # 8 - 3 ahead: 2 ours; 8 - 5 ahead - 2 ours: 1


def test_cancels_stand_before_and_behind_us_in_proportion():
    own = rows((BUY, 100, 1, 30.0))
    own[0, LEVEL] = 40  # ten came after us
    queue_on_book(own, 1, *side_of([(100, 20)]), *side_of([(101, 5)]))
    assert own[0, AHEAD] == pytest.approx(15)
    queue_on_book(own, 1, *side_of([(100, 50)]), *side_of([(101, 5)]))
    assert own[0, AHEAD] == pytest.approx(15), "what is added stands behind us"


def test_a_part_of_a_contract_ahead_is_a_whole_one():
    own = rows((BUY, 100, 2, 10.0))
    own[0, LEVEL] = 13
    queue_on_book(own, 1, *side_of([(100, 9)]), *side_of([(101, 5)]))
    assert own[0, AHEAD] == pytest.approx(10 - 40 / 13)  # 6.9
    assert fills_of(own, 100, 7) == []
    own[0, AHEAD] = 6.9
    assert fills_of(own, 100, 8) == [(1, 100, 1)]


def test_shrinkage_that_trades_explain_is_not_counted_twice():
    own = rows((SELL, 101, 1, 10.0))
    assert fills_of(own, 101, 4) == []
    queue_on_book(own, 1, *side_of([(100, 5)]), *side_of([(101, 6)]))
    assert own[0, AHEAD] == 6


def test_a_price_deeper_than_the_recording_is_unknown_until_seen():
    bids = [(100 - i, 5) for i in range(10)]
    assert recorded_quantity(*side_of(bids), True, 80) == -1
    assert recorded_quantity(*side_of(bids[:4]), True, 80) == 0, "fewer than ten levels: nothing is hidden"
    own = rows((BUY, 80, 3, -1.0))
    own[0, LEVEL] = 0
    assert fills_of(own, 80, 50) == [], "nobody knows what stood before us"
    queue_on_book(own, 1, *side_of([(81, 1), (80, 7)]), *side_of([(82, 1)]))
    assert own[0, AHEAD] == 7


def naive_trade(own, price, quantity):
    """The same rules on dicts, for orders of one side."""
    out = []
    for order in own:
        through = price < order["price"] if order["side"] == BUY else price > order["price"]
        if through:
            traded = order["leaves"]
        elif price == order["price"]:
            ours_before = sum(size for number, _, size in out if own[number - 1]["price"] == price)
            traded = min(order["leaves"], max(0, quantity - order["ahead"] - ours_before))
            order["ahead"] = max(0, order["ahead"] - quantity)
        else:
            traded = 0
        order["leaves"] -= traded
        if traded:
            out.append((order["number"], order["price"], traded))
    return out


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from((BUY, SELL)),
    st.lists(st.tuples(st.integers(98, 102), st.integers(1, 6), st.integers(0, 12)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(97, 103), st.integers(1, 15)), max_size=12),
)
def test_trades_agree_with_the_twin(side, orders, trades):
    own = rows(*[(side, price, leaves, float(ahead)) for price, leaves, ahead in orders])
    naive = [
        {"number": i + 1, "side": side, "price": price, "leaves": leaves, "ahead": ahead}
        for i, (price, leaves, ahead) in enumerate(orders)
    ]
    for price, quantity in trades:
        assert fills_of(own, price, quantity) == naive_trade(naive, price, quantity)
        assert own[:, LEAVES].tolist() == [order["leaves"] for order in naive]
        assert (own[:, AHEAD] >= 0).all()
