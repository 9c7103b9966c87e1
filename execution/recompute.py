"""Runs the machine again over a journal and compares what it says with what was written.

A run whose journal recomputes without a difference did exactly what this build, this configuration and those
inputs demand. It reads only; it never touches a broker. Outputs that a killed process did not get to write are no
difference: they were not carried out either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from config.schema import Config
from consensus.weights import Weights
from execution.contracts import contracts_of
from execution.events import LEDGER_TYPES, Input, Started
from execution.journal_format import INPUT_TYPES, Record, encode_record
from execution.ledger import Ledger
from execution.machine import Machine
from execution.recovery import restore
from execution.risk.gate import RiskGate


@dataclass(frozen=True)
class Difference:
    """At record `number` of the journal (from 0) there stands `written`, and the machine says `computed`."""

    number: int
    written: Record | None
    computed: Record | None


def recompute(config: Config, weights: Weights, records: Iterable[Record]) -> list[Difference]:
    """Every difference, oldest first. `weights`: those that the run began with. Raises ValueError without a start."""
    differences: list[Difference] = []
    earlier: list[Record] = []
    expected: list[Record] = []
    machine: Machine | None = None
    for number, record in enumerate(records):
        if isinstance(record, INPUT_TYPES):
            if isinstance(record, Started):
                ledger = Ledger(contracts_of(config))
                restore(ledger, earlier)  # type: ignore[arg-type]
                machine = Machine(config, ledger, RiskGate(config.risk), weights)
                expected.clear()
            differences += [Difference(number, None, missing) for missing in expected]
            if machine is None:
                raise ValueError("the journal does not begin with the start of an incarnation")
            expected = list(machine.handle(cast(Input, record)))
        else:
            computed = expected.pop(0) if expected else None
            if computed is None or encode_record(computed) != encode_record(record):
                differences.append(Difference(number, record, computed))
        if isinstance(record, LEDGER_TYPES):
            earlier.append(record)
    return differences
