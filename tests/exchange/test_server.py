"""The wire's rules: who may log in, what each client is told, and that no client can hurt another."""

from __future__ import annotations

import socket

import numpy as np
import pytest

import exchange.connection
from exchange import protocol
from exchange.listener import PortTaken, listen
from profitdll.constants import NL_CODES
from profitdll.constants import OrderStatus as Status
from runtime.stage import Refusal
from tests.exchange.kit import SECOND_NS, SteppedExchange, config_of, instrument


def running(exchange: SteppedExchange, seconds: float = 2.0) -> SteppedExchange:
    exchange.started = True
    exchange.step()
    exchange.step(seconds)
    return exchange


def far_bid(exchange: SteppedExchange) -> float:
    """A price at which a bid rests for long."""
    return (exchange.stage.market.last_ticks(0) - 200) * 0.5


def test_logins_that_are_refused(open_exchange):
    exchange = open_exchange()
    for fields, code in (({"password": "guess"}, 2), ({"key": ""}, 1)):
        client = exchange.client(**fields)
        assert [int(reply["code"]) for reply in client.of(protocol.LOGIN_REPLY)] == [code]
        exchange.until(lambda client=client: client.ended, "the end of the connection")
        assert not client.has(protocol.INSTRUMENT)
    assert exchange.counters["refused_logins"] == 2
    assert exchange.counters["clients"] == 0


def test_one_market_and_one_full_session_per_key(open_exchange):
    exchange = open_exchange()
    full = exchange.client(full=True)
    exchange.client(full=False)
    assert exchange.counters["clients"] == 2
    again = exchange.client(full=True)
    assert again.of(protocol.LOGIN_REPLY)[0]["code"] == 200
    assert exchange.client(full=True, key="other").of(protocol.LOGIN_REPLY)[0]["code"] == 0
    full.socket.close()
    exchange.clients.remove(full)
    assert exchange.client(full=True).of(protocol.LOGIN_REPLY)[0]["code"] == 0, "the key of a dead session is free"


def test_password_comes_from_the_environment(open_exchange, monkeypatch):
    monkeypatch.setenv("QT_DLL_PASSWORD", "secret")
    monkeypatch.setenv("QT_DLL_ROUTING_PASSWORD", "routing")
    exchange = open_exchange()
    assert exchange.client(password="paper").of(protocol.LOGIN_REPLY)[0]["code"] == 2
    client = exchange.client(password="secret")
    client.order(1, 1, 5000.0, 1, password="routing")
    client.wait_status(1, Status.PENDING_NEW, Status.NEW)


def test_wrong_routing_password_drops_the_order_after_201(open_exchange):
    exchange = running(open_exchange())
    client = exchange.client()
    client.order(4, 1, far_bid(exchange), 1, password="wrong")
    client.order(5, 1, far_bid(exchange), 1)
    client.wait_status(5, Status.PENDING_NEW, Status.NEW)
    assert client.statuses(4) == [Status.HADES_CREATED]
    order = client.last(5)["cl_order_id"]
    client.send(protocol.CANCEL_ORDER, cl_order_id=order, password="wrong")
    client.send(protocol.CANCEL_ALL, account="paper", password="wrong")
    client.send(protocol.CANCEL_ORDER, cl_order_id=b"nobody", password="paper")
    exchange.until(lambda: exchange.counters["unknown_orders"] == 1, "the unknown order")
    assert exchange.counters["wrong_passwords"] == 3
    assert client.statuses(5) == [Status.PENDING_NEW, Status.NEW]
    late = exchange.client(key="other")
    assert [bytes(each["cl_order_id"]) for each in late.of(protocol.ORDER)] == [bytes(order)]


def test_order_of_an_unknown_account_is_counted_and_goes_nowhere(open_exchange):
    exchange = running(open_exchange())
    client = exchange.client()
    client.order(1, 1, far_bid(exchange), 1, account="stranger")
    client.order(2, 1, far_bid(exchange), 1, broker=99)
    exchange.until(lambda: exchange.counters["unknown_orders"] == 2, "the count")
    assert not client.has(protocol.ORDER)


