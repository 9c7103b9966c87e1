"""A limit order book with price-time priority: a ladder of price levels, each a queue of orders, in flat int64 arrays.

It stands under the generated market, and replay may use it too. It knows orders by number and nothing of accounts,
time or statuses; it never allocates after it is made and never does I/O. Prices are whole ticks; row r of the ladder
is price `base + r` ticks, so finding a level is an index and moving the best price is a short scan.

    levels (span, 4)      head slot, tail slot, quantity, orders                 -1: no order
    orders (capacity, 9)  number, side, row, leaves, next, previous, broker, owner, position in `live`
    live   (capacity,)    slots in use, dense: [0, state[LIVE])                  to pick any order at random
    state  (8,)           see the names below
    fills  (capacity, 6)  slot, number, row, quantity, broker, owner of each resting order that traded
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shm.jit import inline, kernel

BUY, SELL = 1, 2
NONE = -1
MARKET_ROW_BUY = np.int64(1) << 60  # a limit no row reaches
MARKET_ROW_SELL = np.int64(-1)

HEAD, TAIL, LEVEL_QUANTITY, LEVEL_ORDERS = 0, 1, 2, 3
NUMBER, SIDE, ROW, LEAVES, NEXT, PREVIOUS, BROKER, OWNER, LIVE_AT = 0, 1, 2, 3, 4, 5, 6, 7, 8
BEST_BID, BEST_ASK, FREE, LIVE, REMAINING, BASE_TICKS, LOW_BID, HIGH_ASK = 0, 1, 2, 3, 4, 5, 6, 7
FILL_SLOT, FILL_NUMBER, FILL_ROW, FILL_QUANTITY, FILL_BROKER, FILL_OWNER = 0, 1, 2, 3, 4, 5

DEPTH_TICKS, DEPTH_QUANTITY, DEPTH_ORDERS = 0, 1, 2

_I1 = "int64[::1]"
_I2 = "int64[:, ::1]"
_BOOK = f"{_I2}, {_I2}, {_I1}, {_I1}"


# No bid stands below row state[LOW_BID], no offer above state[HIGH_ASK]: a search for the next level ends there.


@inline
def _next_bid(levels: Any, state: Any, row: Any) -> Any:
    while row >= state[LOW_BID] and levels[row, LEVEL_ORDERS] == 0:
        row -= 1
    return row if row >= state[LOW_BID] else -1


@inline
def _next_ask(levels: Any, state: Any, row: Any) -> Any:
    while row <= state[HIGH_ASK] and levels[row, LEVEL_ORDERS] == 0:
        row += 1
    return row if row <= state[HIGH_ASK] else levels.shape[0]


@kernel(f"int64({_BOOK}, int64, int64, int64, int64, int64, int64)")
def book_add(
    levels: Any, orders: Any, live: Any, state: Any,
    number: int, side: int, row: int, quantity: int, broker: int, owner: int,
) -> int:  # fmt: skip
    """Put an order that does not cross at the end of its queue. Returns its slot, -1 when every slot is in use."""
    slot = state[FREE]
    if slot < 0:
        return NONE
    state[FREE] = orders[slot, NEXT]
    orders[slot, NUMBER] = number
    orders[slot, SIDE] = side
    orders[slot, ROW] = row
    orders[slot, LEAVES] = quantity
    orders[slot, NEXT] = NONE
    orders[slot, BROKER] = broker
    orders[slot, OWNER] = owner
    orders[slot, LIVE_AT] = state[LIVE]
    live[state[LIVE]] = slot
    state[LIVE] += 1
    tail = levels[row, TAIL]
    orders[slot, PREVIOUS] = tail
    if tail >= 0:
        orders[tail, NEXT] = slot
    else:
        levels[row, HEAD] = slot
    levels[row, TAIL] = slot
    levels[row, LEVEL_QUANTITY] += quantity
    levels[row, LEVEL_ORDERS] += 1
    if side == BUY:
        state[LOW_BID] = row if state[BEST_BID] < 0 else min(state[LOW_BID], row)
        state[BEST_BID] = max(state[BEST_BID], row)
    else:
        state[HIGH_ASK] = row if state[BEST_ASK] >= levels.shape[0] else max(state[HIGH_ASK], row)
        state[BEST_ASK] = min(state[BEST_ASK], row)
    return slot  # type: ignore[no-any-return]


@kernel(f"void({_BOOK}, int64)")
def book_remove(levels: Any, orders: Any, live: Any, state: Any, slot: int) -> None:
    """Take an order out of its queue, whatever it has left, and give its slot back."""
    row = orders[slot, ROW]
    before, after = orders[slot, PREVIOUS], orders[slot, NEXT]
    if before >= 0:
        orders[before, NEXT] = after
    else:
        levels[row, HEAD] = after
    if after >= 0:
        orders[after, PREVIOUS] = before
    else:
        levels[row, TAIL] = before
    levels[row, LEVEL_QUANTITY] -= orders[slot, LEAVES]
    levels[row, LEVEL_ORDERS] -= 1
    last = live[state[LIVE] - 1]
    live[orders[slot, LIVE_AT]] = last
    orders[last, LIVE_AT] = orders[slot, LIVE_AT]
    state[LIVE] -= 1
    orders[slot, NEXT] = state[FREE]
    orders[slot, LEAVES] = 0
    state[FREE] = slot
    if levels[row, LEVEL_ORDERS] == 0:
        if row == state[BEST_BID]:
            state[BEST_BID] = _next_bid(levels, state, row)
        elif row == state[BEST_ASK]:
            state[BEST_ASK] = _next_ask(levels, state, row)


@kernel(f"void({_I2}, {_I2}, int64, int64)")
def book_reduce(levels: Any, orders: Any, slot: int, leaves: int) -> None:
    """Lower what an order has left; it keeps its place. leaves: 1 ... its present leaves."""
    levels[orders[slot, ROW], LEVEL_QUANTITY] -= orders[slot, LEAVES] - leaves
    orders[slot, LEAVES] = leaves


@kernel(f"int64({_BOOK}, {_I2}, int64, int64, int64)")
def book_match(
    levels: Any, orders: Any, live: Any, state: Any, fills: Any, side: int, limit_row: int, quantity: int
) -> int:
    """Trade an incoming order against the other side, best price first, oldest first.

    Returns the number of rows written to `fills`; state[REMAINING] is what is left of the quantity.
    """
    count = 0
    while quantity > 0:
        row = state[BEST_ASK] if side == BUY else state[BEST_BID]
        if side == BUY:
            if row >= levels.shape[0] or row > limit_row:
                break
        elif row < 0 or row < limit_row:
            break
        slot = levels[row, HEAD]
        traded = min(quantity, orders[slot, LEAVES])
        fills[count, FILL_SLOT] = slot
        fills[count, FILL_NUMBER] = orders[slot, NUMBER]
        fills[count, FILL_ROW] = row
        fills[count, FILL_QUANTITY] = traded
        fills[count, FILL_BROKER] = orders[slot, BROKER]
        fills[count, FILL_OWNER] = orders[slot, OWNER]
        count += 1
        quantity -= traded
        if traded == orders[slot, LEAVES]:
            book_remove(levels, orders, live, state, slot)
        else:
            orders[slot, LEAVES] -= traded
            levels[row, LEVEL_QUANTITY] -= traded
    state[REMAINING] = quantity
    return count


@kernel(f"int64({_I2}, {_I1}, int64, int64, int64)")
def book_available(levels: Any, state: Any, side: int, limit_row: int, wanted: int) -> int:
    """How much an incoming order could trade at once, counted up to `wanted`."""
    found = 0
    row = state[BEST_ASK] if side == BUY else state[BEST_BID]
    while found < wanted and 0 <= row < levels.shape[0]:
        if (side == BUY and row > limit_row) or (side == SELL and row < limit_row):
            break
        found += levels[row, LEVEL_QUANTITY]
        row = _next_ask(levels, state, row + 1) if side == BUY else _next_bid(levels, state, row - 1)
    return min(found, wanted)


@kernel(f"int64({_I2}, {_I1}, int64, {_I2})")
def book_depth(levels: Any, state: Any, side: int, out: Any) -> int:
    """The best levels of one side into `out` (n, 3): price ticks, quantity, orders; the rest 0. Returns how many."""
    count = 0
    row = state[BEST_BID] if side == BUY else state[BEST_ASK]
    while count < out.shape[0] and 0 <= row < levels.shape[0]:
        out[count, DEPTH_TICKS] = state[BASE_TICKS] + row
        out[count, DEPTH_QUANTITY] = levels[row, LEVEL_QUANTITY]
        out[count, DEPTH_ORDERS] = levels[row, LEVEL_ORDERS]
        count += 1
        row = _next_bid(levels, state, row - 1) if side == BUY else _next_ask(levels, state, row + 1)
    out[count:] = 0
    return count


@kernel(f"boolean({_I2}, {_I1}, int64[:, :, ::1], int64[:, :, ::1])")
def book_show(levels: Any, state: Any, shown: Any, out: Any) -> bool:
    """The best levels of both sides into `out` (2, n, 3); whether they differ from `shown`, which follows."""
    book_depth(levels, state, BUY, out[0])
    book_depth(levels, state, SELL, out[1])
    for side in range(2):
        for level in range(out.shape[1]):
            for field in range(3):
                if out[side, level, field] != shown[side, level, field]:
                    shown[:] = out
                    return True
    return False


@kernel(f"int64({_I2}, int64)")
def book_queue_ahead(orders: Any, slot: int) -> int:
    """Quantity that stands before an order in its own queue."""
    ahead = 0
    before = orders[slot, PREVIOUS]
    while before >= 0:
        ahead += orders[before, LEAVES]
        before = orders[before, PREVIOUS]
    return ahead


class OrderBook:
    """The arrays of one book. `span` prices from `base_ticks` up; at most `capacity` resting orders."""

    def __init__(self, base_ticks: int, span: int, capacity: int) -> None:
        self.base_ticks, self.span = base_ticks, span
        self.levels = np.zeros((span, 4), np.int64)
        self.levels[:, :2] = NONE
        self.orders = np.zeros((capacity, 9), np.int64)
        self.orders[:, NEXT] = np.arange(1, capacity + 1)
        self.orders[-1, NEXT] = NONE
        self.live = np.zeros(capacity, np.int64)
        self.state = np.zeros(8, np.int64)
        self.state[BEST_BID] = NONE
        self.state[BEST_ASK] = span
        self.state[BASE_TICKS] = base_ticks
        self.state[LOW_BID], self.state[HIGH_ASK] = 0, span - 1
        self.fills = np.zeros((capacity, 6), np.int64)

    @property
    def arrays(self) -> tuple[Any, Any, Any, Any]:
        """levels, orders, live, state: what the kernels take first."""
        return self.levels, self.orders, self.live, self.state

    def row(self, price_ticks: int) -> int:
        """The ladder row of a price, which must be `holds`."""
        return price_ticks - self.base_ticks

    def holds(self, price_ticks: int) -> bool:
        """Whether the ladder reaches that price."""
        return self.base_ticks <= price_ticks < self.base_ticks + self.span

    def depth(self, side: int, count: int) -> np.ndarray[Any, Any]:
        """The best `count` levels as (n, 3) int64: price ticks, quantity, orders."""
        out = np.zeros((count, 3), np.int64)
        return out[: book_depth(self.levels, self.state, side, out)]
