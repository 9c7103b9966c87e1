"""Makes the market source that the configuration asks for: a recorded tape, alone or mixed, or a generated market.

The only place in the exchange that opens files. What it refuses, it refuses with the mend.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from config.schema import Config, Instrument
from exchange.generated_market import GeneratedMarket
from exchange.ground_truth import Episode
from exchange.market import Array, MarketSource
from exchange.mixed_market import MixedMarket
from exchange.recording import Recording
from exchange.tape_market import TapeMarket
from exchange.trading_day import local_ns, next_at
from runtime.trading_hours import TradingHours
from tape.reader import Tape

LOOK_AHEAD_DAYS = 14


class BadTape(ValueError):
    """The tape does not fit the configuration; the message says what to change."""


def build_market(config: Config, today: date, tell_truth: Callable[[Episode], None] | None = None) -> MarketSource:
    """The market of `config.exchange`. today: local date from which on a generated market looks for a session.

    tell_truth: is told the episodes of a generated market. Raises BadTape; TapeError when the folder is no tape; BadSchedule
    when the configured episodes overlap.
    """
    if config.exchange.tape:
        return _tape_market(config, Path(config.exchange.tape))
    return generated_market(config, _session_day(config, today), tell_truth)


def generated_market(config: Config, day: date, tell_truth: Callable[[Episode], None] | None) -> GeneratedMarket:
    """The generated market of a date. Raises BadSchedule when the configured episodes overlap."""
    chosen = config.exchange
    start_ns = local_ns(day, chosen.start_time, config.instruments[0].timezone)
    return GeneratedMarket(
        config.instruments,
        start_ns=start_ns,
        seed=chosen.seed,
        start_price=chosen.start_price,
        trades_per_s=chosen.trades_per_s,
        close_ns=[next_at(start_ns, each.session_close, each.timezone) for each in config.instruments],
        episodes_per_hour=chosen.episodes_per_hour,
        planted=chosen.episodes,
        tell_truth=tell_truth,
    )


def _session_day(config: Config, today: date) -> date:
    """The first date from `today` on at whose start time all instruments trade; `today` when there is none soon.

    So a paper run on a Sunday plays the Monday's market, and execution's sessions are the same in paper and live. A start
    time outside the session plays anyway, and no entry passes there.
    """
    hours = [TradingHours(spec, config.sessions) for spec in config.instruments]
    for ahead in range(LOOK_AHEAD_DAYS):
        day = today + timedelta(days=ahead)
        start_ns = local_ns(day, config.exchange.start_time, config.instruments[0].timezone)
        if not any(each.at(start_ns).closed for each in hours):
            return day
    return today


def _tape_market(config: Config, folder: Path) -> MarketSource:
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
        played = Recording(config.instruments, trades, book)
        return (
            MixedMarket(config.instruments, played) if config.exchange.mixed else TapeMarket(config.instruments, played)
        )
    except ValueError as error:
        raise BadTape(f"the tape {folder} cannot be played: {error}") from error


def _check_tick(spec: Instrument, played: float, folder: Path) -> None:
    if abs(spec.tick - played) > 1e-12:
        raise BadTape(f"{spec.symbol} has tick {spec.tick} in the configuration and {played} in the tape {folder}")


def _renumbered(rows: Array, number: Array) -> Array:
    """The rows with `symbol` as the configuration counts instruments, -1 for those it does not have."""
    if np.array_equal(number, np.arange(len(number))):
        return rows
    out = rows.copy()
    out["symbol"] = number[rows["symbol"]]
    return out
