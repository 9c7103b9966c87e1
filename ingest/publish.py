"""Numbers accepted events and writes them to the rings: the one place where `ingest_seq` is given.

Callers hold the context's lock. Event time is settled here, once: ts = max(its own time, the symbol's last). A bar
completes before the first event with t >= its end, and its candle carries that event's number.
"""

from __future__ import annotations

import numpy as np

from ingest.native_time import monotonic_now_ns
from ingest.state import C_BOOKS, C_CANDLES, C_GAPS, C_TRADES, SYMBOL, count, symbol_at
from shm.atomics import at
from shm.jit import inline
from shm.layouts import (
    BOOK,
    CANDLE,
    FLAG_EMPTY,
    KIND_BOOK,
    KIND_CANDLE,
    KIND_GAP,
    KIND_TRADE,
    TRADE,
)
from shm.ring import ring_publish, ring_store

from numba import carray  # isort: skip

SYMBOL_SIZE = SYMBOL.itemsize
TRADE_AT = SYMBOL.fields["trade"][1]  # type: ignore[index]
BOOK_AT = SYMBOL.fields["book"][1]  # type: ignore[index]
CANDLE_AT = SYMBOL.fields["candle"][1]  # type: ignore[index]


@inline
def settle_time(symbol, ts_ns):  # type: ignore[no-untyped-def]
    """Event time never goes back within a symbol."""
    settled = max(ts_ns, symbol.last_ts_ns)
    symbol.last_ts_ns = settled
    return settled


@inline
def session_of(symbol, ts_ns):  # type: ignore[no-untyped-def]
    """Index of the session day that holds ts_ns; the table's pairs are (start of the day, start of the next)."""
    bounds = carray(at(np.uint64(symbol.sessions)), 2 * symbol.session_count, np.int64)
    index = max(symbol.session, 0)
    while index + 1 < symbol.session_count and ts_ns >= bounds[2 * index + 1]:
        index += 1
    return index


@inline
def publish_candle(context, index, completed_ns):  # type: ignore[no-untyped-def]
    """The forming bar of a symbol is complete: write it, numbered by the event that is about to be published."""
    symbol = symbol_at(context, index)
    out = carray(at(_candle_scratch(context, index)), 1, CANDLE)[0]
    out.ingest_seq = context.next_ingest_seq
    out.ts_ns = completed_ns
    out.recv_ns = 0
    out.publish_ns = monotonic_now_ns(context)
    out.symbol = index
    out.kind = KIND_CANDLE
    out.flags = FLAG_EMPTY if symbol.bar_trades == 0 else 0
    out.start_ns = symbol.bar_start_ns
    out.open = symbol.bar_open
    out.high = symbol.bar_high
    out.low = symbol.bar_low
    out.close = symbol.bar_close
    out.volume = symbol.bar_volume
    out.trades = symbol.bar_trades
    out.buy_volume = symbol.bar_buy
    out.sell_volume = symbol.bar_sell
    ring_store(np.uint64(context.candles_ring), np.uint64(_candle_scratch(context, index)))
    count(context, C_CANDLES)


@inline
def _symbol_base(context, index):  # type: ignore[no-untyped-def]
    return np.uint64(context.symbols) + np.uint64(index * SYMBOL_SIZE)


@inline
def _candle_scratch(context, index):  # type: ignore[no-untyped-def]
    return _symbol_base(context, index) + np.uint64(CANDLE_AT)


@inline
def trade_scratch(context, index):  # type: ignore[no-untyped-def]
    """Address of the symbol's TRADE record that is published next."""
    return _symbol_base(context, index) + np.uint64(TRADE_AT)


@inline
def book_scratch(context, index):  # type: ignore[no-untyped-def]
    """Address of the symbol's BOOK record: the book as it is known, published whole."""
    return _symbol_base(context, index) + np.uint64(BOOK_AT)


@inline
def empty_bar(symbol, start_ns):  # type: ignore[no-untyped-def]
    symbol.bar_start_ns = start_ns
    symbol.bar_open = symbol.bar_close
    symbol.bar_high = symbol.bar_close
    symbol.bar_low = symbol.bar_close
    symbol.bar_volume = 0
    symbol.bar_trades = 0
    symbol.bar_buy = 0
    symbol.bar_sell = 0


