"""Makes the market source that the configuration asks for: a recorded tape, or a generated market.

The only place in the exchange that opens files. What it refuses, it refuses with the mend.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from config.schema import Config, Instrument
from exchange.generated_market import GeneratedMarket
from exchange.market import Array, MarketSource
from exchange.recording import Recording
from exchange.tape_market import TapeMarket
from exchange.trading_day import local_ns, next_at
from tape.reader import Tape


class BadTape(ValueError):
    """The tape does not fit the configuration; the message says what to change."""


def build_market(config: Config, today: date) -> MarketSource:
    """The market of `config.exchange`. today: local date on which a generated market starts.

    Raises BadTape, or TapeError when the folder is no tape.
    """
    if config.exchange.tape:
        return _tape_market(config, Path(config.exchange.tape))
    spec = config.instruments[0]
    start_ns = local_ns(today, config.exchange.start_time, spec.timezone)
    return GeneratedMarket(
        config.instruments,
        start_ns=start_ns,
        seed=config.exchange.seed,
        start_price=config.exchange.start_price,
        trades_per_s=config.exchange.trades_per_s,
        close_ns=[next_at(start_ns, each.session_close, each.timezone) for each in config.instruments],
    )


def _tape_market(config: Config, folder: Path) -> TapeMarket:
    tape = Tape.open(folder)
    symbols = {spec.symbol: index for index, spec in enumerate(config.instruments)}
    number = np.full(len(tape.instruments), -1, np.int32)
    for row, recorded in enumerate(tape.instruments):
        if recorded.symbol in symbols:
            number[row] = symbols[recorded.symbol]
            _check_tick(config.instruments[number[row]], recorded.tick, folder)
    missing = [spec.symbol for index, spec in enumerate(config.instruments) if index not in number]
    if missing:
        there = ", ".join(recorded.symbol for recorded in tape.instruments)
        raise BadTape(f"the tape {folder} has no {', '.join(missing)}, it has {there}: correct [[instruments]] symbol")
    trades, book = _renumbered(tape.trades(), number), _renumbered(tape.book(), number)
    try:
        return TapeMarket(config.instruments, Recording(config.instruments, trades, book))
    except ValueError as error:
        raise BadTape(f"the tape {folder} cannot be played: {error}") from error


def _check_tick(spec: Instrument, recorded: float, folder: Path) -> None:
    if abs(spec.tick - recorded) > 1e-12:
        raise BadTape(f"{spec.symbol} has tick {spec.tick} in the configuration and {recorded} in the tape {folder}")


def _renumbered(rows: Array, number: Array) -> Array:
    """The rows with `symbol` as the configuration counts instruments, -1 for those it does not have."""
    if np.array_equal(number, np.arange(len(number))):
        return rows
    out = rows.copy()
    out["symbol"] = number[rows["symbol"]]
    return out
