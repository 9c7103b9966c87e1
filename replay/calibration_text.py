"""The calibration report for a person: a table for the terminal, a picture as SVG. Pure; the same report, the same text."""

from __future__ import annotations

import math
from html import escape

from replay.calibration import Calibration, SourceReport, wilson

PANEL, GAP, TOP = 220, 60, 70  # pixels
FEW = 30  # judged votes; below, the interval of a hit rate spans more than a third


def as_text(found: Calibration) -> str:
    """Lines for the terminal, each with its end."""
    lines = [
        f"{found.decisions} decisions in {found.incarnations} incarnation{'s' if found.incarnations != 1 else ''} of"
        f" execution, {found.money.closed} trades closed, realised {found.money.realised:+,.2f} after fees",
        "",
        f"{'source':13}{'votes':>8}{'judged':>8}{'moved':>7}{'hit rate':>10}{'95% interval':>16}{'move':>8}{'net':>8}"
        f"{'Brier':>8}{'trades':>8}{'profit':>12}",
    ]
    for one in found.sources:
        low, high = wilson(one.hits, one.moved)
        lines.append(
            f"{one.source:13}{one.votes:8}{one.judged:8}{one.moved:7}{_share(one.hit_rate):>10}"
            f"{_interval(low, high):>16}{_mean(one.move_ticks, one.judged):>8}{_mean(one.net_ticks, one.judged):>8}"
            f"{_number(one.brier / one.moved if one.moved else math.nan):>8}{found.money.trades.get(one.source, 0):8}"
            f"{found.money.profit.get(one.source, 0.0):12,.2f}"
        )
    few = [f"{one.source} ({one.moved})" for one in found.sources if 0 < one.moved < FEW]
    if few:
        lines.append(f"fewer than {FEW} votes that a move could judge, so a rate may be chance: {', '.join(few)}")
    lines += [
        f"realised without a decision of this run behind it, or in a trade that is still open: {found.money.unexplained:+,.2f}",
        "move, net: mean ticks per judged vote, its way; net is weighed by the vote, half the spread and fees taken off",
        "profit: closed trades, shared by vote / total of the decision that opened them",
        "",
        f"{'reliability':13}{'confidence':>12}{'moved':>8}{'claimed':>10}{'hit rate':>10}{'95% interval':>16}",
    ]
    for one in found.sources:
        lines += _bins(one)
    return "".join(f"{line}\n" for line in lines)


def _bins(one: SourceReport) -> list[str]:
    lines = []
    for place in one.bins:
        if place.moved:
            low, high = wilson(place.hits, place.moved)
            lines.append(
                f"{one.source:13}{place.mean_confidence:12.3f}{place.moved:8}{_share(place.claimed):>10}"
                f"{_share(place.hit_rate):>10}{_interval(low, high):>16}"
            )
    return lines or [f"{one.source:13}{'no vote was judged':>30}"]


def as_svg(found: Calibration, title: str) -> str:
    """One panel a source: hit rate over confidence with intervals, the claimed rate as a line, a coin as a dashed one."""
    width = len(found.sources) * (PANEL + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{TOP + PANEL + 70}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{GAP}" y="24" font-size="15">{escape(title)}</text>',
    ]
    for number, one in enumerate(found.sources):
        parts += _panel(one, GAP + number * (PANEL + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(one: SourceReport, left: int) -> list[str]:
    def x(confidence: float) -> str:
        return f"{left + confidence * PANEL:.1f}"

    def y(rate: float) -> str:
        return f"{TOP + (1.0 - rate) * PANEL:.1f}"

    low, high = wilson(one.hits, one.moved)
    parts = [
        f'<text x="{left}" y="{TOP - 24}">{escape(one.source)}</text>',
        f'<text x="{left}" y="{TOP - 8}" fill="#555">{one.moved} votes, hits {_share(one.hit_rate)}'
        f" ({_interval(low, high)})</text>",
        f'<rect x="{left}" y="{TOP}" width="{PANEL}" height="{PANEL}" fill="none" stroke="#999"/>',
        f'<line x1="{x(0)}" y1="{y(0.5)}" x2="{x(1)}" y2="{y(1)}" stroke="#999"/>',
        f'<line x1="{x(0)}" y1="{y(0.5)}" x2="{x(1)}" y2="{y(0.5)}" stroke="#999" stroke-dasharray="4 4"/>',
        *(f'<text x="{left - 28}" y="{y(rate)}" fill="#555">{rate:.1f}</text>' for rate in (0.0, 0.5, 1.0)),
        *(f'<text x="{x(c)}" y="{TOP + PANEL + 16}" fill="#555">{c:.1f}</text>' for c in (0.0, 0.5, 1.0)),
        f'<text x="{left}" y="{TOP + PANEL + 36}" fill="#555">confidence</text>',
    ]
    for place in one.bins:
        if place.moved:
            low, high = wilson(place.hits, place.moved)
            at = x(place.mean_confidence)
            parts.append(f'<line x1="{at}" y1="{y(low)}" x2="{at}" y2="{y(high)}" stroke="#2b6cb0" stroke-width="2"/>')
            parts.append(f'<circle cx="{at}" cy="{y(place.hit_rate)}" r="4" fill="#2b6cb0"/>')
            parts.append(
                f'<text x="{at}" y="{TOP + PANEL + 52}" fill="#2b6cb0" text-anchor="middle">{place.moved}</text>'
            )
    return parts


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _interval(low: float, high: float) -> str:
    return "-" if math.isnan(low) else f"{100 * low:.1f} - {100 * high:.1f} %"


def _mean(total: float, count: int) -> str:
    return f"{total / count:+.2f}" if count else "-"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
