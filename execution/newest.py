"""What the newest records of the trades and book rings say of each contract: the compiled part of `market_watch`.

One call takes a whole batch, because it stands on the way from a signal to its order, where the interpreter is found
cold and every record would cost it microseconds. It never carries a price over a gap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from profitdll.constants import TradeType
from shm.jit import inline, kernel
from shm.layouts import BOOK, FLAG_REFILLED, KIND_GAP, KIND_TRADE, TRADE

from numba import from_dtype, types  # isort: skip  (after shm.jit, which places the cache)

STALE_BOOK_NS = 10_000_000_000  # of market time that trades are ahead of the newest book

NEWEST = np.dtype(
    [
        ("last", "<f8"),  # points; NaN not known
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("ingest_seq", "<i8"),  # of the newest event behind the prices, -1 none
        ("ts_ns", "<i8"),  # its market time
        ("recv_ns", "<i8"),  # monotonic
        ("book_ts_ns", "<i8"),  # market time of the newest book
        ("book_seq", "<i8"),  # ingest_seq of the newest book, -1 none: a gap from before it leaves its prices
        ("gap_seq", "<i8"),  # ingest_seq of the newest gap, -1 none: a book from before it has no prices
    ],
    align=True,
)
"""One record a contract."""

_OFF_MARKET = np.uint64(sum(  # a bit for each type of trade whose price is not the book's
    1 << kind
    for kind in (
        TradeType.CROSS, TradeType.SURVEILLANCE, TradeType.EXPIT, TradeType.OPTIONS_EXERCISE, TradeType.OVER_THE_COUNTER,
        TradeType.DERIVATIVE_TERM, TradeType.INDEX, TradeType.BTC, TradeType.ON_BEHALF,
    )
))  # fmt: skip
_TYPES = 63  # types that have a bit


def unknown(contracts: int) -> np.ndarray[Any, np.dtype[Any]]:
    """NEWEST of shape (contracts,), of which nothing is known."""
    newest = np.zeros(contracts, NEWEST)
    newest["ingest_seq"] = newest["book_seq"] = newest["gap_seq"] = -1
    for price in ("last", "bid", "ask"):
        newest[price] = np.nan
    return newest


@inline
def _stamp(newest, row):  # type: ignore[no-untyped-def]
    if row.ingest_seq > newest.ingest_seq:
        newest.ingest_seq = row.ingest_seq
        newest.ts_ns = row.ts_ns
        newest.recv_ns = row.recv_ns


@inline
def _forget_prices(newest):  # type: ignore[no-untyped-def]
    newest.last = newest.bid = newest.ask = np.nan


@inline
def _take_trade(newest, trade):  # type: ignore[no-untyped-def]
    if trade.kind == KIND_GAP:
        newest.last = np.nan
        if newest.book_seq < trade.ingest_seq:  # the rings are read one after the other: a newer book may be seen first
            newest.bid = newest.ask = np.nan
        newest.gap_seq = trade.ingest_seq
    elif trade.kind == KIND_TRADE and not trade.flags & FLAG_REFILLED:
        kind = trade.trade_type
        if kind > _TYPES or not (_OFF_MARKET >> np.uint64(kind)) & np.uint64(1):
            newest.last = trade.price
            _stamp(newest, trade)


@inline
def _take_book(newest, book):  # type: ignore[no-untyped-def]
    if book.ingest_seq > newest.gap_seq:
        newest.bid = book.bid_price[0] if book.bid_quantity[0] > 0 else np.nan  # a side may be empty
        newest.ask = book.ask_price[0] if book.ask_quantity[0] > 0 else np.nan
    newest.book_ts_ns, newest.book_seq = book.ts_ns, book.ingest_seq
    _stamp(newest, book)


_of = types.Array


@kernel(
    types.void(
        _of(from_dtype(TRADE), 1, "C"), types.int64, _of(from_dtype(BOOK), 1, "C"), types.int64,
        _of(from_dtype(NEWEST), 1, "C"),
    )
)  # fmt: skip
def take(trade_rows, trades, book_rows, books, newest):  # type: ignore[no-untyped-def]
    """The first `trades` and `books` records of the rows, oldest first, into `newest`: NEWEST of shape (contracts,)."""
    for i in range(trades):
        _take_trade(newest[trade_rows[i].symbol], trade_rows[i])
    for i in range(books):
        _take_book(newest[book_rows[i].symbol], book_rows[i])


@kernel(types.void(_of(from_dtype(NEWEST), 1, "C")))
def forget_prices(newest):  # type: ignore[no-untyped-def]
    """Of every contract: among records that were lost may have been the newest of any."""
    for i in range(len(newest)):
        _forget_prices(newest[i])
