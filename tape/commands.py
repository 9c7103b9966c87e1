"""The `tape` verbs of the command line: import, info, compact. Parsing and printing; the work is done elsewhere."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tape.format import TapeError


def add_arguments(parser: argparse.ArgumentParser) -> Any:
    """Add the verbs to the parser of `tape`; `run` takes what it parses. Returns the verbs, so that others can be added."""
    verbs = parser.add_subparsers(dest="tape_verb", required=True, metavar="VERB")
    bring = verbs.add_parser("import", help="make a tape from Parquet files of trades and books")
    columns = "ts, price, quantity, aggressor, buyer, seller"
    bring.add_argument("--trades", required=True, metavar="T", help=f"Parquet: {columns}")
    bring.add_argument("--book", metavar="B", help="Parquet: ts and ten levels of bid and ask price and quantity")
    bring.add_argument("--out", required=True, metavar="DIR", help="the new tape's folder; must not exist")
    bring.add_argument("--symbol", required=True, metavar="NAME", help="what the instrument is called in the tape")
    bring.add_argument("--tick", required=True, type=float, metavar="X", help="price step")
    bring.add_argument("--lot", type=float, default=1.0, metavar="Y", help="what one unit of quantity is (default 1)")
    bring.add_argument("--only", metavar="SYMBOL", help="take this symbol from files with a symbol column")
    bring.add_argument("--timezone", default="America/Sao_Paulo", help="of trade dates (default %(default)s)")
    show = verbs.add_parser("info", help="say what a tape holds and check it")
    show.add_argument("folder", metavar="DIR")
    pack = verbs.add_parser("compact", help="convert closed segments to Parquet")
    pack.add_argument("folder", metavar="DIR")
    pack.add_argument("--all", action="store_true", help="also segments cut short by a crash; only if no recorder runs")
    return verbs


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; 0 done, 1 the tape has problems, 2 it cannot be done (the reason is on stderr)."""
    try:
        return {"import": _import, "info": _info, "compact": _compact}[arguments.tape_verb](arguments)
    except TapeError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _import(arguments: argparse.Namespace) -> int:
    from tape.importer import import_tape

    report = import_tape(
        arguments.trades,
        arguments.book,
        arguments.out,
        arguments.symbol,
        arguments.tick,
        arguments.lot,
        arguments.only,
        arguments.timezone,
    )
    lines = [f"{report.folder}: {report.trades} trades, {report.books} books"]
    if report.left_out:
        lines.append(f"left out: {report.left_out} rows of other symbols")
    if report.dropped:
        lines.append(f"kept, but without a feature vector: {sum(report.dropped.values())} rows")
        lines += [f"  {cause}: {count}" for cause, count in report.dropped.items()]
    _say(lines)
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from tape.info import describe, info

    found = info(arguments.folder)
    _say(describe(found))
    return 1 if found.problems else 0


def _compact(arguments: argparse.Namespace) -> int:
    from tape.compact import compact

    done = compact(Path(arguments.folder), arguments.all)
    for item in done:
        _say([f"{item.path.name}: {item.rows} rows, {item.stream_bytes:,} -> {item.parquet_bytes:,} bytes"])
    if not done:
        _say(["nothing to convert"])
    return 0


def _say(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
