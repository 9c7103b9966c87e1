"""One event in, at most one vector out: the only place that knows in which order the parts of a state are touched.

The order is the contract's: is it an event at all; does it open a session; which bars does its time complete; then the
windows move to its time; then it is applied; then the vector is written. Compiled, without Python and without clocks:
live, replay and training run this very code.
"""

from __future__ import annotations

import numpy as np

from features import bars as bar_part
from features import microstructure, order_flow, returns, technical, temporal, volatility, volume, windows
from features.events import (
    COUNT_GAPS,
    COUNT_OVERFLOW,
    COUNT_SNAPSHOTS,
    COUNT_TRADES,
    DROPPED_AUCTION,
    DROPPED_HISTORY,
    DROPPED_TIME,
    VALID,
    check_book,
    check_trade,
    side_of,
    ticks_of,
)
from features.families import (
    ABSENT_BOOK,
    ABSENT_BROKERS,
    ABSENT_HISTORY,
    CAUSE_AUCTION,
    CAUSE_GAP,
    CAUSE_LAPPED,
    CAUSE_OVERFLOW,
    CAUSE_STALE,
    CAUSE_WARMING,
    FAMILIES,
    READY_MICROSTRUCTURE,
    READY_ORDER_FLOW,
    READY_RETURNS,
    READY_TECHNICAL,
    READY_TEMPORAL,
    READY_VOLATILITY,
    READY_VOLUME,
    STALE_BOOK_NS,
)
from features.sessions import INSTRUMENT, enter, in_calendar
from features.state import LOSS_GAP, LOSS_LAPPED, STATE, open_loss, spans_loss
from shm.jit import inline, kernel
from shm.layouts import BOOK, CANDLE, FEATURE_COUNT, FLAG_HISTORY, KIND_GAP, TRADE

from numba import from_dtype, types  # isort: skip

State = from_dtype(STATE)
InstrumentRecord = from_dtype(INSTRUMENT)
TradeRecord = from_dtype(TRADE)
BookRecord = from_dtype(BOOK)
CandleRecord = from_dtype(CANDLE)
Values = types.Array(types.float64, 1, "C")

ALL_READY = sum(family.ready for family in FAMILIES)

_READY = np.array([family.ready for family in FAMILIES], np.uint64)
_SECONDS = np.array([family.seconds for family in FAMILIES], np.int64)
_TRADES = np.array([family.trades for family in FAMILIES], np.int64)
_SNAPSHOTS = np.array([family.snapshots for family in FAMILIES], np.int64)


@inline
def _on_bars(small):
    """The memory of bars changed: every family that rests on it reduces its completed part."""
    volatility.on_bars(small.volatility, small.bars)
    volume.on_bars(small.volume, small.bars)
    technical.on_bars(small.technical, small.bars)


@inline
def _begin(state, instrument, t):
    """Time, session, bars and windows come to t; the event itself is not applied yet."""
    small = state.small
    market = small.market
    market.ts_ns = t
    changed = False
    if enter(small.session, instrument, t):
        changed = bar_part.start_session(small.bars, small.session.start_ns)
        windows.start_session(state.snapshots, state.trades)
        order_flow.start_session(small.order_flow)
        technical.start_session(small.technical)
        microstructure.start_session(small.microstructure)
        for which in range(2):
            if small.loss[which].at_ns < small.session.start_ns:
                small.loss[which].open = 0  # these windows begin after the loss
        market.brokers = 0
        joined_late = market.live == 0 and small.bars.running != 0  # history reaches into this session
        if joined_late or (market.missed != 0 and market.missed_ns >= small.session.start_ns):
            small.order_flow.partial = 1  # the session's first trades were missed: its sums from the open are unknown
        market.live = 1
    market.missed = 0
    if bar_part.complete_until(small.bars, instrument.bar_ns, t) or changed:
        _on_bars(small)
    windows.advance(state.snapshots, state.trades, t)


@inline
def _refuse(state, instrument, t):
    return t < state.small.market.ts_ns or not in_calendar(instrument, t)


