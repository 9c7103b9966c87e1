"""Made market streams for tests, from a seed: everything a market does to a reader, often, in a few hundred events.

Equal stamps, silences longer than many bars, changes of session, one-sided, crossed and off-grid books, prices off the
grid, repeated numbers, records that are not trades. `by_seq` gives the records in the order of ingest_seq.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from config.schema import Instrument
from shm.layouts import BOOK, CANDLE, FLAG_AUCTION, KIND_BOOK, KIND_TRADE, TRADE

Array = np.ndarray[Any, Any]
SECOND = 1_000_000_000
NO_CANDLES: Array = np.zeros(0, CANDLE)
START_NS = 1_700_000_000 * SECOND  # 2023-11-14 22:13:20 UTC


def instrument(bar_seconds: int = 60, **changes: Any) -> Instrument:
    fields: dict[str, Any] = {
        "symbol": "WDOFUT", "tick": 0.5, "point_value": 10.0, "bar_seconds": bar_seconds,
        "session_open": "00:00", "session_close": "24:00", "timezone": "UTC",
    }  # fmt: skip
    return Instrument(**{**fields, **changes})


@dataclass(frozen=True)
class Stream:
    trades: Array
    book: Array

    def by_seq(self) -> Iterator[Array]:
        """Records (numpy void) of both streams in order."""
        i = j = 0
        while i < len(self.trades) or j < len(self.book):
            if j == len(self.book) or (
                i < len(self.trades) and self.trades["ingest_seq"][i] < self.book["ingest_seq"][j]
            ):
                yield self.trades[i]
                i += 1
            else:
                yield self.book[j]
                j += 1


def book_record(
    ts_ns: int, seq: int, bid: float, ask: float, bid_quantity: int = 10, ask_quantity: int = 10, tick: float = 0.5
) -> Array:
    """A full BOOK array of shape (1,) with ten levels a side, a tick apart."""
    record = np.zeros(1, BOOK)
    record["ts_ns"], record["ingest_seq"], record["kind"] = ts_ns, seq, KIND_BOOK
    for level in range(10):
        record["bid_price"][0, level] = bid - level * tick
        record["ask_price"][0, level] = ask + level * tick
        record["bid_quantity"][0, level] = bid_quantity + level
        record["ask_quantity"][0, level] = ask_quantity + level
    return record


def trade_record(ts_ns: int, seq: int, price: float, quantity: int = 1, side: int = 1) -> Array:
    """A TRADE array of shape (1,)."""
    record = np.zeros(1, TRADE)
    record["ts_ns"], record["ingest_seq"], record["kind"] = ts_ns, seq, KIND_TRADE
    record["price"], record["quantity"], record["aggressor"] = price, quantity, side
    record["trade_type"] = {1: 2, -1: 3, 0: 1}[side]
    return record


def made(
    seed: int, events: int, tick: float = 0.5, mean_gap_s: float = 0.7, start_ns: int = START_NS, dirt: float = 0.1,
    jump_s: float = 7200.0, book_share: float = 0.5, start_ticks: int = 1000,
) -> Stream:  # fmt: skip
    """A stream of `events` records. dirt: share of records that are broken in some way; jump_s: longest silence."""
    rng = np.random.default_rng(seed)
    trades, books = [], []
    t, ticks, number = start_ns, start_ticks, 0
    for seq in range(1, events + 1):
        pace = rng.random()
        if pace < 0.25:
            gap = 0
        elif pace < 0.97:
            gap = int(rng.exponential(mean_gap_s) * SECOND)
        elif pace < 0.99:
            gap = int(rng.choice([1, 5, 30, 60])) * SECOND  # exactly a window
        else:
            gap = int(rng.uniform(0, jump_s) * SECOND)
        t += gap
        ticks = max(20, ticks + int(rng.choice([-2, -1, 0, 0, 0, 1, 2])))
        broken = rng.random() < dirt
        if rng.random() < book_share:
            books.append(_book(rng, t, seq, ticks, tick, broken))
        else:
            number += 1
            trades.append(_trade(rng, t, seq, ticks, tick, number, broken))
    return Stream(
        np.concatenate(trades) if trades else np.zeros(0, TRADE), np.concatenate(books) if books else np.zeros(0, BOOK)
    )


def _book(rng: np.random.Generator, t: int, seq: int, ticks: int, tick: float, broken: bool) -> Array:
    spread = int(rng.choice([1, 1, 1, 2, 3]))
    record = book_record(t, seq, ticks * tick, (ticks + spread) * tick, tick=tick)
    record["bid_quantity"][0] = rng.integers(1, 200, 10)
    record["ask_quantity"][0] = rng.integers(1, 200, 10)
    depth = int(rng.integers(1, 11))
    if rng.random() < 0.2:  # a thin book: levels that are not there
        record["bid_price"][0, depth:] = 0.0
        record["bid_quantity"][0, depth:] = 0
    if broken:
        what = int(rng.integers(0, 7))
        if what == 0:
            record["bid_quantity"][0, 0] = 0
        elif what == 1:
            record["ask_price"][0, 0] = np.nan
        elif what == 2:
            record["bid_price"][0, 0] = record["ask_price"][0, 0]
        elif what == 3:
            record["ask_price"][0, 3] += 0.3 * tick
        elif what == 4:
            record["bid_price"][0], record["ask_price"][0] = 0.0, 0.0
        elif what == 5:
            record["flags"] = FLAG_AUCTION
        else:
            record["bid_price"][0, 5] += 1e-8 * tick  # within the tolerance: still on the grid
    return record


def _trade(rng: np.random.Generator, t: int, seq: int, ticks: int, tick: float, number: int, broken: bool) -> Array:
    record = trade_record(
        t, seq, ticks * tick, int(rng.integers(1, 50)), int(rng.choice([-1, 0, 1], p=[0.45, 0.1, 0.45]))
    )
    record["trade_number"], record["trade_date"] = number, 20231114
    record["buyer"], record["seller"] = rng.integers(0, 6, 2)
    if record["aggressor"][0] == 0:
        record["trade_type"] = rng.choice([1, 4, 13])
    if broken:
        what = int(rng.integers(0, 5))
        if what == 0:
            record["price"] = rng.choice([0.0, -5.0, np.nan, np.inf])
        elif what == 1:
            record["quantity"] = rng.choice([0, -3])
        elif what == 2:
            record["price"] += 0.25 * tick
        elif what == 3:
            record["trade_type"] = rng.choice([5, 6, 12, 14, 32])
        else:
            record["trade_number"] = max(1, number - int(rng.integers(1, 5)))
    return record


def wild(seed: int, events: int, brokers: int = 2_000, price_ticks: int = 2**27, quantity: int = 2**32) -> Stream:
    """A market at the edges of what is let in: prices and quantities over all powers of two, a broker seldom twice.

    Tick 1.0. Stamps are often equal; books have holes, and levels far from the touch.
    """
    rng = np.random.default_rng(seed)
    trades, books = [], []
    t = START_NS

    def power(limit: int, shape: Any = None) -> Any:
        return np.clip(2.0 ** rng.uniform(0.0, np.log2(limit) + 0.2, shape), 1, limit).astype(np.int64)

    for seq in range(1, events + 1):
        t += int(rng.choice([0, 0, 1, 10**6, SECOND, 3 * SECOND]))
        if rng.random() < 0.4:
            bid = min(int(power(price_ticks)), price_ticks - 2)
            record = book_record(t, seq, float(bid), float(bid + 1), tick=0.0)
            record["bid_price"][0, 1:] = np.maximum(bid - power(price_ticks, 9), 0)
            record["ask_price"][0, 1:] = np.minimum(bid + 1 + power(price_ticks, 9), price_ticks - 1)
            for side in ("bid_quantity", "ask_quantity"):
                record[side][0] = power(quantity, 10)
                record[side][0, 1:] *= rng.random(9) < 0.8
            books.append(record)
        else:
            price = float(min(int(power(price_ticks)), price_ticks - 1))
            record = trade_record(t, seq, price, int(power(quantity)), int(rng.choice([-1, 0, 1])))
            record["buyer"], record["seller"] = rng.integers(-1, brokers, 2)
            trades.append(record)
    return Stream(np.concatenate(trades), np.concatenate(books))


def capture(folder: Path, symbol: str | None = None) -> Stream:
    """A capture (one symbol of it) as records: numbered by (time, trades before books, row)."""
    import pyarrow.parquet as pq

    chosen = [("symbol", "=", symbol)] if symbol else None
    rows = pq.read_table(folder / "trades.parquet", filters=chosen)
    trades = np.zeros(rows.num_rows, TRADE)
    trades["kind"], trades["ts_ns"] = KIND_TRADE, rows["ts"].to_numpy().astype(np.int64)
    for name in ("price", "quantity", "aggressor", "buyer", "seller"):
        trades[name] = rows[name].to_numpy()
    trades["trade_type"] = np.select([trades["aggressor"] > 0, trades["aggressor"] < 0], [2, 3], 1)
    book = np.zeros(0, BOOK)
    if (folder / "book.parquet").is_file():
        rows = pq.read_table(folder / "book.parquet")
        book = np.zeros(rows.num_rows, BOOK)
        book["kind"], book["ts_ns"] = KIND_BOOK, rows["ts"].to_numpy().astype(np.int64)
        for side in ("bid", "ask"):
            for what in ("price", "quantity"):
                for level in range(10):
                    book[f"{side}_{what}"][:, level] = rows[f"{side}_{what}_{level + 1}"].to_numpy()
    order = np.argsort(np.concatenate([trades["ts_ns"], book["ts_ns"]]), kind="stable")
    sequence = np.empty(len(order), np.int64)
    sequence[order] = np.arange(1, len(order) + 1)
    trades["ingest_seq"], book["ingest_seq"] = sequence[: len(trades)], sequence[len(trades) :]
    return Stream(trades, book)


ES = Instrument(
    symbol="ESH4", tick=0.25, point_value=50.0, session_open="17:00", session_close="16:00", timezone="America/Chicago"
)
BTC = Instrument(
    symbol="BTCUSDT", tick=0.1, point_value=0.001, session_open="00:00", session_close="24:00", timezone="UTC"
)
PETR = Instrument(symbol="PETRG10", tick=0.01, lot=100.0, point_value=1.0, session_open="10:00", session_close="17:00")
