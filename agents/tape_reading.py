"""The tape-reading specialist: the pace of trading, runs of one side, large prints and sweeps, from the trades ring.

Pace is trades of 5 s against those of 60 s. A print is large at six times the mean of the 200 trades before it. A
sweep is one side's trades of one instant through several prices. Large prints and sweeps fade over two seconds.
"""

from __future__ import annotations

import numpy as np

from agents.detector import GAP_RECORD, PLAIN_TRADE, Detector, kind_of_trade, latch, observe_signature, strength
from shm.jit import inline, kernel

PATTERN_NAMES = ("pace_surge", "aggressor_run", "large_print", "sweep")
WEIGHTS = (0.30, 0.25, 0.20, 0.25)
SECOND_NS = 1_000_000_000
SHORT_NS, LONG_NS = 5 * SECOND_NS, 60 * SECOND_NS
ROOM = 1 << 15  # trades of the long window
SIZES = 200
SURGE = 2.5  # times the pace of the last minute
SURGE_TRADES = 8
LARGE = 6
SWEEP_PRICES = 3
FADE_NS = 2 * SECOND_NS
RUN_FULL = 10.0

TAPE = np.dtype(
    [
        ("next", "<i8"),
        ("first", "<i8"),  # number of the first trade since a gap or the start
        ("first_ns", "<i8"),
        ("tail", "<i8", (2,)),  # oldest trade inside the short and the long window
        ("signed", "<i8"),  # sum of s q over the short window
        ("volume", "<i8"),
        ("sizes", "<i8"),  # sum of the last SIZES quantities
        ("run", "<i8"),
        ("held", "<i8", (4,)),
        ("large_side", "<i8"),
        ("large_ns", "<i8"),
        ("sweep_side", "<i8"),
        ("sweep_ns", "<i8"),
        ("burst_side", "<i8"),  # the instant that is being traded
        ("burst_ns", "<i8"),
        ("burst_prices", "<i8"),
        ("burst_price", "<f8"),
        ("overflow_ns", "<i8"),  # until then the long window has too many trades to count
        ("ts_ns", "<i8", (ROOM,)),
        ("side", "<i1", (ROOM,)),
        ("quantity", "<i8", (ROOM,)),
    ],
    align=True,
)


@inline
def _clear(state):
    """Start anew: what was heard before a gap says nothing about the pace after it."""
    state.tail[0] = state.next
    state.tail[1] = state.next
    state.signed = 0
    state.volume = 0
    state.sizes = 0
    state.run = 0
    state.large_side = 0
    state.sweep_side = 0
    state.burst_side = 0
    state.first = state.next
    for i in range(4):
        state.held[i] = 0


@inline
def _drop_short(state):
    slot = state.tail[0] % ROOM
    state.signed -= state.side[slot] * state.quantity[slot]
    state.volume -= state.quantity[slot]
    state.tail[0] += 1


@inline
def _advance(state, t):
    while state.tail[0] < state.next and state.ts_ns[state.tail[0] % ROOM] <= t - SHORT_NS:
        _drop_short(state)
    while state.tail[1] < state.next and state.ts_ns[state.tail[1] % ROOM] <= t - LONG_NS:
        state.tail[1] += 1


@inline
def _on_burst(state, t, price, side):
    """Trades of one side at one instant, each further in its direction than the one before."""
    if side == 0 or side != state.burst_side or t != state.burst_ns:
        state.burst_side = side
        state.burst_ns = t
        state.burst_prices = 1
    elif (price - state.burst_price) * side > 0.0:
        state.burst_prices += 1
        if state.burst_prices >= SWEEP_PRICES:
            state.sweep_side = side
            state.sweep_ns = t
    state.burst_price = price


@inline
def _on_trade(state, trade):
    t, quantity = trade.ts_ns, trade.quantity
    side = np.int64(trade.aggressor)
    known = state.next - state.first
    if known >= SIZES and side != 0 and quantity * SIZES >= LARGE * state.sizes:
        state.large_side = side
        state.large_ns = t
    if known == 0:
        state.first_ns = t
    _advance(state, t)
    if state.next - state.tail[1] == ROOM:
        state.overflow_ns = state.ts_ns[state.tail[1] % ROOM] + LONG_NS
        if state.tail[0] == state.tail[1]:
            _drop_short(state)
        state.tail[1] += 1
    if known >= SIZES:
        state.sizes -= state.quantity[(state.next - SIZES) % ROOM]
    slot = state.next % ROOM
    state.ts_ns[slot] = t
    state.side[slot] = side
    state.quantity[slot] = quantity
    state.next += 1
    state.sizes += quantity
    state.signed += side * quantity
    state.volume += quantity
    if side != 0:
        state.run = state.run + side if state.run * side > 0 else side
    _on_burst(state, t, trade.price, side)


@inline
def _faded(side, since_ns, t):
    """Strength of something that happened at `since_ns`: full then, nothing FADE_NS later."""
    return side * max(0.0, 1.0 - (t - since_ns) / FADE_NS)


@inline
def _evidence(state, t, out):
    _advance(state, t)
    out.warm = state.next - state.first >= SIZES and t - state.first_ns >= LONG_NS
    if out.warm == 0:
        for i in range(4):
            state.held[i] = 0
            out.strength[i] = 0.0
        return
    short, long = state.next - state.tail[0], state.next - state.tail[1]
    surging = short >= SURGE_TRADES and short * LONG_NS >= SURGE * long * SHORT_NS and t >= state.overflow_ns
    share = state.signed / state.volume if surging else 0.0
    state.held[0] = latch(state.held[0], share, 0.6, 0.4)
    out.strength[0] = strength(state.held[0], share)
    run = state.run / RUN_FULL
    state.held[1] = latch(state.held[1], run, 0.6, 0.5)
    out.strength[1] = strength(state.held[1], run)
    out.strength[2] = _faded(state.large_side, state.large_ns, t)
    out.strength[3] = _faded(state.sweep_side, state.sweep_ns, t)


@kernel(observe_signature(TAPE))
def observe(states, markets, vectors, trades, books, taken, out):
    """Evidence of each vector from all trades up to it."""
    i = 0
    for n in range(len(vectors)):
        while i < len(trades) and trades[i].ingest_seq <= vectors[n].ingest_seq:
            if 0 <= trades[i].symbol < len(states):
                kind = kind_of_trade(trades[i])
                if kind == PLAIN_TRADE:
                    _on_trade(states[trades[i].symbol], trades[i])
                elif kind == GAP_RECORD:
                    _clear(states[trades[i].symbol])
            i += 1
        _evidence(states[vectors[n].symbol], vectors[n].ts_ns, out[n])
    taken[0] = i
    taken[1] = len(books)


DETECTOR = Detector("tape_reading", (), ("trades",), PATTERN_NAMES, WEIGHTS, TAPE, observe, f"{SIZES} trades and 60 s")
