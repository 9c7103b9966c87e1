"""The whole state of one symbol: one fixed-size record without a pointer in it, so a checkpoint is a copy of bytes.

Each part belongs to the file that declares it; this file only puts them together. About 12 MiB a symbol, nearly all of
it the two rings of the windows in seconds, of which only the pages that were used are ever touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from features.bars import BARS
from features.events import COUNT_NAMES, LEVELS, NUMBERS
from features.microstructure import MICROSTRUCTURE
from features.order_flow import ORDER_FLOW
from features.sessions import SESSION
from features.technical import TECHNICAL
from features.volatility import VOLATILITY
from features.volume import VOLUME
from features.windows import SNAPSHOTS, TRADES
from shm.jit import inline

LOSS_GAP = 0
LOSS_LAPPED = 1

LOSS = np.dtype(
    [
        ("open", "<i8"),  # 1 while some family's windows still span the loss
        ("at_ns", "<i8"),  # market time at which data came again
        ("trades", "<i8"),  # number of the next trade and snapshot then
        ("snapshots", "<i8"),
    ],
    align=True,
)
"""Market data that never reached the windows: by ingest's fault (gap) or this worker's (lapped)."""

MARKET = np.dtype(
    [
        ("ts_ns", "<i8"),  # of the newest event
        ("ingest_seq", "<i8"),  # of the newest record that was looked at
        ("live", "<i8"),  # 1 once an event has come: history is too late then
        ("auction", "<i8"),  # 1 from a dropped auction snapshot to the next valid one
        ("last_trade_ns", "<i8"),
        ("first_trade_ns", "<i8"),  # of the session
        ("brokers", "<i8"),  # 1 once a trade of the session has named a broker
        ("missed", "<i8"),  # 1: trades before the next event were missed,
        ("missed_ns", "<i8"),  # and up to this market time
    ],
    align=True,
)

SMALL = np.dtype(
    [
        ("market", MARKET),
        ("session", SESSION),
        ("counts", "<i8", (len(COUNT_NAMES),)),
        ("loss", LOSS, (2,)),
        ("numbers", NUMBERS),
        ("levels", LEVELS),  # the newest valid snapshot
        ("incoming", LEVELS),  # the one that is being checked
        ("bars", BARS),
        ("volatility", VOLATILITY),
        ("order_flow", ORDER_FLOW),
        ("volume", VOLUME),
        ("technical", TECHNICAL),
        ("microstructure", MICROSTRUCTURE),
    ],
    align=True,
)
"""Everything but the two large rings: what a checkpoint copies whole."""

STATE = np.dtype([("small", SMALL), ("snapshots", SNAPSHOTS), ("trades", TRADES)], align=True)
"""One symbol's state."""

assert STATE.itemsize <= 32 * 2**20


def new_states(symbols: int) -> np.ndarray[Any, Any]:
    """STATE array of shape (symbols,), nothing seen yet. Memory is taken page by page as it is used."""
    return np.zeros(symbols, STATE)


@inline
def open_loss(loss, at_ns, trades, snapshots):
    """From here on the windows span a loss."""
    loss.open = 1
    loss.at_ns = at_ns
    loss.trades = trades.next
    loss.snapshots = snapshots.next


@inline
def spans_loss(loss, t, trades, snapshots, seconds, count_trades, count_snapshots):
    """Whether windows of these lengths still reach back over the loss. A session without a book waits for none."""
    has_book = snapshots.next > snapshots.first
    return loss.open != 0 and (
        t - loss.at_ns < seconds * 1_000_000_000
        or trades.next - loss.trades < count_trades
        or (has_book and snapshots.next - loss.snapshots < count_snapshots)
    )
