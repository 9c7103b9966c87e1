"""The background traders of the generated market: one compiled loop of limit orders, market orders and cancels.

A zero-intelligence flow (Poisson arrivals of three kinds, cancels in proportion to the orders that rest) around a
reference price that reverts to its anchor. It keeps both sides ten levels deep. Random numbers come in as an array, so
the loop is a pure function of its arguments. It stops where something concerns a client: an execution of a client's
resting order, or a trade at a watched price.

    words (12,) int64     W_*       numbers (6,) float64   F_*
    draws (n, 8) float64  columns 0-6 uniform in [0, 1), column 7 standard normal; one row a step
    trades (m, 7) int64   ts_ns, price ticks, quantity, buyer, seller, type, number
    books (m, 2, 10, 3)   bid and ask levels: price ticks, quantity, orders; times (m,) int64 their ts_ns
    clients (m, 4) int64  owner, price ticks, quantity, 1 when the order is done
"""

from __future__ import annotations

from math import floor, log, sqrt, tanh
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
    LIVE,
    OWNER,
    SELL,
    book_add,
    book_match,
    book_remove,
    book_show,
)
from shm.jit import inline, kernel

W_NEXT_NS, W_LAST_NS, W_ORDER_NUMBER, W_TRADE_NUMBER, W_DRAW, W_LAST_TICKS = 0, 1, 2, 3, 4, 5
W_LOW, W_HIGH, W_TRADES, W_BOOKS, W_CLIENTS, W_END_NS = 6, 7, 8, 9, 10, 11
F_REFERENCE, F_ANCHOR, F_MARKET_RATE, F_LIMIT_RATE, F_CANCEL_RATE, F_MEAN_SIZE = 0, 1, 2, 3, 4, 5
T_TS, T_TICKS, T_QUANTITY, T_BUYER, T_SELLER, T_TYPE, T_NUMBER = 0, 1, 2, 3, 4, 5, 6

LEVELS = 10
NEAR_ROWS = 16
MAX_SIZE = 40  # of one background order, so one step makes at most so many trades
STEP_EVENTS = MAX_SIZE + 1
REVERSION_PER_S = 1.0 / 1800.0
VOLATILITY_TICKS = 0.6  # per square root of a second
PULL = 0.35  # how strongly market orders lean towards the reference, per tick
MEAN_DISTANCE_TICKS = 3.0  # mean distance of a limit order from the best price it could have
SLACK_TICKS = 2  # nobody bids above, or offers below, the reference by more than this
RESERVED = 1200  # slots kept free for clients
LOWEST_REFERENCE = 40.0  # rows

_I1 = "int64[::1]"
_I2 = "int64[:, ::1]"
_BOOK = f"{_I2}, {_I2}, {_I1}, {_I1}"


@inline
def _broker(cumulative: Any, codes: Any, draw: Any) -> Any:
    for i in range(len(codes)):
        if draw < cumulative[i]:
            return codes[i]
    return codes[len(codes) - 1]


@inline
def _size(draw: Any, mean: Any) -> Any:
    return min(MAX_SIZE, 1 + int(-log(1.0 - draw) * (mean - 1.0)))


@kernel(f"void({_BOOK}, {_I1}, float64[::1], float64[::1], {_I1}, float64[::1])")
def deepen(
    levels: Any, orders: Any, live: Any, state: Any, words: Any, numbers: Any, cumulative: Any, codes: Any, draw: Any
) -> None:
    """Add orders, nearest gap first, until each side has ten levels within NEAR_ROWS of its best price."""
    for side in (BUY, SELL):
        step = -1 if side == BUY else 1
        best = state[BEST_BID] if side == BUY else state[BEST_ASK]
        if best < 0 or best >= levels.shape[0]:  # nothing on this side: start at the reference, beside the other side
            best = int(numbers[F_REFERENCE])
            best = min(best, state[BEST_ASK] - 1) if side == BUY else max(best + 1, state[BEST_BID] + 1)
        missing = LEVELS
        for k in range(NEAR_ROWS):
            row = best + step * k
            missing -= 0 <= row < levels.shape[0] and levels[row, LEVEL_ORDERS] > 0
        for k in range(NEAR_ROWS):
            row = best + step * k
            if missing <= 0 or row < 0 or row >= levels.shape[0]:
                break
            if levels[row, LEVEL_ORDERS] == 0:
                size = _size((draw[4] + 0.37 * k) % 1.0, numbers[F_MEAN_SIZE] * 2.0)
                broker = _broker(cumulative, codes, (draw[6] + 0.61 * k) % 1.0)
                words[W_ORDER_NUMBER] += 1
                book_add(levels, orders, live, state, words[W_ORDER_NUMBER], side, row, size, broker, 0)
                missing -= 1


