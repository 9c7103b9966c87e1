"""The ordinary traders of the generated market: parent orders, makers, retail; their market orders, limits and cancels.

Signs of market orders have a long memory because parents of heavy-tailed length are worked child by child (Lillo, Mike and
Farmer 2005). Only the surprise in a sign moves the reference (Madhavan, Richardson and Roomans 1997), so that the memory of
signs does not become a memory of returns. Makers fill a wide spread and take out quotes that the reference left behind.
"""

from __future__ import annotations

from math import ceil, exp, floor, log, sqrt, tanh
from typing import Any

from exchange.aggression import aggress, is_slice, start_iceberg, tell_sweep
from exchange.book import (
    BEST_ASK,
    BEST_BID,
    BUY,
    HEAD,
    LEVEL_ORDERS,
    LEVEL_QUANTITY,
    LIVE,
    NUMBER,
    OWNER,
    SELL,
    book_add,
    book_remove,
)
from exchange.brokers import INSTITUTION, MAKER, RETAIL
from exchange.flow_state import (
    D_AUTHOR,
    D_BROKER,
    D_LENGTH,
    D_PLACE,
    D_SIDE,
    D_SIZE,
    I_SIDE,
    LEVELS,
    MAX_SIZE,
    PARENTS,
)
from shm.jit import inline

NEAR_ROWS = 16
VOLATILITY_TICKS = 0.6  # of the reference, per square root of a second, mean of the session
IMPACT_SHARE = 0.4  # of its variance comes from the surprise in trades, the rest is news
PARENT_SHARE = 0.65  # of market orders are children of parent orders
STICKY = 0.7  # a child is followed by a child of the same parent
PARENT_TAIL = 1.5  # Pareto exponent of the number of children; signs then correlate as lag ** -(PARENT_TAIL - 1)
SHORTEST_PARENT, LONGEST_PARENT = 2.0, 3000.0
SWEEPING = 0.01  # of parents are one order through several levels
RETAIL_SHARE = 0.85  # of the other market orders
MAKER_LIMITS, RETAIL_LIMITS = 0.6, 0.2  # shares of limit orders; institutions place the rest
ICEBERG_LIMITS = 0.0015  # of institutional limit orders are icebergs
PULL = 0.35  # how strongly the others lean towards the reference, per tick
MEAN_DISTANCE_TICKS = 3.0  # mean distance of a limit order from the best price it could have
SLACK_TICKS = 2  # nobody bids above, or offers below, the reference by more than this
PROTECTION_ROWS = 5  # a market order goes no further from the touch than this
THIN_PROTECTION_ROWS = 1
STALE_FIRST = 0.7  # of cancels take quotes out that the reference has left behind, when there are any
THIN_LIMITS = 0.95  # of the limit orders of a withdrawn side are not sent
RESERVED = 1200  # slots kept free for clients


@inline
def broker_of(cumulative: Any, codes: Any, habit: Any, draw: Any) -> Any:
    """The code that a uniform draw picks among those of a habit."""
    for i in range(len(codes)):
        if draw < cumulative[habit, i]:
            return codes[i]
    return codes[len(codes) - 1]


@inline
def size_of(habit: Any, draw: Any) -> Any:
    """Lots of an order: round numbers, and for institutions a Pareto tail. Means: maker 5, retail 3, institution 6."""
    if habit == RETAIL:
        if draw < 0.60:
            return 1
        if draw < 0.75:
            return 2
        if draw < 0.81:
            return 3
        return 5 if draw < 0.90 else (10 if draw < 0.97 else 20)
    if habit == MAKER:
        if draw < 0.30:
            return 1
        if draw < 0.50:
            return 2
        return 5 if draw < 0.70 else (10 if draw < 0.95 else 20)
    if draw < 0.40:
        return 1
    if draw < 0.55:
        return 2
    if draw < 0.65:
        return 3
    if draw < 0.80:
        return 5
    if draw < 0.90:
        return 10
    if draw < 0.965:
        return 20
    return min(MAX_SIZE, int(20.0 * ((1.0 - draw) / 0.035) ** (-1.0 / 1.6)))


