"""Splits never let the future in; weights count labels that overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.splits import every, walk_forward
from models.training.weights import uniqueness

steps = st.lists(st.integers(0, 5), min_size=6, max_size=80)


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(1, 4), st.integers(1, 12), st.integers(0, 9))
def test_no_label_of_a_training_row_touches_its_test(made: list[int], folds: int, horizon: int, embargo: int) -> None:
    ts = np.cumsum(made).astype(np.int64)
    found = walk_forward(ts, ts + horizon, folds, embargo)
    assert len(found) == folds
    tested = np.concatenate([fold.test for fold in found])
    assert tested.tolist() == list(range(int(tested[0]), len(ts))), "each later row is tested once"
    for fold in found:
        first = ts[fold.test[0]]
        assert (ts[fold.train] + horizon + embargo <= first).all()
        left_out = np.setdiff1d(np.arange(fold.test[0]), fold.train)
        assert (ts[left_out] + horizon + embargo > first).all(), "only what must be purged is purged"


def test_too_few_rows() -> None:
    with pytest.raises(ValueError, match="3 rows cannot be cut into 5 blocks"):
        walk_forward(np.arange(3), np.arange(3) + 1, 4, 0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=60), st.integers(0, 9))
def test_rows_are_taken_as_the_stage_takes_them(made: list[int], interval: int) -> None:
    ts = np.cumsum(made).astype(np.int64) if made else np.zeros(0, np.int64)
    taken, due = [], None
    for row, at in enumerate(ts.tolist()):
        if due is None or at >= due:
            taken.append(row)
            due = at + interval
    assert every(ts, interval).tolist() == taken


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.integers(1, 12))
def test_uniqueness_by_its_definition(made: list[int], horizon: int) -> None:
    ts = np.cumsum(made).astype(np.int64)
    end = ts + horizon
    alive = [sum(1 for begin, until in zip(ts, end, strict=True) if begin <= at < until) for at in ts]
    expected = [
        np.mean([1 / alive[other] for other in range(len(ts)) if ts[row] <= ts[other] < end[row]])
        for row in range(len(ts))
    ]
    np.testing.assert_allclose(uniqueness(ts, end), expected, rtol=1e-12)


def test_labels_that_do_not_overlap_weigh_one() -> None:
    ts = np.arange(0, 100, 10)
    assert uniqueness(ts, ts + 10).tolist() == [1.0] * 10
    assert 2.0 < uniqueness(ts, ts + 50).sum() < 3.0, "five at a time: two whole ones in a hundred, and the ends"
