"""The order-flow specialist: who pushes the touch, and with what volume. It reads the order-flow columns only.

Cont, Kukanov and Stoikov (2014) find the price change of short intervals to be linear in the order flow imbalance at
the touch; traded volume adds to it where it agrees, and is absorbed where it does not.
"""

from __future__ import annotations

import numpy as np

from agents.detector import Detector, latch, observe_signature, strength
from agents.vector import (
    ORDER_FLOW_IMBALANCE_5S,
    ORDER_FLOW_IMBALANCE_30S,
    SIGNED_VOLUME_RATIO_5S,
    SIGNED_VOLUME_RATIO_30S,
    TRADE_FLOW_50,
)
from shm.jit import inline, kernel

PATTERN_NAMES = ("flow_imbalance", "aggressive_volume", "one_sided_trades", "absorbed_volume")
WEIGHTS = (0.35, 0.25, 0.20, 0.20)
BACKGROUND = 0.1  # the slow window must at least lean the same way
ORDER_FLOW_STATE = np.dtype([("held", "<i8", (4,))], align=True)


@inline
def _update(state, values, out):
    fast, slow = values[ORDER_FLOW_IMBALANCE_5S], values[ORDER_FLOW_IMBALANCE_30S]
    delta_fast, delta_slow = values[SIGNED_VOLUME_RATIO_5S], values[SIGNED_VOLUME_RATIO_30S]
    trades = values[TRADE_FLOW_50]
    out.warm = np.isfinite(fast + slow + delta_fast + delta_slow + trades)
    if out.warm == 0:
        for i in range(4):
            state.held[i] = 0
            out.strength[i] = 0.0
        return
    imbalance = fast if fast * slow > 0.0 and abs(slow) >= BACKGROUND else 0.0
    state.held[0] = latch(state.held[0], imbalance, 0.6, 0.4)
    out.strength[0] = strength(state.held[0], imbalance)
    volume = delta_slow if delta_fast * delta_slow > 0.0 and delta_slow * trades > 0.0 else 0.0
    state.held[1] = latch(state.held[1], volume, 0.6, 0.4)
    out.strength[1] = strength(state.held[1], volume)
    state.held[2] = latch(state.held[2], trades, 0.6, 0.45)
    out.strength[2] = strength(state.held[2], trades)
    absorbed = (slow - delta_slow) / 2.0 if slow * delta_slow < 0.0 and abs(slow) >= BACKGROUND else 0.0
    state.held[3] = latch(state.held[3], absorbed, 0.5, 0.35)
    out.strength[3] = strength(state.held[3], absorbed)


@kernel(observe_signature(ORDER_FLOW_STATE))
def observe(states, markets, vectors, trades, books, taken, out):
    """Evidence of each vector; the raw records are not used."""
    for n in range(len(vectors)):
        _update(states[vectors[n].symbol], vectors[n].values, out[n])
    taken[0] = len(trades)
    taken[1] = len(books)


DETECTOR = Detector(
    "order_flow", ("order_flow",), (), PATTERN_NAMES, WEIGHTS, ORDER_FLOW_STATE, observe,
    "the order-flow columns: 50 trades and a book",
)  # fmt: skip
