"""A scenario: faults with the moment at which each starts, from a TOML file, and which of them are due.

    [[fault]]
    name = "connection_lost"
    after_s = 30.0
    for_s = 5.0

Reading a file is the only thing here that touches the outside; `Schedule` is pure: market time and counts in, faults out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exchange.faults.table import BadFault, Fault, fault_of
from exchange.trading_day import next_at


class BadScenario(ValueError):
    """The scenario cannot be played; the message names the file and the place."""


def read_scenario(path: Path) -> list[Fault]:
    """The faults of a file, in its order. Raises BadScenario."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadScenario(f"there is no scenario {path}: correct exchange.scenario") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadScenario(f"the scenario {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(f"the scenario {path} is not TOML: {error}") from error
    rows = table.pop("fault", None)
    if table or not isinstance(rows, list) or not rows:
        other = f", not {', '.join(sorted(table))}" if table else ""
        raise BadScenario(f"the scenario {path} must consist of [[fault]] tables{other}")
    return [_fault(path, number, row) for number, row in enumerate(rows)]


def _fault(path: Path, number: int, row: Any) -> Fault:
    try:
        return fault_of(row if isinstance(row, dict) else {})
    except BadFault as error:
        raise BadScenario(f"{path}: $.fault[{number}]: {error}") from error


class Schedule:
    """Faults that wait for their moment. first_ns: market time of the first event; timezone: that of `at`."""

    def __init__(self, faults: Sequence[Fault], first_ns: int, timezone: str) -> None:
        self._timed = sorted(
            ((_start_ns(fault, first_ns, timezone), place, fault) for place, fault in enumerate(faults)
             if fault.after_events is None and fault.after_orders is None),
            key=lambda row: row[:2],
        )  # fmt: skip
        self._counted = [fault for fault in faults if fault.after_events is not None or fault.after_orders is not None]

    def due(self, market_ns: int, events: int, orders: int) -> list[Fault]:
        """The faults that start now, each told once. events, orders: totals since the start."""
        out = []
        while self._timed and self._timed[0][0] <= market_ns:
            out.append(self._timed.pop(0)[2])
        for fault in [each for each in self._counted if _reached(each, events, orders)]:
            self._counted.remove(fault)
            out.append(fault)
        return out

    def next_ns(self) -> int | None:
        """Market time of the next fault that starts by time."""
        return self._timed[0][0] if self._timed else None


def _start_ns(fault: Fault, first_ns: int, timezone: str) -> int:
    if fault.at is not None:
        return next_at(first_ns - 1, fault.at, timezone)
    if fault.after_s is not None:
        return first_ns + int(fault.after_s * 1e9)
    return 0  # before everything else


def _reached(fault: Fault, events: int, orders: int) -> bool:
    if fault.after_events is not None:
        return events >= fault.after_events
    return fault.after_orders is not None and orders >= fault.after_orders
