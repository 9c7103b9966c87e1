"""The mixed market: without clients it is the recording; with them their orders change what is shown and traded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.book import LIVE
from exchange.engine import Engine
from exchange.market import Batch
from exchange.mixed_market import MixedMarket
from exchange.recording import Recording
from profitdll.constants import OrderStatus as Status
from profitdll.constants import OrderType
from tests.exchange.kit import START_NS, TICK, TapeRows, instrument
from tests.exchange.test_engine import NOW, new, play, send, statuses

BUY, SELL = 1, 2
FOREVER = 1 << 62
BUYS, SELLS = 2, 3  # aggressor


def mixed(rows: TapeRows, *specs) -> MixedMarket:
    chosen = specs or (instrument(),)
    return MixedMarket(chosen, Recording(chosen, *rows.arrays()))


def engine_on(rows: TapeRows, events: int = 1) -> Engine:
    """An engine whose market has played the first rows."""
    engine = Engine(mixed(rows), [77], "M-", "allow")
    engine.market.advance(START_NS, events)
    return engine


def touch(batch: Batch) -> list[tuple[float, int, float, int]]:
    return [
        (
            body["bid_price"][0] / TICK,
            int(body["bid_quantity"][0]),
            body["ask_price"][0] / TICK,
            int(body["ask_quantity"][0]),
        )
        for body in batch.books["body"]
    ]


def prints(batches: list[Batch]) -> list[tuple[int, int, int]]:
    return [
        (round(body["price"] / TICK), int(body["quantity"]), int(body["trade_type"]))
        for batch in batches
        for body in batch.trades["body"]
    ]


def all_of(market: MixedMarket) -> list[Batch]:
    out = []
    while (batch := market.advance(FOREVER, 7)) is not None:
        out.append(batch)
    return out


def base() -> TapeRows:
    return TapeRows().book(0, [(100, 10), (99, 20)], [(101, 8), (102, 30)])


side_levels = st.lists(
    st.tuples(st.integers(0, 14), st.integers(1, 30)), min_size=1, max_size=10, unique_by=lambda x: x[0]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(80, 120), side_levels, side_levels), min_size=1, max_size=12))
def test_without_clients_the_book_is_the_recorded_one(snapshots):
    rows, wanted = TapeRows(), []
    for second, (middle, bids, asks) in enumerate(snapshots):
        bid = sorted(((middle - depth, quantity) for depth, quantity in bids), reverse=True)
        ask = sorted((middle + 1 + depth, quantity) for depth, quantity in asks)
        rows.book(second, bid, ask)
        wanted.append((bid, ask))
    market = mixed(rows)
    last = [(), ()]
    for batch in all_of(market):
        assert len(batch.trades) == 0
        body = batch.books["body"][-1]
        last = [
            [(round(p / TICK), int(q)) for p, q in zip(body[f"{s}_price"], body[f"{s}_quantity"], strict=True) if q]
            for s in ("bid", "ask")
        ]
    for got, recorded in zip(last, wanted[-1], strict=True):
        assert got[: len(recorded)] == recorded
        assert len(recorded) == 10 or len(got) == len(recorded), "a side that is not full is known whole"


def test_without_clients_every_trade_is_printed_as_recorded():
    rows = base().trade(1, 101, 3, BUYS).trade(1, 100, 4, SELLS).trade(2, 107, 5, BUYS).trade(3, 100, 2, 1)
    assert prints(all_of(mixed(rows))) == [(101, 3, BUYS), (100, 4, SELLS), (107, 5, BUYS), (100, 2, 1)]


def test_a_client_s_order_is_in_the_book_and_is_filled_in_its_turn():
    engine = engine_on(base().trade(1, 100, 12, SELLS).book(2, [(100, 0 + 3), (99, 20)], [(101, 8)]))
    order, _ = send(engine, new(BUY, 100, 4))
    assert engine.market.queue_ahead(0, order.number) == 10
    assert touch(engine.market.advance(NOW, 1))[-1] == (100, 14, 101, 8)
    batch = engine.market.advance(FOREVER, 1)
    assert [tuple(fill)[:3] for fill in batch.fills] == [(order.number, 100, 2)]
    engine.on_batch(batch)
    assert (order.status, order.traded) == (Status.PARTIALLY_FILLED, 2)
    assert prints([batch]) == [(100, 10, SELLS), (100, 2, SELLS)]
    assert batch.trades["body"]["buyer"].tolist() == [3, 77]


def test_a_better_client_price_is_met_first_and_leaves_the_background_behind():
    rows = base().trade(1, 101, 5, BUYS).book(2, [(100, 10), (99, 20)], [(101, 3), (102, 30)])
    engine = engine_on(rows)
    engine.market.advance(START_NS, 1)
    order, _ = send(engine, new(SELL, 101, 2))
    better = engine.market.venues[0]
    first, _ = send(engine, new(SELL, 101, 1))
    assert engine.market.queue_ahead(0, first.number) == 10
    play(engine)
    assert (order.traded, first.traded) == (0, 0), "eight stood before them"
    assert better.book.depth(SELL, 1).tolist() == [[101, 3 + 3, 3]]


def test_what_a_client_took_stays_taken_while_the_level_lives_and_is_printed():
    rows = base().book(1, [(100, 10)], [(101, 9), (102, 30)]).book(2, [(100, 10)], [(102, 30)]).book(
        3, [(100, 10)], [(101, 8), (102, 30)]
    )  # fmt: skip
    engine = engine_on(rows)
    order, _ = send(engine, new(BUY, 101, 5))
    assert order.status == Status.FILLED
    batches = all_of(engine.market)
    assert prints(batches) == [(101, 5, BUYS)]
    assert [each[2:] for batch in batches for each in touch(batch)] == [
        (101, 3),
        (101, 4),
        (102, 30),
        (101, 8),
    ]


def test_clients_meet_each_other():
    engine = engine_on(base())
    first, _ = send(engine, new(BUY, 100, 4))
    market, _ = send(engine, new(SELL, -2, 12, OrderType.MARKET))
    assert (first.traded, market.traded) == (2, 12)


def test_a_recorded_level_that_comes_through_a_client_s_price_trades_with_it():
    engine = engine_on(base().book(1, [(104, 6), (103, 2)], [(105, 9)]))
    order, _ = send(engine, new(SELL, 103, 5))
    events = play(engine)
    assert statuses(events) == [Status.FILLED]
    assert order.value_ticks == 5 * 103
    assert engine.market.venues[0].book.depth(BUY, 2).tolist() == [[104, 1, 1], [103, 2, 1]]


def test_cancels_of_the_background_come_off_both_sides_of_the_queue():
    engine = engine_on(base().book(1, [(100, 14), (99, 20)], [(101, 8)]).book(2, [(100, 7), (99, 20)], [(101, 8)]))
    order, _ = send(engine, new(BUY, 100, 4))
    play(engine)
    ahead = engine.market.queue_ahead(0, order.number)
    assert ahead == 5, "10 before it and 4 behind it lost half"
    assert engine.market.venues[0].book.depth(BUY, 1).tolist()[0][1] == 7 + 4


@pytest.mark.parametrize(("far_order", "steps", "most"), [(False, 2_000, 200), (True, 7_000, 8192 * 3 // 4 + 200)])
def test_a_price_that_travels_leaves_no_trail_and_flicker_makes_no_orders(far_order, steps, most):
    """A client's order far behind stops the sweeping until the book fills up."""
    rows = TapeRows()
    for step in range(steps):
        middle = 1_000 + step
        bids = [(middle - level, 5 + (step + level) % 3) for level in range(10)]
        rows.book(step, bids, [(middle + 1 + level, 5 + (step * level) % 4) for level in range(10)])
    engine = engine_on(rows)
    if far_order:
        send(engine, new(BUY, 900, 1))
    play(engine)
    book = engine.market.venues[0].book
    assert int(book.state[LIVE]) < most
    assert touch_of(engine) == (999 + steps, 1_000 + steps)


