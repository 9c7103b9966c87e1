"""The episodes that are planted in a generated market: a script for each kind and its decoy, and when they play.

A script is written for side = buy; the mirror image comes from the same rows. Times stretch where trading is slow, so that
an episode has about as many orders in every market. What each kind is, by definition of the market, not of any detector:

    absorption          heavy selling into one bid that is replenished and does not give way; then the price leaves upwards
    iceberg             one buyer at one price trades many times what was ever shown there
    sweep               one buy order through six offers at one instant; the price stays up
    withdrawal          the offers are taken out without being traded, the bids stand
    p_profile           a quick thin rise, then most of the volume in a narrow band at the top; b_profile is its mirror image
    unfinished_auction  a high at which both sides traded heavily, left without a rejection
    stop_run            the low of the last minutes is broken, stops go off in a burst, the price comes back inside

The decoys trade the same volume: both sides alike, the whole order shown, many small orders, both sides of the book
thinned, a symmetric profile, a rejected high, the burst in the middle of the range. Pure: the seed is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from config.schema import PlantedEpisode
from exchange.flow_state import ANCHOR_EXTREME, FREE, NONE, SCRIPT
from exchange.ground_truth import (
    ABSORPTION,
    B_PROFILE,
    ICEBERG,
    KINDS,
    P_PROFILE,
    STOP_RUN,
    SWEEP,
    UNFINISHED_AUCTION,
    WITHDRAWAL,
)

Array = np.ndarray[Any, Any]
Stage = dict[str, int | float]

PLAIN: Stage = {
    "anchor": 0, "ref_from": NONE, "ref_to": NONE, "rate": 0, "along": 500, "size": 4, "budget": 0, "counted": 1, "crowd": 0,
    "cancels": 0, "wall_side": 0, "wall_at": 0, "wall_shown": 0, "wall_total": 0, "thin": 0, "cap": NONE, "floor": NONE,
    "take_levels": 0, "take_to": NONE,
}  # fmt: skip
"""A stage that does nothing but hold the reference. Fields are those of SCRIPT."""

LIVELY_TRADES_PER_S = 10.0  # below it, times stretch
LONGEST_STRETCH = 10.0
FIRST_S = 60.0  # nothing is planted before the market has been running so long
PAUSE_S = 20.0  # at least, between two episodes
DECOYS = 1.0 / 3.0  # of the episodes from the seed
_HEAVY = {"rate": 1500, "along": 0, "size": 6}
_UP_TO_A_WALL = {
    "rate": 1500, "along": 1000, "ref_to": 7500, "cap": 6, "wall_side": -1, "wall_at": 6, "wall_shown": 40, "wall_total": 4000,
}  # fmt: skip
_INSIDE = {"cap": 2, "floor": -1}  # a burst that must not break anything

SCRIPTS: dict[tuple[int, bool], tuple[Stage, ...]] = {
    (ABSORPTION, False): (
        {"s": 20, **_HEAVY, "ref_to": 500, "wall_side": 1, "wall_shown": 60, "wall_total": 6000},
        {"s": 8, "ref_to": 5500, "rate": 1000, "along": 1000, "size": 3, "wall_side": 1, "wall_shown": 60, "wall_total": 6000},
    ),
    (ABSORPTION, True): ({"s": 28, **_HEAVY, "along": 500, "ref_to": FREE},),
    (ICEBERG, False): (
        {"s": 30, "rate": 1000, "along": 0, "ref_to": 100, "wall_side": 1, "wall_shown": 8, "wall_total": 400},
    ),
    (ICEBERG, True): (
        {"s": 30, "rate": 1000, "along": 0, "ref_to": 100, "wall_side": 1, "wall_shown": 400, "wall_total": 400},
    ),
    (SWEEP, False): ({"s": 2, "take_levels": 6, "ref_to": 4000},),
    (SWEEP, True): ({"s": 25, "rate": 1000, "along": 1000, "size": 3, "budget": 480, "ref_to": 3000},),
    (WITHDRAWAL, False): (
        {"s": 2, "rate": 12000, "along": 1000, "cancels": 1, "thin": 1},
        {"s": 10, "rate": 4000, "along": 1000, "cancels": 1, "thin": 1},
    ),
    (WITHDRAWAL, True): ({"s": 2, "rate": 6000, "cancels": 1}, {"s": 10, "rate": 1200, "cancels": 1}),
    (P_PROFILE, False): (
        {"s": 16, "ref_to": 16500, "rate": 500, "along": 1000, "size": 2},
        {"s": 40, "ref_from": 16500, "ref_to": 16500, "rate": 2000, "size": 5, "cap": 20},
    ),
    (P_PROFILE, True): (
        {"s": 14, "ref_to": 6000, "rate": 1750},
        {"s": 28, "ref_from": 6000, "ref_to": -6000, "rate": 1750},
        {"s": 14, "ref_from": -6000, "ref_to": 500, "rate": 1750},
    ),
    (UNFINISHED_AUCTION, False): (
        {**_UP_TO_A_WALL, "s": 12},
        {**_UP_TO_A_WALL, "s": 5, "ref_from": 7500, "ref_to": 7500},
        {"s": 10, **_HEAVY, "size": 4, "ref_to": 6500, "cap": 6, "take_to": 6, "wall_side": 1, "wall_at": 6,
         "wall_shown": 40, "wall_total": 600},
        {"s": 8, "ref_to": -1500, "rate": 1000, "along": 0, "cap": 6, "counted": 0},
    ),
    (UNFINISHED_AUCTION, True): (
        {**_UP_TO_A_WALL, "s": 12},
        {**_UP_TO_A_WALL, "s": 15, "ref_from": 7500, "ref_to": 7500},
        {**_UP_TO_A_WALL, "s": 8, "ref_to": -1500, "rate": 1000, "along": 0},
    ),
    (STOP_RUN, False): (
        {"s": 12, "anchor": ANCHOR_EXTREME, "rate": 1000, "along": 0, "ref_to": 500},
        {"s": 5, "rate": 6000, "along": 0, "size": 5, "crowd": 1, "ref_to": -5000},
        {"s": 12, "rate": 1500, "along": 1000, "size": 3, "ref_to": 5000},
    ),
    (STOP_RUN, True): (
        {**_INSIDE, "s": 12, "rate": 1000},
        {**_INSIDE, "s": 5, "rate": 6000, "size": 5, "crowd": 1},
        {**_INSIDE, "s": 12, "rate": 1500, "size": 3},
    ),
}  # fmt: skip
"""(kind, decoy) -> its stages; s: seconds at a lively rate, the rest as in SCRIPT, PLAIN where it is not said."""

SCRIPTS[B_PROFILE, False], SCRIPTS[B_PROFILE, True] = SCRIPTS[P_PROFILE, False], SCRIPTS[P_PROFILE, True]
SIDE_OF = {P_PROFILE: 1, B_PROFILE: -1}
"""Kinds whose side is their name."""


class BadSchedule(ValueError):
    """Planted episodes that cannot be played as they are configured; the message says which."""


def stretch(trades_per_s: float) -> float:
    """By how much episodes last longer in a slow market."""
    return min(LONGEST_STRETCH, max(1.0, LIVELY_TRADES_PER_S / trades_per_s))


def duration_s(kind: int, decoy: bool, trades_per_s: float) -> float:
    """How long an episode takes."""
    return stretch(trades_per_s) * sum(float(stage["s"]) for stage in SCRIPTS[kind, decoy])


def rows(kind: int, side: int, decoy: bool, start_ns: int, trades_per_s: float) -> Array:
    """The stages of one episode as SCRIPT records. side: 1 buy, -1 sell."""
    stages = SCRIPTS[kind, decoy]
    out = np.zeros(len(stages), SCRIPT)
    for i, stage in enumerate(stages):
        for name, value in (PLAIN | stage).items():
            if name != "s":
                out[name][i] = value
        out["start_ns"][i] = start_ns
        start_ns += int(float(stage["s"]) * stretch(trades_per_s) * 1e9)
        out["end_ns"][i] = start_ns
    out["kind"], out["side"], out["decoy"] = kind, side, decoy
    out["first"][0] = out["last"][-1] = 1
    return out


def _configured(planted: Sequence[PlantedEpisode], start_ns: int, trades_per_s: float) -> list[Array]:
    out: list[Array] = []
    for each in sorted(planted, key=lambda one: one.at_s):
        kind = KINDS.index(each.kind)
        side = SIDE_OF.get(kind, 1 if each.side == "buy" else -1)
        script = rows(kind, side, each.decoy, start_ns + int(each.at_s * 1e9), trades_per_s)
        if out and script["start_ns"][0] < out[-1]["end_ns"][-1]:
            raise BadSchedule(
                f"exchange.episodes: {each.kind} at {each.at_s:g} s begins before the one before it is over"
            )
        out.append(script)
    return out


def schedule(
    rng: np.random.Generator,
    planted: Sequence[PlantedEpisode],
    per_hour: float,
    start_ns: int,
    end_ns: int,
    trades_per_s: float,
) -> Array:
    """All stages of a session in order of time: (n,) SCRIPT. Those from the seed make way for configured ones.

    per_hour: of those from the seed, kinds in turn, a third of them decoys; divided by `stretch` in a slow market.
    Raises BadSchedule when configured episodes overlap.
    """
    fixed = _configured(planted, start_ns, trades_per_s)
    taken = [(int(script["start_ns"][0]), int(script["end_ns"][-1])) for script in fixed]
    chosen = list(fixed)
    per_hour /= stretch(trades_per_s)
    pause_ns = int(PAUSE_S * stretch(trades_per_s) * 1e9)
    now = start_ns + int(FIRST_S * stretch(trades_per_s) * 1e9)
    order: list[int] = []
    while per_hour > 0 and now < end_ns:
        if not order:
            order = [int(kind) for kind in rng.permutation(len(KINDS))]
        kind = order.pop()
        decoy = bool(rng.random() < DECOYS)
        side = SIDE_OF.get(kind, 1 if rng.random() < 0.5 else -1)
        now += int(rng.uniform(0.0, 0.5) * 3600e9 / per_hour)
        script = rows(kind, side, decoy, now, trades_per_s)
        first, last = now, int(script["end_ns"][-1])
        if last < end_ns and all(last + pause_ns < begin or first > end + pause_ns for begin, end in taken):
            chosen.append(script)
        now = max(last + pause_ns, now + int(0.75 * 3600e9 / per_hour))
    chosen.sort(key=lambda script: int(script["start_ns"][0]))
    return np.concatenate(chosen) if chosen else np.zeros(0, SCRIPT)


def own_orders(script: Array) -> float:
    """Market orders that the episodes of a schedule send, in seconds of the mean rate of market orders."""
    trading = script[script["cancels"] == 0]
    return float(((trading["end_ns"] - trading["start_ns"]) * trading["rate"]).sum() * 1e-12)
