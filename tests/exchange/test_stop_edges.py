"""Stop-limits and the bands: the tunnel is asked when a stop is reached, and a stop that did its work stays a limit."""

from __future__ import annotations

import pytest

from exchange.book_market import BookMarket
from exchange.engine import Engine
from profitdll.constants import OrderStatus as Status
from profitdll.constants import OrderType
from tests.exchange.kit import START_NS, TICK, instrument
from tests.exchange.test_engine import BUY, NOW, SELL, new, send, statuses

STOP = OrderType.STOP_LIMIT


def clients(**spec) -> Engine:
    """Two accounts on an empty book around 100 ticks, last price 100."""
    market = BookMarket.of_clients([instrument(**spec)], START_NS, 100 * TICK)
    return Engine(market, [71, 72], "E-", "allow")


@pytest.mark.parametrize(("side", "stop", "limit"), [(SELL, 100, 90), (BUY, 100, 110)])
def test_a_stop_that_is_reached_at_entry_is_asked_by_the_tunnel(side, stop, limit):
    engine = clients(tunnel=4, band_unit="ticks")
    send(engine, new(BUY + SELL - side, limit, 1, account=1))
    order, _ = send(engine, new(side, limit, 1, STOP, stop=stop))
    assert (order.status, order.traded) == (Status.REJECTED, 0)
    assert "beyond the tunnel" in order.text
    within, _ = send(engine, new(side, stop + (4 if side == BUY else -4), 1, STOP, stop=stop))
    assert within.status == Status.NEW


def test_a_stop_that_triggers_with_its_limit_beyond_the_tunnel_is_cancelled_and_never_trades():
    engine = clients(tunnel=4, band_unit="ticks")
    far, _ = send(engine, new(SELL, 90, 1, STOP, stop=98))
    near, _ = send(engine, new(SELL, 94, 1, STOP, stop=98))
    assert [far.status, near.status] == [Status.NEW] * 2, "while it waits the tunnel may still move to it"
    bids = [send(engine, new(BUY, ticks, 1, account=1))[0] for ticks in (98, 95, 90)]
    _, events = send(engine, new(SELL, 98, 1, account=1))
    assert bids[0].status == Status.FILLED
    assert (far.status, far.traded) == (Status.CANCELED, 0)
    assert far.text.startswith("stop triggered: price 45 is beyond the tunnel's edge at 47")
    assert (near.status, near.value_ticks) == (Status.FILLED, 95)
    assert bids[2].status == Status.NEW
    assert statuses([event for event in events if getattr(event, "number", 0) == far.number]) == [
        Status.NEW,
        Status.CANCELED,
    ]
    assert far not in engine.open_orders(0, None)


@pytest.mark.parametrize("stop_after", [120, 101])
def test_a_stop_that_was_reached_at_entry_stays_a_limit_whatever_a_change_says_of_its_stop(stop_after):
    engine = clients()
    order, _ = send(engine, new(BUY, 100, 2, STOP, stop=99))
    assert (order.triggered, order.resting) == (True, True)
    engine.request_change(order, NOW)
    engine.change(order.number, 2, 120 * TICK, stop_after * TICK, NOW)
    assert (order.status, order.resting, order.price_ticks) == (Status.NEW, True, 120)
    send(engine, new(SELL, 120, 2, account=1))
    assert order.status == Status.FILLED
