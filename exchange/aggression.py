"""Orders that trade at once, and orders that show a part of themselves: the compiled parts both kinds of trader share.

An incoming order trades level by level; an iceberg at a level shows its next slice, at the end of the queue, before the
order goes on to the next price. Pure functions of their arguments; they allocate nothing.
"""

from __future__ import annotations

from typing import Any

from exchange.book import (
    BASE_TICKS,
    BEST_ASK,
    BEST_BID,
    BUY,
    FILL_BROKER,
    FILL_OWNER,
    FILL_QUANTITY,
    FILL_ROW,
    FILL_SLOT,
    LEAVES,
    LEVEL_ORDERS,
    NUMBER,
    OWNER,
    REMAINING,
    SELL,
    book_add,
    book_match,
    book_remove,
)
from exchange.flow_state import (
    G_DECOY,
    G_END_NS,
    G_KIND,
    G_PLANTED,
    G_SIDE,
    G_START_NS,
    G_TICKS,
    G_VOLUME,
    I_BROKER,
    I_HIDDEN,
    I_NUMBER,
    I_ROW,
    I_SHOWN,
    I_SIDE,
    I_SLICES,
    I_SLOT,
    I_START_NS,
    I_TOTAL,
    MINUTES,
    STEP_EVENTS,
    T_BUYER,
    T_QUANTITY,
    T_SELLER,
    T_TICKS,
    T_TS,
    T_TYPE,
)
from exchange.flow_state import T_NUMBER as T_TRADE_NUMBER
from exchange.ground_truth import ICEBERG, SWEEP
from shm.jit import inline

SWEEP_PRICES = 4  # one order through so many prices at one instant is a sweep
ICEBERG_SLICES = 3  # an order that was seen at least so often at one price is an iceberg
FORSAKEN_ROWS = 6  # a background iceberg so far behind the touch is taken out


@inline
def tell_truth(f: Any, truths: Any, kind: Any, side: Any, start_ns: Any, end_ns: Any, ticks: Any, volume: Any,
               decoy: Any, planted: Any) -> None:  # fmt: skip
    """One row of the ground truth. side: 1 buy, -1 sell."""
    at = f.truths
    truths[at, G_KIND] = kind
    truths[at, G_SIDE] = side
    truths[at, G_START_NS] = start_ns
    truths[at, G_END_NS] = end_ns
    truths[at, G_TICKS] = ticks
    truths[at, G_VOLUME] = volume
    truths[at, G_DECOY] = decoy
    truths[at, G_PLANTED] = planted
    f.truths += 1


@inline
def show_slice(b: Any, f: Any, icebergs: Any, i: Any) -> Any:
    """Put the next slice of iceberg `i` into its queue, when there is one and it would not cross. Whether it did."""
    levels, orders, live, state = b
    row, side = icebergs[i, I_ROW], icebergs[i, I_SIDE]
    crosses = row >= state[BEST_ASK] if side == BUY else row <= state[BEST_BID]
    if icebergs[i, I_HIDDEN] <= 0 or crosses:
        return False
    f.order_number += 1
    size = min(icebergs[i, I_SHOWN], icebergs[i, I_HIDDEN])
    slot = book_add(levels, orders, live, state, f.order_number, side, row, size, icebergs[i, I_BROKER], 0)
    if slot < 0:
        return False
    icebergs[i, I_SLOT] = slot
    icebergs[i, I_NUMBER] = f.order_number
    icebergs[i, I_HIDDEN] -= size
    icebergs[i, I_SLICES] += 1
    return True


@inline
def is_shown(b: Any, icebergs: Any, i: Any) -> Any:
    """Whether a slice of iceberg `i` rests."""
    _levels, orders, _live, _state = b
    slot = icebergs[i, I_SLOT]
    return orders[slot, NUMBER] == icebergs[i, I_NUMBER] and orders[slot, LEAVES] > 0


@inline
def traded_of(b: Any, icebergs: Any, i: Any) -> Any:
    """What iceberg `i` has traded, with whomever."""
    _levels, orders, _live, _state = b
    left = icebergs[i, I_HIDDEN]
    if is_shown(b, icebergs, i):
        left += orders[icebergs[i, I_SLOT], LEAVES]
    return icebergs[i, I_TOTAL] - left


@inline
def is_slice(icebergs: Any, slot: Any, number: Any) -> Any:
    """Whether the order in a slot is a slice of an iceberg."""
    for i in range(len(icebergs)):
        if icebergs[i, I_SIDE] != 0 and icebergs[i, I_SLOT] == slot and icebergs[i, I_NUMBER] == number:
            return True
    return False


@inline
def remove_iceberg(b: Any, f: Any, icebergs: Any, i: Any, truths: Any) -> None:
    """Take what is left of iceberg `i` out; a background one that was seen often enough is told as the truth."""
    levels, orders, live, state = b
    traded = traded_of(b, icebergs, i)
    if is_shown(b, icebergs, i):
        book_remove(levels, orders, live, state, icebergs[i, I_SLOT])
    if i > 0 and icebergs[i, I_SLICES] > ICEBERG_SLICES:
        side = 1 if icebergs[i, I_SIDE] == BUY else -1
        ticks = state[BASE_TICKS] + icebergs[i, I_ROW]
        tell_truth(f, truths, ICEBERG, side, icebergs[i, I_START_NS], f.last_ns, ticks, traded, 0, 0)
    icebergs[i, I_SIDE] = 0


