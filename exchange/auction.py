"""A call auction on one instrument: both sides collected without trading, then everything traded at one price.

It stands beside the continuous `book`, whose queues cannot cross: while a call lasts, its bids stay in that book and
its offers stand in a second ladder of the same prices. Pure: no clock, no states, no accounts, no I/O.

The price (B3, Manual de Procedimentos Operacionais de Negociacao, "Formacao de preco teorico (regras de fixing)"):
1. the prices at which the greatest quantity trades;
2. of those, the price with the smallest surplus of buys and the price with the smallest surplus of sells, and all
   prices between the two (with a balanced price there is no other);
3. of those, the nearest to the last trade or, before the first, to the reference; of two, the side of the surplus.
Orders are served by price, then time; nothing is shared out. Orders at market come first, and what the auction
leaves of them is eliminated.

Orders at market stand at the ladder's two outermost rows, which no limit may use (`CallAuction.holds`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from exchange.book import (
    BEST_ASK,
    BEST_BID,
    BROKER,
    BUY,
    DEPTH_ORDERS,
    DEPTH_QUANTITY,
    DEPTH_TICKS,
    HEAD,
    LEAVES,
    LEVEL_ORDERS,
    LEVEL_QUANTITY,
    LIVE,
    NONE,
    NUMBER,
    OWNER,
    SELL,
    OrderBook,
    book_add,
    book_depth,
    book_remove,
)
from shm.jit import kernel

AT_MARKET_TICKS = -1  # the price of a level of orders at market, in what `depth` gives

PAIR_BUY_OWNER, PAIR_SELL_OWNER, PAIR_BUY_BROKER, PAIR_SELL_BROKER, PAIR_QUANTITY = 0, 1, 2, 3, 4
PAIR_BUY_NUMBER, PAIR_SELL_NUMBER, PAIR_BUY_DONE, PAIR_SELL_DONE = 5, 6, 7, 8

Array = np.ndarray[Any, Any]

_I1 = "int64[::1]"
_I2 = "int64[:, ::1]"
_BOOK = f"{_I2}, {_I2}, {_I1}, {_I1}"


class Theoretical(NamedTuple):
    """What would trade now: price in ticks and quantity, both 0 when nothing would. surplus: buys less sells there."""

    price_ticks: int
    quantity: int
    surplus: int


@kernel(f"void({_I2}, {_I1}, {_I2}, {_I1}, int64, {_I1})")
def call_price(bids: Any, bid_state: Any, asks: Any, ask_state: Any, reference_row: int, out: Any) -> None:
    """The uncrossing price of two ladders: out (3,) = row (-1: nothing trades), quantity, surplus of buys."""
    out[0], out[1], out[2] = -1, 0, 0
    low, high = ask_state[BEST_ASK], bid_state[BEST_BID]
    if low > high:
        return
    demand_all = 0
    for row in range(low, high + 1):
        demand_all += bids[row, LEVEL_QUANTITY]
    # 1: the greatest quantity; demand falls and supply rises with the price, so its prices are neighbours
    demand, supply, most = demand_all, 0, 0
    for row in range(low, high + 1):
        supply += asks[row, LEVEL_QUANTITY]
        most = max(most, min(demand, supply))
        demand -= bids[row, LEVEL_QUANTITY]
    # 2: the smallest surplus of either sign, and what lies between
    demand, supply = demand_all, 0
    least_buy, least_sell = np.int64(1) << 62, np.int64(1) << 62
    for row in range(low, high + 1):
        supply += asks[row, LEVEL_QUANTITY]
        if min(demand, supply) == most:
            if demand >= supply:
                least_buy = min(least_buy, demand - supply)
            if supply >= demand:
                least_sell = min(least_sell, supply - demand)
        demand -= bids[row, LEVEL_QUANTITY]
    first, last = -1, -1
    demand, supply = demand_all, 0
    for row in range(low, high + 1):
        supply += asks[row, LEVEL_QUANTITY]
        surplus = demand - supply
        if min(demand, supply) == most and (surplus == least_buy or -surplus == least_sell):
            if first < 0:
                first = row
            last = row
        demand -= bids[row, LEVEL_QUANTITY]
    # 3: the nearest to the reference
    chosen = min(max(reference_row, first), last)
    supply, demand = 0, demand_all
    for row in range(low, chosen + 1):
        supply += asks[row, LEVEL_QUANTITY]
    for row in range(low, chosen):
        demand -= bids[row, LEVEL_QUANTITY]
    out[0], out[1], out[2] = chosen, most, demand - supply


@kernel(f"void({_BOOK}, {_BOOK}, int64)")
def call_move(
    levels: Any, orders: Any, live: Any, state: Any,
    to_levels: Any, to_orders: Any, to_live: Any, to_state: Any, side: int,
) -> None:  # fmt: skip
    """Move all orders of one side from a ladder to another of the same prices; each queue keeps its order."""
    while True:
        row = state[BEST_BID] if side == BUY else state[BEST_ASK]
        if row < 0 or row >= levels.shape[0]:
            return
        slot = levels[row, HEAD]
        book_add(
            to_levels, to_orders, to_live, to_state,
            orders[slot, NUMBER], side, row, orders[slot, LEAVES], orders[slot, BROKER], orders[slot, OWNER],
        )  # fmt: skip
        book_remove(levels, orders, live, state, slot)


@kernel(f"int64({_BOOK}, {_BOOK}, int64, {_I2})")
def call_uncross(
    bids: Any, bid_orders: Any, bid_live: Any, bid_state: Any,
    asks: Any, ask_orders: Any, ask_live: Any, ask_state: Any, quantity: int, pairs: Any,
) -> int:  # fmt: skip
    """Trade `quantity`, best bids against best offers, oldest first. pairs (n, 9), see PAIR_*. Returns the rows."""
    count = 0
    while quantity > 0:
        bid, ask = bids[bid_state[BEST_BID], HEAD], asks[ask_state[BEST_ASK], HEAD]
        traded = min(quantity, bid_orders[bid, LEAVES], ask_orders[ask, LEAVES])
        pair = pairs[count]
        pair[PAIR_BUY_OWNER], pair[PAIR_SELL_OWNER] = bid_orders[bid, OWNER], ask_orders[ask, OWNER]
        pair[PAIR_BUY_BROKER], pair[PAIR_SELL_BROKER] = bid_orders[bid, BROKER], ask_orders[ask, BROKER]
        pair[PAIR_BUY_NUMBER], pair[PAIR_SELL_NUMBER] = bid_orders[bid, NUMBER], ask_orders[ask, NUMBER]
        pair[PAIR_QUANTITY] = traded
        pair[PAIR_BUY_DONE] = traded == bid_orders[bid, LEAVES]
        pair[PAIR_SELL_DONE] = traded == ask_orders[ask, LEAVES]
        count += 1
        quantity -= traded
        if pair[PAIR_BUY_DONE]:
            book_remove(bids, bid_orders, bid_live, bid_state, bid)
        else:
            bid_orders[bid, LEAVES] -= traded
            bids[bid_state[BEST_BID], LEVEL_QUANTITY] -= traded
        if pair[PAIR_SELL_DONE]:
            book_remove(asks, ask_orders, ask_live, ask_state, ask)
        else:
            ask_orders[ask, LEAVES] -= traded
            asks[ask_state[BEST_ASK], LEVEL_QUANTITY] -= traded
    return count


class CallAuction:
    """One call around the continuous `book` of the instrument, which it borrows from `open` to `close`.

    Life: `open()` takes the book's orders over; `ladder(side)` is where orders of a side are added (`book_add`),
    removed and reduced meanwhile, market orders at `market_row(side)`; `theoretical()` at any time; `uncross()` trades;
    `close()` gives the rest back to the book, uncrossed. A slot of a sell order means another ladder after `open` and
    after `close`: look owners up again with `slots_of_owners`.
    """

    def __init__(self, book: OrderBook) -> None:
        self.bids = book
        self.asks = OrderBook(book.base_ticks, book.span, len(book.orders))
        self._price = np.zeros(3, np.int64)
        self._pairs = np.zeros((2 * len(book.orders), 9), np.int64)
        self.opened = False

    def open(self) -> None:
        """The call begins: offers leave the continuous book."""
        call_move(*self.bids.arrays, *self.asks.arrays, SELL)
        self.opened = True

    def ladder(self, side: int) -> OrderBook:
        """Where orders of that side stand while the call lasts."""
        return self.bids if side == BUY else self.asks

    def market_row(self, side: int) -> int:
        """The row of orders at market: better than any limit."""
        return self.bids.span - 1 if side == BUY else 0

    def holds(self, price_ticks: int) -> bool:
        """Whether a limit order may have this price: the ladder's two outermost rows are not for limits."""
        return self.bids.holds(price_ticks - 1) and self.bids.holds(price_ticks + 1)

    def theoretical(self, reference_ticks: int) -> Theoretical:
        """What would trade now. reference_ticks: the last trade's price, or the reference before the first."""
        row = self.bids.row(reference_ticks)
        call_price(self.bids.levels, self.bids.state, self.asks.levels, self.asks.state, row, self._price)
        row, quantity, surplus = self._price.tolist()
        return Theoretical(self.bids.base_ticks + row, quantity, surplus) if row >= 0 else Theoretical(0, 0, 0)

    def uncross(self, reference_ticks: int) -> tuple[Theoretical, Array]:
        """Trade at the theoretical price: the price, and (n, 9) int64 pairs (PAIR_*) in the order of their priority."""
        found = self.theoretical(reference_ticks)
        count = call_uncross(*self.bids.arrays, *self.asks.arrays, found.quantity, self._pairs)
        return found, self._pairs[:count].copy()

    def close(self) -> list[int]:
        """The call is over: eliminate orders at market, give the offers back. Returns the owners (> 0) eliminated."""
        owners = []
        for side in (BUY, SELL):
            ladder, row = self.ladder(side), self.market_row(side)
            while (slot := int(ladder.levels[row, HEAD])) != NONE:
                owners.append(int(ladder.orders[slot, OWNER]))
                book_remove(*ladder.arrays, slot)
        call_move(*self.asks.arrays, *self.bids.arrays, SELL)
        self.opened = False
        return [owner for owner in owners if owner > 0]

    def depth(self, reference_ticks: int, count: int) -> tuple[Array, Array, Theoretical]:
        """Both sides as clients see them, (count, 3) int64 each (price ticks, quantity, orders), and what would trade.

        When something would trade, the first level of both sides is the theoretical price with all that trades or is
        better there; the rest are the levels beyond it. Without that, orders at market are a first level of
        AT_MARKET_TICKS.
        """
        found = self.theoretical(reference_ticks)
        sides = []
        for side in (BUY, SELL):
            ladder = self.ladder(side)
            out = np.zeros((count, 3), np.int64)
            if found.quantity:
                sides.append(self._folded(ladder, side, self.bids.row(found.price_ticks), out))
                continue
            book_depth(ladder.levels, ladder.state, side, out)
            if out[0, DEPTH_ORDERS] and ladder.row(int(out[0, DEPTH_TICKS])) == self.market_row(side):
                out[0, DEPTH_TICKS] = AT_MARKET_TICKS
            sides.append(out)
        return sides[0], sides[1], found

    @staticmethod
    def _folded(ladder: OrderBook, side: int, row: int, out: Array) -> Array:
        better = slice(row, None) if side == BUY else slice(None, row + 1)
        out[0, DEPTH_TICKS] = ladder.base_ticks + row
        out[0, DEPTH_QUANTITY] = ladder.levels[better, LEVEL_QUANTITY].sum()
        out[0, DEPTH_ORDERS] = ladder.levels[better, LEVEL_ORDERS].sum()
        rows = np.flatnonzero(ladder.levels[:row, LEVEL_ORDERS])[::-1] if side == BUY else (
            row + 1 + np.flatnonzero(ladder.levels[row + 1 :, LEVEL_ORDERS])
        )  # fmt: skip
        for at, other in enumerate(rows[: len(out) - 1].tolist(), start=1):
            out[at] = (
                ladder.base_ticks + other,
                ladder.levels[other, LEVEL_QUANTITY],
                ladder.levels[other, LEVEL_ORDERS],
            )
        return out


def slots_of_owners(ladder: OrderBook) -> dict[int, int]:
    """Client orders (owner > 0) of a ladder -> their slots."""
    slots = ladder.live[: ladder.state[LIVE]]
    owners = ladder.orders[slots, OWNER]
    return {int(owner): int(slot) for owner, slot in zip(owners, slots, strict=True) if owner > 0}
