"""Delays of a route, their order, and the three routes of the exchange on its wire."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Latency
from exchange import protocol
from exchange.latency import ORDER_ENTRY, REPORTS, BadLatency, Line, Route, read_delays
from profitdll.constants import OrderStatus as Status
from runtime.stage import Refusal
from tests.exchange.kit import SteppedExchange, config_of
from tests.exchange.test_server import far_bid, running


def test_constant_and_no_latency():
    assert Route(Latency(), 1, ORDER_ENTRY).immediate
    route = Route(Latency(ms=1.5), 1, ORDER_ENTRY)
    assert not route.immediate
    assert [route.arrival_ns(now) for now in (0, 10, 10)] == [1_500_000, 1_500_010, 1_500_010]


def test_lognormal_has_its_median_and_spread_and_is_seeded():
    spec = Latency(kind="lognormal", ms=2.0, sigma=0.4)
    delays = np.array([route.delay_ns() for route in [Route(spec, 7, REPORTS)] for _ in range(20_000)]) / 1e6
    assert np.median(delays) == pytest.approx(2.0, rel=0.02)
    assert np.log(delays).std() == pytest.approx(0.4, rel=0.02)
    assert delays.mean() == pytest.approx(2.0 * np.exp(0.08), rel=0.02)
    again, other = Route(spec, 7, REPORTS), Route(spec, 7, ORDER_ENTRY)
    first = [again.delay_ns() for _ in range(5)]
    assert first == [int(value) for value in np.rint(delays[:5] * 1e6)]
    assert first != [other.delay_ns() for _ in range(5)]


def test_replayed_delays_come_in_their_order_over_and_over(tmp_path):
    path = tmp_path / "delays.txt"
    path.write_text("# ms\n1\n\n0.25 # short\n3\n")
    route = Route(Latency(kind="replayed", file=str(path)), 1, REPORTS)
    assert [route.delay_ns() for _ in range(7)] == [
        1_000_000,
        250_000,
        3_000_000,
        1_000_000,
        250_000,
        3_000_000,
        1_000_000,
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [("1\nfast\n", "line 2"), ("-1\n", "not a delay"), ("inf", "not a delay"), ("# none\n", "no delay")],
)
def test_bad_files_are_named(tmp_path, text, why):
    path = tmp_path / "delays.txt"
    path.write_text(text)
    with pytest.raises(BadLatency, match=why):
        read_delays(path)
    with pytest.raises(BadLatency, match="cannot be read"):
        read_delays(tmp_path / "missing")


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=50), st.integers(0, 5))
def test_nothing_overtakes_and_everything_arrives(gaps, seed):
    line: Line[int] = Line(Route(Latency(kind="lognormal", ms=1.0, sigma=1.0), seed, REPORTS))
    now, out = 0, []
    for number, gap in enumerate(gaps):
        now += gap
        line.put(number, now)
        out += line.arrived(now)
    while (due := line.next_due_ns()) is not None:
        assert not line.arrived(due - 1)
        out += line.arrived(due)
    assert out == list(range(len(gaps)))


def test_one_connection_does_not_wait_for_another(tmp_path):
    path = tmp_path / "delays.txt"
    path.write_text("9\n1\n1\n")
    route = Route(Latency(kind="replayed", file=str(path)), 1, ORDER_ENTRY)
    assert [route.arrival_ns(0, connection) / 1e6 for connection in (1, 2, 1)] == [9, 1, 9]


def order_of(client) -> list[int]:
    return [int(order["status"]) for order in client.of(protocol.ORDER)]


def test_the_three_routes_add_up(open_exchange):
    exchange = running(
        open_exchange(order_latency=Latency(ms=30.0), report_latency=Latency(ms=20.0), market_latency=Latency(ms=40.0))
    )
    client = exchange.client()
    client.subscribe()
    client.order(1, 1, far_bid(exchange), 1)
    client.sync()
    assert order_of(client) == [], "the broker's word travels too"
    exchange.step(0.0205)
    client.sync()
    assert order_of(client) == [Status.PENDING_NEW]
    exchange.step(0.010)
    client.sync()
    assert exchange.stage.engine.orders[1].status == Status.NEW
    assert order_of(client) == [Status.PENDING_NEW]
    exchange.step(0.020)
    client.sync()
    assert order_of(client) == [Status.PENDING_NEW, Status.NEW]
    exchange.step(0.5)
    client.sync()
    seen = len(client.of(protocol.BOOK)) + len(client.of(protocol.TRADE))
    exchange.step(0.05)
    client.sync()
    assert len(client.of(protocol.BOOK)) + len(client.of(protocol.TRADE)) > seen


def test_who_logs_in_later_is_not_told_the_past_again(open_exchange):
    exchange = running(open_exchange(report_latency=Latency(ms=100.0)))
    first = exchange.client()
    first.order(1, 1, far_bid(exchange), 1)
    first.sync()
    late = exchange.client(key="late")
    assert order_of(late) == [Status.NEW]
    exchange.step(0.2)
    late.sync()
    assert order_of(late) == [Status.NEW]
    exchange.until(lambda: order_of(first) == [Status.PENDING_NEW, Status.NEW], "the reports")


def test_a_missing_file_refuses_the_start(tmp_path):
    spec = Latency(kind="replayed", file=str(tmp_path / "none.txt"))
    with pytest.raises(Refusal, match="cannot be read"):
        SteppedExchange(config_of(market_latency=spec)).open()
