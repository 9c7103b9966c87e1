"""The order faults as a program behind the library meets them.

How a test switches one on: `live.exchange.fault("reject", count=2)`, or `stage.server.begin(Reject(count=2))`; in a run
a scenario file or `supervisor.py exchange fault reject count=2` does the same.
"""

from __future__ import annotations

import pytest

from profitdll.constants import OrderStatus, OrderType, Side
from profitdll.errors import DllError
from profitdll.routing import Routing
from tests.profitsim.exchange_rig import ACCOUNT, ExchangeRig


@pytest.fixture
def trading(live: ExchangeRig) -> tuple[ExchangeRig, Routing]:
    live.connect_to_exchange(full=True)
    live.start_market()
    return live, Routing(live.library, "paper")


def bid(rig: ExchangeRig, routing: Routing) -> int:
    price = (rig.exchange.stage.market.last_ticks(0) - 200) * 0.5
    return routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 1, price)


def statuses(rig: ExchangeRig, routing: Routing, local_id: int, count: int) -> list[int]:
    """What GetOrderDetails says at each step, until `count` callbacks have come."""
    seen: list[int] = []

    def look() -> bool:
        status = routing.order_details(local_id=local_id).status
        if status != OrderStatus.CLIENT_CREATED and seen[-1:] != [status]:
            seen.append(status)
        return len(rig.heard.of("order")) >= count

    rig.exchange.until(look, f"{count} callbacks, heard {rig.heard.of('order')}")
    return seen


@pytest.mark.parametrize("code", ["NL_INTERNAL_ERROR", "NL_WAITING_SERVER", "NL_NOT_FOUND"])
def test_details_fail_as_often_as_told(trading: tuple[ExchangeRig, Routing], code: str) -> None:
    rig, routing = trading
    local_id = bid(rig, routing)
    rig.exchange.until(lambda: len(rig.heard.of("order")) == 2, "the order's callbacks")
    rig.exchange.fault("details_failing", count=3, code=code)
    rig.exchange.fault("duplicate_orders", count=1)  # something that comes behind the fault
    second = bid(rig, routing)
    rig.exchange.until(lambda: len(rig.heard.of("order")) == 5, "the second order's callbacks")
    for _ in range(3):
        with pytest.raises(DllError) as failed:
            routing.order_details(local_id=local_id)
        assert failed.value.name == code
    assert routing.order_details(local_id=local_id).status == OrderStatus.NEW
    assert routing.order_details(local_id=second).status == OrderStatus.NEW


def test_duplicates_are_callbacks_about_the_same(trading: tuple[ExchangeRig, Routing]) -> None:
    rig, routing = trading
    rig.exchange.fault("duplicate_orders", count=2, times=4)
    local_id = bid(rig, routing)
    rig.exchange.until(lambda: len(rig.heard.of("order")) == 8, "eight callbacks")
    assert {event[0] for event in rig.heard.of("order")} == {local_id}
    assert routing.order_details(local_id=local_id).status == OrderStatus.NEW


def test_details_go_back_and_come_right_when_messages_are_out_of_order(trading: tuple[ExchangeRig, Routing]) -> None:
    rig, routing = trading
    rig.exchange.fault("out_of_order_orders", count=1)
    local_id = bid(rig, routing)
    statuses(rig, routing, local_id, 2)
    assert routing.order_details(local_id=local_id).status == OrderStatus.PENDING_NEW, "the older message came last"
    rig.exchange.step(0.3)
    statuses(rig, routing, local_id, 3)
    assert routing.order_details(local_id=local_id).status == OrderStatus.NEW


def test_an_order_can_be_filled_before_it_is_acknowledged(trading: tuple[ExchangeRig, Routing]) -> None:
    rig, routing = trading
    rig.exchange.fault("late_orders", count=2, delay_ms=500.0)
    local_id = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.MARKET, 1)
    rig.exchange.until(lambda: routing.order_details(local_id=local_id).status == OrderStatus.FILLED, "the fill")
    assert len(rig.heard.of("order")) == 1
    rig.exchange.step(0.5)
    statuses(rig, routing, local_id, 3)
    rig.exchange.step(0.3)
    statuses(rig, routing, local_id, 4)
    assert routing.order_details(local_id=local_id).status == OrderStatus.FILLED
    assert routing.position(ACCOUNT, "WDOFUT", "F").signed_quantity == 1


def test_a_slow_exchange_leaves_an_order_pending(trading: tuple[ExchangeRig, Routing]) -> None:
    rig, routing = trading
    rig.exchange.fault("slow_acknowledgement", delay_ms=800.0)
    local_id = bid(rig, routing)
    assert statuses(rig, routing, local_id, 1)[-1] == OrderStatus.PENDING_NEW
    rig.exchange.step(0.8)
    assert statuses(rig, routing, local_id, 2)[-1] == OrderStatus.NEW


def test_a_rejection_brings_its_reason(trading: tuple[ExchangeRig, Routing]) -> None:
    rig, routing = trading
    rig.exchange.fault("reject", text="no margin")
    local_id = bid(rig, routing)
    statuses(rig, routing, local_id, 2)
    details = routing.order_details(local_id=local_id)
    assert (details.status, details.text) == (OrderStatus.REJECTED, "no margin")


def test_a_wrong_password_is_silence_after_created(trading: tuple[ExchangeRig, Routing]) -> None:
    rig, routing = trading
    rig.exchange.fault("wrong_password")
    local_id = bid(rig, routing)
    statuses(rig, routing, local_id, 1)
    rig.exchange.step(5.0)
    other = bid(rig, routing)
    rig.exchange.until(lambda: len(rig.heard.of("order")) == 3, "the other order's callbacks")
    assert routing.order_details(local_id=local_id).status == OrderStatus.HADES_CREATED
    assert routing.order_details(local_id=other).status == OrderStatus.NEW
