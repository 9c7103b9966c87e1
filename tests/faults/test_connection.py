"""Connections and feeds that fail: what ingest says about it, that nothing is missing afterwards, and no entry meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from shm.layouts import FLAG_REFILLED, GAP_CONNECTION_LOST, GAP_FEED_SILENT, KIND_TRADE
from tests.faults.rig import SILENT_AFTER_S, Pipeline


def new_gaps(pipeline: Pipeline, before: int, count: int = 1) -> Any:
    """The gap records behind the first `before`, once there are `count`."""
    pipeline.until(lambda: len(pipeline.gaps()) >= before + count, "the gap record")
    return pipeline.gaps()[before:]


def assert_whole(pipeline: Pipeline, before: int) -> None:
    """Every trade of the market since the gap record number `before` was published, each once."""
    first_ns = int(pipeline.gaps()[before]["gap_from_ns"])
    assert pipeline.missing(first_ns) == set()
    numbers = pipeline.numbers()
    assert len(set(numbers)) == len(numbers)


def refilled(pipeline: Pipeline) -> int:
    pipeline.look()
    trades = pipeline.rows["trades"]
    return int(((trades["kind"] == KIND_TRADE) & (trades["flags"] & FLAG_REFILLED != 0)).sum())


def test_a_connection_is_lost_and_comes_back(pipeline: Pipeline) -> None:
    before, losses, trades = len(pipeline.gaps()), pipeline.count("connection_losses"), refilled(pipeline)
    since = pipeline.vectors()
    pipeline.fault("connection_lost", for_s=1.5)
    pipeline.until_refused("exchange_age")
    (gap,) = new_gaps(pipeline, before)
    assert (gap["cause"], gap["gap_trades_missing"]) == (GAP_CONNECTION_LOST, 0)
    assert gap["gap_to_ns"] - gap["gap_from_ns"] > 0.5e9 * pipeline.config.exchange.speed
    pipeline.until_silenced("gap", since)
    assert pipeline.count("connection_losses") == losses + 1
    pipeline.until(lambda: refilled(pipeline) > trades + 50, "the trades of the outage")
    assert_whole(pipeline, before)
    pipeline.until_healthy()
    assert len(pipeline.gaps()) == before + 1


def test_a_connection_that_was_away_for_an_instant_is_a_gap_all_the_same(pipeline: Pipeline) -> None:
    before, losses = len(pipeline.gaps()), pipeline.count("connection_losses")
    pipeline.fault("connection_lost", for_s=0.001)
    (gap,) = new_gaps(pipeline, before)
    assert (gap["cause"], gap["gap_trades_missing"]) == (GAP_CONNECTION_LOST, 0)
    assert pipeline.count("connection_losses") == losses + 1
    assert_whole(pipeline, before)


def test_a_connection_that_goes_again_during_the_catch_up_is_caught_up_once_and_whole(pipeline: Pipeline) -> None:
    before, losses = len(pipeline.gaps()), pipeline.count("connection_losses")
    pipeline.fault("history_stuck", count=1, share=0.0)  # so that the first catch-up takes its time
    pipeline.fault("connection_lost", for_s=0.001)
    native = pipeline.stages["ingest"].stage._native  # type: ignore[attr-defined]
    pipeline.until(lambda: native["history_symbol"] == 0, "the first catch-up")
    pipeline.fault("connection_lost", for_s=0.3)
    (gap,) = new_gaps(pipeline, before)
    assert (gap["cause"], gap["gap_trades_missing"]) == (GAP_CONNECTION_LOST, 0)
    assert pipeline.count("connection_losses") == losses + 2
    pipeline.until_healthy()
    assert_whole(pipeline, before)
    assert len(pipeline.gaps()) == before + 1


def test_a_refused_key_keeps_the_feed_away_and_is_tried_again(pipeline: Pipeline) -> None:
    before = len(pipeline.gaps())
    pipeline.fault("key_taken", for_s=1.5)
    pipeline.fault("connection_lost", for_s=0.001)
    pipeline.until_refused("exchange_age")
    assert pipeline.count("refused_logins", "exchange") > 0
    (gap,) = new_gaps(pipeline, before)
    assert gap["cause"] == GAP_CONNECTION_LOST
    assert_whole(pipeline, before)


def test_a_feed_that_falls_silent_while_connected_is_a_gap(pipeline: Pipeline) -> None:
    before, silences, since = len(pipeline.gaps()), pipeline.count("feed_silences"), pipeline.vectors()
    pipeline.fault("feed_silent", for_s=SILENT_AFTER_S * 3)
    pipeline.until_refused("exchange_age")
    pipeline.until(lambda: pipeline.count("feed_silences") == silences + 1, "the silence to be noticed")
    (gap,) = new_gaps(pipeline, before)
    assert (gap["cause"], gap["gap_trades_missing"]) == (GAP_FEED_SILENT, 0)
    pipeline.until_silenced("gap", since)
    assert_whole(pipeline, before)


def test_trades_that_stay_away_while_the_depth_flows_are_found_in_history(pipeline: Pipeline) -> None:
    before, silences, since = len(pipeline.gaps()), pipeline.count("feed_silences"), pipeline.vectors()
    pipeline.fault("feed_silent", what="trades", for_s=SILENT_AFTER_S * 2)
    gap = new_gaps(pipeline, before)[0]
    assert (gap["cause"], gap["gap_trades_missing"]) == (GAP_FEED_SILENT, 0)
    assert pipeline.count("feed_silences") > silences
    pipeline.until_silenced("gap", since)
    pipeline.until_healthy()
    assert_trades_missing_only_while_silent(pipeline, before)


def assert_trades_missing_only_while_silent(pipeline: Pipeline, before: int) -> None:
    """What history gave back is there; what stayed away after the last look at history is found by the next one."""
    found = len(pipeline.gaps())
    if pipeline.missing():
        pipeline.fault("connection_lost", for_s=0.001)
        new_gaps(pipeline, found)
    assert found > before


def test_a_depth_that_stays_away_makes_the_book_stale(pipeline: Pipeline) -> None:
    since = pipeline.vectors()
    pipeline.fault("feed_silent", what="books", for_s=4.0)
    refused = pipeline.until_refused("price_collar")
    assert "touch" in refused["price_collar"], "execution knows no bid and ask any more"
    pipeline.until_silenced("the book is stale", since)
    assert "exchange_age" not in pipeline.against_entry(), "trades are fresh"


@pytest.mark.parametrize(("fault", "counter"), [("history_stuck", "history_failures"), ("history_empty", "history_empty")])
def test_history_that_fails_leaves_a_gap_of_unknown_size(pipeline: Pipeline, fault: str, counter: str) -> None:
    before, unknown, failed = len(pipeline.gaps()), pipeline.count("gaps_unknown"), pipeline.count(counter)
    since = pipeline.vectors()
    pipeline.fault(fault, count=1)
    pipeline.fault("connection_lost", for_s=0.3)
    (gap,) = new_gaps(pipeline, before)
    assert (gap["cause"], gap["gap_trades_missing"]) == (GAP_CONNECTION_LOST, -1)
    assert pipeline.count(counter) == failed + 1
    assert pipeline.count("gaps_unknown") == unknown + 1
    pipeline.until_silenced("gap", since)
    numbers = pipeline.numbers()
    assert len(set(numbers)) == len(numbers)
