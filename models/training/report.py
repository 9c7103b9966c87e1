"""How good a model was on rows it had not seen, against what knowing nothing would have given.

Log loss against the base rates of each fold's training rows; AUC of up and of down; hits and profit of trades that do
not overlap, after cost, with intervals. A figure that cannot be computed is None. Pure functions of arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.training.labels import DOWN, UP

Array = np.ndarray[Any, Any]

EDGE = 0.10  # P(up) - P(down) from which on the report counts a trade
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class OutOfSample:
    """Test rows of one or more folds, by time. n rows."""

    ts_ns: Array  # int64[n]
    probabilities: Array  # float64[n, 3]
    base_rates: Array  # float64[n, 3]: class shares of the fold's training rows
    label: Array  # int64[n]
    mark_out_ticks: Array  # float64[n]
    spread_ticks: Array  # float64[n]
    fees_ticks: float
    horizon_ns: int

    def rows(self, chosen: Array) -> OutOfSample:
        return OutOfSample(
            self.ts_ns[chosen],
            self.probabilities[chosen],
            self.base_rates[chosen],
            self.label[chosen],
            self.mark_out_ticks[chosen],
            self.spread_ticks[chosen],
            self.fees_ticks,
            self.horizon_ns,
        )


def measure(sample: OutOfSample) -> dict[str, Any]:
    """All figures; ticks are per trade of one contract."""
    return {
        "rows": len(sample.label),
        "classes": np.bincount(sample.label, minlength=3).tolist(),
        "log_loss": log_loss(sample.probabilities, sample.label),
        "log_loss_base_rate": log_loss(sample.base_rates, sample.label),
        "auc_up": auc(sample.probabilities[:, UP], sample.label == UP),
        "auc_down": auc(sample.probabilities[:, DOWN], sample.label == DOWN),
        "trades": trades(sample),
    }


def log_loss(probabilities: Array, label: Array) -> float | None:
    """Mean of -ln p(class that came), nats; probabilities are kept from 0 by 1e-15."""
    if not len(label):
        return None
    return float(-np.log(np.maximum(probabilities[np.arange(len(label)), label], 1e-15)).mean())


def auc(score: Array, positive: Array) -> float | None:
    """Probability that a positive row scores above a negative one, ties count half (Mann-Whitney)."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(count) - (count - 1) / 2.0
    ranks = middle_rank[place]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def trades(sample: OutOfSample, edge: float = EDGE) -> dict[str, Any]:
    """Trades at the first row with |P(up) - P(down)| >= edge, then not before the horizon is over.

    profit_marked: mark-out less half the spread and the fees; profit_crossed: less the whole spread and the fees.
    hit_rate: share of trades with a profit when marked, with Wilson's 95 % interval.
    """
    edges = sample.probabilities[:, UP] - sample.probabilities[:, DOWN]
    chosen = []
    free_at_ns = None
    for row in np.flatnonzero(np.abs(edges) >= edge).tolist():
        if free_at_ns is None or sample.ts_ns[row] >= free_at_ns:
            chosen.append(row)
            free_at_ns = sample.ts_ns[row] + sample.horizon_ns
    rows = np.array(chosen, np.int64)
    gained = np.sign(edges[rows]) * sample.mark_out_ticks[rows] - sample.fees_ticks
    marked, crossed = gained - sample.spread_ticks[rows] / 2.0, gained - sample.spread_ticks[rows]
    hits = int((marked > 0).sum())
    return {
        "edge": edge,
        "count": len(rows),
        "hits": hits,
        "hit_rate": hits / len(rows) if len(rows) else None,
        "hit_rate_95": wilson(hits, len(rows)),
        "profit_marked_ticks": float(marked.sum()),
        "profit_marked_mean_95": mean_interval(marked),
        "profit_crossed_ticks": float(crossed.sum()),
        "profit_crossed_mean_95": mean_interval(crossed),
    }


def wilson(hits: int, count: int) -> list[float] | None:
    """Wilson's 95 % interval of a share (Wilson 1927)."""
    if not count:
        return None
    share, z2 = hits / count, Z_95 * Z_95
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z_95 * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return [middle - half, middle + half]


def mean_interval(values: Array) -> list[float] | None:
    """Normal 95 % interval of a mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = Z_95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return [float(values.mean()) - half, float(values.mean()) + half]


def has_skill(pooled: dict[str, Any], folds: list[dict[str, Any]]) -> bool:
    """Better than the base rate on the whole, and in more than half of the folds."""
    better = [fold["log_loss"] < fold["log_loss_base_rate"] for fold in folds]
    return pooled["log_loss"] < pooled["log_loss_base_rate"] and sum(better) * 2 > len(better)


def describe(pooled: dict[str, Any], folds: list[dict[str, Any]], skill: bool) -> list[str]:
    """The lines that `train` prints; ASCII."""
    lines = [f"out of sample, walk forward, {len(folds)} folds, {pooled['rows']} rows (down, flat, up: {pooled['classes']})"]
    lines.append(f"  log loss {pooled['log_loss']:.4f}, knowing only the base rates {pooled['log_loss_base_rate']:.4f}")
    for number, fold in enumerate(folds, 1):
        lines.append(f"    fold {number}: {fold['log_loss']:.4f} against {fold['log_loss_base_rate']:.4f}")
    lines.append(f"  AUC up {_number(pooled['auc_up'])}, down {_number(pooled['auc_down'])} (0.5: none)")
    done = pooled["trades"]
    lines.append(f"  trades with an edge of {done['edge']:.2f} that do not overlap: {done['count']}")
    if done["count"]:
        low, high = done["hit_rate_95"]
        lines.append(f"    in profit when marked at the mid: {done['hit_rate']:.1%} (95 %: {low:.1%} to {high:.1%})")
        for what in ("marked", "crossed"):
            interval = done[f"profit_{what}_mean_95"]
            mean = "" if interval is None else f", mean per trade {interval[0]:+.2f} to {interval[1]:+.2f} (95 %)"
            lines.append(f"    profit {what}, after cost: {done[f'profit_{what}_ticks']:+.1f} ticks{mean}")
    lines.append("  better than the base rate" if skill else "  NO SKILL: not better than the base rate; do not trade on it")
    return lines


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
