"""Columns 44-58: the shape of the book, the size of trades, and who trades. Counted in snapshots and trades, not time.

What rests on the newest snapshot alone is computed when it comes. The micro price divides quantities by quantities far
from 1, so whole parts are taken out first: the rest is exact to rounding whatever the levels are.
"""

from __future__ import annotations

import numpy as np

from features import brokers
from features.brokers import BROKERS
from features.description import Feature
from features.windows import MASK, SPAN_5S, overflowed
from shm.jit import inline
from shm.layouts import BOOK_LEVELS

FIRST = 44
SNAPSHOT_WINDOW = 500
SNAPSHOT_ROOM = 512
SNAPSHOT_MASK = SNAPSHOT_ROOM - 1
SHORT_TRADES = 50
LONG_TRADES = 1000
LARGE_WINDOW = 100
LARGE_ROOM = 128
LARGE_MASK = LARGE_ROOM - 1
LARGE_TIMES = 4
LONGEST_RUN = 50
NEAR_LEVELS = 5

MICROSTRUCTURE = np.dtype(
    [
        ("spread", "<i8"),  # of the newest snapshot, ticks
        ("depth", "<i8"),  # quantity of all its levels
        ("near_depth", "<i8"),  # of the best 5 a side
        ("micro", "<f8"),  # micro price - mid, ticks
        ("imbalance", "<f8", (3,)),  # best 1, 5, 10 levels
        ("spread_sum", "<i8"),  # of the last 500 snapshots
        ("depth_sum", "<i8"),
        ("sum_50", "<i8"),  # quantity of the last 50 trades
        ("sum_1000", "<i8"),
        ("sum_100", "<i8"),
        ("large_100", "<i8"),  # by large trades among the last 100
        ("run", "<i8"),  # signed length of the run, not clipped; 0: none yet
        ("spreads", "<i8", (SNAPSHOT_ROOM,)),  # of snapshot n at n mod SNAPSHOT_ROOM
        ("depths", "<i8", (SNAPSHOT_ROOM,)),
        ("large", "<i8", (LARGE_ROOM,)),  # quantity of trade n at n mod LARGE_ROOM when it is large, else 0
        ("brokers", BROKERS),
    ],
    align=True,
)

_SNAPSHOT = "a snapshot of the session"
_KNOWN = "a trade of the session with a known {side}"
FEATURES = (
    Feature("spread_ticks", "ticks", _SNAPSHOT, "(a_1 - b_1) / tick"),
    Feature("spread_ratio_500", "1", "500 snapshots of the session", "spread / mean spread of the last 500 snapshots"),
    Feature(
        "microprice_offset_5", "ticks", _SNAPSHOT,
        "((a B + b A) / (A + B) - M) / tick, B, A quantities and b, a quantity-weighted prices of the best 5 levels",
        "Stoikov 2018, weighted mid",
    ),
    *(
        Feature(f"book_imbalance_{k}", "1", _SNAPSHOT, f"(B - A) / (B + A), quantities of the best {k} levels a side",
                "Cartea, Jaimungal and Penalva 2015")
        for k in (1, 5, 10)
    ),
    Feature(
        "depth_ratio_500", "1", "500 snapshots of the session",
        "quantity of all 20 levels / its mean over the last 500 snapshots",
    ),
    Feature(
        "liquidity_consumption_5s", "1", "a trade and a snapshot of the session",
        "volume with s != 0 in (t - 5 s, t] / quantity of the best 5 levels of both sides of the newest snapshot",
    ),
    Feature(
        "trade_size_ratio_50", "1", "50 trades of the session",
        "mean q of the last 50 trades / mean q of the last 1000, of all until there are 1000",
    ),
    Feature(
        "large_trade_ratio_100", "1", "100 trades of the session",
        "share of large trades in the volume of the last 100; large, decided at arrival: n q >= 4 x the sum of the "
        "n <= 1000 trades of the session before it",
    ),
    Feature(
        "aggressor_run", "trades", "a trade of the session with an aggressor",
        "signed length of the current run of equal s among trades with s != 0, clipped to +-50",
    ),
    Feature(
        "buyer_concentration_500", "1", _KNOWN.format(side="buyer"),
        "sum of squared shares of brokers in the known bought volume of the last 500 trades", "Herfindahl 1950",
    ),
    Feature(
        "seller_concentration_500", "1", _KNOWN.format(side="seller"),
        "sum of squared shares of brokers in the known sold volume of the last 500 trades", "Herfindahl 1950",
    ),
    Feature(
        "top_broker_net_500", "1", _KNOWN.format(side="broker"),
        "(bought - sold) of the known broker for which it is largest in size (ties: lowest code) / volume of the last 500 "
        "trades",
    ),
    Feature(
        "broker_turnover_100", "1", "101 trades of the session, one with a known broker",
        "share of the last 100 trades whose buyer or seller differs from the trade before; unknown differs from known",
    ),
)  # fmt: skip


@inline
def start_session(own):
    own.spread_sum = 0
    own.depth_sum = 0
    own.sum_50 = 0
    own.sum_1000 = 0
    own.sum_100 = 0
    own.large_100 = 0
    own.run = 0
    brokers.start_session(own.brokers)


