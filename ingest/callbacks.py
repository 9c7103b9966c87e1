"""The native callbacks that the DLL's ConnectorThread runs: no Python, no GIL, no allocation.

Each notes its time of entry, takes the context's lock, and does the least that keeps the rings complete: a slow callback
delays the whole feed. They must never call a request of the DLL; accessors (TranslateTrade, GetPriceGroup,
GetPriceDepthSideCount) are meant for them. Opaque trades and strings are read before they return.
"""

from __future__ import annotations

import numpy as np

from ingest.depth import FLUSH, PREPARE, THEORETICAL, mark_dirty, read_dirty
from ingest.native_time import market_at, monotonic_now_ns
from ingest.publish import book_scratch, publish_book, publish_trade, trade_scratch
from ingest.state import (
    C_AUCTION_BOOKS,
    C_BOOK_GROUPS,
    C_DEPTH_NOTICES,
    C_EDITS,
    C_HISTORY_OVERFLOW,
    C_HISTORY_STRAYS,
    C_HISTORY_TRADES,
    C_PARK_OVERFLOW,
    C_PARKED,
    C_TRADE_CALLBACKS,
    C_UNKNOWN_TICKERS,
    PARKED,
    STAGE,
    STAGED,
    context_address,
    context_at,
    count,
    lock,
    symbol_at,
    unlock,
)
from ingest.tickers import symbol_index
from ingest.trades import DLL_TRADE, FLAG_EDIT, FLAG_LAST, fill_record, is_repeat, translate
from shm.atomics import at, copy_bytes
from shm.doorbell import ring_bell
from shm.histogram import histogram_record
from shm.jit import callback, inline
from shm.layouts import BOOK, FLAG_AUCTION, TRADE

from numba import carray  # isort: skip

TRADE_SIZE = TRADE.itemsize


@inline
def _accept_trade(context, index, ts_ns, recv_ns):  # type: ignore[no-untyped-def]
    symbol = symbol_at(context, index)
    fill_record(context, index, ts_ns)
    record = carray(at(trade_scratch(context, index)), 1, TRADE)[0]
    record.recv_ns = recv_ns
    if symbol.hold != 0:
        if symbol.parked >= PARKED:
            count(context, C_PARK_OVERFLOW)
            return
        place = np.uint64(symbol.park) + np.uint64(symbol.parked * TRADE_SIZE)
        copy_bytes(place, np.uint64(trade_scratch(context, index)), np.uint64(TRADE_SIZE))
        symbol.parked += 1
        count(context, C_PARKED)
        return
    if not is_repeat(context, symbol, np.int64(record.trade_date), record.trade_number):
        publish_trade(context, index)


@inline
def handle_trade(context, identifier, opaque, flags):  # type: ignore[no-untyped-def]
    """One live trade, under the lock."""
    recv_ns = monotonic_now_ns(context)
    context.last_trade_event_ns = recv_ns
    count(context, C_TRADE_CALLBACKS)
    index = symbol_index(context, identifier)
    if index < 0:
        count(context, C_UNKNOWN_TICKERS)
        return
    if flags & np.uint32(FLAG_EDIT):
        count(context, C_EDITS)
        return
    ts_ns = translate(context, opaque)
    if ts_ns != 0:
        _accept_trade(context, index, ts_ns, recv_ns)
    histogram_record(np.uint64(context.callback_histogram), monotonic_now_ns(context) - recv_ns)


@inline
def _flush_book(context, index, identifier, recv_ns):  # type: ignore[no-untyped-def]
    symbol = symbol_at(context, index)
    read_dirty(context, index, identifier)
    count(context, C_BOOK_GROUPS)
    book = carray(at(book_scratch(context, index)), 1, BOOK)[0]
    book.flags = 0
    if symbol.auction != 0:
        book.flags = FLAG_AUCTION
        symbol.auction = 0
        count(context, C_AUCTION_BOOKS)
    if symbol.hold != 0:
        return  # the book is kept up to date, but its states during a hold are part of the gap
    book.recv_ns = recv_ns
    book.ts_ns = market_at(context, recv_ns)
    publish_book(context, index)


