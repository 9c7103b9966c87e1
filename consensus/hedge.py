"""Hedge: weights that follow losses by multiplicative weights. Pure; sequences of float in the order of the sources.

    w'_i = w_i exp(-rate l_i) / normaliser            for the sources that are awake in the round; losses in [0, 1]

(Freund & Schapire, "A decision-theoretic generalization of on-line learning", J. Comput. Syst. Sci. 55, 1997). A source
that gave no vote is asleep: the awake share their own weight anew among each other and its weight stands still (Freund,
Schapire, Singer & Warmuth, "Using and combining predictors that specialize", STOC 1997). For each source i over the
rounds T_i in which it was awake, and whatever the losses are,

    sum of (loss of the awake mixture - loss of i) <= ln(1 / start weight of i) / rate + rate T_i / 8

(all awake, equal start weights: Cesa-Bianchi & Lugosi, "Prediction, Learning, and Games", 2006, theorem 2.2). Floors and
caps are kept by the nearest weights in relative entropy, which keeps the bound for every mixture inside them (Herbster &
Warmuth, "Tracking the best linear predictor", JMLR 1, 2001): ln(1 / start weight) becomes KL(mixture, start weights).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

TOLERANCE = 1e-9


def learning_rate(sources: int, rounds: int) -> float:
    """The rate that makes the bound smallest for so many rounds: sqrt(8 ln N / T). N >= 2, T >= 1.

    >>> round(learning_rate(5, 5000), 4)
    0.0507
    """
    return math.sqrt(8.0 * math.log(sources) / rounds)


def regret_bound(divergence: float, rounds: int, rate: float) -> float:
    """What following the weights may cost more than a mixture that starts at `divergence` nats from the start weights.

    For a single source that is ln(1 / its start weight). With equal start weights and `learning_rate`: sqrt(T ln N / 2).

    >>> round(regret_bound(math.log(5), 5000, learning_rate(5, 5000)), 6) == round(math.sqrt(5000 * math.log(5) / 2), 6)
    True
    """
    return divergence / rate + rate * rounds / 8.0


def updated(weights: Sequence[float], losses: Sequence[float | None], rate: float) -> list[float]:
    """The weights after one round; None: asleep. Losses in [0, 1]. The sum of the weights stays."""
    grown = [
        weight if loss is None else weight * math.exp(-rate * loss)
        for weight, loss in zip(weights, losses, strict=True)
    ]
    awake = [loss is not None for loss in losses]
    before = math.fsum(weight for weight, is_awake in zip(weights, awake, strict=True) if is_awake)
    after = math.fsum(weight for weight, is_awake in zip(grown, awake, strict=True) if is_awake)
    if after <= 0.0:
        return list(weights)
    scale = before / after
    return [weight * scale if is_awake else weight for weight, is_awake in zip(grown, awake, strict=True)]


def bounded(weights: Sequence[float], floors: Sequence[float], caps: Sequence[float]) -> list[float]:
    """The weights of sum 1 between floors and caps that are nearest in relative entropy: min(cap, max(floor, c w)).

    A weight of 0 stays 0. Raises ValueError when no such weights exist.
    """
    live = [
        (weight, floor, cap) for weight, floor, cap in zip(weights, floors, caps, strict=True) if weight > 0.0
    ]  # fmt: skip
    if math.fsum(floor for _, floor, _ in live) > 1.0 + TOLERANCE or math.fsum(c for *_, c in live) < 1.0 - TOLERANCE:
        raise ValueError(f"no weights lie between floors {list(floors)} and caps {list(caps)} and sum to 1")
    scale = _scale(live)
    return [
        min(cap, max(floor, scale * weight)) if weight > 0.0 else 0.0
        for weight, floor, cap in zip(weights, floors, caps, strict=True)
    ]


def _scale(live: Sequence[tuple[float, float, float]]) -> float:
    """c: the sum of min(cap, max(floor, c w)) rises with c in straight pieces between the points where one is reached."""
    points = sorted({limit / weight for weight, floor, cap in live for limit in (floor, cap)})
    below = points[0]
    for point in points:
        if math.fsum(min(cap, max(floor, point * weight)) for weight, floor, cap in live) > 1.0:
            break
        below = point
    free, fixed = [], []
    for weight, floor, cap in live:
        if (
            floor / weight <= below < cap / weight
        ):  # as the points were made, so that rounding puts none on a wrong side
            free.append(weight)
        else:
            fixed.append(floor if below < floor / weight else cap)
    return max(below, (1.0 - math.fsum(fixed)) / math.fsum(free)) if free else below
