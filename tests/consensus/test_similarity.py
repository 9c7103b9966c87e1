"""A copy of a source must not speak twice: exact and noisy copies, any number of sources, any weights, twins."""

from __future__ import annotations

import doctest
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import similarity
from consensus.shares import ShareTable
from consensus.similarity import PRIOR_ROUNDS, VoteSimilarity, novelty
from consensus.weights import Group, Weights

ROUNDS = 400
HALF_LIFE = 100


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(similarity)
    assert result.attempted > 0 and result.failed == 0


def learned(votes: np.ndarray) -> list[list[float]]:
    """votes: (rounds, sources), NaN for none."""
    seen = VoteSimilarity(votes.shape[1], HALF_LIFE)
    for row in votes:
        seen.see([None if math.isnan(vote) else float(vote) for vote in row])
    return seen.matrix()


def naive_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Written out with explicit weights over the rounds in which both said something."""
    both = ~np.isnan(x) & ~np.isnan(y) & (x != 0) & (y != 0)
    x, y = x[both], y[both]
    weights = 0.5 ** (np.arange(len(x))[::-1] / HALF_LIFE)
    energy = np.sum(weights * x * x) * np.sum(weights * y * y)
    if energy == 0:
        return 0.0
    count = np.sum(weights)
    return float(np.sum(weights * x * y) ** 2 / energy * count / (count + PRIOR_ROUNDS))


def test_similarity_against_the_naive_twin() -> None:
    generator = np.random.default_rng(3)
    votes = np.clip(generator.normal(size=(300, 4)) + generator.normal(size=(300, 1)), -1, 1)
    votes[generator.random(votes.shape) < 0.3] = np.nan
    matrix = learned(votes)
    for i, j in combinations(range(4), 2):
        assert matrix[i][j] == pytest.approx(naive_similarity(votes[:, i], votes[:, j]), rel=1e-9)
        assert matrix[i][j] == pytest.approx(matrix[j][i], rel=1e-12)


def test_state_comes_back_whole() -> None:
    generator = np.random.default_rng(4)
    seen, again = VoteSimilarity(3, HALF_LIFE), VoteSimilarity(3, HALF_LIFE)
    for row in generator.normal(size=(50, 3)):
        seen.see([float(x) for x in row])
    again.restore(seen.state())
    for row in generator.normal(size=(5, 3)):
        seen.see([float(x) for x in row])
        again.see([float(x) for x in row])
    assert again.matrix() == seen.matrix()
    assert again.fits(seen.state()) and not VoteSimilarity(4, HALF_LIFE).fits(seen.state())


def test_without_memory_nobody_is_alike() -> None:
    seen = VoteSimilarity(2, 0)
    for _ in range(50):
        seen.see([1.0, 1.0])
    assert seen.matrix() == [[1.0, 0.0], [0.0, 1.0]]


def naive_novelty(similarity: np.ndarray) -> np.ndarray:
    """Solve Z v = 1 with Z the largest of the smallest steps over all paths (single linkage), by Floyd and Warshall."""
    tree = np.minimum(similarity, 0.999)
    for k in range(len(tree)):
        tree = np.maximum(tree, np.minimum(tree[:, k : k + 1], tree[k : k + 1, :]))
    np.fill_diagonal(tree, 1.0)
    return np.linalg.solve(tree, np.ones(len(tree)))


@given(st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_novelty_against_linear_algebra(size: int, seed: int) -> None:
    similarity = np.random.default_rng(seed).random((size, size))
    similarity = (similarity + similarity.T) / 2
    np.fill_diagonal(similarity, 1.0)
    found = novelty(similarity.tolist(), range(size))
    assert [found[i] for i in range(size)] == pytest.approx(naive_novelty(similarity), abs=1e-6)
    assert all(share > 0.0 for share in found.values())


def test_of_nobody_and_of_one() -> None:
    assert novelty([[1.0]], ()) == {}
    assert novelty([[1.0, 0.9], [0.9, 1.0]], (1,)) == {1: 1.0}


def weights_of(raw: list[float], ml: float = 0.4) -> Weights:
    """The model, and agents with these weights."""
    total = sum(raw)
    members = tuple((f"agent{i}", weight / total) for i, weight in enumerate(raw))
    return Weights((Group(ml, (("ml", 1.0),)), Group(1.0 - ml, members)))


def total_of(start: Weights, votes: np.ndarray, now: np.ndarray) -> float:
    """The weighted total of the votes `now`, after the history `votes`."""
    table = ShareTable(start)
    nominal = list(start.nominal().values())
    table.update(nominal, learned(votes))
    shares = table.of((1 << len(now)) - 1)
    assert shares.held == pytest.approx(1.0)
    assert sum(shares.weights) == pytest.approx(1.0)
    return float(np.dot(shares.weights, now))


def history(generator: np.random.Generator, sources: int, common: float) -> np.ndarray:
    """Votes that share a part of what they say with each other, as sources that look at one market do."""
    market = generator.normal(size=(ROUNDS + 1, 1))
    own = generator.normal(size=(ROUNDS + 1, sources))
    return np.clip(0.5 * (common * market + (1.0 - common) * own), -1.0, 1.0)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.floats(0.0, 0.7), st.floats(0.0, 0.1), st.integers(1, 3))
def test_a_copy_moves_the_total_by_less_than_a_twentieth(
    agents: int, seed: int, common: float, noise: float, copies: int
) -> None:
    """Each copy comes into the group of its original with the original's weight.

    A single one: of the total, where that is no mere remainder of votes that cancel out; several noisy ones, which know a
    little more together: of the largest vote.
    """
    generator = np.random.default_rng(seed)
    raw = [float(x) for x in generator.uniform(0.2, 1.0, agents)]
    votes = history(generator, agents + 1, common)
    copied = 1 + int(generator.integers(agents))
    before = total_of(weights_of(raw), votes[:-1], votes[-1])

    twin = votes[:, [copied]] + noise * 0.5 * generator.normal(size=(ROUNDS + 1, copies))
    more = np.hstack([votes, np.clip(twin, -1.0, 1.0)])
    more[-1, agents + 1 :] = votes[-1, copied]  # now they say the same
    after = total_of(weights_of(raw + [raw[copied - 1]] * copies), more[:-1], more[-1])
    whole = abs(before) if copies == 1 and abs(before) >= 0.1 else np.abs(votes[-1]).max()
    assert abs(after - before) < 0.05 * whole


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.floats(0.0, 0.7))
def test_an_exact_copy_moves_the_total_hardly(agents: int, seed: int, common: float) -> None:
    generator = np.random.default_rng(seed)
    raw = [float(x) for x in generator.uniform(0.2, 1.0, agents)]
    votes = history(generator, agents + 1, common)
    copied = 1 + int(generator.integers(agents))
    before = total_of(weights_of(raw), votes[:-1], votes[-1])
    more = np.hstack([votes, votes[:, [copied]]])
    after = total_of(weights_of([*raw, raw[copied - 1]]), more[:-1], more[-1])
    assert abs(after - before) < 0.02 * np.abs(votes[-1]).max()


def test_without_the_care_a_copy_would_speak_twice() -> None:
    """The yardstick: what a copy does to plain weights."""
    now = np.array([0.0, 1.0, -0.2, -0.2, -0.2])
    plain, copied = weights_of([0.3, 0.2, 0.25, 0.25]), weights_of([0.3, 0.2, 0.25, 0.25, 0.3])
    before = float(np.dot(list(plain.nominal().values()), now))
    after = float(np.dot(list(copied.nominal().values()), [*now, 1.0]))
    assert abs(after - before) > 0.5 * abs(before)


def test_a_copy_of_the_model_moves_nothing() -> None:
    generator = np.random.default_rng(8)
    votes = history(generator, 5, 0.4)
    start = weights_of([0.3, 0.2, 0.25, 0.25])
    two = Weights((Group(0.4, (("ml", 0.5), ("ml2", 0.5))), start.groups[1]))
    before = total_of(start, votes[:-1], votes[-1])
    more = np.hstack([votes[:, [0]], votes])
    assert total_of(two, more[:-1], more[-1]) == pytest.approx(before, rel=0.02)


def test_a_silent_copy_gives_its_original_the_whole_word_back() -> None:
    generator = np.random.default_rng(9)
    votes = history(generator, 5, 0.0)
    votes = np.hstack([votes, votes[:, [4]]])
    start = weights_of([0.3, 0.2, 0.25, 0.25, 0.25])
    table = ShareTable(start)
    table.update(list(start.nominal().values()), learned(votes))
    both, one = table.of(0b111111).weights, table.of(0b011111).weights
    assert both[4] + both[5] == pytest.approx(one[4], rel=0.03)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 31))
def test_with_learned_weights_a_copy_moves_nothing_either(seed: int, voters: int) -> None:
    """Learned weights that favour the copied source favour it once."""
    generator = np.random.default_rng(seed)
    skill = generator.uniform(0.5, 2.0, 5)
    start, copied = weights_of([0.3, 0.2, 0.25, 0.25]), weights_of([0.3, 0.2, 0.25, 0.25, 0.25])
    matrix = np.eye(6)
    matrix[4, 5] = matrix[5, 4] = 1.0
    plain, twice = ShareTable(start), ShareTable(copied)
    for table, which in ((plain, range(5)), (twice, (0, 1, 2, 3, 4, 4))):
        nominal = np.array(list((start if table is plain else copied).nominal().values())) * skill[list(which)]
        table.update([float(x) for x in nominal / nominal.sum()], matrix[: len(nominal), : len(nominal)].tolist())
    one, two = plain.of(voters), twice.of(voters | (32 if voters & 16 else 0))
    assert two.held == pytest.approx(one.held, abs=0.001)
    assert two.weights[:4] == pytest.approx(one.weights[:4], abs=0.001)
    assert two.weights[4] + two.weights[5] == pytest.approx(one.weights[4], abs=0.001)


def test_the_model_copied_by_an_agent_counts_once() -> None:
    matrix = np.eye(5)
    matrix[0, 1] = matrix[1, 0] = 1.0
    start = weights_of([0.3, 0.2, 0.25, 0.25])
    table = ShareTable(start)
    apart = table.of(31).weights
    table.update(list(start.nominal().values()), matrix.tolist())
    together = table.of(31)
    assert together.held == pytest.approx(1.0)
    assert together.weights[0] + together.weights[1] < 0.75 * (apart[0] + apart[1])
    # half of 0.40 and half of 0.18 against 0.42 of the others
    assert together.weights[0] == pytest.approx(0.20 / 0.71, abs=0.001)


def test_a_table_made_ready_is_the_same_as_one_asked_anew() -> None:
    start = weights_of([0.3, 0.2, 0.25, 0.25])
    used, fresh = ShareTable(start), ShareTable(start)
    for voters in (31, 7, 0, 30):
        used.of(voters)
    matrix = np.full((5, 5), 0.3) + 0.7 * np.eye(5)
    for table in (used, fresh):
        table.update([0.3, 0.2, 0.2, 0.2, 0.1], matrix.tolist())
    assert [used.of(voters) for voters in range(32)] == [fresh.of(voters) for voters in range(32)]


def test_no_group_of_one_passes_its_cap() -> None:
    start = weights_of([0.3, 0.2, 0.25, 0.25])
    table = ShareTable(start, [0.4] * 5)
    matrix = [[1.0 if i == j or 0 not in (i, j) else 0.0 for j in range(5)] for i in range(5)]  # all agents are one
    table.update([0.4, 0.36, 0.04, 0.1, 0.1], matrix)
    assert table.of(0b11110).held >= 0.6 - 1e-9, "the agents alone can still decide"
