"""The windows in seconds: one ring of snapshots and one of trades per symbol, with a tail and sums for each span.

Two rings serve all windows, because a shorter window is the newer end of a longer one. Entry n lives in slot
n mod CAPACITY and n never restarts, so a checkpoint can copy only what was written since. Sums are int64 and exact, so
they are kept by adding and subtracting. The squared log returns are floats: subtracting would leave residues that
the square root amplifies, so they are a queue of two stacks. Entries before `flip` hold the sum of themselves and all
later ones before `flip`; entries from `flip` on hold themselves, and `behind` is their sum.

When a window has more entries than there is room for, the oldest leave early. `lost_ts_ns` is the time of the newest
entry that was overwritten: a window that reaches back before it has overflowed, and is whole again as soon as it does
not, without drift.
"""

from __future__ import annotations

import numpy as np

from features.log_return import log_return
from shm.jit import inline

CAPACITY = 1 << 18
MASK = CAPACITY - 1
SPANS_NS = np.array([1, 5, 30, 60], np.int64) * 1_000_000_000
SPAN_1S, SPAN_5S, SPAN_30S, SPAN_60S = range(4)
SPANS = 4
NO_TIME = np.iinfo(np.int64).min

SNAPSHOTS = np.dtype(
    [
        ("next", "<i8"),  # number of the next entry
        ("first", "<i8"),  # number of the session's first entry
        ("lost_ts_ns", "<i8"),  # time of the newest entry of the session that was overwritten
        ("lost_mid", "<i8"),
        ("flip", "<i8"),
        ("flips", "<i8"),  # how often squares were turned into sums: what a checkpoint must notice
        ("behind", "<f8"),
        ("tail", "<i8", (SPANS,)),  # oldest entry inside each span
        ("flow", "<i8", (SPANS,)),  # sum of e_k
        ("flow_size", "<i8", (SPANS,)),  # sum of abs(e_k)
        ("ts_ns", "<i8", (CAPACITY,)),
        ("mid", "<i8", (CAPACITY,)),  # bid + ask in ticks: the mid in half ticks
        ("e", "<i8", (CAPACITY,)),  # order flow of the snapshot
        ("square", "<f8", (CAPACITY,)),  # squared log return of the mid
    ],
    align=True,
)

TRADES = np.dtype(
    [
        ("next", "<i8"),
        ("first", "<i8"),
        ("lost_ts_ns", "<i8"),
        ("tail", "<i8", (SPANS,)),
        ("signed", "<i8", (SPANS,)),  # sum of s q
        ("volume", "<i8", (SPANS,)),  # sum of q
        ("known", "<i8", (SPANS,)),  # sum of q with s != 0
        ("ts_ns", "<i8", (CAPACITY,)),
        ("packed", "<i8", (CAPACITY,)),  # q x 4 + s + 1
    ],
    align=True,
)


@inline
def start_session(snapshots, trades):
    """All windows start empty."""
    snapshots.first = snapshots.next
    snapshots.lost_ts_ns = NO_TIME
    snapshots.flip = snapshots.next
    snapshots.behind = 0.0
    trades.first = trades.next
    trades.lost_ts_ns = NO_TIME
    for span in range(SPANS):
        snapshots.tail[span] = snapshots.next
        snapshots.flow[span] = 0
        snapshots.flow_size[span] = 0
        trades.tail[span] = trades.next
        trades.signed[span] = 0
        trades.volume[span] = 0
        trades.known[span] = 0


@inline
def _drop_square(snapshots, oldest):
    """The oldest square leaves the 60 s window. Amortised O(1): each entry is turned into a sum once."""
    if oldest >= snapshots.flip:
        total = 0.0
        for number in range(snapshots.next - 1, oldest - 1, -1):
            total += snapshots.square[number & MASK]
            snapshots.square[number & MASK] = total
        snapshots.flip = snapshots.next
        snapshots.flips += 1
        snapshots.behind = 0.0


