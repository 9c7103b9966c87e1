"""Which trades of the DLL are events: translation, and the rules that keep edits, repeats and nonsense out.

The first values of a (date, number) stand: an edit is counted and dropped, and so is a repeat. Types that are no trades
of the market (surveillance, exercise, over the counter ...) are dropped, and so are zero dates, prices and quantities.
"""

from __future__ import annotations

import numpy as np

from ingest.native_time import utc_ns
from ingest.publish import trade_scratch
from ingest.state import (
    C_BAD_TRADES,
    C_OTHER_TYPES,
    C_REPEATS,
    C_TRANSLATE_FAILURES,
    NUMBER_BITS,
    count,
)
from shm.atomics import at, call_2
from shm.jit import inline
from shm.layouts import TRADE

from numba import carray  # isort: skip

FLAG_EDIT = 1
FLAG_LAST = 2
TRADE_VERSION = 0

CROSS, BUY_AGGRESSOR, SELL_AGGRESSOR, AUCTION, RETAIL_LIQUIDITY_PROVIDER = 1, 2, 3, 4, 13

DLL_TRADE = np.dtype(
    {
        "names": [
            "version", "year", "month", "day_of_week", "day", "hour", "minute", "second", "millisecond",
            "number", "price", "quantity", "volume", "buyer", "seller", "trade_type",
        ],
        "formats": ["u1", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u4", "<f8", "<i8", "<f8", "<i4", "<i4", "u1"],
        "offsets": [0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 52, 56],
        "itemsize": 64,
    }
)  # fmt: skip
"""TConnectorTrade as numpy sees it; a test holds it against the ctypes struct."""


@inline
def is_market_trade(trade_type):  # type: ignore[no-untyped-def]
    return (
        trade_type == CROSS
        or trade_type == BUY_AGGRESSOR
        or trade_type == SELL_AGGRESSOR
        or trade_type == AUCTION
        or trade_type == RETAIL_LIQUIDITY_PROVIDER
    )


@inline
def aggressor_of(trade_type):  # type: ignore[no-untyped-def]
    if trade_type == BUY_AGGRESSOR:
        return 1
    if trade_type == SELL_AGGRESSOR:
        return -1
    return 0


@inline
def translate(context, opaque):  # type: ignore[no-untyped-def]
    """The DLL's trade into the scratch; its time as ns UTC, or 0 when it is no trade of the market (counted)."""
    scratch = np.int64(context.trade_scratch)
    trade = carray(at(np.uint64(context.trade_scratch)), 1, DLL_TRADE)[0]
    trade.version = TRADE_VERSION
    if np.int32(call_2(np.uint64(context.translate_trade), np.int64(opaque), scratch)) != 0:
        count(context, C_TRANSLATE_FAILURES)
        return np.int64(0)
    if not is_market_trade(trade.trade_type):
        count(context, C_OTHER_TYPES)
        return np.int64(0)
    ts_ns = utc_ns(
        context,
        np.int64(trade.year),
        np.int64(trade.month),
        np.int64(trade.day),
        np.int64(trade.hour),
        np.int64(trade.minute),
        np.int64(trade.second),
        np.int64(trade.millisecond),
    )
    if ts_ns == 0 or not np.isfinite(trade.price) or trade.price <= 0.0 or trade.quantity <= 0:
        count(context, C_BAD_TRADES)
        return np.int64(0)
    return ts_ns


@inline
def fill_record(context, index, ts_ns):  # type: ignore[no-untyped-def]
    """Put the translated trade into the symbol's TRADE record (event time not settled yet)."""
    trade = carray(at(np.uint64(context.trade_scratch)), 1, DLL_TRADE)[0]
    record = carray(at(trade_scratch(context, index)), 1, TRADE)[0]
    record.ts_ns = ts_ns
    record.aggressor = aggressor_of(trade.trade_type)
    record.trade_type = trade.trade_type
    record.flags = 0
    record.price = trade.price
    record.quantity = trade.quantity
    record.trade_number = np.int64(trade.number)
    record.buyer = trade.buyer
    record.seller = trade.seller
    record.trade_date = np.int64(trade.year) * 10_000 + np.int64(trade.month) * 100 + np.int64(trade.day)


@inline
def was_seen(symbol, date, number):  # type: ignore[no-untyped-def]
    """Whether (date, number) was published, or is older than all that was; remembers nothing.

    Of a date that is over everything counts as seen, and so does what came before the first trade that we heard: history
    that is asked for a little more than what is missing brings it along.
    """
    if date != symbol.number_date:
        return date < symbol.number_date
    if symbol.number_highest >= 0 and number < symbol.number_lowest:
        return True
    if number < NUMBER_BITS:
        bits = carray(at(np.uint64(symbol.numbers)), NUMBER_BITS // 64, np.uint64)
        return bits[number >> 6] & (np.uint64(1) << np.uint64(number & 63)) != np.uint64(0)
    return number <= symbol.number_highest


@inline
def is_repeat(context, symbol, date, number):  # type: ignore[no-untyped-def]
    """Whether (date, number) was seen; remembers it. A new date forgets the one before.

    Numbers beyond the bit map are compared with the highest seen instead.
    """
    bits = carray(at(np.uint64(symbol.numbers)), NUMBER_BITS // 64, np.uint64)
    if date != symbol.number_date:
        if date < symbol.number_date:
            count(context, C_REPEATS)
            return True
        words = min(symbol.number_highest, NUMBER_BITS - 1) // 64 + 1 if symbol.number_highest >= 0 else 0
        for word in range(words):
            bits[word] = np.uint64(0)
        symbol.number_date = date
        symbol.number_highest = -1
    seen = False
    if number < NUMBER_BITS:
        bit = np.uint64(1) << np.uint64(number & 63)
        seen = bits[number >> 6] & bit != np.uint64(0)
        bits[number >> 6] |= bit
    else:
        seen = number <= symbol.number_highest
    symbol.number_lowest = number if symbol.number_highest < 0 else min(symbol.number_lowest, number)
    symbol.number_highest = max(symbol.number_highest, number)
    if seen:
        count(context, C_REPEATS)
    return seen
