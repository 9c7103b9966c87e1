"""Whether a run decided and ordered what its recorded inputs demand: the order machine runs again over the journal.

Each decision, denial, order, cancel and change of a bracket is computed again, over every restart of execution, and
compared with what was written, bit for bit. What stands in a journal without a valid checksum is never compared: a torn
end was not carried out, and a damage in the middle is an error. Only reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from consensus.weights import start_weights
from execution.events import Publish
from execution.journal import read_records
from execution.journal_format import JournalError, Record
from execution.journal_keeper import journal_of
from execution.recompute import Difference, recompute_run
from runtime.run_info import read_run

_SHOWN = 5


class OrdersError(Exception):
    """The run's journal cannot be compared; the message says why."""


@dataclass(frozen=True)
class VerifiedOrders:
    """Counts of what was recomputed and equal; `difference` is the first one, in words, or ""."""

    incarnations: int
    in_part: int  # of them: compared up to where the journal could not take all inputs any more
    inputs: int
    outputs: dict[str, int]
    difference: str = ""


def verify_orders(folder: Path) -> VerifiedOrders:
    """Recompute the run in that folder. Raises OrdersError, FileNotFoundError."""
    info = read_run(folder)
    path = journal_of(info.config, folder)
    if not path.is_file():
        raise OrdersError(f"{folder}: the run has no journal of orders at {path}")
    paper = info.config.mode == "paper"
    try:
        found = recompute_run(
            info.config, start_weights(info.config.consensus), _records(path), "" if paper else folder.name, True
        )
    except (JournalError, msgspec.DecodeError, ValueError) as error:
        raise OrdersError(f"{path}: {error}") from error
    if not found.incarnations:
        raise OrdersError(f"{path}: execution never started in this run")
    return VerifiedOrders(
        found.incarnations,
        found.in_part,
        found.inputs,
        dict(found.outputs),
        describe(found.differences[0]) if found.differences else "",
    )


def _records(path: Path) -> Iterator[Record]:
    yield from read_records(path)


def describe(difference: Difference) -> str:
    """One difference in words: where, what was written, what the machine says, and to which input."""
    place = f"record {difference.number} of the journal, incarnation {difference.epoch}"
    if difference.cause is not None and difference.cause is not difference.written:
        place += f", in answer to {_name(difference.cause)} at {difference.cause.monotonic_ns}"
    if difference.why:
        return f"{place}: {_name(difference.written)} is impossible here: {difference.why}"
    if difference.written is None:
        return f"{place}: recomputed {_name(difference.computed)}, which does not stand there: {difference.computed}"
    if difference.computed is None:
        return f"{place}: {_name(difference.written)}, recomputed nothing: {difference.written}"
    if _name(difference.written) != _name(difference.computed):
        return f"{place}: {difference.written}, recomputed {difference.computed}"
    return f"{place}: {_name(difference.written)}: " + "; ".join(_fields(difference.written, difference.computed))


def _name(record: Any) -> str:
    return type(record.message if isinstance(record, Publish) else record).__name__


def _fields(written: Any, computed: Any) -> list[str]:
    """Fields of two records of one type that differ."""
    if isinstance(written, Publish):
        written, computed = written.message, computed.message
    differ = [
        f"{name} {getattr(written, name)!r}, recomputed {getattr(computed, name)!r}"
        for name in written.__struct_fields__
        if msgspec.msgpack.encode(getattr(written, name)) != msgspec.msgpack.encode(getattr(computed, name))
    ]
    return differ[:_SHOWN] + ([f"and {len(differ) - _SHOWN} fields more"] if len(differ) > _SHOWN else [])
