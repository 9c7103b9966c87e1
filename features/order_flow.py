"""Columns 20-27: who pushes, by changes at the touch and by aggressors of trades. All sums are integers."""

from __future__ import annotations

import numpy as np

from features.description import Feature
from features.windows import SPAN_30S, overflowed, side_of
from shm.jit import inline

FIRST = 20
FLOW_TRADES = 50
SHORT_SPANS = SPAN_30S + 1  # 1, 5 and 30 s

ORDER_FLOW = np.dtype(
    [
        ("last_50", "<i8"),  # sum of s over the last 50 trades of the session
        ("signed", "<i8"),  # sum of s q since the session opened
        ("volume", "<i8"),  # sum of q since the session opened
        ("partial", "<i8"),  # 1: trades of this session were missed, so its sums from the open are unknown
    ],
    align=True,
)

_E = "e_k = [b >= b'] B - [b <= b'] B' - [a <= a'] A + [a >= a'] A' at the touch, prime: the session's snapshot before"
FEATURES = (
    *(
        Feature(
            f"order_flow_imbalance_{n}s", "1", "a snapshot of the session",
            f"sum of e_k / sum of abs(e_k) over (t - {n} s, t], 0 when there is none; {_E}",
            "Cont, Kukanov and Stoikov 2014",
        )
        for n in (1, 5, 30)
    ),
    *(
        Feature(
            f"signed_volume_ratio_{n}s", "1", "a trade of the session",
            f"sum of s q / sum of q of the trades in (t - {n} s, t], 0 when there are none",
        )
        for n in (1, 5, 30)
    ),
    Feature("trade_flow_50", "1", "50 trades of the session", "mean of s over the last 50 trades"),
    Feature("cumulative_delta_ratio", "1", "a trade of the session, none missed", "sum of s q / sum of q since the open"),
)  # fmt: skip


@inline
def start_session(own):
    own.last_50 = 0
    own.signed = 0
    own.volume = 0
    own.partial = 0


@inline
def flow_of(levels, before):
    """e_k of a snapshot, in contracts, from the touch of it and of the one before."""
    e = np.int64(0)
    if levels.bid_ticks[0] >= before.bid_ticks[0]:
        e += levels.bid_quantity[0]
    if levels.bid_ticks[0] <= before.bid_ticks[0]:
        e -= before.bid_quantity[0]
    if levels.ask_ticks[0] <= before.ask_ticks[0]:
        e -= levels.ask_quantity[0]
    if levels.ask_ticks[0] >= before.ask_ticks[0]:
        e += before.ask_quantity[0]
    return e


@inline
def on_trade(own, trades, quantity, side):
    """After the trade has entered the windows."""
    own.signed += side * quantity
    own.volume += quantity
    own.last_50 += side
    old = trades.next - 1 - FLOW_TRADES
    if old >= trades.first:
        own.last_50 -= side_of(trades, old)


@inline
def emit(own, snapshots, trades, t, values):
    """Fill columns 20-27. Returns (whether the windows are full, whether one has overflowed)."""
    has_trade = trades.next > trades.first
    has_book = snapshots.next > snapshots.first
    overflow = False
    for span in range(SHORT_SPANS):
        if overflowed(snapshots, span, t):
            overflow = True
        elif has_book:
            size = snapshots.flow_size[span]
            values[FIRST + span] = snapshots.flow[span] / size if size > 0 else 0.0
        if overflowed(trades, span, t):
            overflow = True
        elif has_trade:
            volume = trades.volume[span]
            values[FIRST + 3 + span] = trades.signed[span] / volume if volume > 0 else 0.0
    enough = trades.next - trades.first >= FLOW_TRADES
    if enough:
        values[FIRST + 6] = own.last_50 / FLOW_TRADES
    if has_trade and own.partial == 0:
        values[FIRST + 7] = own.signed / own.volume
    return enough, overflow
