"""The figures of the report against their definitions."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.report import (
    OutOfSample,
    auc,
    describe,
    has_skill,
    log_loss,
    mean_interval,
    measure,
    trades,
    wilson,
)


def sample(count: int, seed: int, horizon_ns: int = 5) -> OutOfSample:
    source = np.random.default_rng(seed)
    return OutOfSample(
        ts_ns=np.cumsum(source.integers(0, 3, count)),
        probabilities=source.dirichlet([1.0, 3.0, 1.0], count),
        base_rates=np.tile([0.2, 0.6, 0.2], (count, 1)),
        label=source.integers(0, 3, count),
        mark_out_ticks=source.integers(-3, 4, count).astype(float),
        spread_ticks=np.ones(count),
        fees_ticks=0.25,
        horizon_ns=horizon_ns,
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=25))
def test_auc_counts_pairs(made: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([s for s, _ in made], float), np.array([p for _, p in made], bool)
    pairs = [
        1.0 if up > down else 0.5 if up == down else 0.0
        for up, down in itertools.product(scores[positive], scores[~positive])
    ]
    found = auc(scores, positive)
    assert found is None if not pairs else found == pytest.approx(np.mean(pairs))


def test_log_loss_by_hand() -> None:
    given_, label = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]), np.array([0, 1])
    assert log_loss(given_, label) == pytest.approx((math.log(2) + math.log(10)) / 2)
    assert log_loss(np.array([[0.0, 1.0, 0.0]]), np.array([0])) == pytest.approx(15 * math.log(10))
    assert log_loss(given_[:0], label[:0]) is None


def test_wilson_of_a_known_case() -> None:
    low, high = wilson(8, 10) or (0, 0)
    assert (low, high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(0, 0) is None


def test_mean_interval() -> None:
    low, high = mean_interval(np.array([1.0, 2.0, 3.0])) or (0, 0)
    assert (low + high) / 2 == pytest.approx(2.0)
    assert (high - low) / 2 == pytest.approx(1.959964 / math.sqrt(3), rel=1e-6)
    assert mean_interval(np.array([1.0])) is None


@pytest.mark.parametrize("seed", range(6))
def test_trades_do_not_overlap_and_pay_their_cost(seed: int) -> None:
    some = sample(300, seed)
    free, hits, marked, crossed, count = -1, 0, 0.0, 0.0, 0
    for row in range(300):
        edge = some.probabilities[row, 2] - some.probabilities[row, 0]
        if abs(edge) < 0.1 or some.ts_ns[row] < free:
            continue
        free = some.ts_ns[row] + 5
        gained = math.copysign(1, edge) * some.mark_out_ticks[row] - 0.25
        count += 1
        marked, crossed = marked + gained - 0.5, crossed + gained - 1.0
        hits += gained - 0.5 > 0
    found = trades(some)
    assert (found["count"], found["hits"]) == (count, hits)
    assert found["profit_marked_ticks"] == pytest.approx(marked)
    assert found["profit_crossed_ticks"] == pytest.approx(crossed)
    assert found["hit_rate"] == hits / count


def test_no_trade_leaves_its_figures_unknown() -> None:
    found = trades(sample(50, 1), edge=1.1)
    assert (found["count"], found["hit_rate"], found["hit_rate_95"], found["profit_marked_mean_95"]) == (0, None, None, None)


def test_skill_needs_the_whole_and_most_folds() -> None:
    good, bad = {"log_loss": 0.5, "log_loss_base_rate": 0.6}, {"log_loss": 0.7, "log_loss_base_rate": 0.6}
    assert has_skill(good, [good, good, bad])
    assert not has_skill(good, [good, bad])
    assert not has_skill(bad, [good, good, good])


def test_the_report_says_no_skill_in_words() -> None:
    some = sample(200, 3)
    figures = measure(some)
    lines = describe(figures, [figures], has_skill(figures, [figures]))
    assert any("NO SKILL" in line for line in lines)
    knowing = replace(some, probabilities=np.eye(3)[some.label] * 0.9 + 0.1 / 3)
    figures = measure(knowing)
    assert figures["auc_up"] == 1.0
    lines = describe(figures, [figures], has_skill(figures, [figures]))
    assert lines[-1] == "  better than the base rate"
    assert all(line.isascii() for line in lines)
