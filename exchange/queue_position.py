"""Where an order of ours would stand in the queues of a recorded market, and when the recording would have filled it.

The rules, for a resting order at price P with `ahead` before it:
- placed: ahead = the quantity recorded at P. A price beyond the recorded depth is not known (-1) until it is seen.
- a recorded trade through P fills it whole; a trade at P first takes what is ahead, the rest of it fills ours.
- a book that shows less at P than trades explain lost that much to cancels: those stood before and behind us in
  proportion, so ahead shrinks by (lost x ahead / quantity). What is added stands behind us.
- our own orders at one price fill in the order of their placement and share the volume of one trade.

The recording itself is never altered. Pure arithmetic on the rows below; float64, exact for quantities < 2^53.

    own (n, 6)   owner, side, price ticks, leaves, ahead, quantity recorded at that price
    fills (n, 3) owner, price ticks, quantity
"""

from __future__ import annotations

from math import ceil
from typing import Any

from shm.jit import inline, kernel

OWNER, SIDE, PRICE_TICKS, LEAVES, AHEAD, LEVEL = 0, 1, 2, 3, 4, 5
UNKNOWN = -1.0
BUY = 1


@kernel("int64(float64[:, ::1], int64, int64, int64, int64[:, ::1])")
def queue_on_trade(own: Any, count: int, price_ticks: int, quantity: int, fills: Any) -> int:
    """Apply one recorded trade to the first `count` rows, oldest first. Returns how many rows of `fills` it wrote."""
    written = 0
    ours_bid = 0.0  # taken from this trade by our older orders at its price, a side each
    ours_ask = 0.0
    for i in range(count):
        leaves = own[i, LEAVES]
        if leaves <= 0:
            continue
        buy = own[i, SIDE] == BUY
        traded = 0.0
        if (buy and price_ticks < own[i, PRICE_TICKS]) or (not buy and price_ticks > own[i, PRICE_TICKS]):
            traded = leaves
        elif price_ticks == own[i, PRICE_TICKS]:
            if own[i, AHEAD] >= 0:
                taken = ours_bid if buy else ours_ask
                # whole contracts only: what proportion left of a contract ahead still stands there
                traded = min(leaves, max(0.0, quantity - ceil(own[i, AHEAD]) - taken))
                own[i, AHEAD] = max(0.0, own[i, AHEAD] - quantity)
                if buy:
                    ours_bid += traded
                else:
                    ours_ask += traded
            own[i, LEVEL] = max(0.0, own[i, LEVEL] - quantity)
        if traded > 0:
            own[i, LEAVES] = leaves - traded
            fills[written, 0] = int(own[i, OWNER])
            fills[written, 1] = int(own[i, PRICE_TICKS])
            fills[written, 2] = int(traded)
            written += 1
    return written


@inline
def _recorded(ticks: Any, quantity: Any, buy: Any, price_ticks: Any) -> Any:
    """Quantity shown at a price of one side, best first; -1 when the price is deeper than what is recorded."""
    worst = 0
    for k in range(ticks.shape[0]):
        if quantity[k] <= 0:
            continue
        if ticks[k] == price_ticks:
            return quantity[k]
        worst = ticks[k]
    if quantity[ticks.shape[0] - 1] > 0 and ((buy and price_ticks < worst) or (not buy and price_ticks > worst)):
        return -1
    return 0


@kernel("int64(int64[::1], int64[::1], boolean, int64)")
def recorded_quantity(ticks: Any, quantity: Any, buy: bool, price_ticks: int) -> int:
    """Quantity that a recorded side (10,) shows at a price; 0: none; -1: deeper than the recording reaches."""
    return _recorded(ticks, quantity, buy, price_ticks)  # type: ignore[no-any-return]


@kernel("void(float64[:, ::1], int64, int64[::1], int64[::1], int64[::1], int64[::1])")
def queue_on_book(own: Any, count: int, bid_ticks: Any, bid_quantity: Any, ask_ticks: Any, ask_quantity: Any) -> None:
    """Apply one recorded snapshot, sides (10,) best first, quantity 0 where there is no level."""
    for i in range(count):
        buy = own[i, SIDE] == BUY
        price_ticks = int(own[i, PRICE_TICKS])
        if buy:
            shown = float(_recorded(bid_ticks, bid_quantity, True, price_ticks))
        else:
            shown = float(_recorded(ask_ticks, ask_quantity, False, price_ticks))
        if shown < 0:
            continue  # it left the recorded depth: what was known stands
        if own[i, AHEAD] < 0:
            own[i, AHEAD] = shown  # first seen: all of it was there before us, as far as the recording can say
        else:
            before = own[i, LEVEL]
            if shown < before:
                own[i, AHEAD] -= (before - shown) * own[i, AHEAD] / before
            own[i, AHEAD] = min(own[i, AHEAD], shown)
        own[i, LEVEL] = shown


@kernel(
    "int64(uint8[::1], int32[::1], int64[:, :, ::1], int64[:, :, ::1], int64[::1], int64[::1], boolean[::1], "
    "float64[:, :, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1])"
)
def queue_play(
    kinds: Any, symbols: Any, book_ticks: Any, book_quantity: Any, trade_ticks: Any, trade_quantity: Any, takes: Any,
    own: Any, resting: Any, watch: Any, fills: Any, out: Any,
) -> int:  # fmt: skip
    """Apply recorded events in their order, up to the first that fills an order of ours or trades at a watched price.

    kinds, symbols (n,): 0 trade, 1 book, and its instrument; the books (b, 2, 10) and trades (t,) of them in order;
    takes (t,): whether that trade takes from the queues. own (i, m, 6), resting (i,), watch (i, 2): per instrument the
    rows above, how many, and the prices at or beyond which a trade stops the play. Returns how many events were
    applied; out (2,) = rows of `fills`, their instrument.
    """
    trade = book = 0
    out[0] = 0
    for i in range(len(kinds)):
        index = symbols[i]
        if kinds[i] == 1:
            if resting[index] > 0:
                ticks, quantity = book_ticks[book], book_quantity[book]
                queue_on_book(own[index], resting[index], ticks[0], quantity[0], ticks[1], quantity[1])
            book += 1
            continue
        price_ticks = trade_ticks[trade]
        if resting[index] > 0 and takes[trade]:
            out[0] = queue_on_trade(own[index], resting[index], price_ticks, trade_quantity[trade], fills)
            out[1] = index
            if out[0] > 0:
                return i + 1
        if not (watch[index, 0] < price_ticks < watch[index, 1]):
            return i + 1
        trade += 1
    return len(kinds)