@inline
def _miss_trades(small, at_ns):
    """Trades up to at_ns never came. Whether that concerns a session that the next event opens, _begin will see."""
    small.order_flow.partial = 1
    small.market.missed = 1
    small.market.missed_ns = at_ns


@inline
def note_gap(state, gap):
    """Ingest lost market data before the next event. Trades that never came leave the session's sums unknown."""
    small = state.small
    small.counts[COUNT_GAPS] += 1
    at_ns = max(gap.ts_ns, gap.gap_to_ns)
    open_loss(small.loss[LOSS_GAP], at_ns, state.trades, state.snapshots)
    if gap.gap_trades_missing != 0:  # below 0: nobody knows how many
        _miss_trades(small, at_ns)


@kernel(types.void(State, types.int64))
def note_lapped(state, at_ns):
    """This worker lost records of the rings before market time at_ns, that of the next record it has."""
    small = state.small
    at_ns = max(at_ns, small.market.ts_ns)
    open_loss(small.loss[LOSS_LAPPED], at_ns, state.trades, state.snapshots)
    _miss_trades(small, at_ns)


@kernel(types.boolean(State, InstrumentRecord, TradeRecord))
def apply_trade(state, instrument, trade):
    """Apply one record of the trades stream, a gap record too. True: a vector is due."""
    small = state.small
    small.market.ingest_seq = trade.ingest_seq
    t = trade.ts_ns
    if trade.kind == KIND_GAP:
        note_gap(state, trade)
        return False
    if _refuse(state, instrument, t):
        small.counts[DROPPED_TIME] += 1
        return False
    cause, price = check_trade(small.numbers, trade, instrument.tick)
    if cause != VALID:
        small.counts[cause] += 1
        return False
    _begin(state, instrument, t)
    side = side_of(trade.trade_type, trade.aggressor)
    if state.trades.next == state.trades.first:
        small.market.first_trade_ns = t
    bar_part.add_trade(small.bars, instrument.bar_ns, t, price, trade.quantity)
    windows.add_trade(state.trades, t, trade.quantity, side)
    order_flow.on_trade(small.order_flow, state.trades, trade.quantity, side)
    technical.on_trade(small.technical, price, trade.quantity)
    microstructure.on_trade(
        small.microstructure, state.trades, trade.quantity, side, np.int64(trade.buyer), np.int64(trade.seller)
    )
    small.market.last_trade_ns = t
    if trade.buyer > 0 or trade.seller > 0:
        small.market.brokers = 1
    small.counts[COUNT_TRADES] += 1
    return True


@kernel(types.boolean(State, InstrumentRecord, BookRecord))
def apply_book(state, instrument, book):
    """Apply one snapshot. True: a vector is due."""
    small = state.small
    small.market.ingest_seq = book.ingest_seq
    t = book.ts_ns
    if _refuse(state, instrument, t):
        small.counts[DROPPED_TIME] += 1
        return False
    cause = check_book(book, instrument.tick, small.incoming)
    if cause != VALID:
        small.counts[cause] += 1
        if cause == DROPPED_AUCTION:
            small.market.auction = 1
        return False
    _begin(state, instrument, t)
    small.market.auction = 0
    e = np.int64(0)
    if state.snapshots.next > state.snapshots.first:
        e = order_flow.flow_of(small.incoming, small.levels)
    small.levels.bid_ticks[:] = small.incoming.bid_ticks
    small.levels.bid_quantity[:] = small.incoming.bid_quantity
    small.levels.ask_ticks[:] = small.incoming.ask_ticks
    small.levels.ask_quantity[:] = small.incoming.ask_quantity
    windows.add_snapshot(state.snapshots, t, small.levels.bid_ticks[0] + small.levels.ask_ticks[0], e)
    microstructure.on_snapshot(small.microstructure, small.levels, state.snapshots.next - 1, state.snapshots.first)
    small.counts[COUNT_SNAPSHOTS] += 1
    return True


