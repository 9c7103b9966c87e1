"""Rows that give no feature vector, against a walk that follows the contract row by row."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shm.layouts import BOOK, KIND_GAP, KIND_TRADE, TRADE
from tape.drops import BOOK_CAUSES, TRADE_CAUSES, book_drops, count_causes, dropped, trade_drops
from tests.tape.rows import sound_book, sound_trades

TICK = 0.5
prices = st.sampled_from([10.0, 10.5, 11.0, 10.25, 10.5 + 4e-7, 10.5 + 1e-3, 0.0, -1.0, math.nan, math.inf])
quantities = st.sampled_from([-1, 0, 1, 5])


def naive_off_grid(price: float) -> bool:
    return abs(price / TICK - round(price / TICK)) > 1e-6


def naive_trade(row: np.void, seen: set[tuple[int, int]]) -> str:
    if row["kind"] != KIND_TRADE:
        return ""
    price = float(row["price"])
    number = (int(row["trade_date"]), int(row["trade_number"]))
    cause = ""
    if int(row["trade_type"]) not in {1, 2, 3, 4, 13}:
        cause = TRADE_CAUSES[0]
    elif not math.isfinite(price) or price <= 0:
        cause = TRADE_CAUSES[1]
    elif row["quantity"] <= 0:
        cause = TRADE_CAUSES[2]
    elif naive_off_grid(price):
        cause = TRADE_CAUSES[3]
    elif number[1] > 0 and number in seen:
        cause = TRADE_CAUSES[4]
    seen.add(number)
    return cause


def naive_book(row: np.void) -> str:
    def there(side: str, level: int) -> bool:
        price = float(row[f"{side}_price"][level])
        return math.isfinite(price) and price > 0 and row[f"{side}_quantity"][level] > 0

    if not there("bid", 0) or not there("ask", 0):
        return BOOK_CAUSES[0]
    if row["bid_price"][0] >= row["ask_price"][0]:
        return BOOK_CAUSES[1]
    for side in ("bid", "ask"):
        for level in range(10):
            if there(side, level) and naive_off_grid(float(row[f"{side}_price"][level])):
                return BOOK_CAUSES[2]
    return ""


trade = st.tuples(st.sampled_from([1, 2, 3, 4, 13, 5, 0]), prices, quantities, st.integers(0, 4), st.booleans())


@settings(max_examples=200, deadline=None)
@given(st.lists(trade, max_size=12))
def test_trades_as_the_contract_says(values: list[tuple]) -> None:
    rows = np.zeros(len(values), TRADE)
    for row, (trade_type, price, quantity, number, gap) in zip(rows, values, strict=True):
        row["kind"] = KIND_GAP if gap and number == 0 else KIND_TRADE
        row["trade_type"], row["price"], row["quantity"], row["trade_number"] = trade_type, price, quantity, number
    seen: set[tuple[int, int]] = set()
    expected = [naive_trade(row, seen) for row in rows]
    found = [TRADE_CAUSES[cause - 1] if cause else "" for cause in trade_drops(rows, TICK)]
    assert found == expected


level = st.tuples(prices, quantities)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(level, level, level, level), max_size=8))
def test_books_as_the_contract_says(values: list[tuple]) -> None:
    rows = np.zeros(len(values), BOOK)
    for row, levels in zip(rows, values, strict=True):
        for (side, number), (price, quantity) in zip(
            (("bid", 0), ("ask", 0), ("bid", 1), ("ask", 9)), levels, strict=True
        ):
            row[f"{side}_price"][number] = price
            row[f"{side}_quantity"][number] = quantity
    found = [BOOK_CAUSES[cause - 1] if cause else "" for cause in book_drops(rows, TICK)]
    assert found == [naive_book(row) for row in rows]


def test_sound_rows_are_all_kept_and_symbols_have_their_own_tick() -> None:
    trades, book = sound_trades(np.arange(1, 50)), sound_book(np.arange(1, 50))
    assert dropped(trades, book, (0.5,)) == {}
    assert dropped(trades, book, (1.0,)) == {"trade: off the grid": 49, "book: off the grid": 49}
    trades["symbol"][:9] = 1
    assert dropped(trades, book[:0], (0.5, 1.0)) == {"trade: off the grid": 9}
    assert count_causes(np.array([0, 2, 2, 1], np.uint8), ("a", "b", "c")) == {"a": 1, "b": 2}