def touch_of(engine: Engine) -> tuple[int, int]:
    book = engine.market.venues[0].book
    return int(book.depth(BUY, 1)[0, 0]), int(book.depth(SELL, 1)[0, 0])


def test_a_full_book_cancels_the_order_that_does_not_fit(monkeypatch):
    engine = engine_on(base())

    def full(*arguments: object) -> None:
        raise OverflowError("the book has no room")

    monkeypatch.setattr(engine.market, "rest", full)
    order, _ = send(engine, new(BUY, 99, 1))
    assert (order.status, order.text, order.resting) == (Status.CANCELED, "the book has no room", False)


def test_a_stop_waits_for_recorded_trades():
    engine = engine_on(base().trade(1, 101, 1, BUYS).trade(2, 102, 9, BUYS))
    order, _ = send(engine, new(BUY, 103, 2, OrderType.STOP_LIMIT, 102))
    play(engine)
    assert order.status == Status.FILLED


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_two_instruments_keep_the_recorded_order(limit):
    rows = TapeRows().book(0, [(100, 10)], [(101, 8)]).book(0, [(50, 10)], [(51, 8)], symbol=1)
    for second in range(1, 20):
        rows.trade(second, 101, 1, BUYS, symbol=0).trade(second, 50, 1, SELLS, symbol=1)
    market = mixed(rows, instrument(), instrument(symbol="WINFUT"))
    times, symbols = [], []
    while (batch := market.advance(FOREVER, limit)) is not None:
        times += batch.trades["body"]["ts_ns"].tolist()
        symbols += batch.trades["body"]["index"].tolist()
    assert times == sorted(times)
    assert symbols == [0, 1] * 19


def test_the_recorded_hour_is_never_crossed_and_prints_what_was_recorded(es_recording):
    spec, recording = es_recording
    market = MixedMarket([spec], recording)
    trades, books = [], []
    while (batch := market.advance(FOREVER, 2048)) is not None:
        trades.append(batch.trades["body"])
        books.append(batch.books["body"])
    body = np.concatenate(books)
    there = (body["bid_quantity"][:, 0] > 0) & (body["ask_quantity"][:, 0] > 0)
    assert (body["bid_price"][there, 0] < body["ask_price"][there, 0]).all()
    printed = np.concatenate(trades)
    for name in ("price", "quantity", "ts_ns"):
        assert np.array_equal(printed[name], recording.trades[name])
    for side in ("bid", "ask"):
        for name in (f"{side}_price", f"{side}_quantity"):
            assert np.array_equal(body[-1][name], recording.book[-1][name])
