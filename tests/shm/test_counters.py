"""Counters and histograms: names beside values, percentiles against plain sorting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shm.counters import COUNTERS, HISTOGRAMS, RunCounters, StageCounters
from shm.histogram import BUCKETS, Histogram, upper_edge


def test_a_reader_sees_names_and_values(names: Any) -> None:
    name = names("counters")
    mine = RunCounters.create(name).stage(3)
    mine.stage = "features"
    mine.declare("events", "vectors")
    mine.add("vectors", 5)
    mine.histogram("compute").record(1_000)
    theirs = RunCounters.attach(name).stage(3)
    assert theirs.stage == "features"
    assert dict(theirs.items()) == {"events": 0, "vectors": 5}
    assert theirs.histogram_names() == ["compute"]
    assert theirs.histogram("compute").samples == 1


def test_counters_outlive_an_incarnation() -> None:
    first = StageCounters.private()
    first.declare("events")
    first.add("events", 7)
    second = StageCounters(first._block)
    second.declare("other", "events")
    second.add("events")
    assert dict(second.items()) == {"events": 8, "other": 0}


def test_what_does_not_fit_is_refused() -> None:
    counters = StageCounters.private()
    with pytest.raises(KeyError):
        counters.add("never declared")
    with pytest.raises(ValueError, match="more than 32 letters"):
        counters.declare("x" * 33)
    counters.declare(*(f"c{i}" for i in range(COUNTERS)))
    with pytest.raises(ValueError, match="'one more' has no room"):
        counters.declare("one more")
    for i in range(HISTOGRAMS):
        counters.histogram(f"h{i}")
    with pytest.raises(ValueError, match="histograms"):
        counters.histogram("one more")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-5, 2**42), min_size=1, max_size=300))
def test_percentiles_are_right_within_a_bucket(values: list[int]) -> None:
    histogram = Histogram.private()
    for value in values:
        histogram.record(value)
    clipped = sorted(min(max(value, 0), 2**42) for value in values)
    assert histogram.samples == len(values)
    assert histogram.largest == clipped[-1]
    for percent in (50.0, 99.0, 99.9, 100.0):
        exact = clipped[max(1, int(np.ceil(len(clipped) * percent / 100))) - 1]
        found = histogram.percentile(percent)
        assert found is not None
        assert found >= exact or exact >= 2**40
        assert found <= exact * (1 + 1 / 32) + 1 or exact >= 2**40


def test_buckets_cover_every_duration_once() -> None:
    edges = [upper_edge(bucket) for bucket in range(BUCKETS)]
    assert edges == sorted(set(edges))
    assert Histogram.private().percentile(50) is None
