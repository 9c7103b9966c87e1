"""The recorded hour of the ES future through the tape market: everything is played, and our orders fare plausibly."""

from __future__ import annotations

import numpy as np
import pytest

from exchange.engine import Engine, NewOrder
from exchange.recording import Recording
from exchange.tape_market import TapeMarket
from profitdll.constants import OrderStatus, OrderType
from tests.exchange.kit import ES as SPEC

FOREVER = 1 << 62


@pytest.fixture
def recording(es_recording) -> Recording:
    return es_recording[1]


def test_everything_is_played_and_nothing_is_altered(recording):
    market = TapeMarket([SPEC], recording)
    trades, books = [], []
    while (batch := market.advance(FOREVER, 997)) is not None:
        trades.append(batch.trades["body"])
        books.append(batch.books["body"])
    played, shown = np.concatenate(trades), np.concatenate(books)
    assert (played["price"] == recording.trades["price"]).all()
    assert (played["quantity"] == recording.trades["quantity"]).all()
    assert (played["ts_ns"] == recording.trades["ts_ns"]).all()
    for field in ("bid_price", "bid_quantity", "ask_price", "ask_quantity"):
        assert (shown[field] == recording.book[field]).all()


def test_resting_orders_at_the_touch_fill_no_sooner_than_the_tape_trades_there(recording):
    engine = Engine(TapeMarket([SPEC], recording), [0], "C-")
    market = engine.market
    now = market.first_ns
    sent = 0
    while (due := market.next_due_ns()) is not None:
        now = max(due, now + 20_000_000_000)
        while (batch := market.advance(now, 4096)) is not None:
            engine.on_batch(batch)
        for side, offset in ((1, 0), (2, 1)):
            ticks = market.last_ticks(0) + (1 if side == 2 else -1) * (1 + offset)
            new = NewOrder(0, 0, "ES", side, OrderType.LIMIT, 0, 2, ticks * 0.25, -1.0)
            engine.place(engine.receive(new, now)[0], now)
            sent += 1
    filled = [order for order in engine.orders.values() if order.status == OrderStatus.FILLED]
    assert 0.1 * sent < len(filled) < sent
    for order in filled:
        if order.close_ns > order.date_ns:  # it rested: a recorded trade at its price or through it filled it
            rows = recording.trades[recording.trades["ts_ns"] == order.close_ns]
            ticks = np.rint(rows["price"] / 0.25)
            assert (ticks <= order.price_ticks).any() if order.side == 1 else (ticks >= order.price_ticks).any()
    assert engine.position(0, 0).net == sum(o.traded * (1 if o.side == 1 else -1) for o in engine.orders.values())
