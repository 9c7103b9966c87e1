"""Looks, at each turn, which faults start: those of the scenario whose moment has come, and those left in the box.

It stands between the clocks and the faults that are on; it carries out none of them.
"""

from __future__ import annotations

import logging

from exchange.faults.box import FaultBox
from exchange.faults.scenario import Schedule
from exchange.faults.table import Fault
from exchange.tally import Tally

LOOK_EVERY_NS = 50_000_000  # into the box


class Switchboard:
    """`schedule`: of the scenario; `box`: faults at run time."""

    def __init__(self, schedule: Schedule, box: FaultBox, tally: Tally, log: logging.Logger) -> None:
        self._schedule, self._box, self._tally, self._log = schedule, box, tally, log
        self._next_look_ns = 0

    def due(self, monotonic_ns: int, market_ns: int) -> list[Fault]:
        """The faults that start now, each once."""
        faults = self._schedule.due(market_ns, self._tally.market_events, self._tally.order_messages)
        if monotonic_ns >= self._next_look_ns:
            self._next_look_ns = monotonic_ns + LOOK_EVERY_NS
            left, problems = self._box.take()
            faults += left
            for problem in problems:
                self._log.error("a fault was left that is none: %s", problem)
        return faults

    def next_market_ns(self) -> int | None:
        """Market time of the scenario's next fault that starts by time."""
        return self._schedule.next_ns()
