"""The arrays of a tape in playing order, cut into chunks and encoded by columns.

It stands under `tape_market`, which decides what trades. Reads only what it is given; no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from config.schema import Instrument
from exchange import frames, protocol
from exchange.market import ASK, BID, Array
from profitdll.constants import TradeType
from shm import layouts


class Chunk(NamedTuple):
    """Events [start, start + events) of a recording, with prices in ticks."""

    events: int
    kinds: Array  # (n,) u1
    symbols: Array  # (n,) i4
    due_ns: Array  # (n,) i8
    first_trade: int
    trade_ticks: Array  # (t,) i8
    trade_quantity: Array
    trade_type: Array
    trade_symbol: Array
    book_ticks: Array  # (b, 2, 10) i8
    book_quantity: Array
    book_symbol: Array
    first_book: int

    def cut(self, stop: int) -> tuple[int, int]:
        """How many trades and books the first `stop` events are."""
        books = int(np.count_nonzero(self.kinds[:stop]))
        return stop - books, books


class Recording:
    """trades (t,) layouts.TRADE and book (b,) layouts.BOOK of `instruments`, merged by ingest_seq.

    `symbol` in both indexes `instruments`; rows of other symbols and gap records are left out. Raises ValueError when
    nothing is left, or when trade numbers are not unique and above zero.
    """

    def __init__(self, instruments: Sequence[Instrument], trades: Array, book: Array) -> None:
        count = len(instruments)
        known = (trades["symbol"] >= 0) & (trades["symbol"] < count) & (trades["kind"] == layouts.KIND_TRADE)
        self.trades = trades if known.all() else trades[known]
        known = (book["symbol"] >= 0) & (book["symbol"] < count)
        self.book = book if known.all() else book[known]
        sequence = np.concatenate([self.trades["ingest_seq"], self.book["ingest_seq"]])
        if not sequence.size:
            raise ValueError("the tape has no event of the configured instruments: " + _names(instruments))
        order = np.argsort(sequence, kind="stable")
        self.kinds = (order >= len(self.trades)).astype(np.uint8)
        self.symbols = np.concatenate([self.trades["symbol"], self.book["symbol"]])[order]
        # event times never go back for one symbol but may between symbols: play in ingest order all the same
        self.due_ns = np.maximum.accumulate(np.concatenate([self.trades["ts_ns"], self.book["ts_ns"]])[order])
        self.books_before = np.concatenate([[0], np.cumsum(self.kinds, dtype=np.int64)])
        self.ticks = np.array([instrument.tick for instrument in instruments])
        self.numbers = _numbers(self.trades)
        self.types = _types(self.trades)

    def chunk(self, start: int, end: int) -> Chunk:
        """Events [start, end) with their prices turned into ticks."""
        books = slice(int(self.books_before[start]), int(self.books_before[end]))
        trades = slice(start - books.start, end - books.stop)
        trade, book = self.trades[trades], self.book[books]
        tick = self.ticks[book["symbol"]][:, None]
        ticks = np.empty((len(book), 2, frames.BOOK_LEVELS), np.int64)
        quantity = np.empty_like(ticks)
        for side, name in ((BID, "bid"), (ASK, "ask")):
            ticks[:, side] = np.rint(book[f"{name}_price"] / tick)
            quantity[:, side] = book[f"{name}_quantity"]
        return Chunk(
            end - start,
            self.kinds[start:end],
            self.symbols[start:end],
            self.due_ns[start:end],
            trades.start,
            np.rint(trade["price"] / self.ticks[trade["symbol"]]).astype(np.int64),
            trade["quantity"],
            self.types[trades],
            trade["symbol"],
            ticks,
            quantity,
            book["symbol"],
            books.start,
        )


def _numbers(trades: Array) -> Array:
    """Trade numbers as the wire wants them: the recorded ones, or the row when the recording has none."""
    numbers = trades["trade_number"]
    if not len(numbers) or numbers.min() > 0:
        return numbers.astype(np.uint32)
    if numbers.max() <= 0:
        return np.arange(1, len(numbers) + 1, dtype=np.uint32)
    raise ValueError("the tape has trades with and without a number: import it again")


def _types(trades: Array) -> Array:
    """The DLL's number of each trade's kind; an import without kinds has the aggressor only."""
    aggressor = trades["aggressor"]
    sold = np.where(aggressor < 0, TradeType.SELL_AGGRESSOR, TradeType.UNKNOWN)
    made = np.where(aggressor > 0, TradeType.BUY_AGGRESSOR, sold)
    kinds = np.where(trades["trade_type"] > 0, trades["trade_type"], made)
    return kinds.astype(np.uint8)


def encode_trades(tape: Recording, chunk: Chunk, count: int) -> Array:
    """The chunk's first `count` trades as whole frames (n,) TRADE_FRAME."""
    out = frames.trade_frames(count)
    fill_trades(out["body"], tape, slice(chunk.first_trade, chunk.first_trade + count))
    return out


def fill_trades(body: Array, tape: Recording, rows: slice | Array) -> None:
    """Columns of trade bodies (n,) from the recording's trade rows."""
    trades = tape.trades[rows]
    body["index"] = trades["symbol"]
    body["number"] = tape.numbers[rows]
    body["trade_type"] = tape.types[rows]
    for field in ("ts_ns", "price", "quantity", "buyer", "seller"):
        body[field] = trades[field]


def encode_books(tape: Recording, chunk: Chunk, count: int) -> Array:
    """The chunk's first `count` books as whole frames (n,) BOOK_FRAME. A recording has no order counts: 1 a level."""
    out = frames.book_frames(count)
    body, book = out["body"], tape.book[chunk.first_book : chunk.first_book + count]
    for field in ("ts_ns", "bid_price", "bid_quantity", "ask_price", "ask_quantity"):
        body[field] = book[field]
    body["index"] = book["symbol"]
    body["bid_count"] = book["bid_quantity"] > 0
    body["ask_count"] = book["ask_quantity"] > 0
    return out


def history(tape: Recording, played: int, instrument: int, from_ns: int, to_ns: int) -> Array:
    """Trades of the first `played` events with from <= time <= to: (n,) TRADE_BODY."""
    count = played - int(tape.books_before[played])
    trades = tape.trades[:count]
    wanted = (trades["symbol"] == instrument) & (trades["ts_ns"] >= from_ns) & (trades["ts_ns"] <= to_ns)
    rows = np.flatnonzero(wanted)
    body = np.zeros(len(rows), protocol.TRADE_BODY)
    fill_trades(body, tape, rows)
    return body


def _names(instruments: Sequence[Instrument]) -> str:
    return ", ".join(instrument.symbol for instrument in instruments)
