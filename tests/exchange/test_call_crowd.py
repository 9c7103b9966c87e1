"""The background in call auctions: it sends orders, they trade at one price, and continuous trading goes on from there."""

from __future__ import annotations

import numpy as np

from config.schema import PlantedEpisode
from exchange.generated_market import GeneratedMarket
from exchange.ground_truth import Episode
from exchange.market import Batch
from profitdll.constants import TickerState, TradeType
from tests.exchange.kit import SECOND_NS, START_NS, TICK, instrument

MINUTE_NS = 60 * SECOND_NS


def market(told: list[Episode] | None = None, planted: tuple[PlantedEpisode, ...] = ()) -> GeneratedMarket:
    return GeneratedMarket(
        (instrument(),), start_ns=START_NS, close_ns=[START_NS + 8 * 3600 * SECOND_NS], seed=6, start_price=5400.0,
        trades_per_s=20.0, planted=planted, tell_truth=told.append if told is not None else None,
    )  # fmt: skip


def play(source: GeneratedMarket, to_ns: int, limit: int = 500) -> list[Batch]:
    out = []
    while (batch := source.advance(to_ns, limit)) is not None:
        out.append(batch)
    return out


def trades(batches: list[Batch]) -> np.ndarray:
    return np.concatenate([batch.trades["body"] for batch in batches])


def test_an_opening_call_is_filled_by_the_crowd_and_trades_at_one_price():
    source = market()
    assert source.set_state(0, TickerState.PRE_OPENING, START_NS) == []
    collected = play(source, START_NS + MINUTE_NS)
    assert len(trades(collected)) == 0
    assert len(collected) > 100
    assert all(START_NS <= batch.last_ns <= START_NS + MINUTE_NS for batch in collected)
    shown = collected[-1].books["body"][0]
    assert shown["theoretical_quantity"] > 100
    assert abs(shown["theoretical_price"] - 5400.0) <= 5 * TICK
    source.set_state(0, TickerState.OPENED, START_NS + MINUTE_NS)
    opened = play(source, START_NS + MINUTE_NS)
    printed = trades(opened)
    assert (printed["trade_type"] == TradeType.AUCTION).all()
    assert set(printed["price"]) == {float(shown["theoretical_price"])}
    assert printed["quantity"].sum() == shown["theoretical_quantity"]
    going_on = trades(play(source, START_NS + 2 * MINUTE_NS))
    assert len(going_on) > 100
    assert set(going_on["trade_type"]) == {TradeType.BUY_AGGRESSOR, TradeType.SELL_AGGRESSOR}
    assert going_on["ts_ns"].min() >= START_NS + MINUTE_NS
    assert going_on["number"].tolist() == list(
        range(printed["number"][-1] + 1, printed["number"][-1] + 1 + len(going_on))
    )


def test_a_call_is_the_same_whatever_the_steps():
    outcomes = []
    for step_ns, limit in ((MINUTE_NS, 2000), (SECOND_NS // 3, 7)):
        source = market()
        source.set_state(0, TickerState.AUCTION, START_NS)
        data = b""
        for until in range(START_NS + step_ns, START_NS + MINUTE_NS + step_ns, step_ns):
            data += b"".join(batch.books.tobytes() for batch in play(source, min(until, START_NS + MINUTE_NS), limit))
        outcomes.append(data)
    assert outcomes[0] == outcomes[1] != b""


def test_a_long_call_ends_its_crowd_before_the_book_is_full():
    source = market()
    source.set_state(0, TickerState.PRE_OPENING, START_NS)
    play(source, START_NS + 3600 * SECOND_NS)
    assert source.next_due_ns() is None


def test_an_episode_that_a_halt_cuts_short_is_not_told_and_later_ones_are():
    told: list[Episode] = []
    planted = tuple(PlantedEpisode(kind="absorption", at_s=at) for at in (20.0, 70.0, 150.0))
    source = market(told, planted)
    play(source, START_NS + 30 * SECOND_NS)
    source.set_state(0, TickerState.AUCTION, START_NS + 30 * SECOND_NS)
    play(source, START_NS + 100 * SECOND_NS)
    source.set_state(0, TickerState.OPENED, START_NS + 100 * SECOND_NS)
    later = play(source, START_NS + 200 * SECOND_NS)
    assert [episode.start_ns for episode in told if episode.planted] == [START_NS + 150 * SECOND_NS]
    books = np.concatenate([batch.books["body"] for batch in later if len(batch.books)])
    assert (books["bid_price"][1:, 0] < books["ask_price"][1:, 0]).all()
