"""The order faults: what each does to the messages about orders, and that nobody is misled for good."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import protocol
from exchange.faults.orders import SETTLE_NS, OrderPost
from exchange.faults.running import Running
from exchange.faults.table import DuplicateOrders, LateOrders, OutOfOrderOrders
from profitdll.constants import OrderStatus as Status
from tests.exchange.kit import SteppedExchange

QUARTER_S = SETTLE_NS / 1e9


@pytest.fixture
def running(open_exchange) -> SteppedExchange:
    exchange = open_exchange()
    exchange.started = True
    exchange.step()
    exchange.step(2.0)
    return exchange


def far_bid(exchange: SteppedExchange) -> float:
    return (exchange.stage.market.last_ticks(0) - 200) * 0.5


def test_slow_acknowledgement_delays_the_market_not_the_broker(running):
    client = running.client()
    running.fault("slow_acknowledgement", delay_ms=300.0, for_s=1.0)
    client.order(1, 1, far_bid(running), 1)
    client.wait_status(1, Status.PENDING_NEW)
    running.step(0.299)
    client.sync()
    assert client.statuses(1) == [Status.PENDING_NEW]
    running.step(0.001)
    client.wait_status(1, Status.PENDING_NEW, Status.NEW)
    running.step(1.0)
    client.order(2, 1, far_bid(running), 1)
    client.wait_status(2, Status.PENDING_NEW, Status.NEW)


def test_reject_strikes_the_next_new_orders_only(running):
    client = running.client()
    running.fault("reject", count=2, text="margin call")
    for local_id in (1, 2, 3):
        client.order(local_id, 1, far_bid(running), 1)
    for local_id in (1, 2):
        client.wait_status(local_id, Status.PENDING_NEW, Status.REJECTED)
        assert client.last(local_id)["text"] == b"margin call"
    client.wait_status(3, Status.PENDING_NEW, Status.NEW)


def test_duplicates_come_as_often_as_told_and_are_the_same(running):
    client = running.client()
    running.fault("duplicate_orders", count=2, times=3)
    client.order(1, 1, far_bid(running), 1)
    client.wait_status(1, *[Status.PENDING_NEW] * 3, *[Status.NEW] * 3)
    told = [order.tobytes() for order in client.of(protocol.ORDER)]
    assert len(set(told)) == 2
    client.order(2, 1, far_bid(running), 1)
    client.wait_status(2, Status.PENDING_NEW, Status.NEW)


def test_late_messages_come_after_their_time_and_the_newest_comes_last(running):
    client = running.client()
    running.fault("late_orders", count=1, delay_ms=400.0)
    client.order(1, 1, far_bid(running), 1)
    client.wait_status(1, Status.NEW)
    running.step(0.4)
    client.wait_status(1, Status.NEW, Status.PENDING_NEW)
    running.step(QUARTER_S)
    client.wait_status(1, Status.NEW, Status.PENDING_NEW, Status.NEW)


def test_out_of_order_messages_are_overtaken_by_the_next_one(running):
    client = running.client()
    running.fault("out_of_order_orders", count=1)
    client.order(1, 1, -1, 1, order_type=1)
    client.wait_status(1, Status.NEW, Status.PENDING_NEW, Status.FILLED)
    running.fault("out_of_order_orders", count=2)
    client.order(2, 1, far_bid(running), 1)
    client.wait_status(2, Status.NEW, Status.PENDING_NEW)
    running.step(QUARTER_S)
    client.wait_status(2, Status.NEW, Status.PENDING_NEW, Status.NEW)


def test_a_message_that_nothing_overtakes_is_only_late(running):
    client = running.client()
    client.order(1, 1, far_bid(running), 1)
    client.wait_status(1, Status.PENDING_NEW, Status.NEW)
    running.fault("out_of_order_orders", count=1)
    running.fault("slow_acknowledgement", delay_ms=1000.0)
    client.send(protocol.CANCEL_ORDER, cl_order_id=client.last(1)["cl_order_id"], password="paper")
    client.sync()
    assert client.statuses(1) == [Status.PENDING_NEW, Status.NEW]
    running.step(QUARTER_S)
    client.wait_status(1, Status.PENDING_NEW, Status.NEW, Status.PENDING_CANCEL)


def test_a_wrong_password_is_dropped_in_silence(running):
    client = running.client()
    running.fault("wrong_password", count=1)
    client.order(1, 1, far_bid(running), 1)
    client.order(2, 1, far_bid(running), 1)
    client.wait_status(2, Status.PENDING_NEW, Status.NEW)
    running.fault("wrong_password", count=1)
    client.send(protocol.CANCEL_ORDER, cl_order_id=client.last(2)["cl_order_id"], password="paper")
    client.sync()
    running.step(5.0)
    client.sync()
    assert client.statuses(1) == [Status.HADES_CREATED]
    assert client.statuses(2) == [Status.PENDING_NEW, Status.NEW]
    assert running.counters["wrong_passwords"] == 2


def test_a_library_fault_waits_for_a_session_with_routing(running):
    running.client(full=False)
    running.fault("details_failing", count=4, code="NL_WAITING_SERVER")
    client = running.client(full=True, key="other")
    running.until(lambda: client.has(protocol.FAULT), "the fault")
    (told,) = client.of(protocol.FAULT)
    assert (told["kind"], told["count"], told["code"]) == (protocol.FAULT_DETAILS, 4, -2147483644)
    assert not running.client(full=True, key="third").has(protocol.FAULT)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 400)), min_size=1, max_size=30), st.data())
def test_every_message_arrives_and_each_order_ends_with_its_newest(steps, data):
    """The twin: the set of what was put, and the last of each order."""
    faults, post = Running(), OrderPost()
    for kind in (DuplicateOrders(count=5), LateOrders(count=5, delay_ms=300.0), OutOfOrderOrders(count=5)):
        if data.draw(st.booleans()):
            faults.start(kind, 0)
    now_ns, sent, put = 0, [], []
    for number, (order, pause_ms) in enumerate(steps):
        now_ns += pause_ms * 1_000_000
        message = f"{order}{number}".encode()
        put.append(message)
        sent += post.due(now_ns)
        sent += post.put(order, message, faults, now_ns)
    while (due_ns := post.next_due_ns()) is not None:
        sent += post.due(due_ns)
    assert set(sent) == set(put)
    for order in (b"a", b"b"):
        of_order = [message for message in sent if message.startswith(order)]
        assert of_order[-1:] == [message for message in put if message.startswith(order)][-1:]
