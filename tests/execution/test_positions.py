"""Positions against a twin that keeps every contract apart."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.events import BUY, SELL
from execution.position_table import TABLE, Move, Stance
from execution.positions import Position

POINT_VALUE = 10.0
FEE = 0.25


class NaivePosition:
    """Each open contract is an entry of a list, holding the average price of them all, in exact fractions."""

    def __init__(self) -> None:
        self.held: list[Fraction] = []
        self.sign = 0
        self.profit = Fraction(0)

    def trade_one(self, sign: int, price: Fraction) -> None:
        self.profit -= Fraction(FEE)
        if self.held and sign != self.sign:
            entry = self.held.pop()
            self.profit += (price - entry) * self.sign * Fraction(POINT_VALUE)
            return
        self.sign = sign
        self.held.append(price)

    def trade(self, side: int, quantity: int, price: float) -> None:
        for _ in range(quantity):
            self.trade_one(1 if side == BUY else -1, Fraction(price))
        if self.held:
            average = sum(self.held) / len(self.held)
            self.held = [average] * len(self.held)

    @property
    def quantity(self) -> int:
        return self.sign * len(self.held)


fills = st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 7), st.integers(1, 4000).map(lambda tick: tick * 0.5))


@given(st.lists(fills, max_size=40))
def test_against_the_naive_twin(trades: list[tuple[int, int, float]]) -> None:
    position, naive = Position(POINT_VALUE, FEE), NaivePosition()
    for side, quantity, price in trades:
        before = position.realised_profit
        profit = position.apply(side, quantity, price)
        naive.trade(side, quantity, price)
        assert position.quantity == naive.quantity
        assert position.realised_profit == pytest.approx(before + profit)
        assert position.realised_profit == pytest.approx(float(naive.profit), rel=1e-9, abs=1e-6)
        if naive.held:
            assert position.average_price == pytest.approx(float(naive.held[0]))
        else:
            assert math.isnan(position.average_price)


def test_a_flip_realises_the_old_side_and_starts_the_new() -> None:
    position = Position(POINT_VALUE, FEE)
    position.apply(BUY, 2, 100.0)
    assert position.apply(SELL, 5, 101.0) == pytest.approx(2 * 1.0 * POINT_VALUE - 5 * FEE)
    assert (position.quantity, position.average_price) == (-3, 101.0)


def test_open_profit() -> None:
    position = Position(POINT_VALUE, FEE)
    assert position.open_profit(math.nan) == 0.0
    position.apply(SELL, 3, 100.0)
    assert position.open_profit(99.0) == pytest.approx(30.0)
    assert math.isnan(position.open_profit(math.nan))


@pytest.mark.parametrize("quantity, price", [(0, 1.0), (-1, 1.0), (1, math.nan), (1, math.inf)])
def test_what_is_no_fill_is_refused(quantity: int, price: float) -> None:
    with pytest.raises(ValueError, match="not a fill"):
        Position(POINT_VALUE, FEE).apply(BUY, quantity, price)


def test_position_table() -> None:
    assert set(TABLE) == {(stance, action) for stance in Stance for action in ("BUY", "SELL", "HOLD")}
    entering = {key for key, move in TABLE.items() if move is Move.ENTER}
    leaving = {key for key, move in TABLE.items() if move is Move.EXIT}
    assert entering == {(Stance.FLAT, "BUY"), (Stance.FLAT, "SELL")}
    assert leaving == {(Stance.LONG, "SELL"), (Stance.SHORT, "BUY")}
