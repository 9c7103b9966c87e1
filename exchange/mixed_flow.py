"""Recorded rows acting on a real book: each snapshot moves the background's quantities, each trade is an incoming order.

It stands under `mixed_market`. The recording's levels are background orders (owner 0) in the queues in which clients'
orders stand with their true priority. What is applied is the *change* from one snapshot to the next, so what a client
took from a level stays taken while the level lives, and a recorded trade that a client's order filled in part leaves
that much more of the background behind it. Pure arithmetic on arrays, no clock.

    recorded (2, span)    quantity that the recording last showed at a row: bids, offers
    words (8,)            W_*
    trades (m, 7)         ts_ns, price ticks, quantity, buyer, seller, type, number
    books (m, 2, 10, 3)   price ticks, quantity, orders; times (m,) their ts_ns
    clients (m, 4)        owner, price ticks, quantity, 1 when the order is done
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
    HEAD,
    HIGH_ASK,
    LEAVES,
    LEVEL_ORDERS,
    LEVEL_QUANTITY,
    LIVE,
    LOW_BID,
    NEXT,
    OWNER,
    PREVIOUS,
    REMAINING,
    SELL,
    TAIL,
    book_add,
    book_match,
    book_reduce,
    book_remove,
    book_show,
)
from shm.jit import inline, kernel

W_TRADES, W_BOOKS, W_CLIENTS, W_TRADE_NUMBER, W_ORDER_NUMBER, W_LAST_TICKS, W_LOW, W_HIGH = 0, 1, 2, 3, 4, 5, 6, 7
LEVELS = 10
BEYOND_ROWS = 64  # past the last order of a side that the recording shows whole: levels that clients emptied
BUY_AGGRESSOR, SELL_AGGRESSOR = 2, 3

_I1 = "int64[::1]"
_I2 = "int64[:, ::1]"
_BOOK = f"{_I2}, {_I2}, {_I1}, {_I1}"


@inline
def _background(levels: Any, orders: Any, row: Any) -> Any:
    """Quantity at a row that is not clients'."""
    found = 0
    slot = levels[row, HEAD]
    while slot >= 0:
        if orders[slot, OWNER] == 0:
            found += orders[slot, LEAVES]
        slot = orders[slot, NEXT]
    return found


@inline
def _take_off(levels: Any, orders: Any, live: Any, state: Any, slot: Any, quantity: Any) -> None:
    if quantity >= orders[slot, LEAVES]:
        book_remove(levels, orders, live, state, slot)
    elif quantity > 0:
        book_reduce(levels, orders, slot, orders[slot, LEAVES] - quantity)


@kernel(f"void({_BOOK}, int64, int64)")
def mixed_cancel(levels: Any, orders: Any, live: Any, state: Any, row: int, lost: int) -> None:
    """Cancel `lost` of the background at a row: of every order in proportion, what is left over from the newest."""
    there = _background(levels, orders, row)
    lost = min(lost, there)
    if lost <= 0:
        return
    left = lost
    slot = levels[row, HEAD]
    while slot >= 0:
        after = orders[slot, NEXT]
        if orders[slot, OWNER] == 0:
            part = orders[slot, LEAVES] * lost // there
            left -= part
            _take_off(levels, orders, live, state, slot, part)
        slot = after
    slot = levels[row, TAIL]
    while slot >= 0 and left > 0:
        before = orders[slot, PREVIOUS]
        if orders[slot, OWNER] == 0:
            part = min(left, orders[slot, LEAVES])
            left -= part
            _take_off(levels, orders, live, state, slot, part)
        slot = before


@inline
def _shown_at(ticks: Any, quantity: Any, price_ticks: Any) -> Any:
    for k in range(LEVELS):
        if quantity[k] > 0 and ticks[k] == price_ticks:
            return quantity[k]
    return 0


@inline
def _forget_far(levels: Any, orders: Any, live: Any, state: Any, recorded: Any, side: Any, last: Any) -> None:
    """Take off background far beyond the recorded depth, so that a price that travels leaves no trail in the book.

    It stops at the first client's order out there, unless the book fills up.
    """
    at, step = (0, 1) if side == BUY else (1, -1)
    row = state[LOW_BID] if side == BUY else state[HIGH_ASK]
    end = last - BEYOND_ROWS if side == BUY else last + BEYOND_ROWS
    best = state[BEST_BID] if side == BUY else state[BEST_ASK]
    clear = True
    while (row < min(end, best)) if side == BUY else (row > max(end, best)):
        if levels[row, LEVEL_ORDERS] > 0:
            mixed_cancel(levels, orders, live, state, row, np.int64(1) << 60)
            if levels[row, LEVEL_ORDERS] > 0:
                clear = False
                if state[LIVE] < len(live) * 3 // 4:
                    return
        recorded[at, row] = 0
        row += step
        if clear:
            if side == BUY:
                state[LOW_BID] = row
            else:
                state[HIGH_ASK] = row