def test_cancel_change_and_cancel_all(open_exchange):
    exchange = running(open_exchange())
    client = exchange.client()
    price = far_bid(exchange)
    for local_id in (1, 2, 3):
        client.order(local_id, 1, price, 2)
        client.wait_status(local_id, Status.PENDING_NEW, Status.NEW)
    client.send(
        protocol.CHANGE_ORDER, cl_order_id=client.last(1)["cl_order_id"], password="paper", price=price - 1, quantity=5,
        stop_price=-1,
    )  # fmt: skip
    client.wait_status(1, Status.PENDING_NEW, Status.NEW, Status.PENDING_REPLACE, Status.REPLACED, Status.NEW)
    assert (client.last(1)["price"], client.last(1)["leaves_quantity"]) == (price - 1, 5)
    client.send(protocol.CANCEL_ORDER, cl_order_id=client.last(2)["cl_order_id"], password="paper")
    client.wait_status(2, Status.PENDING_NEW, Status.NEW, Status.PENDING_CANCEL, Status.CANCELED)
    client.send(protocol.CANCEL_ALL, account="paper", password="paper")
    exchange.until(lambda: client.statuses(1)[-1] == client.statuses(3)[-1] == Status.CANCELED, "all canceled")
    assert client.last(3)["close_ns"] > 0


def test_acknowledgement_comes_after_the_latency_in_real_time(open_exchange):
    exchange = running(open_exchange(ack_latency_ms=50.0, speed=10.0))
    client = exchange.client()
    client.order(1, 1, far_bid(exchange), 1)
    client.wait_status(1, Status.PENDING_NEW)
    exchange.step(0.049)
    client.sync()
    assert client.statuses(1) == [Status.PENDING_NEW]
    exchange.step(0.001)
    client.wait_status(1, Status.PENDING_NEW, Status.NEW)
    assert client.last(1)["update_ns"] - client.last(1)["date_ns"] == 500_000_000


def test_orders_outlive_their_client_and_are_told_again_without_its_local_id(open_exchange):
    exchange = running(open_exchange())
    client = exchange.client()
    client.order(9, 1, far_bid(exchange), 3)
    client.wait_status(9, Status.PENDING_NEW, Status.NEW)
    client.order(10, 1, -1, 1, order_type=1)
    exchange.until(lambda: client.has(protocol.POSITION), "the position")
    identity = client.last(9)["cl_order_id"]
    client.socket.close()
    exchange.clients.remove(client)
    back = exchange.client()
    orders = {bytes(order["cl_order_id"]): order for order in back.of(protocol.ORDER)}
    assert len(orders) == len(back.of(protocol.ORDER)) == 2
    order = orders[bytes(identity)]
    assert (order["status"], order["leaves_quantity"], order["own"], order["local_id"]) == (Status.NEW, 3, 0, 0)
    assert len(back.of(protocol.POSITION)) == 1
    done = back.of(protocol.LOGIN_DONE)[0]
    assert (done["orders"], done["positions"]) == (2, 1)
    back.send(protocol.CANCEL_ORDER, cl_order_id=identity, password="paper")
    exchange.until(lambda: back.of(protocol.ORDER)[-1]["status"] == Status.CANCELED, "the cancel")


