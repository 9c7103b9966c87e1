"""Hedge: its regret bound on random and adversarial losses, the specialists' bound, floors and caps against a search."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import hedge
from consensus.hedge import bounded, learning_rate, regret_bound, updated

Losses = list[float | None]
Next = Callable[[int, list[float]], Losses]


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(hedge)
    assert result.attempted > 0 and result.failed == 0


def play(start: list[float], rate: float, rounds: int, next_losses: Next, floors: Losses | None = None, caps: Losses | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip  # noqa: E501
    """(rounds awake of each source, its regret: loss of the awake mixture minus its own, over those rounds)."""
    weights, awake, regret = list(start), np.zeros(len(start)), np.zeros(len(start))
    for number in range(rounds):
        losses = next_losses(number, weights)
        there = [i for i, loss in enumerate(losses) if loss is not None]
        if there:
            held = sum(weights[i] for i in there)
            mixture = sum(weights[i] * losses[i] for i in there) / held  # type: ignore[operator]
            for i in there:
                awake[i] += 1
                regret[i] += mixture - losses[i]  # type: ignore[operator]
        weights = updated(weights, losses, rate)
        if floors is not None and caps is not None:
            weights = bounded(weights, floors, caps)  # type: ignore[arg-type]
        assert math.isclose(sum(weights), 1.0, rel_tol=1e-9)
    return awake, regret


def random_losses(seed: int, skill: float = 0.0) -> Next:
    generator = np.random.default_rng(seed)
    return lambda number, weights: [
        float(np.clip(x - skill * (i == 0), 0, 1)) for i, x in enumerate(generator.random(len(weights)))
    ]


def against_the_favourite(number: int, weights: list[float]) -> Losses:
    """The adversary: who weighs most loses all, the others nothing."""
    most = max(range(len(weights)), key=lambda i: weights[i])
    return [1.0 if i == most else 0.0 for i in range(len(weights))]


def by_turns(number: int, weights: list[float]) -> Losses:
    """Each in its turn is right just long enough to be believed."""
    turn = (number // 37) % len(weights)
    return [0.0 if i == turn else 1.0 for i in range(len(weights))]


def turns_at_half(number: int, weights: list[float]) -> Losses:
    """The one that was best at first is the worst from then on."""
    return [float(number >= 600), float(number < 600), *[0.5] * (len(weights) - 2)]


ADVERSARIES = [against_the_favourite, by_turns, turns_at_half, random_losses(1), random_losses(2, 0.1)]


@pytest.mark.parametrize("next_losses", ADVERSARIES)
@pytest.mark.parametrize("size", [2, 5, 9])
def test_the_bound_holds_for_equal_start_weights(size: int, next_losses: Next) -> None:
    rounds = 1200
    rate = learning_rate(size, rounds)
    _, regret = play([1 / size] * size, rate, rounds, next_losses)
    assert regret.max() <= math.sqrt(rounds * math.log(size) / 2)


def test_the_adversary_comes_near_the_bound() -> None:
    """So the bound is no empty one: what the adversary wins is of its order."""
    rounds = 1200
    _, regret = play([0.5, 0.5], learning_rate(2, rounds), rounds, against_the_favourite)
    assert regret.max() >= 0.2 * math.sqrt(rounds * math.log(2) / 2)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=6), st.floats(0.01, 2), st.integers(0, 2**32 - 1), st.floats(0, 0.9)
)  # fmt: skip
def test_the_bound_of_sleepers_holds_for_each_source(
    shares: list[float], rate: float, seed: int, asleep: float
) -> None:
    start = [share / sum(shares) for share in shares]
    generator = np.random.default_rng(seed)

    def next_losses(number: int, weights: list[float]) -> Losses:
        worst = against_the_favourite(number, weights) if number % 3 else list(generator.random(len(weights)))
        return [None if generator.random() < asleep else loss for loss in worst]

    awake, regret = play(start, rate, 150, next_losses)
    for i, share in enumerate(start):
        assert regret[i] <= regret_bound(math.log(1 / share), int(awake[i]), rate) + 1e-9


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 1.0))
def test_with_floors_and_caps_the_bound_holds_for_every_mixture_inside(seed: int, rate: float) -> None:
    start = [0.40, 0.18, 0.12, 0.15, 0.15]
    floors, caps = [0.25 * share for share in start], [0.4] * 5
    generator = np.random.default_rng(seed)
    rounds = 200

    def next_losses(number: int, weights: list[float]) -> Losses:
        return against_the_favourite(number, weights) if number % 2 else [float(x) for x in generator.random(5)]

    _, regret = play(start, rate, rounds, next_losses, floors, caps)
    for _ in range(5):
        mixture = np.array(bounded(list(generator.random(5) + 1e-3), floors, caps))
        divergence = float(np.sum(mixture * np.log(mixture / start)))
        assert float(mixture @ regret) <= regret_bound(divergence, rounds, rate) + 1e-9


def test_a_better_source_gains_and_a_sleeper_keeps_its_weight() -> None:
    weights = [0.4, 0.3, 0.3]
    for _ in range(100):
        weights = updated(weights, [None, 0.4, 0.6], 0.05)
    assert weights[0] == 0.4
    assert weights[1] == pytest.approx(0.6 * 1 / (1 + math.exp(-0.05 * 0.2 * 100)))


def test_one_voter_alone_teaches_nothing() -> None:
    assert updated([0.4, 0.6], [None, 1.0], 0.5) == pytest.approx([0.4, 0.6])
    assert updated([0.4, 0.6], [None, None], 0.5) == [0.4, 0.6]


def naive_bounded(weights: list[float], floors: list[float], caps: list[float]) -> np.ndarray:
    """By bisection of the scale."""
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        total = np.clip(np.array(weights) * middle, floors, caps).sum()
        low, high = (middle, high) if total < 1 else (low, middle)
    return np.clip(np.array(weights) * high, floors, caps)


@given(st.lists(st.tuples(st.floats(1e-4, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=7))
def test_bounded_against_a_search(rows: list[tuple[float, float, float]]) -> None:
    weights = [weight for weight, *_ in rows]
    floors = [floor / len(rows) for _, floor, _ in rows]
    caps = [max(floor, 1 / len(rows)) + cap for (_, _, cap), floor in zip(rows, floors, strict=True)]
    found = bounded(weights, floors, caps)
    assert sum(found) == pytest.approx(1.0, abs=1e-9)
    assert all(f <= x <= c for f, x, c in zip(floors, found, caps, strict=True))
    assert found == pytest.approx(naive_bounded(weights, floors, caps), abs=1e-6)


def test_bounded_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="no weights lie between"):
        bounded([0.5, 0.5], [0.6, 0.6], [1.0, 1.0])
    with pytest.raises(ValueError, match="no weights lie between"):
        bounded([0.5, 0.5], [0.0, 0.0], [0.4, 0.4])


def test_a_weight_of_zero_stays_zero() -> None:
    assert bounded([0.0, 0.3, 0.3], [0.0, 0.1, 0.1], [1.0, 1.0, 1.0]) == pytest.approx([0.0, 0.5, 0.5])
