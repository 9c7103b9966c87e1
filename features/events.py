"""Which records are events at all: the door before the state. Everything it turns away is counted by cause.

Prices become whole ticks here, and nothing behind this door sees a price in points. Pure checks of one record; the only
memory is that of trade numbers, because edits and repeats of a trade are ignored: its first values stand.
"""

from __future__ import annotations

import math

import numpy as np

from shm.jit import inline
from shm.layouts import BOOK_LEVELS, FLAG_AUCTION

GRID_TOLERANCE = 1e-6  # ticks
MAX_PRICE_TICKS = 1 << 27  # beyond it squares of tick differences no longer fit 64 bits
MAX_QUANTITY = 1 << 32  # of a trade or a level: beyond it products with prices no longer fit
OFF_GRID = np.int64(-1)
NUMBERS_KEPT = 1024

# indices of the counters in a symbol's state
COUNT_NAMES = (
    "trades",
    "snapshots",
    "gaps",
    "dropped_type",  # a record of the DLL that is not a trade here
    "dropped_value",  # price or quantity not positive, not finite or absurd
    "dropped_repeat",  # edit or repeat of a trade
    "dropped_off_grid_trade",
    "dropped_off_grid_book",
    "dropped_auction",  # auction, crossed, or a side is empty
    "dropped_time",  # before the symbol's last event, or outside the calendar
    "dropped_history",  # a candle of history that came too late, out of order or off the grid
    "overflow",  # vectors with a window that has overflowed
)
(
    COUNT_TRADES,
    COUNT_SNAPSHOTS,
    COUNT_GAPS,
    DROPPED_TYPE,
    DROPPED_VALUE,
    DROPPED_REPEAT,
    DROPPED_OFF_GRID_TRADE,
    DROPPED_OFF_GRID_BOOK,
    DROPPED_AUCTION,
    DROPPED_TIME,
    DROPPED_HISTORY,
    COUNT_OVERFLOW,
) = range(len(COUNT_NAMES))
VALID = -1

NUMBERS = np.dtype(
    [("date", "<i8"), ("highest", "<i8"), ("next", "<i8"), ("number", "<i8", (NUMBERS_KEPT,))],
    align=True,
)
"""The newest trade numbers of the newest trading date."""

LEVELS = np.dtype(
    [
        ("bid_ticks", "<i8", (BOOK_LEVELS,)),  # a level that is not there is 0, 0
        ("bid_quantity", "<i8", (BOOK_LEVELS,)),
        ("ask_ticks", "<i8", (BOOK_LEVELS,)),
        ("ask_quantity", "<i8", (BOOK_LEVELS,)),
    ],
    align=True,
)
"""A snapshot in whole ticks."""


@inline
def ticks_of(price, tick):
    """Whole ticks, or OFF_GRID when the price is further than GRID_TOLERANCE from one or beyond MAX_PRICE_TICKS."""
    exact = price / tick
    if not exact < MAX_PRICE_TICKS:
        return OFF_GRID
    whole = math.floor(exact + 0.5)
    if abs(exact - whole) > GRID_TOLERANCE:
        return OFF_GRID
    return np.int64(whole)


@inline
def side_of(trade_type, aggressor):
    """+1, -1 or 0. A record without the DLL's type (0, from a capture) has only its aggressor."""
    if trade_type == 0:
        return np.int64(aggressor)
    return np.int64(1) if trade_type == 2 else (np.int64(-1) if trade_type == 3 else np.int64(0))


@inline
def _seen_before(numbers, date, number):
    """Remember (date, number); True when it was there. Numbers rise, so the search is rare."""
    if number <= 0 or date < numbers.date:
        return False
    if date > numbers.date:
        numbers.date = date
        numbers.highest = 0
        numbers.next = 0
    if number <= numbers.highest:
        for i in range(min(numbers.next, NUMBERS_KEPT)):
            if numbers.number[i] == number:
                return True
    numbers.highest = max(numbers.highest, number)
    numbers.number[numbers.next % NUMBERS_KEPT] = number
    numbers.next += 1
    return False


@inline
def check_trade(numbers, trade, tick):
    """(VALID, price in ticks), or (the counter of its cause, 0)."""
    kind = trade.trade_type
    if not (kind <= 4 or kind == 13):
        return DROPPED_TYPE, np.int64(0)
    if _seen_before(numbers, np.int64(trade.trade_date), trade.trade_number):
        return DROPPED_REPEAT, np.int64(0)
    if not (trade.price > 0.0 and math.isfinite(trade.price) and 0 < trade.quantity <= MAX_QUANTITY):
        return DROPPED_VALUE, np.int64(0)
    price = ticks_of(trade.price, tick)
    if price <= 0:
        return DROPPED_OFF_GRID_TRADE, np.int64(0)
    return VALID, price


@inline
def _is_level(price, quantity):
    return quantity > 0 and price > 0.0 and math.isfinite(price)


@inline
def check_book(book, tick, levels):
    """VALID with `levels` filled, or the counter of its cause with `levels` in pieces."""
    if book.flags & FLAG_AUCTION:
        return DROPPED_AUCTION  # theoretical levels are left out, so the best of the market is not there
    if not _is_level(book.bid_price[0], book.bid_quantity[0]) or not _is_level(book.ask_price[0], book.ask_quantity[0]):
        return DROPPED_AUCTION
    if book.bid_price[0] >= book.ask_price[0]:
        return DROPPED_AUCTION
    for i in range(BOOK_LEVELS):
        bid, ask = np.int64(0), np.int64(0)
        bid_quantity, ask_quantity = np.int64(0), np.int64(0)
        if _is_level(book.bid_price[i], book.bid_quantity[i]):
            bid = ticks_of(book.bid_price[i], tick)
            bid_quantity = book.bid_quantity[i]
        if _is_level(book.ask_price[i], book.ask_quantity[i]):
            ask = ticks_of(book.ask_price[i], tick)
            ask_quantity = book.ask_quantity[i]
        if bid < 0 or ask < 0:
            return DROPPED_OFF_GRID_BOOK
        if max(bid_quantity, ask_quantity) > MAX_QUANTITY:
            return DROPPED_VALUE
        levels.bid_ticks[i] = bid
        levels.bid_quantity[i] = bid_quantity
        levels.ask_ticks[i] = ask
        levels.ask_quantity[i] = ask_quantity
    if levels.bid_ticks[0] >= levels.ask_ticks[0]:
        return DROPPED_AUCTION
    if levels.bid_ticks[0] <= 0:
        return DROPPED_OFF_GRID_BOOK
    return VALID
