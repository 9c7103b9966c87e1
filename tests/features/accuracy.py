"""The largest error of every feature on the captures, against the twins in long double: measured here, shown in docs/accuracy.md.

`python -m tests.features.accuracy` measures all captures and writes the document; it takes some minutes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from config.schema import Instrument
from features.offline import compute
from features.registry import INDEX, NAMES
from tests.features.test_twins import ABSOLUTE, EXACT
from tests.naive import TWINS, Market
from tests.streams import BTC, ES, NO_CANDLES, PETR, capture

POINTS = 2_000
CAPTURES: dict[str, tuple[Instrument, int]] = {
    "es_2023-12-25": (ES, 10),
    "btcusdt_2024-08-08": (BTC, 2),
    "b3_options_20160624": (PETR, 60),
}
"""Folder -> (instrument, seconds of a bar that fill the windows of bars)."""


@dataclass
class Worst:
    """Of one feature over the points of one capture."""

    defined: int = 0
    absolute: float = 0.0
    relative: float = 0.0
    of_tolerance: float = (
        0.0  # largest error / tolerance of the contract; infinite where only one of the two is defined
    )


def measure(folder: Path, points: int, seed: int = 0) -> dict[str, Worst]:
    """The worst of each feature at random points of a capture."""
    base, bar_seconds = CAPTURES[folder.name]
    one = msgspec.structs.replace(base, bar_seconds=bar_seconds)
    symbol = one.symbol if folder.name.startswith("b3_options") else None
    stream = capture(folder, symbol)
    table = compute(stream.trades, stream.book, NO_CANDLES, one)
    rows = set(np.random.default_rng(seed).choice(len(table), min(points, len(table)), replace=False).tolist())
    worst = {name: Worst() for name in NAMES}
    market, n = Market(one), 0
    for record in stream.by_seq():
        if not market.feed(record):
            continue
        if n in rows:
            for name in NAMES:
                _compare(worst[name], name, table.values[n, INDEX[name]], TWINS[name](market))
        n += 1
    if n != len(table):
        raise AssertionError(f"{folder.name}: {len(table)} vectors, {n} by the twin")
    return worst


def _compare(worst: Worst, name: str, value: np.float64, reference: np.longdouble) -> None:
    if np.isnan(value) and np.isnan(reference):
        return
    worst.defined += 1
    error = abs(np.longdouble(value) - reference)
    tolerance = np.longdouble(0) if name in EXACT else 1e-9 * abs(reference) + ABSOLUTE.get(name, 1e-12)
    if np.isnan(error):
        worst.of_tolerance = float("inf")
        return
    worst.absolute = max(worst.absolute, float(error))
    if reference != 0:
        worst.relative = max(worst.relative, float(error / abs(reference)))
    if error > 0:
        worst.of_tolerance = max(worst.of_tolerance, float(error / tolerance) if tolerance else float("inf"))


def document(found: dict[str, dict[str, Worst]]) -> str:
    """The text of docs/accuracy.md."""
    lines = [
        "# Accuracy of the features",
        "",
        "The largest absolute and relative error of each feature against its twin in long double (`tests/naive.py`) at",
        f"{POINTS:,} random vectors of each capture, and how much of the contract's tolerance (1e-9 relative + 1e-12, integers",
        "exact) the worst one uses. `-`: not defined at any of the points, because the capture has no brokers, no book, or too",
        "few trades. Made by `python -m tests.features.accuracy`.",
        "",
        "| # | feature | " + " | ".join(f"{name} ({CAPTURES[name][1]} s bars)" for name in found) + " | of tolerance |",
        "|---|---|" + "---|" * (len(found) + 1),
    ]
    for name in NAMES:
        cells, share = [], 0.0
        for worst in (table[name] for table in found.values()):
            cells.append(f"{worst.absolute:.1e} / {worst.relative:.1e}" if worst.defined else "-")
            share = max(share, worst.of_tolerance)
        lines.append(f"| {INDEX[name]} | {name} | " + " | ".join(cells) + f" | {share:.1e} |")
    return "\n".join(lines) + "\n"


def main(captures: Path, out: Path) -> None:
    found = {}
    for name in CAPTURES:
        sys.stdout.write(f"{name} ...\n")
        sys.stdout.flush()
        found[name] = measure(captures / name, POINTS)
    out.write_text(document(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    from tests.captures import CAPTURES as FOLDER

    main(FOLDER, Path(__file__).resolve().parents[2] / "docs" / "accuracy.md")
