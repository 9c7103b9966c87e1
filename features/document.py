"""Writes docs/features.md from the registry, and a picture of each family on a tape.

    python -m features.document                                    the text
    python -m features.document --tape DIR --config config/es.toml the text and docs/features/*.svg

The document is never edited by hand: a test compares it with what this makes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config.load import load
from features.families import ABSENT, CAUSES, FAMILIES, Family
from features.offline import FeatureTable, compute
from features.pictures import picture
from features.registry import COLUMNS
from features.selection import Overrides, SelectionError, select
from tape.format import TapeError
from tape.reader import Tape

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = DOCS / "features"

_INTRODUCTION = """# The 65 features

One vector of 65 float64 per valid trade and snapshot. A value that is not defined is NaN, never a made-up default. This file is
made from the registry (`python -m features.document`); the largest errors against the slow twins are in `accuracy.md`.

Signs: t event time; P the last trade price; C the completed closes followed by P, r their log returns; V volumes of completed
bars; M = (b_1 + a_1) / 2 the mid; B_i, A_i bid and ask quantities, b_i, a_i prices; q, s quantity and aggressor (+1, -1, 0) of a
trade. Windows of seconds are (t - w, t]. A session is a calendar date of the instrument (24 h from the open when it spans
midnight): trades, brokers, book and windows start empty there, completed bars (the last 200) carry over. std is of the
population.

The pictures show one recorded hour of the E-mini S&P future (2023-12-25, bars of 5 s, no broker codes).
"""

_MASK = """## Ready mask

uint64 in every vector. Bits 0-6: the family's windows are full. Consumers declare the families that they need, and abstain
otherwise.

| bit | meaning |
|---|---|
"""


def text() -> str:
    """The content of docs/features.md."""
    parts = [_INTRODUCTION, *(_family(family) for family in FAMILIES), _MASK + _mask()]
    return "\n".join(parts)


def _family(family: Family) -> str:
    name = family.name.replace("_", " ")
    whole = [f"{family.seconds} s"] if family.seconds else []
    whole += [f"{family.trades} trades"] if family.trades else []
    whole += [f"{family.snapshots} snapshots (when there is a book)"] if family.snapshots else []
    lines = [
        f"## {name[0].upper()}{name[1:]}",
        "",
        f"Columns {family.first}-{family.first + family.count - 1}, ready bit {family.ready.bit_length() - 1}. After a loss of",
        f"market data whole again after {', '.join(whole)}.",
        "",
        f"![{name} over a recorded hour](features/{family.name}.svg)",
        "",
        "| # | name | unit | defined after | formula | source |",
        "|---|---|---|---|---|---|",
    ]
    for column in COLUMNS[family.first : family.first + family.count]:
        one = column.feature
        formula = one.formula.replace("|", "\\|")
        lines.append(
            f"| {column.index} | `{one.name}` | {one.unit} | {one.warm_up} | {formula} | {one.source or 'elementary'} |"
        )
    return "\n".join(lines) + "\n"


def _mask() -> str:
    rows = [(family.ready, f"{family.name} is whole") for family in FAMILIES]
    rows += [(bit, f"why not: {cause}") for bit, cause in CAUSES.items()]
    rows += [(bit, f"absent: {what}") for bit, what in ABSENT.items()]
    return "".join(f"| {bit.bit_length() - 1} | {meaning} |\n" for bit, meaning in rows)


def pictures(table: FeatureTable, title: str) -> dict[str, str]:
    """File name -> SVG, one per family."""
    return {f"{family.name}.svg": picture(family, table, title) for family in FAMILIES}


def table_of(folder: Path, config: Path | None) -> tuple[FeatureTable, str]:
    """(all vectors of the tape's instrument, a title). Raises TapeError, SelectionError, ValueError."""
    tape = Tape.open(folder)
    place, one = select(tape.instruments, load(config, {}) if config else None, Overrides())
    rows = (tape.trades(), tape.book(), tape.candles())
    trades, book, candles = (some[some["symbol"] == place] for some in rows)
    return compute(trades, book, candles, one), f"{one.symbol}, bars of {one.bar_seconds} s"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m features.document")
    parser.add_argument("--tape", metavar="DIR", help="draw the pictures from this tape")
    parser.add_argument("--config", metavar="FILE", help="configuration of the tape's instrument")
    arguments = parser.parse_args(argv)
    drawings: dict[str, str] = {}
    if arguments.tape:  # first: a tape that cannot be drawn must leave everything as it is
        try:
            table, title = table_of(Path(arguments.tape), Path(arguments.config) if arguments.config else None)
        except (TapeError, SelectionError, ValueError) as error:
            sys.stderr.write(f"error: {error}\n")
            return 2
        drawings = pictures(table, title)
    (DOCS / "features.md").write_text(text(), encoding="utf-8", newline="\n")
    PICTURES.mkdir(exist_ok=True)
    for name, drawn in drawings.items():
        (PICTURES / name).write_text(drawn, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
