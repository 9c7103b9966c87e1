"""The liquidity specialist: how much is offered on each side, whether it is leaving, and where it stands thick.

From the book ring itself. Quantities are compared with their own mean over the last 500 two-sided snapshots, so that
the same thresholds hold for thin and thick markets. A book is one tape row; auctions and crossed books are passed over.
"""

from __future__ import annotations

import numpy as np

from agents.detector import Detector, is_two_sided, latch, observe_signature, strength
from shm.jit import inline, kernel

PATTERN_NAMES = ("book_pressure", "liquidity_withdrawn", "touch_depleted", "depth_wall")
WEIGHTS = (0.30, 0.30, 0.25, 0.15)
MEAN_OF = 500  # snapshots
SMOOTH_OF = 20
LEVELS = 5
WITHDRAWN, STANDING = 0.6, 0.9  # shares of its own mean depth: one side has left while the other stands
DEPLETED, FULL = 0.2, 0.5  # the same of the queue at the touch
WALL = 4.0  # times the mean quantity of a level

LIQUIDITY = np.dtype(
    [
        ("next", "<i8"),  # two-sided snapshots so far
        ("held", "<i8", (4,)),
        ("sum_depth", "<i8", (2,)),  # over the last MEAN_OF snapshots: bid, ask
        ("sum_touch", "<i8", (2,)),
        ("sum_imbalance", "<f8"),
        ("depth", "<i8", (2, MEAN_OF)),  # quantity of the best LEVELS levels
        ("touch", "<i8", (2, MEAN_OF)),
        ("wall", "<i8"),  # of the newest snapshot: 1 below the market, -1 above, 0 none or both
    ],
    align=True,
)


@inline
def _depth_and_largest(quantity, price):
    """Quantity of the best LEVELS levels, and the largest one behind the touch."""
    total, largest = np.int64(0), np.int64(0)
    for level in range(LEVELS):
        if quantity[level] > 0 and price[level] > 0.0:
            total += quantity[level]
            if level > 0:
                largest = max(largest, quantity[level])
    return total, largest


@inline
def _on_book(state, book):
    if not is_two_sided(book):
        return
    slot = state.next % MEAN_OF
    bid, bid_largest = _depth_and_largest(book.bid_quantity, book.bid_price)
    ask, ask_largest = _depth_and_largest(book.ask_quantity, book.ask_price)
    if state.next >= MEAN_OF:
        for side in range(2):
            state.sum_depth[side] -= state.depth[side, slot]
            state.sum_touch[side] -= state.touch[side, slot]
    state.depth[0, slot], state.depth[1, slot] = bid, ask
    state.touch[0, slot], state.touch[1, slot] = book.bid_quantity[0], book.ask_quantity[0]
    for side in range(2):
        state.sum_depth[side] += state.depth[side, slot]
        state.sum_touch[side] += state.touch[side, slot]
    state.next += 1
    thick = WALL * (bid + ask) / (2 * LEVELS)
    state.wall = np.int64(bid_largest >= thick) - np.int64(ask_largest >= thick)


@inline
def _smooth_imbalance(state):
    """Mean over the last SMOOTH_OF snapshots of (bid - ask) / (bid + ask)."""
    total = 0.0
    for back in range(1, SMOOTH_OF + 1):
        slot = (state.next - back) % MEAN_OF
        bid, ask = state.depth[0, slot], state.depth[1, slot]
        total += (bid - ask) / (bid + ask)
    return total / SMOOTH_OF


@inline
def _one_left(bid, ask, gone, there):
    """Signed size of a side's absence: positive when the ask is gone and the bid is there."""
    if ask < gone and bid >= there:
        return 1.0 - ask
    if bid < gone and ask >= there:
        return bid - 1.0
    return 0.0


@inline
def _evidence(state, out):
    out.warm = state.next >= MEAN_OF
    if out.warm == 0:
        for i in range(4):
            out.strength[i] = 0.0
        return
    slot = (state.next - 1) % MEAN_OF
    depth_bid = state.depth[0, slot] * MEAN_OF / state.sum_depth[0]
    depth_ask = state.depth[1, slot] * MEAN_OF / state.sum_depth[1]
    touch_bid = state.touch[0, slot] * MEAN_OF / state.sum_touch[0]
    touch_ask = state.touch[1, slot] * MEAN_OF / state.sum_touch[1]
    pressure = _smooth_imbalance(state)
    state.held[0] = latch(state.held[0], pressure, 0.35, 0.2)
    out.strength[0] = strength(state.held[0], pressure)
    withdrawn = _one_left(depth_bid, depth_ask, WITHDRAWN, STANDING)
    state.held[1] = latch(state.held[1], withdrawn, 1.0 - WITHDRAWN, 0.5 * (1.0 - WITHDRAWN))
    out.strength[1] = strength(state.held[1], withdrawn)
    depleted = _one_left(touch_bid, touch_ask, DEPLETED, FULL)
    state.held[2] = latch(state.held[2], depleted, 1.0 - DEPLETED, 0.5)
    out.strength[2] = strength(state.held[2], depleted)
    state.held[3] = state.wall
    out.strength[3] = 0.5 * state.wall


@kernel(observe_signature(LIQUIDITY))
def observe(states, markets, vectors, trades, books, taken, out):
    """Evidence of each vector from all snapshots up to it."""
    j = 0
    for n in range(len(vectors)):
        while j < len(books) and books[j].ingest_seq <= vectors[n].ingest_seq:
            if 0 <= books[j].symbol < len(states):
                _on_book(states[books[j].symbol], books[j])
            j += 1
        _evidence(states[vectors[n].symbol], out[n])
    taken[0] = len(trades)
    taken[1] = j


DETECTOR = Detector(
    "liquidity", (), ("book",), PATTERN_NAMES, WEIGHTS, LIQUIDITY, observe, f"{MEAN_OF} two-sided snapshots"
)