def test_other_full_clients_are_told_but_the_order_is_not_theirs(open_exchange):
    exchange = running(open_exchange())
    mine, other, market = exchange.client(), exchange.client(key="other"), exchange.client(full=False)
    mine.order(3, 1, far_bid(exchange), 1)
    exchange.until(lambda: other.has(protocol.ORDER, 2), "the order's way to the other client")
    assert [int(order["own"]) for order in other.of(protocol.ORDER)] == [0, 0]
    assert [int(order["local_id"]) for order in other.of(protocol.ORDER)] == [0, 0]
    assert not market.has(protocol.ORDER)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (np.array((8, 1, 1), protocol.HEADER).tobytes(), "must have"),
        (np.array((0, 1, 1), protocol.HEADER).tobytes(), "must have"),
        (np.array((1 << 31, 1, 1), protocol.HEADER).tobytes(), "must have"),
        (np.array((16, 999, 1), protocol.HEADER).tobytes(), "none that a client sends"),
        (np.array((16, protocol.TRADE, 1), protocol.HEADER).tobytes(), "none that a client sends"),
        (np.array((176, 1, 7), protocol.HEADER).tobytes(), "wire version 7"),
        (protocol.frame(protocol.CANCEL_ALL), "before the login"),
        (b"GET / HTTP/1.1\r\n\r\n", "wire version"),
    ],
)
def test_bad_frame_ends_that_client_only(open_exchange, caplog, data, why):
    exchange = running(open_exchange())
    good = exchange.client()
    bad = exchange.client(login=False)
    with caplog.at_level("WARNING"):
        bad.socket.sendall(data)
        exchange.until(lambda: bad.ended, "the end of the bad client")
    assert why in caplog.text
    assert exchange.counters["bad_frames"] == 1
    good.order(1, 1, far_bid(exchange), 1)
    good.wait_status(1, Status.PENDING_NEW, Status.NEW)


def test_order_on_a_market_session_and_a_second_login_are_bad_frames(open_exchange):
    exchange = open_exchange()
    market = exchange.client(full=False)
    market.order(1, 1, 5000.0, 1)
    exchange.until(lambda: market.ended, "the end of the market client")
    full = exchange.client()
    full.send(protocol.LOGIN, key="key", user="user", password="paper", full=1)
    exchange.until(lambda: full.ended, "the end of the full client")
    assert exchange.counters["bad_frames"] == 2


def test_half_a_frame_waits_for_its_other_half(open_exchange):
    exchange = open_exchange()
    client = exchange.client(login=False)
    data = protocol.frame(protocol.LOGIN, key="key", user="user", password="paper")
    for part in (data[:5], data[5:40], data[40:]):
        assert not client.has(protocol.LOGIN_REPLY)
        client.socket.sendall(part)
        exchange.step()
    exchange.until(lambda: client.has(protocol.LOGIN_DONE), "the login")


def test_slow_client_is_dropped_and_the_others_get_everything(open_exchange, monkeypatch):
    monkeypatch.setattr(exchange.connection, "OUT_LIMIT", 1 << 20)
    stepped = open_exchange(trades_per_s=200.0)
    slow, good = stepped.client(full=False, key="slow"), stepped.client(full=False, key="good")
    slow.subscribe()
    good.subscribe()
    stepped.clients.remove(slow)  # it never reads again
    running(stepped, 1.0)
    for _ in range(200):
        stepped.step(0.2)
        stepped.until(lambda: len(good.of(protocol.BOOK)) == stepped.counters["books"], "every book")
        if stepped.counters["slow_clients"]:
            break
    assert stepped.counters["slow_clients"] == 1
    assert stepped.counters["clients"] == 1
    assert len(good.of(protocol.TRADE)) == stepped.counters["trades"]
    slow.socket.close()


def test_subscriptions_choose_kind_and_end(open_exchange):
    exchange = running(open_exchange())
    client = exchange.client(full=False)
    client.send(protocol.SUBSCRIBE, ticker="WDOFUT", exchange="F", trades=1, on=1)
    client.send(protocol.SUBSCRIBE, ticker="NOBODY", exchange="F", trades=1, on=1)
    client.sync()
    exchange.step(3.0)
    exchange.until(lambda: client.has(protocol.TRADE), "trades")
    assert not client.has(protocol.BOOK)
    client.send(protocol.SUBSCRIBE, ticker="WDOFUT", exchange="F", trades=1, on=0)
    client.sync()
    count = len(client.of(protocol.TRADE))
    exchange.step(3.0)
    client.sync()
    assert len(client.of(protocol.TRADE)) == count


