"""A slow and obvious twin of `execution.newest`: one record at a time, in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from profitdll.constants import TradeType
from shm.layouts import FLAG_REFILLED, KIND_GAP, KIND_TRADE

OFF_MARKET = {
    TradeType.CROSS, TradeType.SURVEILLANCE, TradeType.EXPIT, TradeType.OPTIONS_EXERCISE, TradeType.OVER_THE_COUNTER,
    TradeType.DERIVATIVE_TERM, TradeType.INDEX, TradeType.BTC, TradeType.ON_BEHALF,
}  # fmt: skip


@dataclass
class Newest:
    last: float = math.nan
    bid: float = math.nan
    ask: float = math.nan
    ingest_seq: int = -1
    ts_ns: int = 0
    recv_ns: int = 0
    book_ts_ns: int = 0

    def row(self) -> tuple[Any, ...]:
        return self.last, self.bid, self.ask, self.ingest_seq, self.ts_ns, self.recv_ns, self.book_ts_ns


def take(trades: np.ndarray[Any, Any], books: np.ndarray[Any, Any], newest: list[Newest]) -> None:
    """Both kinds in THE order of events."""
    for row in sorted([*trades, *books], key=lambda row: int(row["ingest_seq"])):
        known = newest[row["symbol"]]
        if "bid_price" in row.dtype.names:
            known.bid = float(row["bid_price"][0]) if row["bid_quantity"][0] > 0 else math.nan
            known.ask = float(row["ask_price"][0]) if row["ask_quantity"][0] > 0 else math.nan
            known.book_ts_ns = int(row["ts_ns"])
            stamp(known, row)
        elif row["kind"] == KIND_GAP:
            known.last = known.bid = known.ask = math.nan
        elif row["kind"] == KIND_TRADE and not row["flags"] & FLAG_REFILLED:
            if int(row["trade_type"]) in OFF_MARKET:
                continue
            known.last = float(row["price"])
            stamp(known, row)


def stamp(known: Newest, row: Any) -> None:
    if row["ingest_seq"] > known.ingest_seq:
        known.ingest_seq, known.ts_ns, known.recv_ns = int(row["ingest_seq"]), int(row["ts_ns"]), int(row["recv_ns"])
