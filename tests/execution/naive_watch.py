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
    for trade in trades:
        known = newest[trade["symbol"]]
        if trade["kind"] == KIND_GAP:
            known.last = known.bid = known.ask = math.nan
            continue
        counts = trade["kind"] == KIND_TRADE and not trade["flags"] & FLAG_REFILLED
        if counts and int(trade["trade_type"]) not in OFF_MARKET:
            known.last = float(trade["price"])
            stamp(known, trade)
    for book in books:
        known = newest[book["symbol"]]
        known.bid = float(book["bid_price"][0]) if book["bid_quantity"][0] > 0 else math.nan
        known.ask = float(book["ask_price"][0]) if book["ask_quantity"][0] > 0 else math.nan
        known.book_ts_ns = int(book["ts_ns"])
        stamp(known, book)


def stamp(known: Newest, row: Any) -> None:
    if row["ingest_seq"] > known.ingest_seq:
        known.ingest_seq, known.ts_ns, known.recv_ns = int(row["ingest_seq"]), int(row["ts_ns"]), int(row["recv_ns"])
