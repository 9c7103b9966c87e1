"""Market data that are wrong, strange or too many: what is counted, dropped, or passes unharmed, and no entry on doubt."""

from __future__ import annotations

import time

import numpy as np
import pytest

from features.families import CAUSE_AUCTION
from shm.layouts import FLAG_AUCTION, KIND_TRADE
from tests.faults.rig import Pipeline

SENT = 20


def test_a_burst_is_taken_in_whole(pipeline: Pipeline) -> None:
    """100,000 events a second are asked for; how many come is this machine's matter, that none is lost is ours."""
    before = pipeline.count("books", "exchange")
    pipeline.fault("burst", events_per_s=100_000, for_s=0.4)
    pipeline.until(lambda: pipeline.count("books", "exchange") > before + 20_000, "the burst")
    pipeline.until_healthy()
    with pipeline.standing_market():
        pipeline.until(lambda: pipeline.count("books") == pipeline.count("books", "exchange"), "every book of the burst")
        pipeline.look()
    assert pipeline.count("lost", "features") == pipeline.count("laps", "features") == 0
    sequence = np.sort(np.concatenate([pipeline.rows[ring]["ingest_seq"] for ring in ("trades", "book")]))
    assert (np.diff(sequence) == 1).all(), "each number once"
    assert pipeline.missing() == set()


def test_edits_are_counted_and_change_nothing(pipeline: Pipeline) -> None:
    edits = pipeline.count("edits")
    pipeline.fault("edited_trades", every=2, count=SENT)
    pipeline.until(lambda: pipeline.count("edits") == edits + SENT, "the edits")
    assert pipeline.missing() == set()
    trades = pipeline.rows["trades"]
    trades = trades[trades["kind"] == KIND_TRADE]
    assert len(set(trades["trade_number"].tolist())) == len(trades)
    with pipeline.standing_market():
        market = pipeline.stages["exchange"].stage.market  # type: ignore[attr-defined]
        played = market.history(0, 0, int(trades["ts_ns"][-1]) + 1_000_000_000)
    said = {int(row["number"]): (float(row["price"]), int(row["quantity"])) for row in played}
    for row in trades[-500:]:
        assert said[int(row["trade_number"])] == (row["price"], row["quantity"])
    pipeline.until_healthy()


@pytest.mark.parametrize("field", ["date", "price", "both"])
def test_trades_with_zeros_are_counted_and_dropped(pipeline: Pipeline, field: str) -> None:
    bad, lost = pipeline.count("bad_trades"), pipeline.missing()
    pipeline.fault("zero_trades", field=field, every=2, count=SENT)
    pipeline.until(lambda: pipeline.count("bad_trades") == bad + SENT, "the bad trades")
    pipeline.until(lambda: len(pipeline.missing() - lost) == SENT, "the trades behind them")
    trades = pipeline.rows["trades"]
    trades = trades[trades["kind"] == KIND_TRADE]
    assert (trades["price"] > 0).all() and (trades["ts_ns"] > 0).all()
    assert pipeline.count("dropped_value", "features") == 0, "none of them came as far as there"


def test_an_auctions_levels_never_reach_a_snapshot_and_silence_the_specialists(pipeline: Pipeline) -> None:
    books, dropped = pipeline.count("auction_books"), pipeline.count("dropped_auction", "features")
    since = pipeline.vectors()
    pipeline.fault("auction_levels", for_s=1.5)
    pipeline.until_refused("signals", "price_collar")
    pipeline.until_silenced("auction", since)
    pipeline.until(lambda: pipeline.count("auction_books") > books + 100, "the auction's books")
    pipeline.until_healthy()
    assert pipeline.count("dropped_auction", "features") > dropped + 100
    pipeline.look()
    book = pipeline.rows["book"]
    for name in ("bid_price", "ask_price"):
        assert np.isfinite(book[name]).all() and (book[name] >= 0).all()
    in_auction = book[book["flags"] & FLAG_AUCTION != 0]
    assert (in_auction["bid_quantity"][:, 0] == 0).sum() > 100
    assert not pipeline.ready() & CAUSE_AUCTION


def snapshots_per_book(pipeline: Pipeline) -> float:
    """Snapshots for each book of the exchange, over some hundred of those; counted while the market stands still."""

    def counts() -> tuple[int, int]:
        with pipeline.standing_market():
            pipeline.until(lambda: arrived(), "everything that was sent")
            return pipeline.count("books", "exchange"), pipeline.count("books")

    def arrived() -> bool:
        before = pipeline.count("depth_notices")
        time.sleep(0.1)
        return pipeline.count("depth_notices") == before

    played, taken = counts()
    pipeline.until(lambda: pipeline.count("books", "exchange") >= played + 300, "300 books")
    played_now, taken_now = counts()
    return (taken_now - taken) / (played_now - played)


def test_several_books_in_one_group_are_one_snapshot(pipeline: Pipeline) -> None:
    assert snapshots_per_book(pipeline) == 1.0
    pipeline.fault("book_groups", books=10, count=1_000_000)
    assert 0.02 < snapshots_per_book(pipeline) < 0.2
    pipeline.fault("book_groups", books=1, count=1)
    pipeline.until_healthy()
    assert snapshots_per_book(pipeline) > 0.9, "after the group that was open"
    last_books_agree(pipeline)


def test_notices_without_a_group_are_published_one_by_one(pipeline: Pipeline) -> None:
    played, taken = pipeline.count("books", "exchange"), pipeline.count("books")
    pipeline.fault("book_groups", books=0, count=200)
    pipeline.until(lambda: pipeline.count("books", "exchange") >= played + 300, "the books")
    assert pipeline.count("books") - taken > 250
    pipeline.until_healthy()
    last_books_agree(pipeline)


def test_a_full_book_again_is_one_more_snapshot_and_no_gap(pipeline: Pipeline) -> None:
    gaps, notices = len(pipeline.gaps()), pipeline.count("book_groups")
    pipeline.fault("full_book", count=100)
    pipeline.until(lambda: pipeline.count("book_groups") > notices + 150, "the books")
    assert len(pipeline.gaps()) == gaps
    pipeline.until_healthy()
    last_books_agree(pipeline)


def last_books_agree(pipeline: Pipeline) -> None:
    """The newest snapshot is the exchange's newest book, once the market stands still for a moment."""
    with pipeline.standing_market():
        newest = pipeline.stages["exchange"].stage._flicker._newest[0]  # type: ignore[attr-defined]

        def agree() -> bool:
            pipeline.look()
            row = pipeline.rows["book"][-1]
            names = [f"{side}_{column}" for side in ("bid", "ask") for column in ("price", "quantity")]
            return all(np.array_equal(row[name], newest[name]) for name in names)

        pipeline.until(agree, "the exchange's book", patience_s=5.0)
