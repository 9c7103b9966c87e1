"""Markets to measure features with: a made one of any length, and the recorded hour where it is on this machine.

The made one is a block that is repeated with its stamps moved on, so every part of a long stream costs the same to make.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from config.schema import Instrument
from shm.layouts import BOOK, KIND_BOOK, KIND_TRADE, TRADE

Array = np.ndarray[Any, Any]

SECOND_NS = 1_000_000_000
START_NS = 1_700_006_400 * SECOND_NS  # 2023-11-15 00:00 UTC
MADE = Instrument(
    symbol="MADE", tick=0.5, point_value=10.0, session_open="00:00", session_close="24:00", timezone="UTC"
)
ES = Instrument(
    symbol="ESH4", tick=0.25, point_value=50.0, session_open="17:00", session_close="16:00", timezone="America/Chicago"
)
ES_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "es_2023-12-25"


def block(events: int, seed: int, mean_gap_ns: int = 1_000_000, trade_share: float = 0.2) -> tuple[Array, Array]:
    """(TRADE (n,), BOOK (m,)), n + m = events, numbered from 1: a walk of the touch, 80 brokers, ten full levels."""
    rng = np.random.default_rng(seed)
    times = START_NS + np.cumsum(rng.integers(0, 2 * mean_gap_ns, events))
    middle = 10_000 + np.cumsum(rng.choice([-1, 0, 0, 0, 0, 1], events))
    middle -= np.linspace(0, middle[-1] - middle[0], events).astype(np.int64)  # ends where it began: blocks join
    is_trade = rng.random(events) < trade_share
    number = np.arange(1, events + 1)
    trades = np.zeros(int(is_trade.sum()), TRADE)
    side = rng.choice([-1, 1], len(trades))
    trades["kind"], trades["ts_ns"], trades["ingest_seq"] = KIND_TRADE, times[is_trade], number[is_trade]
    trades["price"] = 0.5 * (middle[is_trade] + (side > 0))
    trades["quantity"] = rng.geometric(0.2, len(trades))
    trades["aggressor"], trades["trade_type"] = side, np.where(side > 0, 2, 3)
    trades["buyer"], trades["seller"] = rng.integers(1, 81, len(trades)), rng.integers(1, 81, len(trades))
    book = np.zeros(events - len(trades), BOOK)
    book["kind"], book["ts_ns"], book["ingest_seq"] = KIND_BOOK, times[~is_trade], number[~is_trade]
    levels = np.arange(10)
    book["bid_price"] = 0.5 * (middle[~is_trade][:, None] - levels)
    book["ask_price"] = 0.5 * (middle[~is_trade][:, None] + 1 + levels)
    book["bid_quantity"] = rng.integers(1, 400, (len(book), 10))
    book["ask_quantity"] = rng.integers(1, 400, (len(book), 10))
    return trades, book


def move_on(trades: Array, book: Array) -> None:
    """Make the next block of this one, in place."""
    span = max(int(trades["ts_ns"][-1]), int(book["ts_ns"][-1])) - min(int(trades["ts_ns"][0]), int(book["ts_ns"][0]))
    for rows in (trades, book):
        rows["ts_ns"] += span
        rows["ingest_seq"] += len(trades) + len(book)


def es_hour() -> tuple[Array, Array] | None:
    """(TRADE, BOOK) of the recorded E-mini hour, or None where its folder is missing."""
    if not ES_FOLDER.is_dir():
        return None
    from tape.importer import import_tape
    from tape.reader import Tape

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tape"
        import_tape(ES_FOLDER / "trades.parquet", ES_FOLDER / "book.parquet", out, ES.symbol, ES.tick)
        tape = Tape.open(out)
        return tape.trades(), tape.book()
