"""What an ingest that comes back learns from the rings that the dead one wrote: nothing else has survived.

The next number, each symbol's last event time, which trade numbers were published, and the forming bar.
"""

from __future__ import annotations

import numpy as np

from ingest.publish import count_into_bar, empty_bar, session_of
from ingest.state import context_at, lock, symbol_at, unlock
from ingest.trades import is_repeat
from shm.atomics import at, load_acquire
from shm.jit import inline, kernel
from shm.layouts import (
    BOOK,
    CANDLE,
    FLAG_HISTORY,
    KIND_TRADE,
    OFFSET_CAPACITY,
    OFFSET_CURSOR,
    TRADE,
)
from shm.ring import ring_copy

from numba import carray  # isort: skip


@inline
def _oldest(ring):  # type: ignore[no-untyped-def]
    cursor = load_acquire(ring + np.uint64(OFFSET_CURSOR))
    capacity = load_acquire(ring + np.uint64(OFFSET_CAPACITY))
    return (cursor - capacity if cursor > capacity else np.uint64(0)), cursor


@inline
def _see(context, ingest_seq, index, ts_ns):  # type: ignore[no-untyped-def]
    context.next_ingest_seq = max(context.next_ingest_seq, ingest_seq + 1)
    symbol = symbol_at(context, index)
    symbol.last_ts_ns = max(symbol.last_ts_ns, ts_ns)


@inline
def _advance_bar(symbol, ts_ns):  # type: ignore[no-untyped-def]
    """As ingest.publish.complete_bars, but the candles are on the ring already."""
    if symbol.forming == 0 or ts_ns < symbol.bar_start_ns + symbol.bar_ns:
        return
    session = session_of(symbol, ts_ns)
    if session != symbol.session:
        symbol.forming = 0
        symbol.session = session
        return
    empty_bar(symbol, ts_ns - ts_ns % symbol.bar_ns)


@inline
def _after_candle(context, symbol, candle):  # type: ignore[no-untyped-def]
    """A candle was published for the bar that we think forms, or a later one: go on behind it."""
    if session_of(symbol, candle.ts_ns) != symbol.session:
        symbol.forming = 0
        return
    symbol.bar_close = candle.close
    empty_bar(symbol, candle.start_ns + symbol.bar_ns)


@kernel("int64(uintp, uintp)")
def relearn(address, scratch):  # type: ignore[no-untyped-def]
    """Read the context's own rings from the oldest record on; returns how many records stand there.

    scratch: address of at least the size of a BOOK record.
    """
    lock(address)
    context = context_at(address)
    seen = 0
    number, cursor = _oldest(np.uint64(context.trades_ring))
    while number < cursor:
        if ring_copy(np.uint64(context.trades_ring), number, scratch) == 1:
            trade = carray(at(scratch), 1, TRADE)[0]
            index = np.int64(trade.symbol)
            symbol = symbol_at(context, index)
            _see(context, trade.ingest_seq, index, trade.ts_ns)
            seen += 1
            if trade.kind == KIND_TRADE:
                symbol.last_trade_ns = max(symbol.last_trade_ns, trade.ts_ns)
                is_repeat(context, symbol, np.int64(trade.trade_date), trade.trade_number)
                _advance_bar(symbol, trade.ts_ns)
                count_into_bar(symbol, trade.ts_ns, trade.price, trade.quantity, trade.aggressor)
        number += np.uint64(1)
    number, cursor = _oldest(np.uint64(context.book_ring))
    while number < cursor:
        if ring_copy(np.uint64(context.book_ring), number, scratch) == 1:
            book = carray(at(scratch), 1, BOOK)[0]
            _see(context, book.ingest_seq, np.int64(book.symbol), book.ts_ns)
            seen += 1
        number += np.uint64(1)
    number, cursor = _oldest(np.uint64(context.candles_ring))
    while number < cursor:
        if ring_copy(np.uint64(context.candles_ring), number, scratch) == 1:
            candle = carray(at(scratch), 1, CANDLE)[0]
            symbol = symbol_at(context, np.int64(candle.symbol))
            if candle.flags & FLAG_HISTORY == 0 and symbol.forming != 0 and symbol.bar_start_ns <= candle.start_ns:
                _after_candle(context, symbol, candle)
        number += np.uint64(1)
    unlock(address)
    return seen
