"""The page docs/generated_market.md and its pictures: text and drawings from facts that were computed, nothing else.

A market that is missing is named as missing; its columns and lines are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, isnan, sqrt
from typing import NamedTuple

import numpy as np

from exchange.facts import statistics as facts
from exchange.facts.chart import Axis, Line, chart
from exchange.facts.statistics import Array, Tape

NO_FIGURE = "-"


@dataclass(frozen=True)
class Subject:
    """One column of the page."""

    name: str
    what: str
    tape: Tape


class Row(NamedTuple):
    """One line of the table: what it says, and its value for each subject."""

    name: str
    values: list[float]
    digits: int = 2


def _share(value: float) -> float:
    return 100.0 * value


def rows(subjects: Sequence[Subject]) -> list[Row]:
    """The table's lines."""
    tapes = [subject.tape for subject in subjects]
    spreads = [facts.spread_shares(tape) for tape in tapes]
    signs = [facts.autocorrelation(facts.orders(tape)[1], facts.SIGN_LAGS) for tape in tapes]
    sizes = [facts.orders(tape)[0] for tape in tapes]
    out = [
        Row("seconds", [tape.seconds for tape in tapes], 0),
        Row("trades per second", [len(tape.trade_ns) / tape.seconds for tape in tapes]),
        Row("quotes per second", [len(tape.quote_ns) / tape.seconds for tape in tapes]),
        Row("spread of one tick, % of time", [_share(spread[0]) for spread in spreads], 1),
        Row("spread of two ticks, % of time", [_share(spread[1]) for spread in spreads], 1),
        Row("spread of eight ticks or more, % of time", [_share(spread[7]) for spread in spreads], 1),
        Row("order size: median over mean", [float(np.median(size) / size.mean()) for size in sizes]),
        Row(
            "order size: 99th percentile over mean", [float(np.percentile(size, 99) / size.mean()) for size in sizes], 1
        ),
        Row("share of volume in the largest 1 % of orders, %", [_share(_largest(size)) for size in sizes], 1),
        Row("autocorrelation of signs, lag 1", [sign[0] for sign in signs]),
        Row("autocorrelation of signs, lag 10", [sign[facts.SIGN_LAGS.index(10)] for sign in signs]),
        Row("autocorrelation of signs, lag 100", [sign[facts.SIGN_LAGS.index(100)] for sign in signs]),
        Row("its decay exponent, lags 1 to 500", [facts.decay_exponent(facts.SIGN_LAGS, sign) for sign in signs]),
    ]
    for seconds in facts.RETURN_SECONDS:
        moves = [facts.returns(tape, seconds) for tape in tapes]
        out.append(Row(f"standard deviation of {seconds} s returns, ticks", [float(move.std()) for move in moves]))
        out.append(Row(f"excess kurtosis of {seconds} s returns", [facts.excess_kurtosis(move) for move in moves], 1))
    for seconds in facts.RETURN_SECONDS:
        moves = [facts.returns(tape, seconds) for tape in tapes]
        out.append(Row(f"autocorrelation of {seconds} s returns, lag 1", [_first(move) for move in moves]))
        out.append(
            Row(f"autocorrelation of absolute {seconds} s returns, lag 1", [_first(np.abs(move)) for move in moves])
        )
    ten = [np.abs(facts.returns(tape, 10)) for tape in tapes]
    out.append(Row("the same of 10 s returns, mean of lags 1 to 6", [_mean_of_lags(move, 6) for move in ten]))
    return out


def _largest(size: Array) -> float:
    count = max(1, len(size) // 100)
    return float(np.sort(size)[-count:].sum() / size.sum())


def _first(values: Array) -> float:
    return _mean_of_lags(values, 1)


def _mean_of_lags(values: Array, count: int) -> float:
    if len(values) < facts.FEWEST_RETURNS:
        return float("nan")
    return float(np.mean(facts.autocorrelation(values, tuple(range(1, count + 1)))))


def table(subjects: Sequence[Subject]) -> str:
    """The Markdown table; "-" where a market is too short for a figure."""
    lines = ["| | " + " | ".join(subject.name for subject in subjects) + " |", "|---" * (len(subjects) + 1) + "|"]
    for row in rows(subjects):
        cells = [NO_FIGURE if isnan(value) else f"{value:,.{row.digits}f}" for value in row.values]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def pictures(subjects: Sequence[Subject], curve: Array) -> dict[str, str]:
    """File name -> SVG. curve (minutes,): the generator's own, drawn beside what it made."""
    names = [(subject.name, subject.tape) for subject in subjects]
    wide = np.arange(1, facts.WIDEST_TICKS + 1)
    second = np.array(facts.CLUSTER_LAGS)
    normal = np.linspace(0.1, 5.0, 60)
    return {
        "spread.svg": chart(
            "Spread: share of time", Axis("ticks (the last: that or more)"), Axis("share of time", True, 1e-4, 1.0),
            [Line(name, wide, facts.spread_shares(tape)) for name, tape in names],
        ),
        "sizes.svg": chart(
            "Order sizes: share of orders at least as large", Axis("size over mean size", True),
            Axis("share of orders", True, 1e-5, 1.0), [Line(name, *facts.size_tail(tape)) for name, tape in names],
        ),
        "signs.svg": chart(
            "Autocorrelation of the signs of orders", Axis("lag, orders", True), Axis("autocorrelation", True, 1e-3, 1.0),
            [Line(name, np.array(facts.SIGN_LAGS), facts.autocorrelation(facts.orders(tape)[1], facts.SIGN_LAGS))
             for name, tape in names],
        ),
        "returns.svg": chart(
            "Returns of 10 s: share at least as large", Axis("absolute return over its standard deviation", True, 0.1, 30.0),
            Axis("share of returns", True, 1e-4, 1.0),
            [*(Line(name, *facts.tail_of_returns(facts.returns(tape, 10))) for name, tape in names),
             Line("normal", normal, np.array([_normal_tail(value) for value in normal]), dashed=True)],
        ),
        "clustering.svg": chart(
            "Volatility clustering: autocorrelation of absolute 1 s returns", Axis("lag, seconds"), Axis("autocorrelation"),
            [Line(name, second, facts.autocorrelation(np.abs(facts.returns(tape, 1)), facts.CLUSTER_LAGS))
             for name, tape in names],
        ),
        "volume.svg": chart(
            "Volume of each minute over the mean", Axis("minutes from the first trade"), Axis("volume over mean", low=0.0),
            [*(Line(name, np.arange(len(volume)), volume) for name, volume in
               ((name, facts.volume_by_minute(tape)) for name, tape in names)),
             Line("curve of the generator", np.arange(len(curve)), curve, dashed=True)],
        ),
    }  # fmt: skip


def _normal_tail(value: float) -> float:
    return erfc(value / sqrt(2.0))
