"""Made markets to train on: one in which order flow leads the price, as a tape of shm.layouts records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from config.schema import Config, Instrument, Models
from shm.layouts import BOOK, KIND_BOOK, KIND_TRADE, TRADE
from tape.format import TapeHeader, TapeInstrument
from tape.writer import TapeWriter

Rows = np.ndarray[Any, Any]
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
INSTRUMENT = Instrument(
    symbol="LEAD",
    tick=0.5,
    point_value=10.0,
    bar_seconds=1,
    session_open="00:00",
    session_close="24:00",
    timezone="UTC",
    fee_per_contract=0.1,
)


def config(**changes: Any) -> Config:
    return Config(instruments=(INSTRUMENT,), models=Models(**({"horizon_ms": 1000} | changes)))


def leading_flow(steps: int, seed: int, led: bool = True) -> tuple[Rows, Rows]:
    """A trade and a book every 100 ms. A hidden pressure signs the trades and, if `led`, drives the mid behind them."""
    source = np.random.default_rng(seed)
    pressure = np.zeros(steps)
    for i in range(1, steps):
        pressure[i] = 0.97 * pressure[i - 1] + source.normal()
    side = np.where(pressure + source.normal(size=steps) > 0, 1, -1)
    drift = pressure if led else source.permutation(pressure)
    moves = np.where(source.random(steps) < 0.35, np.sign(drift + source.normal(size=steps)), 0)
    mid_ticks = 10_000 + np.cumsum(moves).astype(np.int64)
    trades, book = np.zeros(steps, TRADE), np.zeros(steps, BOOK)
    for rows, kind, place in ((trades, KIND_TRADE, 1), (book, KIND_BOOK, 2)):
        rows["kind"] = kind
        rows["ingest_seq"] = 2 * np.arange(steps) + place
        rows["ts_ns"] = START_NS + np.arange(steps) * STEP_NS
    before = np.concatenate([[10_000], mid_ticks[:-1]])
    trades["aggressor"], trades["trade_type"] = side, np.where(side > 0, 2, 3)
    trades["price"] = (before + side) * 0.5
    trades["quantity"] = source.integers(1, 9, steps)
    trades["trade_number"], trades["trade_date"] = np.arange(1, steps + 1), 20231114
    for level in range(10):
        book["bid_price"][:, level] = (mid_ticks - 1 - level) * 0.5
        book["ask_price"][:, level] = (mid_ticks + 1 + level) * 0.5
    book["bid_quantity"] = source.integers(1, 50, (steps, 10))
    book["ask_quantity"] = source.integers(1, 50, (steps, 10))
    return trades, book


def write_tape(folder: Path, trades: Rows, book: Rows, symbol: str = "LEAD", tick: float = 0.5) -> Path:
    instrument = TapeInstrument(symbol=symbol, tick=tick, timezone="UTC")
    with TapeWriter.create(folder, TapeHeader(instruments=(instrument,), origin={"source": "test"})) as writer:
        writer.append("trades", trades)
        writer.append("book", book)
    return folder
