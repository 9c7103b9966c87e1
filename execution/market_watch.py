"""The newest market of each contract, read from the trades and book rings: last price, touch, and how old they are.

It looks at every record, but keeps only the newest of each contract. What is not known is NaN: before the first record,
after a gap, after a lap of a ring, and where a side of the book is empty. It must never carry a price over a gap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from execution.guardian import Quote
from profitdll.constants import TradeType
from shm.layouts import BOOK, FLAG_REFILLED, KIND_GAP, KIND_TRADE, TRADE
from shm.ring import RingReader

BATCH = 512
BATCHES_A_TURN = 64
_OFF_MARKET = np.array(  # trades whose price is not the book's
    [
        TradeType.CROSS, TradeType.SURVEILLANCE, TradeType.EXPIT, TradeType.OPTIONS_EXERCISE, TradeType.OVER_THE_COUNTER,
        TradeType.DERIVATIVE_TERM, TradeType.INDEX, TradeType.BTC, TradeType.ON_BEHALF,
    ],
    np.uint8,
)  # fmt: skip


@dataclass
class _Newest:
    last: float = math.nan
    bid: float = math.nan
    ask: float = math.nan
    ingest_seq: int = -1
    ts_ns: int = 0
    recv_ns: int = 0

    def forget_prices(self) -> None:
        self.last = self.bid = self.ask = math.nan


class MarketWatch:
    """Owns two readers. `refresh` when woken, then ask."""

    def __init__(self, trades: RingReader, book: RingReader, contracts: int) -> None:
        self._trades = trades
        self._book = book
        self._lost_seen = self.lost
        self._newest = [_Newest() for _ in range(contracts)]
        self._trade_rows = np.zeros(BATCH, TRADE)
        self._book_rows = np.zeros(BATCH, BOOK)

    @property
    def lost(self) -> int:
        """Records lost to laps of either ring."""
        return self._trades.lost + self._book.lost

    def refresh(self) -> int:
        """Read what is new (bounded); returns how many records."""
        taken = 0
        for _ in range(BATCHES_A_TURN):
            trades, books = self._trades.read(self._trade_rows), self._book.read(self._book_rows)
            if self.lost != self._lost_seen:  # the newest of some contract may have been among the lost
                self._lost_seen = self.lost
                for newest in self._newest:
                    newest.forget_prices()
            self._take_trades(self._trade_rows[:trades])
            self._take_books(self._book_rows[:books])
            taken += trades + books
            if trades < BATCH and books < BATCH:
                break
        return taken

    def quote(self, symbol: int) -> Quote:
        newest = self._newest[symbol]
        return Quote(newest.last, newest.bid, newest.ask, newest.ts_ns, newest.recv_ns)

    def ingest_seq(self, symbol: int) -> int:
        """The newest event behind the quote; -1 none."""
        return self._newest[symbol].ingest_seq

    def _take_trades(self, rows: np.ndarray) -> None:
        for symbol, newest in enumerate(self._newest):
            own = rows[rows["symbol"] == symbol]
            gaps = np.flatnonzero(own["kind"] == KIND_GAP)
            if gaps.size:
                newest.forget_prices()
                own = own[gaps[-1] + 1 :]
            regular = (own["kind"] == KIND_TRADE) & ((own["flags"] & FLAG_REFILLED) == 0)
            regular &= ~np.isin(own["trade_type"], _OFF_MARKET)
            own = own[regular]
            if own.size:
                newest.last = float(own[-1]["price"])
                self._stamp(newest, own[-1])

    def _take_books(self, rows: np.ndarray) -> None:
        for symbol, newest in enumerate(self._newest):
            own = rows[rows["symbol"] == symbol]
            if own.size:
                row = own[-1]
                newest.bid = _price(row["bid_price"][0], row["bid_quantity"][0])
                newest.ask = _price(row["ask_price"][0], row["ask_quantity"][0])
                self._stamp(newest, row)

    def _stamp(self, newest: _Newest, row: np.void) -> None:
        if int(row["ingest_seq"]) > newest.ingest_seq:
            newest.ingest_seq = int(row["ingest_seq"])
            newest.ts_ns = int(row["ts_ns"])
            newest.recv_ns = int(row["recv_ns"])


def _price(price: float, quantity: int) -> float:
    """A level's price; NaN for a level that is not there."""
    return float(price) if quantity > 0 else math.nan