@inline
def _market_order(
    levels: Any, orders: Any, live: Any, state: Any, fills: Any, words: Any, numbers: Any,
    cumulative: Any, codes: Any, draw: Any, trades: Any, clients: Any,
) -> Any:  # fmt: skip
    """One background market order; writes its trades. Returns whether something concerned a client."""
    middle = 0.5 * (state[BEST_BID] + state[BEST_ASK])
    lean = 0.5 + 0.4 * tanh(PULL * (numbers[F_REFERENCE] - middle))
    side = BUY if draw[2] < lean else SELL
    row = levels.shape[0] if side == BUY else -1
    broker = _broker(cumulative, codes, draw[5])
    count = book_match(levels, orders, live, state, fills, side, row, _size(draw[3], numbers[F_MEAN_SIZE]))
    stop = False
    for i in range(count):
        at = words[W_TRADES]
        words[W_TRADE_NUMBER] += 1
        ticks = state[BASE_TICKS] + fills[i, FILL_ROW]
        trades[at, T_TS] = words[W_NEXT_NS]
        trades[at, T_TICKS] = ticks
        trades[at, T_QUANTITY] = fills[i, FILL_QUANTITY]
        trades[at, T_BUYER] = broker if side == BUY else fills[i, FILL_BROKER]
        trades[at, T_SELLER] = fills[i, FILL_BROKER] if side == BUY else broker
        trades[at, T_TYPE] = 2 if side == BUY else 3
        trades[at, T_NUMBER] = words[W_TRADE_NUMBER]
        words[W_TRADES] += 1
        words[W_LAST_TICKS] = ticks
        stop = stop or ticks <= words[W_LOW] or ticks >= words[W_HIGH]
        if fills[i, FILL_OWNER] != 0:
            row = words[W_CLIENTS]
            clients[row, 0] = fills[i, FILL_OWNER]
            clients[row, 1] = ticks
            clients[row, 2] = fills[i, FILL_QUANTITY]
            # only the last order of a match can have something left
            clients[row, 3] = i < count - 1 or orders[fills[i, FILL_SLOT], LEAVES] == 0
            words[W_CLIENTS] += 1
            stop = True
    return stop


@inline
def _limit_order(
    levels: Any, orders: Any, live: Any, state: Any, words: Any, numbers: Any, cumulative: Any, codes: Any, draw: Any
) -> None:
    """One background limit order that does not cross, near the best price it could have."""
    if state[LIVE] >= len(live) - RESERVED:
        return
    side = BUY if draw[2] < 0.5 else SELL
    distance = int(-log(1.0 - draw[3]) * MEAN_DISTANCE_TICKS)
    reference = numbers[F_REFERENCE]
    if side == BUY:
        row = min(state[BEST_ASK] - 1 - distance, floor(reference) + SLACK_TICKS)
    else:
        row = max(state[BEST_BID] + 1 + distance, floor(reference) + 1 - SLACK_TICKS)
    if 0 <= row < levels.shape[0]:
        words[W_ORDER_NUMBER] += 1
        size = _size(draw[4], numbers[F_MEAN_SIZE] * 2.0)
        book_add(
            levels, orders, live, state, words[W_ORDER_NUMBER], side, row, size, _broker(cumulative, codes, draw[5]), 0
        )


@inline
def _wait_ns(state: Any, numbers: Any, draw: Any) -> Any:
    """Time to the next event, exponential at the sum of the three rates."""
    rate = numbers[F_MARKET_RATE] + numbers[F_LIMIT_RATE] + numbers[F_CANCEL_RATE] * state[LIVE]
    return max(1, int(-log(1.0 - draw) / rate * 1e9))


@kernel(
    f"void({_BOOK}, {_I2}, {_I1}, float64[::1], float64[:, ::1], float64[::1], {_I1}, int64, int64, "
    f"uint8[::1], {_I2}, int64[:, :, :, ::1], {_I1}, {_I2}, int64[:, :, ::1])"
)
def flow_run(
    levels: Any, orders: Any, live: Any, state: Any, fills: Any, words: Any, numbers: Any, draws: Any,
    cumulative: Any, codes: Any, to_ns: int, limit: int,
    kinds: Any, trades: Any, books: Any, times: Any, clients: Any, shown: Any,
) -> None:  # fmt: skip
    """Play steps until `to_ns`, about `limit` events, the end of the draws, or something that concerns a client.

    words[W_TRADES], [W_BOOKS] and [W_CLIENTS] are the rows written; kinds[i] is 0 for a trade, 1 for a book.
    `limit` + STEP_EVENTS rows must fit the outputs. shown (2, 10, 3): the last book that was told.
    """
    words[W_TRADES] = words[W_BOOKS] = words[W_CLIENTS] = 0
    events = 0
    stop = False
    end_ns = min(to_ns, words[W_END_NS])
    while not stop and words[W_NEXT_NS] <= end_ns and words[W_DRAW] < len(draws) and events < limit:
        draw = draws[words[W_DRAW]]
        words[W_DRAW] += 1
        seconds = (words[W_NEXT_NS] - words[W_LAST_NS]) * 1e-9
        numbers[F_REFERENCE] += (numbers[F_ANCHOR] - numbers[F_REFERENCE]) * REVERSION_PER_S * seconds
        numbers[F_REFERENCE] += VOLATILITY_TICKS * sqrt(seconds) * draw[7]
        numbers[F_REFERENCE] = max(LOWEST_REFERENCE, min(levels.shape[0] - LOWEST_REFERENCE, numbers[F_REFERENCE]))
        words[W_LAST_NS] = words[W_NEXT_NS]
        markets, limits = numbers[F_MARKET_RATE], numbers[F_LIMIT_RATE]
        kind = draw[1] * (markets + limits + numbers[F_CANCEL_RATE] * state[LIVE])
        before = words[W_TRADES]
        if kind < markets:
            stop = _market_order(
                levels, orders, live, state, fills, words, numbers, cumulative, codes, draw, trades, clients
            )
            for _ in range(words[W_TRADES] - before):
                kinds[events] = 0
                events += 1
        elif kind < markets + limits:
            _limit_order(levels, orders, live, state, words, numbers, cumulative, codes, draw)
        elif state[LIVE] > 0:
            slot = live[min(state[LIVE] - 1, int(draw[2] * state[LIVE]))]
            if orders[slot, OWNER] == 0:
                book_remove(levels, orders, live, state, slot)
        deepen(levels, orders, live, state, words, numbers, cumulative, codes, draw)
        if book_show(levels, state, shown, books[words[W_BOOKS]]):
            times[words[W_BOOKS]] = words[W_NEXT_NS]
            words[W_BOOKS] += 1
            kinds[events] = 1
            events += 1
        words[W_NEXT_NS] += _wait_ns(state, numbers, draw[0])