@inline
def deepen(b: Any, f: Any, tables: Any, draw: Any, thin_side: Any) -> None:
    """Add orders, nearest gap first, until each side has ten levels within NEAR_ROWS of its best price."""
    levels, orders, live, state = b
    cumulative, codes, _curve = tables
    for side in (BUY, SELL):
        step = -1 if side == BUY else 1
        best = state[BEST_BID] if side == BUY else state[BEST_ASK]
        if best < 0 or best >= levels.shape[0]:  # nothing on this side: start at the reference, beside the other side
            best = int(f.reference)
            best = min(best, state[BEST_ASK] - 1) if side == BUY else max(best + 1, state[BEST_BID] + 1)
        missing = LEVELS
        for k in range(NEAR_ROWS):
            row = best + step * k
            missing -= 0 <= row < levels.shape[0] and levels[row, LEVEL_ORDERS] > 0
            if missing == 0:
                break
        for k in range(NEAR_ROWS):
            row = best + step * k
            if missing <= 0 or row < 0 or row >= levels.shape[0]:
                break
            if levels[row, LEVEL_ORDERS] == 0:
                size = 1 if side == thin_side else size_of(MAKER, (draw[D_SIZE] + 0.37 * k) % 1.0)
                broker = broker_of(cumulative, codes, MAKER, (draw[D_BROKER] + 0.61 * k) % 1.0)
                f.order_number += 1
                book_add(levels, orders, live, state, f.order_number, side, row, size, broker, 0)
                missing -= 1


@inline
def start_parent(f: Any, tables: Any, k: Any, draw: Any) -> None:
    """A new parent order in place `k`: side, number of children, broker, and whether it is one sweep."""
    cumulative, codes, _curve = tables
    f.parent_side[k] = 1 if draw[D_SIDE] < 0.5 else -1
    length = SHORTEST_PARENT * (1.0 - draw[D_LENGTH]) ** (-1.0 / PARENT_TAIL)
    f.parent_left[k] = int(min(LONGEST_PARENT, ceil(length)))
    f.parent_broker[k] = broker_of(cumulative, codes, INSTITUTION, draw[D_PLACE])
    f.parent_sweeps[k] = draw[D_BROKER] < SWEEPING


@inline
def _move_reference(f: Any, sign: Any, lean: Any, size: Any) -> None:
    """The permanent impact of the part of a sign that could not be foreseen."""
    parents = 0.0
    for k in range(PARENTS):
        parents += f.parent_side[k]
    expected = STICKY * f.parent_side[f.last_parent] + (1.0 - STICKY) * parents / PARENTS
    expected = PARENT_SHARE * expected + (1.0 - PARENT_SHARE) * lean
    scale = VOLATILITY_TICKS * exp(f.mood) * sqrt(IMPACT_SHARE / f.mean_rate)
    f.reference += scale * (sign - expected) * min(2.5, sqrt(0.25 * size))


@inline
def market_order(b: Any, fills: Any, f: Any, icebergs: Any, out: Any, tables: Any, draw: Any, bounds: Any) -> Any:
    """One market order of the background. bounds: lowest and highest row, thin side. Whether a client is concerned."""
    levels, _orders, _live, state = b
    cumulative, codes, _curve = tables
    lean = 0.8 * tanh(PULL * (f.reference - 0.5 * (state[BEST_BID] + state[BEST_ASK])))
    author = draw[D_AUTHOR]
    sweeping = False
    if author < PARENT_SHARE:
        author /= PARENT_SHARE
        k = f.last_parent if author < STICKY else int((author - STICKY) / (1.0 - STICKY) * PARENTS)
        if f.parent_left[k] <= 0:
            start_parent(f, tables, k, draw)
        f.last_parent = k
        sign = f.parent_side[k]
        broker = f.parent_broker[k]
        size = size_of(INSTITUTION, draw[D_SIZE])
        sweeping = f.parent_sweeps[k] != 0
        f.parent_left[k] = 0 if sweeping else f.parent_left[k] - 1
    else:
        author = (author - PARENT_SHARE) / (1.0 - PARENT_SHARE)
        habit = RETAIL if author < RETAIL_SHARE else MAKER
        sign = 1 if draw[D_SIDE] < 0.5 + 0.5 * lean else -1
        broker = broker_of(cumulative, codes, habit, draw[D_BROKER])
        size = size_of(habit, draw[D_SIZE])
    side = BUY if sign > 0 else SELL
    best = state[BEST_ASK] if side == BUY else state[BEST_BID]
    protection = PROTECTION_ROWS if bounds[2] == 0 else THIN_PROTECTION_ROWS
    if sweeping and 0 <= best < levels.shape[0]:
        size = 0
        for k in range(1 + int(4.0 * draw[D_PLACE])):
            row = best + k * sign
            if 0 <= row < levels.shape[0]:
                size += levels[row, LEVEL_QUANTITY]
        size = max(1, size)
    limit = min(best + protection, bounds[1]) if side == BUY else max(best - protection, bounds[0])
    volume, prices, stop = aggress(b, fills, f, icebergs, out, side, limit, size, broker)
    tell_sweep(f, out, side, volume, prices, f.last_ticks)
    _move_reference(f, sign, lean, size)
    return stop


