"""When data are being missed: every way a feed can go and come back, step by step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.feed_watch import Facts, FeedWatch, Step

LIMIT = 100


def steps(watch: FeedWatch, *facts: Facts) -> list[Step]:
    out = []
    for each in facts:
        while (step := watch.step(each)) is not Step.NOTHING:
            out.append(step)
    return out


def at(now_ns: int, *, connected: bool = True, losses: int = 0, trade: int = 0, book: int = 0) -> Facts:
    return Facts(now_ns, connected, losses, trade, book)


def test_a_connection_goes_and_comes_back() -> None:
    watch = FeedWatch(0, losses=2)
    assert steps(watch, at(1, losses=2)) == []
    assert steps(watch, at(2, losses=3, connected=False)) == [Step.LOST]
    assert steps(watch, at(3, losses=4, connected=False)) == []
    assert steps(watch, at(4, losses=4)) == [Step.BACK]
    assert steps(watch, at(5, losses=4)) == []


def test_a_connection_that_was_back_before_anybody_looked_is_a_loss_all_the_same() -> None:
    assert steps(FeedWatch(0, 0), at(1, losses=2)) == [Step.LOST, Step.BACK]


def test_silence_and_life() -> None:
    watch = FeedWatch(LIMIT, 0)
    assert steps(watch, at(500)) == [], "nothing has come yet: the market has not begun"
    assert steps(watch, at(600, trade=550, book=500)) == []
    assert steps(watch, at(651, trade=550, book=500)) == [Step.SILENT]
    assert steps(watch, at(900, trade=550, book=500)) == []
    assert steps(watch, at(901, trade=550, book=900)) == [Step.ALIVE]
    assert steps(watch, at(950, trade=940, book=900)) == []


def test_trades_that_stay_away_while_the_depth_flows_are_doubted_once_in_a_while() -> None:
    watch = FeedWatch(LIMIT, 0)
    told = [watch.step(at(now, trade=100, book=now)) for now in range(100, 500, 50)]
    assert [now for now, step in zip(range(100, 500, 50), told, strict=True) if step is Step.DOUBT] == [250, 400]
    assert Step.SILENT not in told


def test_a_loss_during_silence_is_a_loss() -> None:
    watch = FeedWatch(LIMIT, 0)
    assert steps(watch, at(201, trade=100)) == [Step.SILENT]
    assert steps(watch, at(202, trade=100, losses=1, connected=False), at(400, trade=100, losses=1)) == [
        Step.LOST, Step.BACK, Step.SILENT,
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 90), st.booleans(), st.booleans(), st.booleans()), max_size=60))
def test_every_loss_and_every_silence_is_caught_up_in_the_end(turns: list[tuple[int, bool, bool, bool]]) -> None:
    watch, now, losses, trade, book, held = FeedWatch(LIMIT, 0), 1, 0, 1, 1, False
    for pause, lose, back, event in turns:
        now += pause
        connected = True
        if lose:
            losses, connected, held = losses + 1, back, True
        elif event:
            trade = book = now
        for step in steps(watch, at(now, connected=connected, losses=losses, trade=trade, book=book)):
            held = step is Step.SILENT or (held and step not in (Step.BACK, Step.ALIVE))
    now += 1
    for step in steps(watch, at(now, losses=losses, trade=now, book=now)):
        held = step is Step.SILENT or (held and step not in (Step.BACK, Step.ALIVE))
    assert not held