@inline
def tend_icebergs(b: Any, f: Any, icebergs: Any, truths: Any) -> None:
    """Show the next slices; end background icebergs that are done, crossed or left behind by the price."""
    _levels, _orders, _live, state = b
    for i in range(len(icebergs)):
        side = icebergs[i, I_SIDE]
        if side == 0:
            continue
        best = state[BEST_BID] if side == BUY else state[BEST_ASK]
        if is_shown(b, icebergs, i):
            if i > 0 and abs(best - icebergs[i, I_ROW]) > FORSAKEN_ROWS:
                remove_iceberg(b, f, icebergs, i, truths)
        elif not show_slice(b, f, icebergs, i) and i > 0:
            remove_iceberg(b, f, icebergs, i, truths)


@inline
def start_iceberg(
    b: Any, f: Any, icebergs: Any, i: Any, side: Any, row: Any, shown: Any, total: Any, broker: Any
) -> None:
    """Fill row `i` of the table and show the first slice, if it does not cross."""
    icebergs[i, I_SIDE] = side
    icebergs[i, I_ROW] = row
    icebergs[i, I_SHOWN] = shown
    icebergs[i, I_HIDDEN] = total
    icebergs[i, I_SLOT] = 0
    icebergs[i, I_NUMBER] = -1
    icebergs[i, I_BROKER] = broker
    icebergs[i, I_TOTAL] = total
    icebergs[i, I_SLICES] = 0
    icebergs[i, I_START_NS] = f.last_ns
    show_slice(b, f, icebergs, i)


@inline
def _remember_price(f: Any, row: Any) -> None:
    at = f.minute % MINUTES
    f.minute_low[at] = min(f.minute_low[at], row)
    f.minute_high[at] = max(f.minute_high[at], row)


@inline
def aggress(
    b: Any, fills: Any, f: Any, icebergs: Any, out: Any, side: Any, limit_row: Any, quantity: Any, broker: Any
) -> Any:
    """Trade an incoming order of the background up to `limit_row`. out: trades, clients, truths.

    Returns (quantity traded, number of prices, whether a client is concerned).
    """
    levels, orders, live, state = b
    trades, clients, _truths = out
    wanted = quantity
    opposite = BUY + SELL - side
    prices, last_row = 0, -1
    stop = False
    while quantity > 0:
        best = state[BEST_ASK] if side == BUY else state[BEST_BID]
        if best < 0 or best >= levels.shape[0] or (best > limit_row if side == BUY else best < limit_row):
            break
        room = STEP_EVENTS - 2 - (f.trades - f.step_trades)
        if room <= 0:
            break
        # each fill takes at least one lot, so a level of many small orders is taken in parts
        part = min(quantity, room) if levels[best, LEVEL_ORDERS] > room else quantity
        count = book_match(levels, orders, live, state, fills, side, best, part)
        quantity -= part - state[REMAINING]
        prices += best != last_row
        last_row = best
        for i in range(count):
            at = f.trades
            f.trade_number += 1
            ticks = state[BASE_TICKS] + fills[i, FILL_ROW]
            trades[at, T_TS] = f.last_ns
            trades[at, T_TICKS] = ticks
            trades[at, T_QUANTITY] = fills[i, FILL_QUANTITY]
            trades[at, T_BUYER] = broker if side == BUY else fills[i, FILL_BROKER]
            trades[at, T_SELLER] = fills[i, FILL_BROKER] if side == BUY else broker
            trades[at, T_TYPE] = 2 if side == BUY else 3
            trades[at, T_TRADE_NUMBER] = f.trade_number
            f.trades += 1
            f.last_ticks = ticks
            stop = stop or ticks <= f.low_ticks or ticks >= f.high_ticks
            owner = fills[i, FILL_OWNER]
            if owner > 0:
                row = f.clients
                clients[row, 0] = owner
                clients[row, 1] = ticks
                clients[row, 2] = fills[i, FILL_QUANTITY]
                slot = fills[i, FILL_SLOT]  # a slot that was given back has no leaves
                clients[row, 3] = orders[slot, LEAVES] == 0 or orders[slot, OWNER] != owner
                f.clients += 1
                stop = True
        for i in range(len(icebergs)):
            if icebergs[i, I_ROW] == best and icebergs[i, I_SIDE] == opposite and not is_shown(b, icebergs, i):
                show_slice(b, f, icebergs, i)
        _remember_price(f, best)
    return wanted - quantity, prices, stop


@inline
def tell_sweep(f: Any, out: Any, side: Any, volume: Any, prices: Any, ticks: Any) -> None:
    """Tell the truth of a background order that traded through many prices."""
    _trades, _clients, truths = out
    if prices >= SWEEP_PRICES:
        tell_truth(f, truths, SWEEP, 1 if side == BUY else -1, f.last_ns, f.last_ns, ticks, volume, 0, 0)