@inline
def _drop_snapshot(snapshots, span):
    oldest = snapshots.tail[span]
    e = snapshots.e[oldest & MASK]
    snapshots.flow[span] -= e
    snapshots.flow_size[span] -= abs(e)
    if span == SPAN_60S:
        _drop_square(snapshots, oldest)
    snapshots.tail[span] = oldest + 1


@inline
def _drop_trade(trades, span):
    oldest = trades.tail[span]
    packed = trades.packed[oldest & MASK]
    quantity, side = packed >> 2, (packed & 3) - 1
    trades.signed[span] -= side * quantity
    trades.volume[span] -= quantity
    trades.known[span] -= abs(side) * quantity
    trades.tail[span] = oldest + 1


@inline
def advance(snapshots, trades, t):
    """Every window becomes (t - span, t]."""
    for span in range(SPANS):
        limit = t - SPANS_NS[span]
        while snapshots.tail[span] < snapshots.next and snapshots.ts_ns[snapshots.tail[span] & MASK] <= limit:
            _drop_snapshot(snapshots, span)
        while trades.tail[span] < trades.next and trades.ts_ns[trades.tail[span] & MASK] <= limit:
            _drop_trade(trades, span)


@inline
def add_snapshot(snapshots, t, mid, e):
    """A snapshot after `advance` to its time. mid in half ticks; e its order flow (0 for the session's first)."""
    number = snapshots.next
    slot = number & MASK
    square = 0.0
    if number > snapshots.first:
        before = snapshots.mid[(number - 1) & MASK]
        change = log_return(mid, before)
        square = change * change
    if number - CAPACITY >= snapshots.first:
        for span in range(SPANS):
            if snapshots.tail[span] == number - CAPACITY:
                _drop_snapshot(snapshots, span)
        snapshots.lost_ts_ns = snapshots.ts_ns[slot]
        snapshots.lost_mid = snapshots.mid[slot]
    snapshots.ts_ns[slot] = t
    snapshots.mid[slot] = mid
    snapshots.e[slot] = e
    snapshots.square[slot] = square
    snapshots.behind += square
    snapshots.next = number + 1
    for span in range(SPANS):
        snapshots.flow[span] += e
        snapshots.flow_size[span] += abs(e)


@inline
def add_trade(trades, t, quantity, side):
    """A trade after `advance` to its time. side: +1, -1, 0."""
    number = trades.next
    slot = number & MASK
    if number - CAPACITY >= trades.first:
        for span in range(SPANS):
            if trades.tail[span] == number - CAPACITY:
                _drop_trade(trades, span)
        trades.lost_ts_ns = trades.ts_ns[slot]
    trades.ts_ns[slot] = t
    trades.packed[slot] = (quantity << 2) + side + 1
    trades.next = number + 1
    for span in range(SPANS):
        trades.signed[span] += side * quantity
        trades.volume[span] += quantity
        trades.known[span] += abs(side) * quantity


@inline
def overflowed(window, span, t):
    """Whether more than CAPACITY entries have their time in (t - span, t]."""
    return window.lost_ts_ns > t - SPANS_NS[span]


@inline
def squares(snapshots):
    """Sum of the squared log returns inside 60 s; exactly 0 when there are none."""
    oldest = snapshots.tail[SPAN_60S]
    front = snapshots.square[oldest & MASK] if oldest < snapshots.flip else 0.0
    return front + snapshots.behind


@inline
def mid_before(snapshots, span):
    """The last mid (half ticks) at or before t - span, 0 when the session has none. Not for an overflowed span."""
    before = snapshots.tail[span] - 1
    if before < snapshots.first:
        return np.int64(0)
    if before < snapshots.next - CAPACITY:
        return snapshots.lost_mid
    return snapshots.mid[before & MASK]


@inline
def side_of(trades, number):
    """Aggressor (+1, -1, 0) of trade `number` of the ring."""
    return (trades.packed[number & MASK] & 3) - 1
