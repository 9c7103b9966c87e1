"""Runs the machine again over a journal and compares what it says with what was written.

A run whose journal recomputes without a difference did exactly what this build, this configuration and those
inputs demand. It reads only; it never touches a broker. Outputs that a killed process did not get to write are no
difference: they were not carried out either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from config.schema import Config
from consensus.weights import Weights
from execution.contracts import contracts_of
from execution.events import LEDGER_TYPES, Input, LedgerRecord, Note, Omitted, Publish, Started
from execution.journal_format import INPUT_TYPES, Record, encode_record
from execution.ledger import Ledger
from execution.machine import Machine
from execution.recovery import restore
from execution.risk.gate import RiskGate

# what a machine may say to inputs that no machine can have been given: the journal was altered
IMPOSSIBLE = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Difference:
    """At record `number` of the journal (from 0) there stands `written`, and the machine says `computed`.

    `written` None: it says more than was written before the next input. `computed` None: it says nothing, or, with
    `why`, cannot take it.
    """

    number: int
    written: Record | None
    computed: Record | None
    epoch: int = -1  # of the incarnation
    cause: Input | None = None  # the input that it answers
    why: str = ""


@dataclass
class Recomputed:
    """What was gone through. `outputs`: type name (of a published message: its own) -> how many."""

    incarnations: int = 0
    in_part: int = 0  # of them: compared up to where their journal could not take all inputs any more
    inputs: int = 0
    outputs: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


def recompute(config: Config, weights: Weights, records: Iterable[Record]) -> list[Difference]:
    """Every difference, oldest first. `weights`: those that the run began with. Raises ValueError without a start."""
    return recompute_run(config, weights, records).differences


def recompute_run(
    config: Config, weights: Weights, records: Iterable[Record], run: str = "", only_first: bool = False
) -> Recomputed:
    """As `recompute`, with counts. run: compare the incarnations of that run only (a journal of an account holds those of
    many, of other configurations); only_first: stop at the first difference."""
    found = Recomputed()
    earlier: list[LedgerRecord] = []
    expected: list[Record] = []
    machine: Machine | None = None
    begun = False
    epoch, cause = -1, None
    for number, record in enumerate(records):
        is_input = isinstance(record, INPUT_TYPES)
        if isinstance(record, Started):
            begun, epoch, machine = True, record.epoch, None
            expected.clear()
            if run in ("", record.run):
                found.incarnations += 1
                machine = _machine(config, weights, earlier)
        if isinstance(record, Omitted) and machine is not None:
            found.in_part += 1
            machine = None
        if is_input and not begun:
            raise ValueError("the journal does not begin with the start of an incarnation")
        if machine is not None and is_input:
            found.differences += [Difference(number, None, missing, epoch, cause) for missing in expected]
            found.inputs += 1
            cause = cast(Input, record)
            try:
                expected = list(machine.handle(cause))
            except IMPOSSIBLE as error:
                found.differences.append(Difference(number, record, None, epoch, cause, f"{error}"))
                machine = None  # what follows in this incarnation says nothing
        elif machine is not None:
            found.outputs[_kind(record)] += 1
            computed = expected.pop(0) if expected else None
            if not _same(computed, record):
                found.differences.append(Difference(number, record, computed, epoch, cause))
        if found.differences and only_first:
            return found
        if type(record) in LEDGER_TYPES:
            earlier.append(cast(LedgerRecord, record))
    return found


def _same(computed: Record | None, written: Record) -> bool:
    """Bit for bit; of notes for the log only that there is one, for their words may be put better in a later build."""
    if isinstance(computed, Note) and isinstance(written, Note):
        return computed.level == written.level
    return computed is not None and encode_record(computed) == encode_record(written)


def _machine(config: Config, weights: Weights, earlier: list[LedgerRecord]) -> Machine:
    ledger = Ledger(contracts_of(config))
    restore(ledger, earlier)
    return Machine(config, ledger, RiskGate(config.risk), weights)


def _kind(record: Record) -> str:
    return type(record.message if isinstance(record, Publish) else record).__name__