def test_events_nobody_was_there_for_are_counted_once_somebody_had_subscribed(open_exchange):
    exchange = running(open_exchange())
    assert exchange.counters["market_events"] > 0
    assert exchange.counters["undelivered_events"] == 0, "nobody has subscribed yet"
    client = exchange.client(full=False)
    client.subscribe()
    exchange.step(1.0)
    client.sync()
    assert exchange.counters["undelivered_events"] == 0
    got, played = len(client.of(protocol.TRADE)) + len(client.of(protocol.BOOK)), exchange.counters["market_events"]
    client.socket.close()
    exchange.clients.remove(client)
    exchange.until(lambda: exchange.counters["clients"] == 0, "the client's end")
    exchange.step(2.0)
    missed = exchange.counters["undelivered_events"]
    assert missed == exchange.counters["market_events"] - played > 0
    back = exchange.client(full=False)
    back.subscribe()
    exchange.step(1.0)
    assert exchange.counters["undelivered_events"] == missed
    assert got > 0


def test_dated_contract_is_listed_beside_the_continuous_name(open_exchange):
    exchange = running(open_exchange(instrument(order_symbol="WDOZ26")))
    client = exchange.client()
    names = [(int(each["index"]), bytes(each["ticker"])) for each in client.of(protocol.INSTRUMENT)]
    assert names == [(0, b"WDOFUT"), (1, b"WDOZ26")]
    client.subscribe("WDOZ26")
    exchange.step(2.0)
    exchange.until(lambda: client.has(protocol.BOOK), "books")
    assert {int(book["index"]) for book in client.of(protocol.BOOK)} == {1}
    client.order(1, 1, far_bid(exchange), 1)
    client.wait_status(1, Status.PENDING_NEW, Status.REJECTED)
    assert b"orders name WDOZ26" in client.last(1)["text"]
    client.order(2, 1, -1, 1, order_type=1, ticker="WDOZ26")
    exchange.until(lambda: client.has(protocol.POSITION), "the position")
    assert client.of(protocol.POSITION)[-1]["ticker"] == b"WDOZ26"
    client.order(3, 1, -1, 1, order_type=1, ticker="NOBODY")
    client.wait_status(3, Status.PENDING_NEW, Status.REJECTED)


def test_history_comes_whole_and_says_its_end(open_exchange):
    exchange = running(open_exchange())
    client = exchange.client(full=False)
    start = exchange.stage.market.first_ns
    client.send(
        protocol.HISTORY, ticker="WDOFUT", exchange="F", request=3, from_ns=start - 200 * 60 * SECOND_NS, to_ns=start
    )
    exchange.until(lambda: client.has(protocol.HISTORY_END), "the end of the history")
    end, trades = client.of(protocol.HISTORY_END)[0], client.of(protocol.HISTORY_TRADE)
    assert (end["request"], end["code"], end["trades"]) == (3, 0, len(trades))
    assert len(trades) == 200 * 12
    assert {int(trade["request"]) for trade in trades} == {3}
    assert [int(trade["flags"]) for trade in trades] == [0] * (len(trades) - 1) + [2]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ticker": "NOBODY"}, NL_CODES["NL_INVALID_TICKER"]),
        ({"from_ns": 0, "to_ns": 11 * 86_400 * SECOND_NS}, NL_CODES["NL_OUT_OF_RANGE"]),
        ({"from_ns": 9, "to_ns": 8}, NL_CODES["NL_OUT_OF_RANGE"]),
        ({"from_ns": 1, "to_ns": 2}, 0),
    ],
)
def test_history_without_trades(open_exchange, fields, code):
    exchange = open_exchange()
    client = exchange.client(full=False)
    client.send(protocol.HISTORY, **({"ticker": "WDOFUT", "exchange": "F", "request": 1, "to_ns": 9} | fields))
    exchange.until(lambda: client.has(protocol.HISTORY_END), "the end of the history")
    assert client.of(protocol.HISTORY_END)[0]["code"] == code
    assert not client.has(protocol.HISTORY_TRADE)


def test_port_taken_names_the_port_and_the_mend():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"port {port} .*exchange\.port"):
            listen(port)
        exchange = SteppedExchange(config_of(port=port))
        with pytest.raises(Refusal, match=rf"port {port} "):
            exchange.open()
        exchange.stage.on_close()


def test_fixed_port_is_taken(open_exchange):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    exchange = open_exchange(port=port)
    assert exchange.counters["port"] == port
