"""The state that native callbacks work on: one context, one record per symbol, in this process's own memory.

Compiled callbacks are cached on disk, so they cannot hold addresses. They find the context through a table that is bound
to a symbol name at start (`qt_ingest`), one word of which is the context's address. Everything else hangs on that.

Only the holder of the context's lock may touch it while callbacks are installed: the ConnectorThread in every callback,
the stage's thread when it writes a gap or lets held events go.
"""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir

from shm.atomics import at, atomic_or, store_release
from shm.jit import inline
from shm.layouts import BOOK, CANDLE, TRADE

from numba import carray, types  # isort: skip
from numba.extending import intrinsic  # isort: skip

SYMBOL_NAME = "qt_ingest"
TICKER_LENGTH = 24
PARKED = 1 << 14  # live trades kept back, per symbol, while its history is fetched
STAGED = 1 << 21  # trades of one history request
NUMBER_BITS = 1 << 26  # trade numbers of a day that are remembered one by one
DAY_ZERO = 14_610  # 2010-01-01 in days since the epoch: first entry of the table of local time offsets
DAYS = 365 * 30

# what callbacks count, in the order of their words
COUNTERS = (
    "trade_callbacks",
    "book_groups",
    "depth_notices",
    "trades",
    "books",
    "candles",
    "gaps",
    "refilled",
    "edits",
    "repeats",
    "other_trade_types",
    "bad_trades",
    "unknown_tickers",
    "auction_books",
    "translate_failures",
    "history_trades",
    "parked",
    "park_overflow",
    "history_overflow",
    "history_strays",
)
(
    C_TRADE_CALLBACKS,
    C_BOOK_GROUPS,
    C_DEPTH_NOTICES,
    C_TRADES,
    C_BOOKS,
    C_CANDLES,
    C_GAPS,
    C_REFILLED,
    C_EDITS,
    C_REPEATS,
    C_OTHER_TYPES,
    C_BAD_TRADES,
    C_UNKNOWN_TICKERS,
    C_AUCTION_BOOKS,
    C_TRANSLATE_FAILURES,
    C_HISTORY_TRADES,
    C_PARKED,
    C_PARK_OVERFLOW,
    C_HISTORY_OVERFLOW,
    C_HISTORY_STRAYS,
) = range(len(COUNTERS))

CONTEXT = np.dtype(
    [
        ("lock", "<u8"),
        ("trades_ring", "<u8"),
        ("book_ring", "<u8"),
        ("candles_ring", "<u8"),
        ("wake", "<u8"),
        ("own_bell", "<u8"),
        ("run_block", "<u8"),  # the shared clock stands there
        ("counters", "<u8"),  # int64 words in the order of COUNTERS
        ("callback_histogram", "<u8"),
        ("clock", "<u8"),  # runtime.native_clock
        ("translate_trade", "<u8"),
        ("side_count", "<u8"),
        ("price_group", "<u8"),
        ("symbols", "<u8"),
        ("symbol_count", "<i8"),
        ("next_ingest_seq", "<i8"),
        ("utc_offsets", "<u8"),  # int32 minutes west of UTC (positive), one for each day from DAY_ZERO on
        ("trade_scratch", "<u8"),  # a TConnectorTrade
        ("group_scratch", "<u8"),  # a TConnectorPriceGroup
        ("staging", "<u8"),  # STAGE records of a history request
        ("staged", "<i8"),
        ("history_symbol", "<i8"),  # which symbol's history is under way, -1 none
        ("history_progress", "<i8"),
        ("history_done", "<i8"),
        ("last_trade_event_ns", "<i8"),  # monotonic: when the DLL last brought a trade,
        ("last_book_event_ns", "<i8"),  # and a depth notice, of any symbol
    ],
    align=True,
)