@kernel(types.void(State, InstrumentRecord, CandleRecord))
def apply_candle(state, instrument, candle):
    """Seed the bars with a candle of history; candles made live are passed over, bars are built from trades."""
    if not candle.flags & FLAG_HISTORY:
        return
    small = state.small
    opened, high = ticks_of(candle.open, instrument.tick), ticks_of(candle.high, instrument.tick)
    low, close = ticks_of(candle.low, instrument.tick), ticks_of(candle.close, instrument.tick)
    ordered = 0 < low <= min(opened, close) and max(opened, close) <= high and candle.volume >= 0
    if (
        small.market.live != 0
        or not ordered
        or not bar_part.add_history(
            small.bars, instrument.bar_ns, candle.start_ns, opened, high, low, close, candle.volume
        )
    ):
        small.counts[DROPPED_HISTORY] += 1
        return
    _on_bars(small)


@inline
def _causes(state, t, ready):
    """Clear the bits of families that span a loss, and say why bits are clear and what is absent."""
    small = state.small
    causes = np.uint64(0)
    if ready != np.uint64(ALL_READY):
        causes |= np.uint64(CAUSE_WARMING)
    for which in range(2):
        if small.loss[which].open == 0:
            continue
        whole = True
        for family in range(len(_READY)):
            if spans_loss(
                small.loss[which],
                t,
                state.trades,
                state.snapshots,
                _SECONDS[family],
                _TRADES[family],
                _SNAPSHOTS[family],
            ):
                whole = False
                ready &= ~_READY[family]
        if whole:
            small.loss[which].open = 0
        else:
            causes |= np.uint64(CAUSE_GAP) if which == LOSS_GAP else np.uint64(CAUSE_LAPPED)
    if small.market.auction != 0:
        causes |= np.uint64(CAUSE_AUCTION)
    newest = state.snapshots.next - 1
    if newest < state.snapshots.first:
        causes |= np.uint64(ABSENT_BOOK)
    elif t - state.snapshots.ts_ns[newest & windows.MASK] > STALE_BOOK_NS:
        causes |= np.uint64(CAUSE_STALE)
    if small.market.brokers == 0:
        causes |= np.uint64(ABSENT_BROKERS)
    if small.bars.from_history == 0:
        causes |= np.uint64(ABSENT_HISTORY)
    return ready | causes


@kernel(types.uint64(State, InstrumentRecord, Values))
def emit(state, instrument, values):
    """Write the vector (FEATURE_COUNT float64) as of the newest event; returns its ready mask."""
    small = state.small
    t = small.market.ts_ns
    for i in range(FEATURE_COUNT):
        values[i] = np.nan
    ready = np.uint64(0)
    full, over_1 = volatility.emit(small.volatility, small.bars, state.snapshots, t, values)
    if full and not over_1:
        ready |= np.uint64(READY_VOLATILITY)
    full, over_2 = returns.emit(small.bars, state.snapshots, t, values)
    if full and not over_2:
        ready |= np.uint64(READY_RETURNS)
    full, over_3 = order_flow.emit(small.order_flow, state.snapshots, state.trades, t, values)
    if full and not over_3:
        ready |= np.uint64(READY_ORDER_FLOW)
    has_trade = state.trades.next > state.trades.first
    full, over_4 = volume.emit(small.volume, small.bars, state.trades, small.market.first_trade_ns, t, values)
    if full and not over_4:
        ready |= np.uint64(READY_VOLUME)
    sums = small.order_flow
    if technical.emit(small.technical, small.bars, sums.volume, sums.partial, has_trade, values):
        ready |= np.uint64(READY_TECHNICAL)
    full, over_5 = microstructure.emit(small.microstructure, state.snapshots, state.trades, t, values)
    if full and not over_5:
        ready |= np.uint64(READY_MICROSTRUCTURE)
    if temporal.emit(instrument, small.session, has_trade, small.market.last_trade_ns, t, values):
        ready |= np.uint64(READY_TEMPORAL)
    overflow = over_1 or over_2 or over_3 or over_4 or over_5
    ready = _causes(state, t, ready)
    if overflow:
        small.counts[COUNT_OVERFLOW] += 1
        ready |= np.uint64(CAUSE_OVERFLOW)
    return ready
