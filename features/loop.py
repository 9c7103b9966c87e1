"""The hot path: ring to engine to ring, one compiled loop a batch, without Python and without the GIL.

Every record of the merged stream is applied in its order, also when nothing is published for it: while a restarted
worker catches up, the vectors up to `published` are out already. Latency is measured here and nowhere else.
"""

from __future__ import annotations

import numpy as np

from features.engine import (
    InstrumentRecord,
    State,
    apply_book,
    apply_candle,
    apply_trade,
    emit,
    note_lapped,
)
from runtime.native_clock import native_now_ns
from shm.atomics import at
from shm.histogram import histogram_record
from shm.jit import inline, kernel
from shm.layouts import BOOK, CANDLE, FEATURE, KIND_BOOK, KIND_TRADE, TRADE
from shm.merge import head_address, merge_next
from shm.ring import reader_lost, ring_publish

from numba import carray, from_dtype, types  # isort: skip

CANDLES, TRADES, BOOKS = 0, 1, 2  # order of the rings in the merged reader
RINGS = ("candles", "trades", "book")
MAX_SYMBOLS = 16

LOOP = np.dtype(
    [
        ("merge", "<u8"),  # addresses of this process
        ("reader", "<u8", (3,)),
        ("out_ring", "<u8"),
        ("wake", "<u8"),
        ("clock", "<u8"),
        ("hop_histogram", "<u8"),  # ingest's publish to this publish
        ("work_histogram", "<u8"),  # read to publish
        ("newest_only", "<i8"),  # 1: per batch and symbol only the newest vector
        ("applied", "<i8"),  # ingest_seq of the newest record that was applied
        ("published", "<i8"),  # ingest_seq of the newest vector in the ring
        ("lost", "<i8", (3,)),  # losses of each reader that are accounted for
        ("loss_open", "<i8", (3,)),  # 1: the next record of that ring ends a loss
        ("vectors", "<i8"),
        ("laps", "<i8"),
        ("unknown_symbol", "<i8"),
    ],
    align=True,
)
"""What the loop knows besides the states. Addresses are set at start; counts go up."""

Loop = from_dtype(LOOP)
Feature = from_dtype(FEATURE)


@inline
def _account_for_laps(loop, states, which, ts_ns):
    """A loss is noted when it is found, and again at the first record behind it, which is where windows begin anew.

    Lost candles are no loss: bars are built from trades, and the stage checks what came of history.
    """
    for ring in range(TRADES, BOOKS + 1):
        lost = np.int64(reader_lost(np.uint64(loop.reader[ring])))
        if lost != loop.lost[ring]:
            loop.lost[ring] = lost
            loop.loss_open[ring] = 1
            loop.laps += 1
            for symbol in range(len(states)):
                note_lapped(states[symbol], ts_ns)
    if which != CANDLES and loop.loss_open[which] != 0:
        loop.loss_open[which] = 0
        for symbol in range(len(states)):
            note_lapped(states[symbol], ts_ns)


@inline
def _publish(loop, state, instrument, out):
    """Write the vector into `out`, whose stamps of the event are set, and publish it."""
    out.ready = emit(state, instrument, out.values[:])
    out.publish_ns = native_now_ns(np.uint64(loop.clock))
    histogram_record(np.uint64(loop.work_histogram), out.publish_ns - out.read_ns)
    histogram_record(np.uint64(loop.hop_histogram), out.publish_ns - out.input_publish_ns)
    loop.vectors += 1
    loop.published = out.ingest_seq


@inline
def _publish_newest(loop, states, instruments, outs, pending):
    """One vector for each symbol that has moved, in the order of ingest_seq."""
    while True:
        chosen = -1
        for symbol in range(len(states)):
            if pending[symbol] != 0 and (chosen < 0 or outs[symbol].ingest_seq < outs[chosen].ingest_seq):
                chosen = symbol
        if chosen < 0:
            return
        pending[chosen] = 0
        _publish(loop, states[chosen], instruments[chosen], outs[chosen])
        ring_publish(np.uint64(loop.out_ring), np.uint64(outs[chosen:].ctypes.data), np.uint64(loop.wake))


@kernel(
    types.int64(
        Loop, types.Array(State, 1, "C"), types.Array(InstrumentRecord, 1, "C"), types.Array(Feature, 1, "C"),
        types.Array(types.int64, 1, "C"), types.int64,
    )
)  # fmt: skip
def run_batch(loop, states, instruments, outs, pending, limit):
    """Take up to `limit` records; returns how many were there. outs: FEATURE (symbols,), pending: zeros (symbols,)."""
    taken = 0
    while taken < limit:
        which = merge_next(np.uint64(loop.merge))
        if which < 0:
            break
        taken += 1
        address = head_address(np.uint64(loop.merge), which)
        read_ns = native_now_ns(np.uint64(loop.clock))
        event = carray(at(address), 1, TRADE)[0]  # the stamps are the same in all layouts
        _account_for_laps(loop, states, which, event.ts_ns)
        symbol = event.symbol
        if symbol < 0 or symbol >= len(states):
            loop.unknown_symbol += 1
            continue
        state, instrument = states[symbol], instruments[symbol]
        if which == CANDLES:
            apply_candle(state, instrument, carray(at(address), 1, CANDLE)[0])
            continue
        if which == TRADES:
            due = apply_trade(state, instrument, event)
        else:
            due = apply_book(state, instrument, carray(at(address), 1, BOOK)[0])
        loop.applied = event.ingest_seq
        if not due or event.ingest_seq <= loop.published:
            continue
        out = outs[symbol]
        out.ingest_seq = event.ingest_seq
        out.ts_ns = event.ts_ns
        out.recv_ns = event.recv_ns
        out.symbol = symbol
        out.kind = KIND_TRADE if which == TRADES else KIND_BOOK
        out.aggressor = event.aggressor
        out.trade_type = event.trade_type
        out.flags = event.flags
        out.input_publish_ns = event.publish_ns
        out.read_ns = read_ns
        if loop.newest_only != 0:
            pending[symbol] = 1
        else:
            _publish(loop, state, instrument, out)
            ring_publish(np.uint64(loop.out_ring), np.uint64(outs[symbol:].ctypes.data), np.uint64(loop.wake))
    if loop.newest_only != 0:
        _publish_newest(loop, states, instruments, outs, pending)
    return taken
