"""A picture of one family over a market, as SVG text: one strip per column. Plain strings, no drawing library.

A strip shows the last defined value of each slice of time. Where a column is not defined there is no line, never a zero.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from features.families import Family
from features.offline import FeatureTable
from features.registry import COLUMNS

Array = np.ndarray[Any, Any]

SLICES = 300
WIDTH, LEFT, RIGHT = 900, 230, 70
STRIP, GAP, TOP = 44, 8, 34
LINE = "#1f5fa8"
FRAME = "#d5d9de"


def picture(family: Family, table: FeatureTable, title: str) -> str:
    """SVG of the columns of a family over a feature table (at least two vectors)."""
    height = TOP + family.count * (STRIP + GAP)
    columns = COLUMNS[family.first : family.first + family.count]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="8" y="20" font-size="14">{escape(family.name.replace("_", " "))}: {escape(title)}</text>',
    ]
    for i, column in enumerate(columns):
        top = TOP + i * (STRIP + GAP)
        parts += _strip(column.name, column.feature.unit, slices(table, column.index), top)
    return "\n".join([*parts, "</svg>"]) + "\n"


def slices(table: FeatureTable, column: int) -> Array:
    """float64 (SLICES,): the last defined value in each equal slice of the table's time, NaN where there is none."""
    first, last = int(table.ts_ns[0]), int(table.ts_ns[-1])
    defined = np.flatnonzero(~np.isnan(table.values[:, column]))
    place = (table.ts_ns[defined] - first) * SLICES // max(1, last - first + 1)
    out = np.full(SLICES, np.nan)
    out[place] = table.values[defined, column]  # of equal places the last one stays
    return out


def _strip(name: str, unit: str, values: Array, top: int) -> list[str]:
    bottom, inside = top + STRIP, WIDTH - LEFT - RIGHT
    parts = [
        f'<text x="8" y="{top + 18}">{escape(name)}</text>',
        f'<text x="8" y="{top + 34}" fill="#70757a" font-size="11">{escape(unit)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{inside}" height="{STRIP}" fill="none" stroke="{FRAME}"/>',
    ]
    defined = values[~np.isnan(values)]
    if not len(defined):
        text = "not defined in this market"
        return [*parts, f'<text x="{LEFT + 10}" y="{top + 26}" fill="#70757a">{text}</text>']
    low, high = float(defined.min()), float(defined.max())
    scale = (STRIP - 6) / (high - low) if high > low else 0.0
    for line in _lines(values):
        points = " ".join(
            f"{LEFT + inside * (place + 0.5) / SLICES:.1f},{bottom - 3 - scale * (value - low):.1f}"
            for place, value in line
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{LINE}"/>')
    side = WIDTH - RIGHT + 4
    parts.append(f'<text x="{side}" y="{top + 11}" font-size="10">{high:.3g}</text>')
    parts.append(f'<text x="{side}" y="{bottom - 2}" font-size="10">{low:.3g}</text>')
    return parts


def _lines(values: Array) -> list[list[tuple[int, float]]]:
    """Runs of slices that follow each other; a single one becomes a short line."""
    runs: list[list[tuple[int, float]]] = []
    previous = -2
    for place in np.flatnonzero(~np.isnan(values)):
        if place != previous + 1:
            runs.append([])
        runs[-1].append((int(place), float(values[place])))
        previous = int(place)
    return [run if len(run) > 1 else [run[0], (run[0][0] + 1, run[0][1])] for run in runs]
