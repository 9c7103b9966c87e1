"""Labels against a walk through the snapshots, and that nothing behind the horizon moves them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.labels import DOWN, FLAT, UP, Quotes, classes, heard_until, mark_outs, outside_gaps

Array = np.ndarray[Any, Any]
HORIZON = 5

# events in order: (step of time, is a snapshot, mid)
events = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(90, 110)), min_size=1, max_size=40)


def tables(made: list[tuple[int, bool, int]]) -> tuple[Array, Array, Quotes]:
    ts = np.cumsum([step for step, _, _ in made]).astype(np.int64)
    sequence = np.arange(1, len(made) + 1)
    is_book = np.array([book for _, book, _ in made])
    mids = np.array([mid for _, _, mid in made], float)[is_book]
    return ts, sequence, Quotes(sequence[is_book], ts[is_book], mids, np.ones(len(mids)))


@settings(max_examples=300, deadline=None)
@given(events)
def test_mark_outs_as_a_walk(made: list[tuple[int, bool, int]]) -> None:
    ts, sequence, quotes = tables(made)
    end = np.full(len(ts), ts[-1])
    found = mark_outs(ts, sequence, quotes, HORIZON, end)
    for row in range(len(ts)):
        before = [mid for (_, book, mid) in made[: row + 1] if book]
        until = [mid for at, (_, book, mid) in zip(ts, made, strict=True) if book and at <= ts[row] + HORIZON]
        assert found.valid[row] == (bool(before) and ts[row] + HORIZON <= ts[-1])
        if found.valid[row]:
            assert found.mark_out_ticks[row] == until[-1] - before[-1]


@settings(max_examples=200, deadline=None)
@given(events, st.integers(0, 39))
def test_nothing_behind_the_horizon_is_looked_at(made: list[tuple[int, bool, int]], row: int) -> None:
    row %= len(made)
    ts, sequence, quotes = tables(made)
    end = np.full(len(ts), ts[-1])
    before = mark_outs(ts, sequence, quotes, HORIZON, end)
    changed = Quotes(
        quotes.ingest_seq,
        quotes.ts_ns,
        np.where(quotes.ts_ns > ts[row] + HORIZON, 1e9, quotes.mid_ticks),
        quotes.spread_ticks,
    )
    after = mark_outs(ts, sequence, changed, HORIZON, end)
    assert after.valid[row] == before.valid[row]
    if before.valid[row]:
        assert after.mark_out_ticks[row] == before.mark_out_ticks[row]


def test_a_trade_before_the_book_of_its_own_instant_knows_the_older_mid() -> None:
    quotes = Quotes(np.array([1, 3]), np.array([0, 10]), np.array([100.0, 102.0]), np.array([1.0, 3.0]))
    found = mark_outs(np.array([10]), np.array([2]), quotes, 5, np.array([99]))
    assert found.mark_out_ticks.tolist() == [2.0]
    assert found.spread_ticks.tolist() == [1.0]


def test_without_a_book_nothing_is_valid() -> None:
    nothing = np.zeros(0)
    quotes = Quotes(nothing.astype(int), nothing.astype(int), nothing, nothing)
    assert not mark_outs(np.array([1, 2]), np.array([1, 2]), quotes, 5, np.array([9, 9])).valid.any()


@pytest.mark.parametrize(
    ("ts", "clear"), [(0, True), (5, True), (6, False), (10, False), (19, False), (20, True), (30, True)]
)
def test_labels_do_not_reach_over_a_gap(ts: int, clear: bool) -> None:
    assert outside_gaps(np.array([ts]), HORIZON, np.array([[10, 20]])).tolist() == [clear]
    assert outside_gaps(np.array([ts]), HORIZON, np.zeros((0, 2), np.int64)).tolist() == [True]


def test_a_session_is_heard_until_its_last_event() -> None:
    starts = np.array([0, 100, 200, 300])
    events_at = np.array([10, 90, 90, 105, 250])
    rows = np.array([10, 90, 105, 250])
    assert heard_until(rows, starts, events_at).tolist() == [90, 90, 105, 250]


def test_classes_are_strict_about_the_cost() -> None:
    mark_out = np.array([-2.0, -1.0, -0.5, 0.0, 1.0, 1.5])
    assert classes(mark_out, np.full(6, 1.0)).tolist() == [DOWN, FLAT, FLAT, FLAT, FLAT, UP]
