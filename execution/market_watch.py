"""The newest market of each contract, read from the trades and book rings: last price, touch, and how old they are.

It looks at every record, but keeps only the newest of each contract. What is not known is NaN: before the first record,
after a gap, after a lap of a ring, where a side of the book is empty, and of a book that trades have left behind. It
must never carry a price over a gap.
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
STALE_BOOK_NS = 10_000_000_000  # of market time that trades are ahead of the newest book
_STAMPS = ("ingest_seq", "ts_ns", "recv_ns")
_OFF_MARKET = frozenset(  # trades whose price is not the book's
    {
        TradeType.CROSS, TradeType.SURVEILLANCE, TradeType.EXPIT, TradeType.OPTIONS_EXERCISE, TradeType.OVER_THE_COUNTER,
        TradeType.DERIVATIVE_TERM, TradeType.INDEX, TradeType.BTC, TradeType.ON_BEHALF,
    }
)  # fmt: skip


@dataclass
class _Newest:
    last: float = math.nan
    bid: float = math.nan
    ask: float = math.nan
    ingest_seq: int = -1
    ts_ns: int = 0
    recv_ns: int = 0
    book_ts_ns: int = 0

    def forget_prices(self) -> None:
        self.last = self.bid = self.ask = math.nan


class MarketWatch:
    """Owns two readers. `refresh` when woken, then ask."""

    def __init__(self, trades: RingReader, book: RingReader, contracts: int) -> None:
        self._trades = trades
        self._book = book
        self._lost_seen = self.lost
        self._newest = [_Newest() for _ in range(contracts)]
        trade_rows, book_rows = np.zeros(BATCH, TRADE), np.zeros(BATCH, BOOK)
        self._trade_rows, self._book_rows = trade_rows, book_rows
        # views made once: with the few records of one turn, picking numbers is many times quicker than masks
        self._trade = {name: trade_rows[name] for name in ("symbol", "kind", "flags", "trade_type", "price", *_STAMPS)}
        self._book_stamps = {name: book_rows[name] for name in ("symbol", *_STAMPS)}
        self._best = {side: (book_rows[f"{side}_price"], book_rows[f"{side}_quantity"]) for side in ("bid", "ask")}

    @property
    def lost(self) -> int:
        """Records lost to laps of either ring."""
        return self._trades.lost + self._book.lost

    @property
    def stale(self) -> bool:
        """Whether either ring has records that were not read."""
        return self._trades.behind() > 0 or self._book.behind() > 0

    def listen(self, on: bool) -> None:
        """Whether every new record wakes the stage; without, it is read when something else does."""
        self._trades.listen(on)
        self._book.listen(on)

    def refresh(self) -> int:
        """Read what is new (bounded); returns how many records."""
        taken = 0
        for _ in range(BATCHES_A_TURN):
            trades, books = self._trades.read(self._trade_rows), self._book.read(self._book_rows)
            if self.lost != self._lost_seen:  # the newest of some contract may have been among the lost
                self._lost_seen = self.lost
                for newest in self._newest:
                    newest.forget_prices()
            for row in range(trades):
                self._take_trade(row)
            if books:
                self._take_books(books)
            taken += trades + books
            if trades < BATCH and books < BATCH:
                break
        return taken

    def quote(self, symbol: int) -> Quote:
        newest = self._newest[symbol]
        bid, ask = newest.bid, newest.ask
        if newest.ts_ns - newest.book_ts_ns > STALE_BOOK_NS:  # trades went on without it
            bid = ask = math.nan
        return Quote(newest.last, bid, ask, newest.ts_ns, newest.recv_ns)

    def ingest_seq(self, symbol: int) -> int:
        """The newest event behind the quote; -1 none."""
        return self._newest[symbol].ingest_seq

    def _take_trade(self, row: int) -> None:
        trade = self._trade
        newest = self._newest[trade["symbol"].item(row)]
        kind = trade["kind"].item(row)
        if kind == KIND_GAP:
            newest.forget_prices()
        elif (
            kind == KIND_TRADE
            and not trade["flags"].item(row) & FLAG_REFILLED
            and trade["trade_type"].item(row) not in _OFF_MARKET
        ):
            newest.last = trade["price"].item(row)
            self._stamp(newest, trade, row)

    def _take_books(self, count: int) -> None:
        """Only the newest of each contract counts."""
        symbols = self._book_stamps["symbol"]
        seen: set[int] = set()
        for row in range(count - 1, -1, -1):
            symbol = symbols.item(row)
            if symbol in seen:
                continue
            seen.add(symbol)
            newest = self._newest[symbol]
            newest.bid, newest.ask = self._touch("bid", row), self._touch("ask", row)
            newest.book_ts_ns = self._book_stamps["ts_ns"].item(row)
            self._stamp(newest, self._book_stamps, row)
            if len(seen) == len(self._newest):
                return

    def _touch(self, side: str, row: int) -> float:
        """The best level's price; NaN for a level that is not there."""
        prices, quantities = self._best[side]
        price: float = prices.item(row, 0)
        return price if quantities.item(row, 0) > 0 else math.nan

    def _stamp(self, newest: _Newest, columns: dict[str, np.ndarray], row: int) -> None:
        ingest_seq = columns["ingest_seq"].item(row)
        if ingest_seq > newest.ingest_seq:
            newest.ingest_seq = ingest_seq
            newest.ts_ns = columns["ts_ns"].item(row)
            newest.recv_ns = columns["recv_ns"].item(row)
