"""Lets held events go: candles of history, the gap, the trades that history gave back, then what was parked.

All of it runs on the stage's thread under the context's lock, so the rings keep one writer at a time, and a live event
can come neither before nor between.
"""

from __future__ import annotations

import numpy as np

from ingest.native_time import market_at, monotonic_now_ns
from ingest.publish import book_scratch, publish_book, publish_gap, publish_trade, trade_scratch
from ingest.state import C_REFILLED, PARKED, STAGE, STAGED, context_at, count, lock, symbol_at, unlock
from ingest.trades import aggressor_of, is_repeat, was_seen
from shm.atomics import at, copy_bytes
from shm.doorbell import ring_bells
from shm.jit import inline, kernel
from shm.layouts import BOOK, CANDLE, FLAG_REFILLED, TRADE
from shm.ring import ring_store

from numba import carray  # isort: skip

TRADE_SIZE = TRADE.itemsize


@kernel("void(uintp, uintp)")
def store_candle(address, record):  # type: ignore[no-untyped-def]
    """Publish a candle of history; it is numbered by the event that comes next."""
    lock(address)
    context = context_at(address)
    candle = carray(at(record), 1, CANDLE)[0]
    candle.ingest_seq = context.next_ingest_seq
    candle.publish_ns = monotonic_now_ns(context)
    ring_store(np.uint64(context.candles_ring), record)
    ring_bells(np.uint64(context.wake), np.uint64(context.candles_ring))
    unlock(address)


@kernel("void(uintp, int64)")
def hold(address, index):  # type: ignore[no-untyped-def]
    """From now on live events of a symbol are kept back. Asked again, a release that was on its way does not happen."""
    lock(address)
    symbol_at(context_at(address), index).hold += 1
    unlock(address)


@kernel("void(uintp, int64, int64, uintp)")
def compare(address, index, before_ns, out):  # type: ignore[no-untyped-def]
    """How the staged trades of a symbol stand to what is known of it. out: int64[2], (known, missing).

    Known: published, or kept back since data came again. Missing: neither, older than what is kept back, and stamped
    before `before_ns`.
    """
    lock(address)
    context = context_at(address)
    symbol = symbol_at(context, index)
    parked = carray(at(np.uint64(symbol.park)), PARKED, TRADE)
    staging = carray(at(np.uint64(context.staging)), STAGED, STAGE)
    found = carray(at(out), 2, np.int64)
    found[0] = 0
    found[1] = 0
    for place in range(context.staged):
        date, number = np.int64(staging[place].date), staging[place].number
        came = symbol.parked > 0 and (
            date > parked[0].trade_date or (date == parked[0].trade_date and number >= parked[0].trade_number)
        )
        if came or was_seen(symbol, date, number):
            found[0] += 1
        elif staging[place].ts_ns < before_ns:
            found[1] += 1
    unlock(address)


@inline
def _refill(context, index):  # type: ignore[no-untyped-def]
    symbol = symbol_at(context, index)
    record = carray(at(trade_scratch(context, index)), 1, TRADE)[0]
    staging = carray(at(np.uint64(context.staging)), STAGED, STAGE)
    for place in range(context.staged):
        staged = staging[place]
        if was_seen(symbol, np.int64(staged.date), staged.number):
            continue
        is_repeat(context, symbol, np.int64(staged.date), staged.number)  # from now on it is one
        record.ts_ns = staged.ts_ns
        record.recv_ns = monotonic_now_ns(context)
        record.aggressor = aggressor_of(staged.trade_type)
        record.trade_type = staged.trade_type
        record.flags = FLAG_REFILLED
        record.price = staged.price
        record.quantity = staged.quantity
        record.trade_number = staged.number
        record.buyer = staged.buyer
        record.seller = staged.seller
        record.trade_date = staged.date
        publish_trade(context, index)
        count(context, C_REFILLED)


@kernel("boolean(uintp, int64, int64, int64, int64, int64, int64, boolean)")
def release(address, index, holds, cause, from_ns, to_ns, trades_missing, refill):  # type: ignore[no-untyped-def]
    """Publish the gap (cause != 0), the staged trades that were not seen (`refill`), the parked ones, the book; end the hold.

    holds: how often the hold had been asked for when the history was. When it was asked for again since, nothing
    happens and the answer is False: more is missing than this history knows.
    """
    lock(address)
    context = context_at(address)
    symbol = symbol_at(context, index)
    if symbol.hold != holds:
        unlock(address)
        return False
    if cause != 0:
        publish_gap(context, index, cause, from_ns, to_ns, trades_missing)
    if refill:
        _refill(context, index)
    record = carray(at(trade_scratch(context, index)), 1, TRADE)[0]
    parked = carray(at(np.uint64(symbol.park)), PARKED, TRADE)
    for place in range(symbol.parked):
        if not is_repeat(context, symbol, np.int64(parked[place].trade_date), parked[place].trade_number):
            source = np.uint64(symbol.park) + np.uint64(place * TRADE_SIZE)
            copy_bytes(np.uint64(trade_scratch(context, index)), source, np.uint64(TRADE_SIZE))
            publish_trade(context, index)
    record.flags = 0
    symbol.parked = 0
    symbol.hold = 0
    book = carray(at(book_scratch(context, index)), 1, BOOK)[0]
    if book.bid_quantity[0] > 0 or book.ask_quantity[0] > 0:
        book.recv_ns = monotonic_now_ns(context)
        book.ts_ns = market_at(context, book.recv_ns)
        publish_book(context, index)
    unlock(address)
    return True


@kernel("void(uintp, int64)")
def begin_history(address, index):  # type: ignore[no-untyped-def]
    """Make room for a history request of a symbol; -1 ends it."""
    lock(address)
    context = context_at(address)
    context.history_symbol = index
    context.history_progress = 0
    context.history_done = 0
    context.staged = 0 if index >= 0 else context.staged
    unlock(address)
