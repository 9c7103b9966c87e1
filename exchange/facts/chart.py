"""A small chart as SVG text: lines or points over two axes, linear or logarithmic. Plain strings, no drawing library."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

Array = np.ndarray[Any, Any]

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 48
COLOURS = ("#1f5fa8", "#c4541a", "#3b8a3e", "#7d3f98", "#7a7f86")
FRAME, TEXT = "#d5d9de", "#4a4f55"


@dataclass(frozen=True)
class Line:
    """One series. Points that are not finite, or not positive on a logarithmic axis, are left out."""

    name: str
    x: Array
    y: Array
    points: bool = False  # marks instead of a line
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """What an axis says. low, high: its ends; None: from the data."""

    name: str
    log: bool = False
    low: float | None = None
    high: float | None = None


class _Scale:
    """From values to pixels."""

    def __init__(self, axis: Axis, values: Array, begin: float, end: float) -> None:
        self.log = axis.log
        low = float(values.min()) if axis.low is None else axis.low
        high = float(values.max()) if axis.high is None else axis.high
        if axis.log:
            self.low, self.high = log10(low), log10(high)
        else:
            self.low, self.high = low, high
        if self.high <= self.low:
            self.high = self.low + 1.0
        self.begin, self.end = begin, end

    def __call__(self, values: Array) -> Array:
        shown = np.log10(values) if self.log else values
        return np.asarray(self.begin + (shown - self.low) / (self.high - self.low) * (self.end - self.begin))

    def ticks(self) -> list[tuple[float, str]]:
        """(value, label): powers of ten, or round steps."""
        if self.log:
            powers = range(ceil(self.low - 1e-9), floor(self.high + 1e-9) + 1)
            return [(10.0**power, f"{10.0**power:g}") for power in powers]
        rough = (self.high - self.low) / 5
        unit = 10.0 ** floor(log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
        first = ceil(self.low / step - 1e-9)
        count = floor(self.high / step + 1e-9) - first + 1
        return [((first + i) * step, f"{(first + i) * step:g}") for i in range(count)]


def chart(title: str, x: Axis, y: Axis, lines: list[Line]) -> str:
    """SVG of the lines. Raises ValueError when there is nothing to draw."""
    kept = [(line, *_drawable(line, x, y)) for line in lines]
    if not any(len(xs) for _, xs, _ in kept):
        raise ValueError(f"{title}: nothing to draw")
    across = _Scale(x, np.concatenate([xs for _, xs, _ in kept]), LEFT, WIDTH - RIGHT)
    up = _Scale(y, np.concatenate([ys for _, _, ys in kept]), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{escape(title)}</text>',
        *_grid(x, y, across, up),
    ]
    for i, (line, xs, ys) in enumerate(kept):
        colour = COLOURS[i % len(COLOURS)]
        parts += _series(line, across(xs), up(ys), colour)
        parts.append(f'<text x="{WIDTH - RIGHT - 8}" y="{TOP + 18 + 17 * i}" text-anchor="end" fill="{colour}">'
                     f"{escape(line.name)}</text>")  # fmt: skip
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawable(line: Line, x: Axis, y: Axis) -> tuple[Array, Array]:
    xs, ys = np.asarray(line.x, np.float64), np.asarray(line.y, np.float64)
    keep = np.isfinite(xs) & np.isfinite(ys)
    for axis, values in ((x, xs), (y, ys)):
        keep &= (values > 0) | (not axis.log)
        keep &= (values >= axis.low) if axis.low is not None else True
        keep &= (values <= axis.high) if axis.high is not None else True
    return xs[keep], ys[keep]


def _grid(x: Axis, y: Axis, across: _Scale, up: _Scale) -> list[str]:
    out = []
    for value, label in across.ticks():
        at = float(across(np.array(value)))
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{FRAME}"/>')
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="{TEXT}">{label}</text>')
    for value, label in up.ticks():
        at = float(up(np.array(value)))
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="{FRAME}"/>')
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" fill="{TEXT}">{label}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle:.0f}" y="{HEIGHT - 12}" text-anchor="middle" fill="{TEXT}">{escape(x.name)}</text>')
    half = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text x="16" y="{half:.0f}" transform="rotate(-90 16 {half:.0f})" text-anchor="middle" fill="{TEXT}">'
               f"{escape(y.name)}</text>")  # fmt: skip
    return out


def _series(line: Line, xs: Array, ys: Array, colour: str) -> list[str]:
    if line.points:
        return [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in zip(xs, ys, strict=True)]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(xs, ys, strict=True))
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    return [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>']
