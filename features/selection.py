"""Which instrument of a tape is meant, and how its features are configured: tape header, configuration, command line.

The command line goes before the configuration, the configuration before the tape. Pure: nothing is read or printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from config.schema import Config, Instrument
from tape.format import TapeInstrument


class SelectionError(Exception):
    """No instrument, or more than one, or one that tape and configuration do not agree on; the message says how to go on."""


@dataclass(frozen=True)
class Overrides:
    """What the command line says; None: nothing."""

    symbol: str | None = None
    bar_seconds: int | None = None
    session_open: str | None = None
    session_close: str | None = None
    timezone: str | None = None


def select(tape: tuple[TapeInstrument, ...], config: Config | None, said: Overrides) -> tuple[int, Instrument]:
    """(its place in the tape, the instrument). Without a configuration the session is the schema's (09:00-18:00)."""
    symbols = [item.symbol for item in tape]
    wanted = [said.symbol] if said.symbol else symbols
    if said.symbol and said.symbol not in symbols:
        raise SelectionError(f"the tape has {', '.join(symbols)}, not {said.symbol}")
    if config is not None:
        configured = [item.symbol for item in config.instruments]
        wanted = [symbol for symbol in wanted if symbol in configured]
        if not wanted:
            raise SelectionError(
                f"the configuration has {', '.join(configured)}, the tape {', '.join(symbols)}: nothing in common"
            )
    if len(wanted) > 1:
        raise SelectionError(f"{', '.join(wanted)}: say which one with --symbol")
    place = symbols.index(wanted[0])
    fields = _from_config(config, tape[place]) if config is not None else _from_tape(tape[place])
    return place, _instrument(fields | _given(said))


def _from_tape(item: TapeInstrument) -> dict[str, Any]:
    return {
        "symbol": item.symbol, "tick": item.tick, "lot": item.lot, "timezone": item.timezone, "exchange": item.exchange,
        "point_value": 1.0,  # money: no feature knows it, and a tape does not say it
    }  # fmt: skip


def _from_config(config: Config, item: TapeInstrument) -> dict[str, Any]:
    found = next(one for one in config.instruments if one.symbol == item.symbol)
    for name in ("tick", "lot"):
        if getattr(found, name) != getattr(item, name):
            raise SelectionError(
                f"{item.symbol}: the tape has {name} {getattr(item, name):g}, the configuration {getattr(found, name):g}"
            )
    return dict(msgspec.structs.asdict(found))


def _given(said: Overrides) -> dict[str, Any]:
    names = ("bar_seconds", "session_open", "session_close", "timezone")
    return {name: getattr(said, name) for name in names if getattr(said, name) is not None}


def _instrument(fields: dict[str, Any]) -> Instrument:
    try:
        instrument = msgspec.convert(fields, Instrument)
        ZoneInfo(instrument.timezone)
    except msgspec.ValidationError as error:
        raise SelectionError(str(error)) from error
    except (KeyError, ValueError) as error:
        raise SelectionError(f"{fields['timezone']!r} is no time zone of the tz database") from error
    return instrument