@inline
def _grow(levels: Any, orders: Any, live: Any, state: Any, words: Any, side: Any, row: Any, quantity: Any) -> None:
    """More background at the end of a queue: one order as long as no client stands behind it."""
    tail = levels[row, TAIL]
    if tail >= 0 and orders[tail, OWNER] == 0:
        orders[tail, LEAVES] += quantity
        levels[row, LEVEL_QUANTITY] += quantity
        return
    words[W_ORDER_NUMBER] += 1
    book_add(levels, orders, live, state, words[W_ORDER_NUMBER], side, row, quantity, 0, 0)


@inline
def _forget_gone(
    levels: Any, orders: Any, live: Any, state: Any, recorded: Any, side: Any, ticks: Any, quantity: Any
) -> None:
    """Take the background off levels that the snapshot would show and does not; deeper ones stay as they were."""
    base, span = state[BASE_TICKS], levels.shape[0]
    at, step = (0, -1) if side == BUY else (1, 1)
    first = ticks[0] - base if quantity[0] > 0 else (state[BEST_BID] if side == BUY else state[BEST_ASK])
    if quantity[LEVELS - 1] > 0:
        last = ticks[LEVELS - 1] - base  # a full side: nothing is known beyond its last level
    else:
        last = state[LOW_BID] - BEYOND_ROWS if side == BUY else state[HIGH_ASK] + BEYOND_ROWS
    if side == BUY:
        first, last = min(span - 1, max(first, state[BEST_BID])), max(0, last)
    else:
        first, last = max(0, min(first, state[BEST_ASK])), min(span - 1, last)
    row = first
    while (row >= last) if side == BUY else (row <= last):
        if (levels[row, LEVEL_ORDERS] > 0 or recorded[at, row] > 0) and _shown_at(ticks, quantity, base + row) == 0:
            if (row <= state[BEST_BID]) if side == BUY else (row >= state[BEST_ASK]):
                mixed_cancel(levels, orders, live, state, row, np.int64(1) << 60)
            recorded[at, row] = 0
        row += step
    if quantity[LEVELS - 1] > 0:
        _forget_far(levels, orders, live, state, recorded, side, last)


@inline
def _print(words: Any, trades: Any, ts_ns: Any, ticks: Any, quantity: Any, buyer: Any, seller: Any, kind: Any) -> Any:
    """Write one trade. Whether its price is watched."""
    at = words[W_TRADES]
    words[W_TRADE_NUMBER] += 1
    trades[at, 0], trades[at, 1], trades[at, 2], trades[at, 3], trades[at, 4] = ts_ns, ticks, quantity, buyer, seller
    trades[at, 5], trades[at, 6] = kind, words[W_TRADE_NUMBER]
    words[W_TRADES] += 1
    words[W_LAST_TICKS] = ticks
    return ticks <= words[W_LOW] or ticks >= words[W_HIGH]


@inline
def _print_clients(
    words: Any, trades: Any, clients: Any, fills: Any, orders: Any, state: Any, count: Any,
    side: Any, ts_ns: Any, incoming: Any, kind: Any,
) -> Any:  # fmt: skip
    """Print and note an incoming order's executions against clients. Returns their quantity."""
    found = 0
    for i in range(count):
        owner = fills[i, FILL_OWNER]
        if owner == 0:
            continue
        ticks, quantity, broker = state[BASE_TICKS] + fills[i, FILL_ROW], fills[i, FILL_QUANTITY], fills[i, FILL_BROKER]
        buyer, seller = (incoming, broker) if side == BUY else (broker, incoming)
        _print(words, trades, ts_ns, ticks, quantity, buyer, seller, kind)
        row = words[W_CLIENTS]
        clients[row, 0], clients[row, 1], clients[row, 2] = owner, ticks, quantity
        # only the last order of a match can have something left
        clients[row, 3] = i < count - 1 or orders[fills[i, FILL_SLOT], LEAVES] == 0
        words[W_CLIENTS] += 1
        found += quantity
    return found


@inline
def _snapshot(
    levels: Any, orders: Any, live: Any, state: Any, fills: Any, recorded: Any, words: Any,
    ticks: Any, quantity: Any, ts_ns: Any, trades: Any, clients: Any,
) -> Any:  # fmt: skip
    """Apply one snapshot (2, 10). Whether to stop."""
    if quantity[0, 0] > 0 and quantity[1, 0] > 0 and ticks[0, 0] >= ticks[1, 0]:
        return False  # of an auction: no state of a continuous book
    stop = False
    base, span = state[BASE_TICKS], levels.shape[0]
    for side in (BUY, SELL):
        at = 0 if side == BUY else 1
        _forget_gone(levels, orders, live, state, recorded, side, ticks[at], quantity[at])
    for grow in (False, True):  # first what leaves both sides, so that nothing of the past is met
        for side in (BUY, SELL):
            at = 0 if side == BUY else 1
            for k in range(LEVELS):
                row = ticks[at, k] - base
                if quantity[at, k] <= 0 or row < 1 or row >= span - 1:
                    continue
                change = quantity[at, k] - recorded[at, row]
                if change < 0 and not grow:
                    mixed_cancel(levels, orders, live, state, row, -change)
                    recorded[at, row] = quantity[at, k]
                if change > 0 and grow:
                    recorded[at, row] = quantity[at, k]
                    count = book_match(levels, orders, live, state, fills, side, row, change)
                    kind = BUY_AGGRESSOR if side == BUY else SELL_AGGRESSOR
                    left = state[REMAINING]
                    met = _print_clients(words, trades, clients, fills, orders, state, count, side, ts_ns, 0, kind)
                    stop = stop or met > 0
                    if left > 0:
                        _grow(levels, orders, live, state, words, side, row, left)
    return stop


