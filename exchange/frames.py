"""Whole wire frames of market data as numpy records, so a batch is encoded by columns and sent without a copy each.

It stands between the market sources, which fill rows, and the server, which sends bytes. It must never decide
anything: no clock, no subscription, no order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exchange import protocol

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