@inline
def handle_depth(context, identifier, side, position, update):  # type: ignore[no-untyped-def]
    """One depth notice, under the lock. A group is published at its flush, a lone notice at once."""
    recv_ns = monotonic_now_ns(context)
    context.last_book_event_ns = recv_ns
    count(context, C_DEPTH_NOTICES)
    index = symbol_index(context, identifier)
    if index < 0:
        count(context, C_UNKNOWN_TICKERS)
        return
    symbol = symbol_at(context, index)
    if update == PREPARE:
        symbol.in_group = 1
        return
    if update == THEORETICAL:
        symbol.auction = 1
    elif update != FLUSH:
        mark_dirty(symbol, side, np.int64(position), update)
    if update == FLUSH or symbol.in_group == 0:
        symbol.in_group = 0
        _flush_book(context, index, identifier, recv_ns)
        histogram_record(np.uint64(context.callback_histogram), monotonic_now_ns(context) - recv_ns)


@inline
def handle_history(context, identifier, opaque, flags):  # type: ignore[no-untyped-def]
    """One trade of the history request that is under way: set aside; the stage's thread makes bars of it.

    What comes late of a request that was given up names another ticker, or comes while none is under way.
    """
    if context.history_symbol < 0 or symbol_index(context, identifier) != context.history_symbol:
        count(context, C_HISTORY_STRAYS)
        return
    ts_ns = translate(context, opaque)
    if ts_ns != 0 and flags & np.uint32(FLAG_EDIT) == np.uint32(0):
        if context.staged >= STAGED:
            count(context, C_HISTORY_OVERFLOW)
        else:
            trade = carray(at(np.uint64(context.trade_scratch)), 1, DLL_TRADE)[0]
            staged = carray(at(np.uint64(context.staging)), STAGED, STAGE)[context.staged]
            staged.ts_ns = ts_ns
            staged.price = trade.price
            staged.quantity = trade.quantity
            staged.number = np.int64(trade.number)
            staged.buyer = trade.buyer
            staged.seller = trade.seller
            staged.date = np.int64(trade.year) * 10_000 + np.int64(trade.month) * 100 + np.int64(trade.day)
            staged.trade_type = trade.trade_type
            context.staged += 1
            count(context, C_HISTORY_TRADES)
    if flags & np.uint32(FLAG_LAST):
        context.history_done = 1
        ring_bell(np.uint64(context.wake), np.uint64(context.own_bell))


@callback("void(uintp, uintp, uint32)")
def on_trade(identifier, opaque, flags):  # type: ignore[no-untyped-def]
    """Trade callback V2."""
    address = context_address()
    if address == np.uint64(0):
        return
    lock(address)
    handle_trade(context_at(address), identifier, opaque, flags)
    unlock(address)


@callback("void(uintp, uint8, int32, uint8)")
def on_depth(identifier, side, position, update):  # type: ignore[no-untyped-def]
    """Price depth callback."""
    address = context_address()
    if address == np.uint64(0):
        return
    lock(address)
    handle_depth(context_at(address), identifier, np.int64(side), position, np.int64(update))
    unlock(address)


@callback("void(uintp, uintp, uint32)")
def on_history_trade(identifier, opaque, flags):  # type: ignore[no-untyped-def]
    """History trade callback V2."""
    address = context_address()
    if address == np.uint64(0):
        return
    lock(address)
    handle_history(context_at(address), identifier, opaque, flags)
    unlock(address)


@callback("void(uintp, int32)")
def on_progress(asset, progress):  # type: ignore[no-untyped-def]
    """Progress of a history request, 1 to 100."""
    address = context_address()
    if address == np.uint64(0):
        return
    lock(address)
    context = context_at(address)
    context.history_progress = progress
    if progress >= 100:
        context.history_done = 1
        ring_bell(np.uint64(context.wake), np.uint64(context.own_bell))
    unlock(address)
