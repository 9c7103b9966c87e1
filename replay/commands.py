"""The `replay` verb: hands over and prints. 0 equal, 1 the first difference was printed, 2 something could not be compared.

A run that was told to record no vectors is no failure: that is said, and its orders are compared.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from replay.orders import OrdersError, verify_orders
from replay.verify import NotRecorded, VerifyError, verify_vectors
from runtime.run_info import read_run
from tape.format import TapeError

EQUAL, DIFFERS, NOT_COMPARED = 0, 1, 2


def run(arguments: argparse.Namespace) -> int:
    """arguments: run_folder, verify."""
    folder = Path(arguments.run_folder)
    try:
        read_run(folder)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        return _fail(error)
    return max(_vectors(folder), _orders(folder))


def _vectors(folder: Path) -> int:
    try:
        found = verify_vectors(folder)
    except NotRecorded as error:
        _say(f"vectors: {error}")
        return EQUAL
    except (VerifyError, TapeError, OSError) as error:
        return _fail(error)
    if found.difference is not None:
        _say(f"vectors: {found.vectors} equal; the first difference is at ingest_seq {found.difference.ingest_seq}")
        _say(f"  {found.difference.text}")
        return DIFFERS
    _say(f"vectors: {found.vectors} published, each equal to the recomputed one bit for bit")
    if found.unpublished:
        _say(f"  {found.unpublished} events at the end had no vector yet when the run stopped")
    return EQUAL


def _orders(folder: Path) -> int:
    try:
        found = verify_orders(folder)
    except (OrdersError, OSError) as error:
        return _fail(error)
    counts = found.outputs
    said = f"{counts.get('Decision', 0)} decisions, {counts.get('SendOrder', 0)} orders, {counts.get('CancelOrder', 0)} cancels"
    if found.difference:
        _say(f"orders: the first difference comes after {said}")
        _say(f"  {found.difference}")
        return DIFFERS
    _say(f"orders: {said}, each equal to the recomputed one bit for bit")
    _say(
        f"  {found.inputs} inputs in {found.incarnations} incarnation{'s' if found.incarnations > 1 else ''} of"
        f" execution; all {sum(counts.values())} records that answer them are equal"
    )
    if found.in_part:
        _say(f"  {found.in_part} of them in part: from some point on their journal could not take every input")
    return EQUAL


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _fail(error: Exception) -> int:
    sys.stderr.write(f"error: {error}\n")
    return NOT_COMPARED