@inline
def complete_bars(context, index, ts_ns):  # type: ignore[no-untyped-def]
    """Publish every bar that ends at or before an event at ts_ns; across a session's end only the forming one."""
    symbol = symbol_at(context, index)
    if symbol.forming == 0 or ts_ns < symbol.bar_start_ns + symbol.bar_ns:
        return
    session = session_of(symbol, ts_ns)
    if session != symbol.session:
        publish_candle(context, index, ts_ns)
        symbol.forming = 0  # no bars are made for the time between sessions; the next trade opens one
        symbol.session = session
        return
    while ts_ns >= symbol.bar_start_ns + symbol.bar_ns:
        publish_candle(context, index, ts_ns)
        empty_bar(symbol, symbol.bar_start_ns + symbol.bar_ns)


@inline
def count_into_bar(symbol, ts_ns, price, quantity, aggressor):  # type: ignore[no-untyped-def]
    if symbol.forming == 0:
        symbol.forming = 1
        symbol.session = session_of(symbol, ts_ns)
        symbol.bar_close = price
        empty_bar(symbol, ts_ns - ts_ns % symbol.bar_ns)
    if symbol.bar_trades == 0:
        symbol.bar_open = price
        symbol.bar_high = price
        symbol.bar_low = price
    symbol.bar_high = max(symbol.bar_high, price)
    symbol.bar_low = min(symbol.bar_low, price)
    symbol.bar_close = price
    symbol.bar_volume += quantity
    symbol.bar_trades += 1
    if aggressor > 0:
        symbol.bar_buy += quantity
    elif aggressor < 0:
        symbol.bar_sell += quantity


@inline
def publish_trade(context, index):  # type: ignore[no-untyped-def]
    """Publish the record at trade_scratch, whose ts_ns is the exchange's stamp."""
    symbol = symbol_at(context, index)
    record = carray(at(trade_scratch(context, index)), 1, TRADE)[0]
    symbol.last_trade_ns = max(symbol.last_trade_ns, record.ts_ns)
    record.ts_ns = settle_time(symbol, record.ts_ns)
    complete_bars(context, index, record.ts_ns)
    count_into_bar(symbol, record.ts_ns, record.price, record.quantity, record.aggressor)
    record.ingest_seq = context.next_ingest_seq
    context.next_ingest_seq += 1
    record.symbol = index
    record.kind = KIND_TRADE
    record.publish_ns = monotonic_now_ns(context)
    ring_publish(np.uint64(context.trades_ring), np.uint64(trade_scratch(context, index)), np.uint64(context.wake))
    count(context, C_TRADES)


@inline
def publish_book(context, index):  # type: ignore[no-untyped-def]
    """Publish the record at book_scratch, whose ts_ns is the receive time mapped to market time."""
    symbol = symbol_at(context, index)
    record = carray(at(book_scratch(context, index)), 1, BOOK)[0]
    record.ts_ns = settle_time(symbol, record.ts_ns)
    complete_bars(context, index, record.ts_ns)
    record.ingest_seq = context.next_ingest_seq
    context.next_ingest_seq += 1
    record.symbol = index
    record.kind = KIND_BOOK
    record.publish_ns = monotonic_now_ns(context)
    ring_publish(np.uint64(context.book_ring), np.uint64(book_scratch(context, index)), np.uint64(context.wake))
    count(context, C_BOOKS)


@inline
def publish_gap(context, index, cause, from_ns, to_ns, trades_missing):  # type: ignore[no-untyped-def]
    """Say in the stream of trades that market data of this symbol is missing from `from_ns` to `to_ns`."""
    symbol = symbol_at(context, index)
    record = carray(at(trade_scratch(context, index)), 1, TRADE)[0]
    record.ts_ns = settle_time(symbol, from_ns)  # where the stream broke: trades that history gives back keep their time
    record.ingest_seq = context.next_ingest_seq
    context.next_ingest_seq += 1
    record.recv_ns = monotonic_now_ns(context)
    record.symbol = index
    record.kind = KIND_GAP
    record.aggressor = 0
    record.trade_type = 0
    record.flags = 0
    record.price = 0.0
    record.quantity = 0
    record.trade_number = 0
    record.buyer = 0
    record.seller = 0
    record.trade_date = 0
    record.cause = cause
    record.gap_from_ns = from_ns
    record.gap_to_ns = to_ns
    record.gap_trades_missing = trades_missing
    record.publish_ns = monotonic_now_ns(context)
    ring_publish(np.uint64(context.trades_ring), np.uint64(trade_scratch(context, index)), np.uint64(context.wake))
    record.cause = 0
    record.gap_from_ns = 0
    record.gap_to_ns = 0
    record.gap_trades_missing = 0
    count(context, C_GAPS)
