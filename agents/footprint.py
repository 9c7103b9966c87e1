"""The footprint specialist: what was bought and sold at each price of the forming bar, from the trades ring.

Stacked imbalance: at three neighbouring prices the buys outweigh, three to one, the sells one tick below (a buyer lifts
the ask where the seller would have to hit the bid), or the mirror image. Absorption: much was sold at the bar's lowest
prices, and the price has come away from them, or the mirror image at the top. Divergence: a new high over the bar
before on net selling, or a new low on net buying.
"""

from __future__ import annotations

import math

import numpy as np

from agents.detector import GAP_RECORD, PLAIN_TRADE, Detector, kind_of_trade, observe_signature
from shm.jit import inline, kernel

PATTERN_NAMES = ("stacked_imbalance", "absorption", "delta_divergence")
WEIGHTS = (0.40, 0.35, 0.25)
PRICES = 4096  # prices of a bar, half of them on either side of its first
STACK = 3
IMBALANCE = 3
MINIMUM_TRADES = 20  # of the bar, before it is read
CELL_SHARE = 20  # a cell counts when it holds a twentieth of the bar's volume
EDGE = 2  # lowest or highest prices of the bar
EDGE_SHARE = 0.4  # of one side's volume
AWAY = 2  # ticks

FOOTPRINT = np.dtype(
    [
        ("bar", "<i8"),  # number of the forming bar since the epoch
        ("bars", "<i8"),  # bar changes seen since a gap or the start
        ("trades", "<i8"),  # of the forming bar
        ("base", "<i8"),  # ticks of cell 0
        ("low", "<i8"),  # ticks
        ("high", "<i8"),
        ("last", "<i8"),
        ("outside", "<i8"),  # trades whose price has no cell: the bar is not read
        ("buy", "<i8"),
        ("sell", "<i8"),
        ("volume", "<i8"),
        ("before_low", "<i8"),  # ticks of the bar before
        ("before_high", "<i8"),
        ("bought", "<i8", (PRICES,)),
        ("sold", "<i8", (PRICES,)),
        ("strength", "<f8", (3,)),
    ],
    align=True,
)


@inline
def _start_bar(state, bar, ticks):
    if state.trades > 0:
        for cell in range(max(state.low - state.base, 0), min(state.high - state.base, PRICES - 1) + 1):
            state.bought[cell] = 0
            state.sold[cell] = 0
    state.before_low = state.low
    state.before_high = state.high
    state.bar = bar
    state.trades = 0
    state.base = ticks - PRICES // 2
    state.low = ticks
    state.high = ticks
    state.outside = 0
    state.buy = 0
    state.sell = 0
    state.volume = 0


@inline
def _stacked(state):
    """Longest stack of buying cells less the longest of selling ones, as a share of twice STACK, -1 ... 1."""
    buys, sells, longest_buys, longest_sells = 0, 0, 0, 0
    for cell in range(state.low - state.base, state.high - state.base + 1):
        below = state.sold[cell - 1] if cell > 0 else 0
        above = state.bought[cell + 1] if cell + 1 < PRICES else 0
        enough_bought = state.bought[cell] * CELL_SHARE >= state.volume
        enough_sold = state.sold[cell] * CELL_SHARE >= state.volume
        buys = buys + 1 if enough_bought and state.bought[cell] >= IMBALANCE * below else 0
        sells = sells + 1 if enough_sold and state.sold[cell] >= IMBALANCE * above else 0
        longest_buys, longest_sells = max(longest_buys, buys), max(longest_sells, sells)
    value = 0.0
    if longest_buys >= STACK:
        value += min(1.0, longest_buys / (2.0 * STACK))
    if longest_sells >= STACK:
        value -= min(1.0, longest_sells / (2.0 * STACK))
    return value


@inline
def _absorbed(state):
    value = 0.0
    at_low, at_high = np.int64(0), np.int64(0)
    for step in range(EDGE):
        at_low += state.sold[min(state.low - state.base + step, PRICES - 1)]
        at_high += state.bought[max(state.high - state.base - step, 0)]
    if state.high - state.low < EDGE + AWAY - 1:
        return value
    if state.last - state.low >= AWAY and at_low >= EDGE_SHARE * state.sell and state.sell > 0:
        value += at_low / state.sell
    if state.high - state.last >= AWAY and at_high >= EDGE_SHARE * state.buy and state.buy > 0:
        value -= at_high / state.buy
    return value


@inline
def _divergence(state):
    delta, known = state.buy - state.sell, state.buy + state.sell
    if known == 0:
        return 0.0
    new_high = state.high > state.before_high
    new_low = state.low < state.before_low
    if new_high and not new_low and delta < 0:
        return max(-1.0, 2.0 * delta / known)
    if new_low and not new_high and delta > 0:
        return min(1.0, 2.0 * delta / known)
    return 0.0


@inline
def _on_trade(state, market, trade):
    ticks = np.int64(math.floor(trade.price / market.tick + 0.5))
    bar = trade.ts_ns // market.bar_ns
    if state.bars == 0 or bar != state.bar:
        _start_bar(state, bar, ticks)
        state.bars += 1
    cell = ticks - state.base
    state.trades += 1
    state.low = min(state.low, ticks)
    state.high = max(state.high, ticks)
    state.last = ticks
    if cell < 0 or cell >= PRICES:
        state.outside += 1
    else:
        state.volume += trade.quantity
        if trade.aggressor > 0:
            state.bought[cell] += trade.quantity
            state.buy += trade.quantity
        elif trade.aggressor < 0:
            state.sold[cell] += trade.quantity
            state.sell += trade.quantity
    readable = state.bars > 2 and state.trades >= MINIMUM_TRADES and state.outside == 0
    state.strength[0] = _stacked(state) if readable else 0.0
    state.strength[1] = _absorbed(state) if readable else 0.0
    state.strength[2] = _divergence(state) if readable else 0.0


@inline
def _evidence(state, market, t, out):
    """A bar that is over by the clock says nothing more; its successor has no trade yet."""
    current = t // market.bar_ns == state.bar
    out.warm = state.bars > 2
    for i in range(3):
        out.strength[i] = state.strength[i] if current and out.warm != 0 else 0.0
    out.strength[3] = 0.0


@kernel(observe_signature(FOOTPRINT))
def observe(states, markets, vectors, trades, books, taken, out):
    """Evidence of each vector from all trades up to it."""
    i = 0
    for n in range(len(vectors)):
        while i < len(trades) and trades[i].ingest_seq <= vectors[n].ingest_seq:
            symbol = trades[i].symbol
            if 0 <= symbol < len(states):
                kind = kind_of_trade(trades[i])
                if kind == PLAIN_TRADE:
                    _on_trade(states[symbol], markets[symbol], trades[i])
                elif kind == GAP_RECORD:
                    states[symbol].bars = 0  # the bar before and this one were not heard whole
            i += 1
        symbol = vectors[n].symbol
        _evidence(states[symbol], markets[symbol], vectors[n].ts_ns, out[n])
    taken[0] = i
    taken[1] = len(books)


DETECTOR = Detector(
    "footprint", (), ("trades",), PATTERN_NAMES, WEIGHTS, FOOTPRINT, observe, "the second bar heard from its start"
)
