"""Reads a configuration: the embedded default, then a file, then what the command line says; checked as a whole.

Layers are merged as plain tables and converted once, so an error names the place and, where a file was read, the file.
"""

from __future__ import annotations

import datetime
import math
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from config.explain import in_words
from config.schema import Config, Instrument

FOLDER = Path(__file__).resolve().parent
DEFAULT = FOLDER / "paper.toml"
SESSIONS = FOLDER / "sessions"
DEFAULT_SESSIONS = "b3"
SYMBOL_BYTES, EXCHANGE_BYTES = 15, 3  # of a ticker and of an exchange on the wire, without the end mark
MAX_START_TICKS = 1 << 30  # of a generated market: far above any contract


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and the place."""


def load(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """The configuration of `path` (None: the embedded `paper.toml`), with `overrides` on top.

    overrides: nested tables of the same shape as the file. Raises ConfigError.
    """
    path = path or DEFAULT
    table = _with_own_files(_read(path), path)
    merged = _with_sessions(merge(table, overrides or {}), path)
    try:
        config = msgspec.convert(merged, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {in_words(str(error), Config, merged)}") from error
    _check_finite(merged, "$", path)
    _check_whole(config, path)
    return config


def _with_own_files(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """A scenario that a file names stands beside it, wherever the stages are started."""
    exchange = table.get("exchange")
    scenario = exchange.get("scenario") if isinstance(exchange, dict) else None
    if not isinstance(scenario, str) or not scenario:
        return table
    return merge(table, {"exchange": {"scenario": str((path.parent / scenario).resolve())}})


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`; tables are merged, everything else is replaced."""
    result = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration {path}; the embedded ones are in {FOLDER.name}/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def _with_sessions(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """The table of sessions that `sessions.table` names beneath what is said there itself."""
    section = table.get("sessions", {})
    name = section.get("table", DEFAULT_SESSIONS) if isinstance(section, dict) else ""
    if not isinstance(name, str) or not name:
        return table
    file = SESSIONS / f"{name}.toml"
    if not file.is_file():
        file = path.parent / name
    below = {**_read(file), "table": name}
    return {**table, "sessions": merge(below, section)}


def _check_finite(value: Any, place: str, path: Path) -> None:
    """TOML knows inf and nan; no quantity here is one."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path}: {value} is not a finite number - at `{place}`")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_finite(item, f"{place}.{key}", path)
    if isinstance(value, list):
        for number, item in enumerate(value):
            _check_finite(item, f"{place}[{number}]", path)


def _check_names(instrument: Instrument, place: str, path: Path) -> None:
    """Names travel in fields of fixed length of ProfitDLL's wire, with an end mark."""
    for key, name, longest in (
        ("symbol", instrument.symbol, SYMBOL_BYTES),
        ("order_symbol", instrument.contract, SYMBOL_BYTES),
        ("exchange", instrument.exchange, EXCHANGE_BYTES),
    ):
        if not (0 < len(name) <= longest and all("!" <= letter <= "~" for letter in name)):
            raise ConfigError(
                f"{path}: {name!r} is not 1 to {longest} ASCII characters without blanks - at `{place}.{key}`"
            )


def _check_whole(config: Config, path: Path) -> None:
    """What no single field can know."""
    for number, instrument in enumerate(config.instruments):
        _check_names(instrument, f"$.instruments[{number}]", path)
        if config.exchange.start_price / instrument.tick > MAX_START_TICKS:
            raise ConfigError(
                f"{path}: {config.exchange.start_price:g} is more than {MAX_START_TICKS} ticks of {instrument.symbol} "
                "- at `$.exchange.start_price`"
            )
        try:
            ZoneInfo(instrument.timezone)
        except (KeyError, ValueError, OSError):
            raise ConfigError(
                f"{path}: {instrument.timezone!r} is no time zone - at `$.instruments[{number}].timezone`"
            ) from None
        try:
            datetime.date.fromisoformat(instrument.last_trading_day or "2000-01-01")
        except ValueError as error:
            raise ConfigError(f"{path}: {error} - at `$.instruments[{number}].last_trading_day`") from error
    try:
        ZoneInfo(config.sessions.timezone)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"{path}: {config.sessions.timezone!r} is no time zone - at `$.sessions.timezone`") from None
    if config.sessions.flat_before_close_min > config.sessions.no_entry_before_close_min:
        raise ConfigError(
            f"{path}: $.sessions.flat_before_close_min is above no_entry_before_close_min; "
            "what is entered in between would be left at once"
        )
    symbols = [instrument.symbol for instrument in config.instruments]
    if len(set(symbols)) != len(symbols):
        raise ConfigError(f"{path}: $.instruments names a symbol twice: {', '.join(sorted(symbols))}")
    agents = config.consensus
    total = agents.order_flow + agents.liquidity + agents.tape_reading + agents.footprint
    if abs(total - 1.0) > 1e-9:
        raise ConfigError(f"{path}: the agents' start weights in $.consensus add up to {total:g}, not 1")
    if abs(agents.ml_weight + agents.agents_weight - 1.0) > 1e-9:
        raise ConfigError(f"{path}: $.consensus.ml_weight and agents_weight add up to more or less than 1")
    if config.execution.session == "shared" and config.execution.gateway == "process":
        raise ConfigError(
            f"{path}: $.execution.session = 'shared' and $.execution.gateway = 'process' exclude each other: the shared "
            "session stands in execution's own process; set one of them back to 'split' or 'inproc'"
        )
    if config.execution.target == "resting" and config.execution.on_same_side == "add":
        raise ConfigError(
            f"{path}: $.execution.target = 'resting' and $.execution.on_same_side = 'add' exclude each other: legs of several "
            "brackets at once could close more than is held; set one of them back to 'local' or 'hold'"
        )
    if config.execution.max_quantity > config.risk.max_position:
        raise ConfigError(
            f"{path}: $.execution.max_quantity ({config.execution.max_quantity}) is above "
            f"$.risk.max_position ({config.risk.max_position}); no entry of that size could pass"
        )