STAGE = np.dtype(
    [
        ("ts_ns", "<i8"),
        ("price", "<f8"),
        ("quantity", "<i8"),
        ("number", "<i8"),
        ("buyer", "<i4"),
        ("seller", "<i4"),
        ("date", "<i4"),
        ("trade_type", "u1"),
        ("pad", "u1", (3,)),
    ],
    align=True,
)

SYMBOL = np.dtype(
    [
        ("ticker", "<i4", (TICKER_LENGTH,)),  # code units, ends with 0
        ("exchange", "<i4", (4,)),
        ("bar_ns", "<i8"),
        ("last_ts_ns", "<i8"),
        ("last_trade_ns", "<i8"),  # the exchange's own stamp of the newest trade that was published
        ("hold", "<i8"),  # not 0: events are kept back while history is fetched; how often that was asked for
        ("parked", "<i8"),
        ("park", "<u8"),  # TRADE records
        ("numbers", "<u8"),  # bit for each trade number seen on `number_date`
        ("number_date", "<i8"),
        ("number_lowest", "<i8"),
        ("number_highest", "<i8"),  # -1: none yet
        ("in_group", "<i8"),  # between prepare and flush
        ("auction", "<i8"),  # this group brought theoretical values
        ("dirty", "<i8", (2,)),  # bit for each level that has to be read again, per side
        ("session_close_ns", "<i8"),  # bars do not complete by the clock beyond it
        ("forming", "u1"),
        ("pad", "u1", (7,)),
        ("bar_start_ns", "<i8"),
        ("bar_open", "<f8"),
        ("bar_high", "<f8"),
        ("bar_low", "<f8"),
        ("bar_close", "<f8"),
        ("bar_volume", "<i8"),
        ("bar_trades", "<i8"),
        ("bar_buy", "<i8"),
        ("bar_sell", "<i8"),
        ("day_index", "<i8"),  # into the table of sessions
        ("sessions", "<u8"),  # int64 pairs (open, close) in UTC ns, ascending
        ("session_count", "<i8"),
        ("session", "<i8"),  # index of the session of the last trade, -1 none yet
        ("book", "u1", (BOOK.itemsize,)),  # the record that is published next
        ("trade", "u1", (TRADE.itemsize,)),
        ("candle", "u1", (CANDLE.itemsize,)),
    ],
    align=True,
)

_table = (ctypes.c_uint64 * 8)()
llvmlite.binding.add_symbol(SYMBOL_NAME, ctypes.addressof(_table))


def install(context_address: int) -> None:
    """Tell callbacks of this process where the context is. 0 takes it away; then callbacks do nothing."""
    _table[0] = context_address


@intrinsic
def _context_table(typingctx: Any) -> Any:
    word = ir.IntType(64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.module.globals.get(SYMBOL_NAME)
        if found is None:
            found = ir.GlobalVariable(builder.module, ir.ArrayType(word, 8), SYMBOL_NAME)
        return builder.ptrtoint(found, word)

    return types.uintp(), codegen


@inline
def context_address():  # type: ignore[no-untyped-def]
    """Address of the installed context, 0 when there is none."""
    return np.uint64(carray(at(_context_table()), 8, np.uint64)[0])


@inline
def context_at(address):  # type: ignore[no-untyped-def]
    return carray(at(address), 1, CONTEXT)[0]


@inline
def symbol_at(context, index):  # type: ignore[no-untyped-def]
    return carray(at(np.uint64(context.symbols)), context.symbol_count, SYMBOL)[index]


@inline
def lock(address):  # type: ignore[no-untyped-def]
    """Wait for the context. It is held for one event at most, or while held events are let go."""
    while atomic_or(address, np.uint64(1)) != np.uint64(0):
        pass


@inline
def unlock(address):  # type: ignore[no-untyped-def]
    store_release(address, np.uint64(0))  # partner: the atomic_or of lock


@inline
def count(context, counter):  # type: ignore[no-untyped-def]
    words = carray(at(np.uint64(context.counters)), len(COUNTERS), np.int64)
    words[counter] += 1
