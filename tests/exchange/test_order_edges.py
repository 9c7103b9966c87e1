"""Orders and changes at the edges of what the engine holds: too early, too far."""

from __future__ import annotations

import pytest

from exchange.orders import Order
from profitdll.constants import OrderStatus as Status
from profitdll.constants import OrderType
from tests.exchange.kit import TICK
from tests.exchange.test_engine import BUY, NOW, new, quiet, send, statuses


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
