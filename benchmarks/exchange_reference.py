"""Replay of one recorded capture, ours beside hftbacktest's: rows of the BTC capture per second, in one run.

hftbacktest (PyPI) keeps a hash map of price levels and emulates latency and queues for one strategy; our tape market
also encodes every row as wire frames for its clients. Neither has an order, so what is compared is the reading of the
feed. A capture or a package that is not there makes the row say so.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row
from config.schema import Instrument
from exchange.market import BUY
from exchange.recording import Recording
from exchange.tape_market import TapeMarket
from shm.layouts import TRADE

CAPTURE = Path(__file__).resolve().parents[2] / "shared" / "data" / "btcusdt_2024-08-08"
SPEC = Instrument(symbol="BTCUSDT", tick=0.1, lot=0.001, point_value=0.001)
FOREVER = 1 << 62
STEP_NS = 1_000_000_000
REPEATS = 5

Array = np.ndarray[Any, Any]


def replay_rows() -> list[Row]:
    """Our replay, our replay with an order that rests, theirs; rows per second of the same capture."""
    if not CAPTURE.is_dir():
        return [Row("replay of the BTC capture", note="the capture is not on this machine")]
    from tape.importer import import_tape
    from tape.reader import Tape

    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "tape"
        import_tape(CAPTURE / "trades.parquet", CAPTURE / "book.parquet", tape, SPEC.symbol, SPEC.tick)
        opened = Tape.open(tape)
        trades, book = opened.trades(), opened.book()
    count = len(trades) + len(book)
    ours = _best(lambda: _play(trades, book, resting=False), count)
    with_order = _best(lambda: _play(trades, book, resting=True), count)
    rows = [
        Row("replay of the BTC capture, wire frames made", per_second=ours, note=f"{count:,} rows"),
        Row("the same with an order of ours in its queue", per_second=with_order),
    ]
    return [*rows, _theirs(trades, book, ours)]


def _best(play: Callable[[], float], count: int) -> float:
    return count / min(play() for _ in range(REPEATS))


def _play(trades: Array, book: Array, resting: bool) -> float:
    """Seconds for the whole capture."""
    market = TapeMarket([SPEC], Recording([SPEC], trades, book))
    if resting:
        market.advance(market.first_ns, 1)
        market.rest(0, 1, BUY, 1, 1, 0, market.first_ns)  # far below: it stays to the end
    began = time.perf_counter()
    while market.advance(FOREVER, 1024) is not None:
        pass
    return time.perf_counter() - began


def _theirs(trades: Array, book: Array, ours: float) -> Row:
    name = "hftbacktest: feed replay of the same capture"
    try:
        import hftbacktest
    except ImportError as error:
        return Row(name, note=f"not installed here: {error}")
    events = _feed(trades, book, hftbacktest)

    def play() -> float:
        asset = (
            hftbacktest.BacktestAsset()
            .data(events)
            .linear_asset(1.0)
            .constant_order_latency(0, 0)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(SPEC.tick)
            .lot_size(SPEC.lot)
        )
        backtest = hftbacktest.HashMapMarketDepthBacktest([asset])
        backtest.elapse(1)  # compiles what is called below
        began = time.perf_counter()
        while backtest.elapse(STEP_NS) == 0:
            pass
        taken = time.perf_counter() - began
        backtest.close()
        return taken

    rows = len(trades) + len(book)
    theirs = _best(play, rows)
    version = metadata.version("hftbacktest")
    note = f"{version}; {len(events):,} level changes and trades; ours / theirs = {ours / theirs:.2f}"
    return Row(name, per_second=theirs, note=note)


def _feed(trades: Array, book: Array, package: Any) -> Array:
    """The capture as their events: trades, and for each book the levels that differ from the one before it."""
    both = int(package.EXCH_EVENT) | int(package.LOCAL_EVENT)
    depth, trade = int(package.DEPTH_EVENT) | both, int(package.TRADE_EVENT) | both
    buy, sell = int(package.BUY_EVENT), int(package.SELL_EVENT)
    rows: list[tuple[int, int, float, float]] = []
    shown: list[dict[float, float]] = [{}, {}]
    order = sorted(
        [(int(row["ingest_seq"]), 0, i) for i, row in enumerate(trades)]
        + [(int(row["ingest_seq"]), 1, i) for i, row in enumerate(book)]
    )
    for _, kind, i in order:
        record = book[i] if kind else trades[i]
        ts = int(record["ts_ns"])
        if record.dtype == TRADE:
            side = buy if record["aggressor"] > 0 else sell
            rows.append((trade | side, ts, float(record["price"]), float(record["quantity"]) * SPEC.lot))
            continue
        for at, (name, side) in enumerate((("bid", buy), ("ask", sell))):
            there = {
                float(price): float(quantity) * SPEC.lot
                for price, quantity in zip(record[f"{name}_price"], record[f"{name}_quantity"], strict=True)
                if quantity > 0
            }
            for price in shown[at].keys() | there.keys():
                if shown[at].get(price) != there.get(price):
                    rows.append((depth | side, ts, price, there.get(price, 0.0)))
            shown[at] = there
    out = np.zeros(len(rows), package.types.event_dtype)
    for name, column in (("ev", 0), ("exch_ts", 1), ("local_ts", 1), ("px", 2), ("qty", 3)):
        out[name] = [row[column] for row in rows]
    return out
