"""Orders and changes at the edges of what the engine holds: too early, too far, of the day before."""

from __future__ import annotations

import pytest

from exchange import protocol
from exchange.book_market import BookMarket
from exchange.engine import Engine
from exchange.orders import Order
from exchange.positions import Position
from profitdll.constants import OrderStatus as Status
from profitdll.constants import OrderType, TickerState, Validity
from tests.exchange.kit import START_NS, TICK, instrument
from tests.exchange.test_engine import BUY, NOW, SELL, new, quiet, send, statuses


def test_a_change_that_overtakes_its_order_is_refused_and_the_order_still_arrives():
    engine = quiet()
    number, _ = engine.receive(new(BUY, 99, 2), NOW)
    order = engine.orders[number]
    assert engine.request_change(order, NOW) == []
    events = engine.change(number, 1, 98 * TICK, -1.0, NOW)
    assert statuses(events) == [Status.PENDING_NEW]
    assert isinstance(events[0], Order)
    assert events[0].text == "change refused: the order has not reached the market"
    assert statuses(engine.place(number, NOW)) == [Status.NEW]
    assert (order.quantity, order.price_ticks) == (2, 99)


@pytest.mark.parametrize("ticks", [(1 << 40) + 1, 1 << 62, 1e300])
def test_prices_beyond_every_market_are_refused(ticks):
    engine = quiet()
    order, _ = send(engine, new(BUY, ticks, 1))
    assert (order.status, "not on the tick" in order.text) == (Status.REJECTED, True)
    stop, _ = send(engine, new(BUY, 1 << 40, 1, OrderType.STOP_LIMIT, stop=ticks))
    assert (stop.status, "stop price" in stop.text) == (Status.REJECTED, True)
    rests, _ = send(engine, new(BUY, 99, 1))
    engine.request_change(rests, NOW)
    engine.change(rests.number, 1, ticks * TICK, -1.0, NOW)
    assert "change refused" in rests.text
    assert rests.price_ticks == 99


def test_a_new_day_begins_with_nothing_traded_and_without_the_closed_orders_of_the_day_before():
    engine = Engine(
        BookMarket.of_clients([instrument(), instrument(symbol="WINFUT")], START_NS, 100 * TICK), [1, 2], "D-"
    )
    gone, _ = send(engine, new(BUY, 100, 5))
    kept, _ = send(engine, new(SELL, 100, 9, account=1, validity=Validity.GOOD_TILL_CANCEL))
    other, _ = send(engine, new(BUY, 100, 1, instrument=1, ticker="WINFUT", validity=9))
    unknown, _ = send(engine, new(BUY, 100, 1, instrument=-1, refusal="unknown ticker"))
    assert (engine.position(0, 0).bought, engine.position(1, 0).sold) == (5, 5)
    engine.set_state(0, TickerState.CLOSED, NOW)
    assert engine.position(0, 0).bought == 5, "the day's figures stand until the next one begins"
    assert set(engine.orders) == {gone.number, kept.number, other.number, unknown.number}
    events = engine.set_state(0, TickerState.OPENED, NOW + 1)
    told = [event for event in events if isinstance(event, Position)]
    assert [(each.net, each.bought, each.sold, each.bought_average, each.sold_average) for each in told] == [
        (-5, 0, 0, 0.0, 0.0), (5, 0, 0, 0.0, 0.0),
    ]  # fmt: skip
    assert told[1].average_price == 100 * TICK
    assert set(engine.orders) == {kept.number, other.number}, "the other instrument's day is not over"
    assert set(engine.by_text) == {kept.cl_order_id, other.cl_order_id}
    assert engine.cancel(gone.number, NOW + 1) == engine.change(gone.number, 1, 50.0, -1.0, NOW + 1) == []
    send(engine, new(BUY, 100, 3))
    assert (engine.position(0, 0).net, engine.position(0, 0).bought) == (8, 3)
    assert kept.leaves == 1
    engine.set_state(0, TickerState.FROZEN, NOW + 2)
    engine.set_state(0, TickerState.OPENED, NOW + 3)
    assert engine.position(0, 0).bought == 3, "a halt ends no day"


def test_an_order_that_expired_on_its_way_into_a_new_day_does_not_arrive():
    engine = quiet()
    number, _ = engine.receive(new(BUY, 99, 2), NOW)
    assert statuses(engine.set_state(0, TickerState.CLOSED, NOW)) == [Status.EXPIRED]
    engine.set_state(0, TickerState.OPENED, NOW)
    assert engine.place(number, NOW + 1) == []
    assert engine.open_orders(0, None) == []


def test_a_login_of_the_next_day_is_told_the_day_s_orders_only(open_exchange):
    exchange = open_exchange()
    client = exchange.client()
    client.order(1, 1, 4000.0, 1)
    client.wait_status(1, Status.PENDING_NEW, Status.NEW)
    engine = exchange.stage.engine
    for state in (TickerState.CLOSED, TickerState.OPENED):
        engine.set_state(0, state, engine.orders[1].update_ns if engine.orders else 0)
    assert exchange.client(key="other").of(protocol.ORDER) == []
