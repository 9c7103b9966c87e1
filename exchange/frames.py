"""Whole wire frames of market data as numpy records, so a batch is encoded by columns and sent without a copy each.

It stands between the market sources, which fill rows, and the server, which sends bytes. It must never decide
anything: no clock, no subscription, no order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exchange import protocol
from shm.jit import kernel

BOOK_LEVELS = 10
PRICE_DIGITS = 10  # ticks x tick is rounded to this, so 600001 x 0.1 is 60000.1

TRADE_FRAME = np.dtype([("header", protocol.HEADER), ("body", protocol.TRADE_BODY)])
BOOK_FRAME = np.dtype([("header", protocol.HEADER), ("body", protocol.BOOK_BODY)])

Array = np.ndarray[Any, Any]


def trade_frames(count: int, message: int = protocol.TRADE) -> Array:
    """`count` trade frames (n,) TRADE_FRAME with their headers set and everything else 0."""
    return _framed(TRADE_FRAME, message, count)


def book_frames(count: int) -> Array:
    """`count` book frames (n,) BOOK_FRAME with their headers set and everything else 0."""
    return _framed(BOOK_FRAME, protocol.BOOK, count)


@kernel("int64(uint8[::1], int32[::1], boolean[:, ::1], uint8[:, ::1], uint8[:, ::1], int64, int64, int64, uint8[::1])")
def join_frames(
    kinds: Any, symbols: Any, wanted: Any, trades: Any, books: Any, name: int, name_at: int, events: int, out: Any
) -> int:
    """Copy the frames of the events with wanted[kind, symbol] true, in their order, to `out`. Returns the bytes.

    trades (t, bytes), books (b, bytes): whole frames as bytes; kinds (n,) 0 trade, 1 book; `out` has room for all.
    name: an index to put at byte `name_at` of each frame, -1: leave them as they are.
    """
    trade = book = 0
    written = 0
    for i in range(events):
        chosen = wanted[kinds[i], symbols[i]]
        if kinds[i] == 0:
            source, row = trades, trade
            trade += 1
        else:
            source, row = books, book
            book += 1
        if chosen:
            size = source.shape[1]
            out[written : written + size] = source[row]
            if name >= 0:
                for k in range(4):
                    out[written + name_at + k] = (name >> (8 * k)) & 255
            written += size
    return written


def _framed(dtype: np.dtype[Any], message: int, count: int) -> Array:
    frames = np.zeros(count, dtype)
    frames["header"]["length"] = dtype.itemsize
    frames["header"]["type"] = message
    frames["header"]["version"] = protocol.WIRE_VERSION
    return frames


def fill_side(body: Array, side: str, levels: Array, tick: float) -> None:
    """One side of book bodies (n,) from levels (n, 10, 3) int64: price in ticks, quantity (0: no level), orders."""
    there = levels[..., 1] > 0
    body[f"{side}_price"] = np.where(there, np.round(levels[..., 0] * tick, PRICE_DIGITS), 0.0)
    body[f"{side}_quantity"] = np.where(there, levels[..., 1], 0)
    body[f"{side}_count"] = np.where(there, levels[..., 2], 0)
