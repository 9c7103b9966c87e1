"""Where the facts' markets come from: the generator, and captures in Parquet, which stay where they are.

A capture is read through the tape's own importer, so that it is checked like any tape.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import numpy as np

from config.schema import Config
from exchange.build import generated_market
from exchange.facts.statistics import Array, Tape
from exchange.generated_tape import rows
from tape.importer import import_tape
from tape.reader import Tape as RecordedTape


def _quotes(books: Array, tick: float) -> tuple[Array, Array, Array]:
    """(ts_ns, bid ticks, ask ticks) of the two-sided, uncrossed books."""
    bid, ask = books["bid_price"][:, 0], books["ask_price"][:, 0]
    good = (books["bid_quantity"][:, 0] > 0) & (books["ask_quantity"][:, 0] > 0) & (bid < ask)
    sides = [np.rint(prices[good] / tick).astype(np.int64) for prices in (bid, ask)]
    return books["ts_ns"][good], sides[0], sides[1]


def generated(config: Config, day: date, minutes: float) -> Tape:
    """So many minutes of the generated market of the first configured instrument, or the rest of its session."""
    market = generated_market(config, day, None)
    to_ns = market.first_ns + int(minutes * 60e9)
    parts = []
    for trades, books in rows(market, config.instruments, to_ns):
        trades, books = trades[trades["symbol"] == 0], books[books["symbol"] == 0]
        parts.append(
            (trades["ts_ns"], trades["quantity"], trades["aggressor"], *_quotes(books, config.instruments[0].tick))
        )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Tape(*columns)


def captured(folder: Path, tick: float, lot: float) -> Tape:
    """The trades and the book of a capture's folder. Raises TapeError."""
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "tape"
        import_tape(folder / "trades.parquet", folder / "book.parquet", made, "CAPTURE", tick, lot, timezone="UTC")
        tape = RecordedTape.open(made)
        trades, books = tape.trades(), tape.book()
        return Tape(
            trades["ts_ns"].copy(), trades["quantity"].copy(), trades["aggressor"].copy(), *_quotes(books, tick)
        )
