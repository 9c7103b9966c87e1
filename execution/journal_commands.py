"""`journal RUN|FILE`: prints a journal and says whether it is whole. It reads only, also while a run writes there.

A line a record: its number, market time, kind, and its fields in words; `--json` gives one object a line and the verdict last.
A torn end is reported and left alone (the next start cuts it); a damage in the middle is an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from execution.journal_command_line import KINDS
from execution.journal_file import damage
from execution.journal_format import Examined, Record, examine, is_journal, records
from execution.journal_keeper import journal_file
from execution.journal_words import in_words, utc

EXIT_WHOLE, EXIT_DAMAGED, EXIT_USAGE = 0, 1, 2


def run(args: argparse.Namespace) -> int:
    """Exit code 0: whole, perhaps with a torn end; 1: damaged or not a journal; 2: wrong arguments."""
    unknown = [kind for kind in args.kind or () if kind not in KINDS]
    if unknown:
        return _complain(f"there is no kind {unknown[0]!r}; there are {', '.join(KINDS)}", EXIT_USAGE)
    try:
        path = journal_file(Path(args.journal))
        data = path.read_bytes()
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        return _complain(str(error), EXIT_USAGE)
    if not is_journal(data):
        return _complain(f"{path} is not a journal", EXIT_DAMAGED)
    counts: Counter[str] = Counter()
    shown, orders = 0, 0
    for number, record in enumerate(records(data)):
        kind = type(record).__name__
        counts[kind] += 1
        orders = max(orders, getattr(record, "order", 0))
        if not args.verify and wanted(record, args.kind, args.order):
            shown += 1
            _say(json.dumps(as_table(number, record)) if args.json else as_line(number, record))
    found = examine(data)
    if args.json:
        _say(json.dumps(verdict(path, found, counts)))
    else:
        for line in verdict_lines(path, found, counts):
            _say(line)
    if found.whole_behind >= 0:
        return EXIT_DAMAGED
    if args.order is not None and not shown and not args.verify:
        known = f"knows the orders 1 to {orders}" if orders else "knows no order"
        return _complain(f"nothing to show of order {args.order}; this journal {known}", EXIT_USAGE)
    return EXIT_WHOLE


def wanted(record: Record, kinds: list[str] | None, order: int | None) -> bool:
    """Whether the filters let a record through; a record that speaks of no order has none."""
    if kinds and type(record).__name__ not in kinds:
        return False
    return order is None or getattr(record, "order", None) == order


def as_table(number: int, record: Record) -> dict[str, Any]:
    """A record with its number (from 0), its kind and its fields by name; a number without end is null."""
    fields = {name: msgspec.to_builtins(getattr(record, name)) for name in record.__struct_fields__}
    plain: dict[str, Any] = _finite({"number": number, "kind": type(record).__name__, **fields})
    return plain


def as_line(number: int, record: Record) -> str:
    """One line for a person. The market's time stands first, in UTC."""
    market_ns = getattr(record, "market_ns", 0)
    when = utc(market_ns) if market_ns else "-"
    return f"{number:8} {when:27} {type(record).__name__:14} {in_words(record)}"


def verdict(path: Path, found: Examined, counts: Counter[str]) -> dict[str, Any]:
    return {
        "journal": str(path),
        "records": counts.total(),
        "kinds": dict(sorted(counts.items())),
        "end": found.end,
        "torn_bytes": found.used - found.end if found.whole_behind < 0 else 0,
        "damaged_at": found.end if found.whole_behind >= 0 else None,
        "whole_behind": found.whole_behind if found.whole_behind >= 0 else None,
    }


def verdict_lines(path: Path, found: Examined, counts: Counter[str]) -> list[str]:
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())) or "none"
    lines = [f"{path}: {counts.total()} whole records up to byte {found.end}: {kinds}"]
    if found.whole_behind >= 0:
        lines.append(f"DAMAGED: {damage(path, found.end, found.whole_behind)}")
    elif found.used > found.end:
        lines.append(f"torn end of {found.used - found.end} bytes; the next start keeps it beside and cuts it")
    else:
        lines.append("whole")
    return lines


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))) else value


def _say(text: str) -> None:
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")


def _complain(text: str, code: int) -> int:
    sys.stderr.write(f"error: {text}\n")
    return code
