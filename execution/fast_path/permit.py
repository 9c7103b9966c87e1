"""What the fast path needs to know of one contract: a permit to enter it, and the latest votes about it.

A permit is written by `arming` when nothing of ours is held or open in any contract, and torn up by whatever could change
one word of it. It says everything that consensus, sizing and the checks of risk would look up, so that a signal can be
answered by comparing numbers alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from consensus.weights import SOURCES

VOTERS = 1 << len(SOURCES)  # sets of voters: bit i is set when source i votes
TICKER_BYTES = 31  # the longest that a short msgpack string holds
STRATEGY_CODES = {"threshold": 1, "strong": 2, "qualified": 3, "specialist": 4}

Array = np.ndarray[Any, np.dtype[Any]]

SILENT, VOTES, SEES_NOTHING, ABSTAINS = range(4)

VOTE = np.dtype(
    [
        ("epoch", "<i8"),
        ("sequence", "<i8"),
        ("ingest_seq", "<i8"),
        ("recv_ns", "<i8"),
        ("direction", "<f8"),
        ("confidence", "<f8"),
        ("valid_until_ns", "<i8"),
        ("state", "<i8"),  # SILENT, VOTES, SEES_NOTHING (liquidity_advice), ABSTAINS for another reason
    ],
    align=True,
)
"""The latest signal of one source about one contract."""

PERMIT = np.dtype(
    [
        ("armed", "<i8"),  # 0: nothing goes this way
        ("market_from_ns", "<i8"),  # market time in which entries are allowed: from, until before
        ("market_until_ns", "<i8"),
        # consensus
        ("deciding", "<i8"),  # bit i: a signal of source i is answered by a decision
        ("known", "<i8", (VOTERS,)),  # 1: the shares of that set of voters stand here
        ("weights", "<f8", (VOTERS, len(SOURCES))),
        ("held", "<f8", (VOTERS,)),
        ("counted", "<i8", (VOTERS,)),
        ("minimum_weight", "<f8"),  # tolerance taken off
        ("minimum_sources", "<i8"),
        ("least", "<f8"),  # of the threshold
        ("most", "<f8"),
        ("dispersion", "<f8"),
        ("cost", "<f8"),
        ("cost_share", "<f8"),
        ("strategies", "<i8", (len(STRATEGY_CODES),)),  # in their order, 0: none
        # size
        ("max_quantity", "<i8"),
        ("affordable", "<i8"),
        ("room", "<i8"),  # that the limits of position and order leave
        ("liquidity_floor", "<f8"),
        ("at_market", "<i8"),
        ("order_type", "<i8"),
        ("entry_offset_ticks", "<i8"),
        ("tick", "<f8"),
        ("lot", "<i8"),
        # risk
        ("max_order_quantity", "<i8"),
        ("max_position", "<i8"),
        ("collar", "<f8"),  # points, tolerance included
        ("max_spread_ticks", "<f8"),  # tolerance included
        ("max_data_age_ns", "<i8"),
        ("max_exchange_age_ns", "<i8"),
        ("max_notional", "<f8"),
        ("max_margin", "<f8"),
        ("margin", "<f8"),  # money of one contract, NaN: its whole value
        ("point_value", "<f8"),
        ("alias", "<i8"),  # 1: orders name another contract than the data
        ("max_alias_ticks", "<f8"),
        ("reference_bid", "<f8"),
        ("reference_ask", "<f8"),
        ("reference_ns", "<i8"),
        ("newest_side", "<i8"),  # of the newest entry, 0 none
        ("newest_quantity", "<i8"),
        ("newest_price", "<f8"),
        ("newest_ns", "<i8"),
        ("duplicate_ns", "<i8"),
        # the order's record
        ("order", "<i8"),
        ("bracket", "<i8"),
        ("ticker", "u1", (TICKER_BYTES,)),
        ("ticker_bytes", "<i8"),
    ],
    align=True,
)
"""One record a contract, its place is the contract's number. Prices in points, money as `risk.request.Facts`."""

ANSWER = np.dtype(
    [
        ("bytes", "<i8"),  # of records written so far
        ("asked", "<i8"),  # 1: one of its signals is to be answered by a decision
        ("monotonic_ns", "<i8"),  # stamps of the inputs and of the order
        ("market_ns", "<i8"),
        ("symbol", "<i8"),
        # what the market was
        ("ingest_seq", "<i8"),
        ("ts_ns", "<i8"),
        ("recv_ns", "<i8"),
        ("last", "<f8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        # the order
        ("order", "<i8"),
        ("bracket", "<i8"),
        ("side", "<i8"),
        ("order_type", "<i8"),
        ("quantity", "<i8"),
        ("price", "<f8"),
        ("reference_price", "<f8"),
        ("base_recv_ns", "<i8"),
    ],
    align=True,
)
"""What one batch of signals has come to."""

HEARD = np.dtype(
    [
        ("symbol", "<i8"),
        ("number", "<i8"),  # of its source
        *((name, VOTE.fields[name][0]) for name in VOTE.names or ()),  # type: ignore[index]
    ],
    align=True,
)
"""A signal's bytes, read."""

DESK = np.dtype(
    [
        ("contracts", "<i8"),
        ("permits", "<u8"),  # addresses in this process: PERMIT (contracts,)
        ("votes", "<u8"),  # VOTE (contracts, sources)
        ("newest", "<u8"),  # newest.NEWEST (contracts,)
        ("heard", "<u8"),  # HEARD (1,)
        ("answer", "<u8"),  # ANSWER (1,)
        ("out", "<u8"),  # u8 (room,)
        ("room", "<i8"),
    ],
    align=True,
)
"""Where everything lies: one number to hand over, where as many arrays would cost more than the answer."""