@inline
def _micro(bid_offset, bid, ask_offset, ask):
    """(ask_offset bid / ask - bid_offset ask / bid) / (2 (bid + ask)): the micro price from the mid, in ticks.

    bid, ask: quantities; offsets: sum of quantity x distance from the mid in half ticks, both positive.
    """
    ask_whole, bid_whole = ask_offset // ask, bid_offset // bid
    whole = np.float64(ask_whole * bid - bid_whole * ask)
    ask_rest = np.float64(ask_offset - ask_whole * ask) * np.float64(bid) / np.float64(ask)
    bid_rest = np.float64(bid_offset - bid_whole * bid) * np.float64(ask) / np.float64(bid)
    return (whole + (ask_rest - bid_rest)) / (2.0 * np.float64(bid + ask))


@inline
def on_snapshot(own, levels, number, first):
    """Snapshot `number` of the symbol (`first`: the session's first) in ticks."""
    mid = levels.bid_ticks[0] + levels.ask_ticks[0]
    bid = np.int64(0)
    ask = np.int64(0)
    bid_offset = np.int64(0)
    ask_offset = np.int64(0)
    for i in range(BOOK_LEVELS):
        bid += levels.bid_quantity[i]
        ask += levels.ask_quantity[i]
        if i < NEAR_LEVELS:
            bid_offset += levels.bid_quantity[i] * (mid - 2 * levels.bid_ticks[i])
            ask_offset += levels.ask_quantity[i] * (2 * levels.ask_ticks[i] - mid)
        if i == 0:
            own.imbalance[0] = (bid - ask) / (bid + ask)
        elif i == NEAR_LEVELS - 1:
            own.imbalance[1] = (bid - ask) / (bid + ask)
            own.near_depth = bid + ask
            own.micro = _micro(bid_offset, bid, ask_offset, ask)
    own.imbalance[2] = (bid - ask) / (bid + ask)
    own.spread = levels.ask_ticks[0] - levels.bid_ticks[0]
    own.depth = bid + ask
    slot = number & SNAPSHOT_MASK
    if number - SNAPSHOT_WINDOW >= first:
        old = (number - SNAPSHOT_WINDOW) & SNAPSHOT_MASK
        own.spread_sum -= own.spreads[old]
        own.depth_sum -= own.depths[old]
    own.spreads[slot] = own.spread
    own.depths[slot] = own.depth
    own.spread_sum += own.spread
    own.depth_sum += own.depth


@inline
def _quantity(trades, number):
    return trades.packed[number & MASK] >> 2


@inline
def on_trade(own, trades, quantity, side, buyer, seller):
    """After the trade has entered the windows."""
    number, first = trades.next - 1, trades.first
    before = min(number - first, LONG_TRADES)
    large = before > 0 and before * quantity >= LARGE_TIMES * own.sum_1000
    if number - SHORT_TRADES >= first:
        own.sum_50 -= _quantity(trades, number - SHORT_TRADES)
    if number - LARGE_WINDOW >= first:
        own.sum_100 -= _quantity(trades, number - LARGE_WINDOW)
        own.large_100 -= own.large[(number - LARGE_WINDOW) & LARGE_MASK]
    if number - LONG_TRADES >= first:
        own.sum_1000 -= _quantity(trades, number - LONG_TRADES)
    own.sum_50 += quantity
    own.sum_100 += quantity
    own.sum_1000 += quantity
    own.large[number & LARGE_MASK] = quantity if large else 0
    own.large_100 += own.large[number & LARGE_MASK]
    if side > 0:
        own.run = max(own.run, 0) + 1
    elif side < 0:
        own.run = min(own.run, 0) - 1
    brokers.on_trade(own.brokers, number, first, quantity, buyer, seller)


@inline
def emit(own, snapshots, trades, t, values):
    """Fill columns 44-58. Returns (whether the windows are full, whether one has overflowed)."""
    snapshots_seen = snapshots.next - snapshots.first
    trades_seen = trades.next - trades.first
    overflow = False
    if snapshots_seen > 0:
        values[FIRST] = own.spread
        values[FIRST + 2] = own.micro
        for k in range(3):
            values[FIRST + 3 + k] = own.imbalance[k]
        if snapshots_seen >= SNAPSHOT_WINDOW:
            values[FIRST + 1] = SNAPSHOT_WINDOW * own.spread / own.spread_sum
            values[FIRST + 6] = SNAPSHOT_WINDOW * own.depth / own.depth_sum
        if trades_seen > 0:
            overflow = overflowed(trades, SPAN_5S, t)
            if not overflow:
                values[FIRST + 7] = trades.known[SPAN_5S] / own.near_depth
    if trades_seen >= SHORT_TRADES:
        values[FIRST + 8] = own.sum_50 * min(trades_seen, LONG_TRADES) / (SHORT_TRADES * own.sum_1000)
    if trades_seen >= LARGE_WINDOW:
        values[FIRST + 9] = own.large_100 / own.sum_100
    if own.run != 0:
        values[FIRST + 10] = min(max(own.run, -LONGEST_RUN), LONGEST_RUN)
    brokers.emit(own.brokers, trades_seen, values[FIRST + 11 :])
    enough_snapshots = snapshots_seen == 0 or snapshots_seen >= SNAPSHOT_WINDOW
    return enough_snapshots and trades_seen >= LONG_TRADES, overflow