@inline
def limit_order(b: Any, f: Any, icebergs: Any, tables: Any, draw: Any, thin_side: Any) -> None:
    """One limit order of the background that does not cross, near the best price it could have."""
    levels, orders, live, state = b
    cumulative, codes, _curve = tables
    if state[LIVE] >= len(live) - RESERVED:
        return
    side = BUY if draw[D_SIDE] < 0.5 else SELL
    if side == thin_side and draw[D_LENGTH] < THIN_LIMITS:
        return
    author = draw[D_AUTHOR]
    habit = MAKER if author < MAKER_LIMITS else (RETAIL if author < MAKER_LIMITS + RETAIL_LIMITS else INSTITUTION)
    distance = int(-log(1.0 - draw[D_PLACE]) * MEAN_DISTANCE_TICKS)
    if habit == MAKER and state[BEST_ASK] - state[BEST_BID] > 1:
        distance = 0
    if side == BUY:
        row = min(state[BEST_ASK] - 1 - distance, floor(f.reference) + SLACK_TICKS)
    else:
        row = max(state[BEST_BID] + 1 + distance, floor(f.reference) + 1 - SLACK_TICKS)
    if row < 0 or row >= levels.shape[0]:
        return
    broker = broker_of(cumulative, codes, habit, draw[D_BROKER])
    size = 1 if side == thin_side else size_of(habit, draw[D_SIZE])
    if habit == INSTITUTION and draw[D_LENGTH] < ICEBERG_LIMITS and distance <= 1:
        total = int(40.0 * (draw[D_LENGTH] / ICEBERG_LIMITS + 0.05) ** (-1.0 / PARENT_TAIL))
        for i in range(1, len(icebergs)):
            if icebergs[i, I_SIDE] == 0:
                start_iceberg(b, f, icebergs, i, side, row, max(4, total // 12), total, broker)
                return
    f.order_number += 1
    book_add(levels, orders, live, state, f.order_number, side, row, size, broker, 0)


@inline
def cancel_order(b: Any, f: Any, icebergs: Any, draw: Any) -> None:
    """Take one order of the background out: often a quote that the reference left behind, else any."""
    levels, orders, live, state = b
    if state[LIVE] == 0:
        return
    slot = live[min(state[LIVE] - 1, int(draw[D_SIDE] * state[LIVE]))]
    if draw[D_PLACE] < STALE_FIRST:
        middle = floor(f.reference)
        if state[BEST_BID] >= 0 and state[BEST_BID] > middle + SLACK_TICKS:
            slot = levels[state[BEST_BID], HEAD]
        elif state[BEST_ASK] < levels.shape[0] and state[BEST_ASK] < middle + 1 - SLACK_TICKS:
            slot = levels[state[BEST_ASK], HEAD]
    if orders[slot, OWNER] == 0 and not is_slice(icebergs, slot, orders[slot, NUMBER]):
        book_remove(levels, orders, live, state, slot)
