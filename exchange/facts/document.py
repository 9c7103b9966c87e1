"""Writes docs/generated_market.md and its pictures: what the generated market is, and how it compares with real ones.

    python -m exchange.facts.document                       the generated market by itself
    python -m exchange.facts.document --captures DIR        beside the captures in that folder

The captures stay where they are; only figures and pictures made from them are written. The same seed and captures give the
same page. Text that judges the comparison is written here by hand, for the seed below.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import NamedTuple

from config.load import load
from exchange import intraday
from exchange.facts import page, sources
from exchange.facts.text import AFTER_TABLE, BEFORE_TABLE, PICTURES_TEXT
from exchange.generate_options import DAY
from tape.format import TapeError

DOCS = Path(__file__).resolve().parents[2] / "docs"
SEED = 1
START, MINUTES = "09:00", 540.0


class Capture(NamedTuple):
    """A recorded market that the page knows how to read."""

    folder: str
    name: str
    what: str
    tick: float
    lot: float


CAPTURES = (
    Capture("es_2023-12-25", "ES", "E-mini S&P future, one hour of a holiday (2023-12-25), order by order", 0.25, 1.0),
    Capture("btcusdt_2024-08-08", "BTCUSDT", "perpetual, 345 s of bursts (2024-08-08), two streams", 0.1, 0.001),
)  # fmt: skip


def subjects(folder: Path | None) -> tuple[list[page.Subject], list[str]]:
    """(the markets to compare, sentences on those that are missing). Raises TapeError."""
    found = []
    for name, chosen, what in (
        ("background", {"episodes_per_hour": 0.0}, "no episode"),
        ("generated", {}, "its episodes"),
    ):
        config = load(None, {"exchange": {"seed": SEED, "start_time": START, **chosen}})
        tape = sources.generated(config, date.fromisoformat(DAY), MINUTES)
        rate = config.exchange.trades_per_s
        what = f"a generated session of {MINUTES / 60:g} h, seed {SEED}, {rate:g} trades/s asked for, with {what}"
        found.append(page.Subject(name, what, tape))
    missing = []
    for capture in CAPTURES:
        place = folder / capture.folder if folder is not None else None
        if place is None or not place.is_dir():
            missing.append(
                f"{capture.name} ({capture.what}) was not there when this page was made: its column is left out."
            )
            continue
        found.append(page.Subject(capture.name, capture.what, sources.captured(place, capture.tick, capture.lot)))
    return found, missing


def text(found: list[page.Subject], missing: list[str]) -> str:
    """The page."""
    columns = "".join(f"- **{each.name}**: {each.what}\n" for each in found)
    gaps = "".join(f"\n{sentence}\n" for sentence in missing)
    judged = AFTER_TABLE if not missing else ""
    return f"{BEFORE_TABLE}\n{columns}{gaps}\n{page.table(found)}\n{judged}{PICTURES_TEXT}"


def write(docs: Path, folder: Path | None) -> None:
    """Write the page and the pictures. Raises TapeError before anything is written."""
    found, missing = subjects(folder)
    curve = intraday.curve(int(MINUTES))
    drawn = page.pictures(found, curve)
    pictures = docs / "generated_market"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        (pictures / name).write_text(svg, encoding="utf-8", newline="\n")
    (docs / "generated_market.md").write_text(text(found, missing), encoding="utf-8", newline="\n")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m exchange.facts.document")
    parser.add_argument(
        "--captures", metavar="DIR", help="folder with the captures; without it their columns are left out"
    )
    parser.add_argument("--docs", metavar="DIR", default=str(DOCS), help="where to write (default: the project's docs)")
    arguments = parser.parse_args(argv)
    try:
        write(Path(arguments.docs), Path(arguments.captures) if arguments.captures else None)
    except TapeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
