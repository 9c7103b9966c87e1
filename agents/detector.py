"""What the four specialists share: the shape of a detector, its evidence, and the latch that keeps a pattern from
flickering.

A detector is a pure state machine: records in their order in, a row of evidence per feature vector out, always
including every raw record up to the vector's ingest_seq and none after it. It has no clock, no ring, no socket; live,
replay and tests run the same compiled loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.schema import Instrument
from shm.jit import inline
from shm.layouts import BOOK, FEATURE, KIND_GAP, TRADE

from numba import from_dtype, types  # isort: skip

PATTERNS = 4
"""Most patterns of one specialist."""

EVIDENCE = np.dtype([("warm", "<i8"), ("strength", "<f8", (PATTERNS,))], align=True)
"""Of one vector: whether the detector's own windows are full, and each pattern's strength, -1 (down) ... 1 (up)."""

MARKET = np.dtype([("tick", "<f8"), ("bar_ns", "<i8")], align=True)
"""What a detector needs to know of an instrument."""

Array = np.ndarray[Any, Any]

Evidence = from_dtype(EVIDENCE)
Market = from_dtype(MARKET)
Vector = from_dtype(FEATURE)
Trade = from_dtype(TRADE)
Book = from_dtype(BOOK)

PLAIN_TRADE, GAP_RECORD, NO_TRADE = 0, 1, 2


def observe_signature(state: np.dtype[Any]) -> Any:
    """Signature of a detector's loop: (states, markets, vectors, trades, books, taken, out) -> nothing.

    states: (symbols,) of the detector's dtype; markets: MARKET (symbols,); vectors: FEATURE (n,); trades, books: raw
    records in order, from those after the last call's on; taken: int64 (2,), how many of each were used (written);
    out: EVIDENCE (n,).
    """
    of = types.Array
    return types.void(
        of(from_dtype(state), 1, "C"), of(Market, 1, "C"), of(Vector, 1, "C"), of(Trade, 1, "C"), of(Book, 1, "C"),
        of(types.int64, 1, "C"), of(Evidence, 1, "C"),
    )  # fmt: skip


@dataclass(frozen=True)
class Detector:
    """One specialist. families: that must be ready; rings: raw rings that it reads besides the vectors."""

    source: str
    families: tuple[str, ...]
    rings: tuple[str, ...]
    patterns: tuple[str, ...]
    weights: tuple[float, ...]
    state: np.dtype[Any]
    observe: Callable[[Array, Array, Array, Array, Array, Array, Array], None]
    warm_up: str


def market_records(instruments: tuple[Instrument, ...]) -> Array:
    """MARKET array (symbols,) of the configured instruments."""
    markets = np.zeros(len(instruments), MARKET)
    for i, instrument in enumerate(instruments):
        markets[i] = (instrument.tick, instrument.bar_seconds * 1_000_000_000)
    return markets


@inline
def latch(held, value, enter, leave):
    """Direction (-1, 0, 1) of a pattern that comes at abs(value) >= enter and goes below leave, or turns at -enter."""
    if held != 0 and value * held >= leave:
        return held
    if value >= enter:
        return np.int64(1)
    if value <= -enter:
        return np.int64(-1)
    return np.int64(0)


@inline
def strength(held, value):
    """Evidence of a latched pattern: its direction with the size of the value, at most 1."""
    return held * min(abs(value), 1.0)


@inline
def kind_of_trade(trade):
    """PLAIN_TRADE, GAP_RECORD or NO_TRADE (what the features' contract does not call a trade)."""
    if trade.kind == KIND_GAP:
        return GAP_RECORD
    if not (trade.trade_type <= 4 or trade.trade_type == 13):
        return NO_TRADE
    if not (trade.price > 0.0 and trade.price < np.inf and trade.quantity > 0):
        return NO_TRADE
    return PLAIN_TRADE


@inline
def is_two_sided(book):
    """Whether the touch stands: both best levels are there and not crossed."""
    bid, ask = book.bid_price[0], book.ask_price[0]
    return book.bid_quantity[0] > 0 and book.ask_quantity[0] > 0 and 0.0 < bid < ask < np.inf
