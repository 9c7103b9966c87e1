"""What a trader looks at first: each contract's position, its entry, the market now, and the money it stands for.

Read from shared memory only: execution's counters and the newest records of the rings.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from config.schema import Config, Instrument
from runtime.clock import SharedClock
from runtime.topology import BY_NAME
from shm.counters import RunCounters
from shm.layouts import BOOK, KIND_TRADE, TRADE
from shm.ring import RingReader
from shm.segment import Segment

LOOK_BACK = 2048  # records of each ring; a contract that is quieter shows no price


@dataclass(frozen=True)
class Standing:
    """One contract now. Prices in points; None where nobody knows."""

    symbol: str
    quantity: int | None
    average_price: float | None
    last: float | None
    bid: float | None
    ask: float | None
    open_profit: float | None  # money, marked at the side that would close it, before fees


def standings(run: RunCounters, config: Config, trades: Segment, book: Segment) -> list[Standing]:
    """Every configured contract."""
    counts = dict(run.stage(BY_NAME["execution"].number).items())
    last, touch = _newest(trades, book)
    return [_standing(i, instrument, counts, last, touch) for i, instrument in enumerate(config.instruments)]


def market_time(run: RunCounters, config: Config) -> str:
    """Market time in the first instrument's zone, as people read it; "unknown" before ingest knows it."""
    now_ns = SharedClock(run).market_ns()
    if not now_ns:
        return "unknown"
    zone = ZoneInfo(config.instruments[0].timezone)
    return datetime.datetime.fromtimestamp(now_ns / 1e9, zone).strftime("%Y-%m-%d %H:%M:%S")


def _newest(trades: Segment, book: Segment) -> tuple[dict[int, float], dict[int, tuple[float, float]]]:
    last: dict[int, float] = {}
    touch: dict[int, tuple[float, float]] = {}
    for row in _tail(trades, TRADE):
        if row["kind"] == KIND_TRADE:
            last[int(row["symbol"])] = float(row["price"])
    for row in _tail(book, BOOK):
        touch[int(row["symbol"])] = (float(row["bid_price"][0]), float(row["ask_price"][0]))
    return last, touch


def _tail(segment: Segment, dtype: np.dtype[np.void]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    reader = RingReader(segment, dtype)
    reader.seek(max(0, reader.published - min(LOOK_BACK, segment.capacity // 2)))
    out = np.zeros(LOOK_BACK, dtype)
    return out[: reader.read(out)]


def _standing(
    index: int,
    instrument: Instrument,
    counts: dict[str, int],
    last: dict[int, float],
    touch: dict[int, tuple[float, float]],
) -> Standing:
    quantity = counts.get(f"position_{index}")
    average = counts.get(f"average_price_e6_{index}", 0) / 1e6 if quantity else None
    bid, ask = touch.get(index, (0.0, 0.0))
    mark = bid if quantity and quantity > 0 else ask
    profit = None
    if quantity and average and mark > 0:
        profit = (mark - average) * quantity * instrument.point_value
    return Standing(instrument.symbol, quantity, average, last.get(index), bid or None, ask or None, profit)
