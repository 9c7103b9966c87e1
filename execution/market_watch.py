"""The newest market of each contract, read from the trades and book rings: last price, touch, and how old they are.

It looks at every record, but keeps only the newest of each contract. What is not known is NaN: before the first record,
after a gap, after a lap of a ring, where a side of the book is empty, and of a book that trades have left behind. It
must never carry a price over a gap.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from execution.guardian import Quote
from execution.newest import STALE_BOOK_NS, forget_prices, take, unknown
from shm.layouts import BOOK, TRADE
from shm.ring import RingReader

BATCH = 512
BATCHES_A_TURN = 64


class MarketWatch:
    """Owns two readers. `refresh` when woken, then ask. `newest`: NEWEST of shape (contracts,), for compiled readers."""

    def __init__(self, trades: RingReader, book: RingReader, contracts: int) -> None:
        self._trades = trades
        self._book = book
        self._lost_seen = self.lost
        self._trade_rows, self._book_rows = np.zeros(BATCH, TRADE), np.zeros(BATCH, BOOK)
        self.newest = unknown(contracts)

    @property
    def lost(self) -> int:
        """Records lost to laps of either ring."""
        return self._trades.lost + self._book.lost

    def listen(self, on: bool) -> None:
        """Whether every new record wakes the stage; without, it is read when something else does."""
        self._trades.listen(on)
        self._book.listen(on)

    def refresh(self) -> int:
        """Read what is new (bounded); returns how many records."""
        taken = 0
        for _ in range(BATCHES_A_TURN):
            trades, books = self._trades.read(self._trade_rows), self._book.read(self._book_rows)
            if self.lost != self._lost_seen:
                self._lost_seen = self.lost
                forget_prices(self.newest)
            if not trades and not books:
                break
            take(self._trade_rows, trades, self._book_rows, books, self.newest)
            taken += trades + books
            if trades < BATCH and books < BATCH:
                break
        return taken

    def look(self, symbol: int) -> tuple[int, Quote]:
        """(newest event behind the quote, -1 none; the quote)."""
        row: tuple[Any, ...] = self.newest.item(symbol)
        last, bid, ask, ingest_seq, ts_ns, recv_ns, book_ts_ns, *_ = row
        if ts_ns - book_ts_ns > STALE_BOOK_NS:  # trades went on without it
            bid = ask = math.nan
        # one NaN for all, so that a quote of which something is not known still equals itself
        last, bid, ask = (price if price == price else math.nan for price in (last, bid, ask))
        return ingest_seq, Quote(last, bid, ask, ts_ns, recv_ns)