@inline
def _trade(
    levels: Any, orders: Any, live: Any, state: Any, fills: Any, recorded: Any, words: Any,
    ticks: Any, quantity: Any, kind: Any, takes: Any, buyer: Any, seller: Any, ts_ns: Any, trades: Any, clients: Any,
) -> Any:  # fmt: skip
    """Apply one recorded trade. What clients do not get of it is printed as it was recorded."""
    row = ticks - state[BASE_TICKS]
    side = BUY if kind == BUY_AGGRESSOR else SELL if kind == SELL_AGGRESSOR else 0
    if takes and side == 0:
        side = BUY if row >= state[BEST_ASK] else SELL if row <= state[BEST_BID] else 0
    count, left = 0, quantity
    if takes and side != 0 and 0 < row < levels.shape[0] - 1:
        count = book_match(levels, orders, live, state, fills, side, row, quantity)
        at = 1 if side == BUY else 0
        displaced = quantity  # what the recording lost at this price and the background here did not
        for i in range(count):
            if fills[i, FILL_OWNER] == 0:
                displaced -= fills[i, FILL_QUANTITY]
                at_row = fills[i, FILL_ROW]
                recorded[at, at_row] = max(0, recorded[at, at_row] - fills[i, FILL_QUANTITY])
            else:
                left -= fills[i, FILL_QUANTITY]
        recorded[at, row] = max(0, recorded[at, row] - displaced)
    stop = left < quantity
    first = count > 0 and fills[0, FILL_OWNER] == 0  # of the two in the queue
    if left > 0 and first:
        stop = _print(words, trades, ts_ns, ticks, left, buyer, seller, kind) or stop
    if left < quantity:
        incoming = buyer if side == BUY else seller
        _print_clients(words, trades, clients, fills, orders, state, count, side, ts_ns, incoming, kind)
    if left > 0 and not first:
        stop = _print(words, trades, ts_ns, ticks, left, buyer, seller, kind) or stop
    return stop


@kernel(
    f"int64({_BOOK}, {_I2}, {_I2}, {_I1}, uint8[::1], {_I1}, int64[:, :, ::1], int64[:, :, ::1], {_I2}, "
    f"uint8[::1], {_I2}, int64[:, :, :, ::1], {_I1}, {_I2}, int64[:, :, ::1], int64)"
)
def mixed_run(
    levels: Any, orders: Any, live: Any, state: Any, fills: Any, recorded: Any, words: Any,
    kinds: Any, due_ns: Any, book_ticks: Any, book_quantity: Any, rows: Any,
    told: Any, trades: Any, books: Any, times: Any, clients: Any, shown: Any, room: int,
) -> int:  # fmt: skip
    """Apply recorded events in their order, up to the first that concerns a client or `room` rows of output.

    kinds, due_ns (n,): 0 trade, 1 book; the books (b, 2, 10) and trades rows (t, 6: price ticks, quantity, type, takes,
    buyer, seller) of them in order. told (m,) is the order of what comes out: 0 a row of trades, 1 one of books.
    Returns how many events were applied.
    """
    words[W_TRADES] = words[W_BOOKS] = words[W_CLIENTS] = 0
    trade = book = out = 0
    for i in range(len(kinds)):
        before = words[W_TRADES]
        if kinds[i] == 1:
            stop = _snapshot(
                levels, orders, live, state, fills, recorded, words,
                book_ticks[book], book_quantity[book], due_ns[i], trades, clients,
            )  # fmt: skip
            book += 1
        else:
            row = rows[trade]
            stop = _trade(
                levels, orders, live, state, fills, recorded, words,
                row[0], row[1], row[2], row[3], row[4], row[5], due_ns[i], trades, clients,
            )  # fmt: skip
            trade += 1
        for _ in range(words[W_TRADES] - before):
            told[out] = 0
            out += 1
        if book_show(levels, state, shown, books[words[W_BOOKS]]):
            times[words[W_BOOKS]] = due_ns[i]
            words[W_BOOKS] += 1
            told[out] = 1
            out += 1
        if stop or out >= room:
            return i + 1
    return len(kinds)
