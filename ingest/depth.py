"""Keeps the best 10 levels a side, from depth notices and the DLL's accessors.

A notice says which position of which side changed; what stands there now is asked with `GetPriceGroup` when the group is
flushed, once per dirty level. An edit touches its own level; add, insert and delete move all behind it. A level that is
not there, or is theoretical (an auction), or has no finite positive price, is 0, 0: it never reaches a snapshot.
"""

from __future__ import annotations

import numpy as np

from ingest.publish import book_scratch
from ingest.state import symbol_at
from shm.atomics import at, call_2, call_4
from shm.jit import inline
from shm.layouts import BOOK, BOOK_LEVELS

from numba import carray  # isort: skip

# depth updates of the DLL
ADD, EDIT, DELETE, INSERT, FULL_BOOK, PREPARE, FLUSH, THEORETICAL, DELETE_FROM = range(9)
BOTH_SIDES = 254
ALL_LEVELS = (1 << BOOK_LEVELS) - 1
THEORETICAL_LEVEL = 1

GROUP = np.dtype(
    [("version", "u1"), ("price", "<f8"), ("count", "<u4"), ("quantity", "<i8"), ("flags", "<u4")], align=True
)  # TConnectorPriceGroup


@inline
def mark_dirty(symbol, side, position, update):  # type: ignore[no-untyped-def]
    """Remember what a notice touched. side: 0 buy, 1 sell, 254 both."""
    if update == FULL_BOOK or position < 0:
        touched = ALL_LEVELS
    elif position >= BOOK_LEVELS:
        touched = 0
    elif update == EDIT:
        touched = 1 << position
    else:
        touched = (ALL_LEVELS >> position) << position
    if update == FULL_BOOK or side == BOTH_SIDES:
        symbol.dirty[0] |= touched
        symbol.dirty[1] |= touched
    elif side == 0 or side == 1:
        symbol.dirty[side] |= touched


@inline
def _read_side(context, symbol, identifier, side, prices, quantities):  # type: ignore[no-untyped-def]
    dirty = symbol.dirty[side]
    if dirty == 0:
        return
    symbol.dirty[side] = 0
    there = np.int64(np.int32(call_2(np.uint64(context.side_count), np.int64(identifier), side)))
    group = carray(at(np.uint64(context.group_scratch)), 1, GROUP)[0]
    for position in range(BOOK_LEVELS):
        if dirty & (1 << position) == 0:
            continue
        price = 0.0
        quantity = np.int64(0)
        if position < there:
            answer = np.int32(
                call_4(
                    np.uint64(context.price_group),
                    np.int64(identifier),
                    side,
                    position,
                    np.int64(context.group_scratch),
                )
            )
            if answer == 0:
                if group.flags & np.uint32(THEORETICAL_LEVEL) or not np.isfinite(group.price):
                    symbol.auction = 1
                elif group.price > 0.0 and group.quantity > 0:
                    price = group.price
                    quantity = group.quantity
        prices[position] = price
        quantities[position] = quantity


@inline
def read_dirty(context, index, identifier):  # type: ignore[no-untyped-def]
    """Bring the symbol's BOOK record up to date with the DLL."""
    symbol = symbol_at(context, index)
    book = carray(at(book_scratch(context, index)), 1, BOOK)[0]
    _read_side(context, symbol, identifier, 0, book.bid_price, book.bid_quantity)
    _read_side(context, symbol, identifier, 1, book.ask_price, book.ask_quantity)
