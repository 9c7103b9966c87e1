"""What a client or a long day can send to the wire's ends, and that the exchange goes on."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

import exchange.server
from exchange import protocol
from exchange.faults.table import Reject
from profitdll.constants import OrderStatus as Status


@pytest.mark.parametrize("ticker", ["WDO\u20ac", b"\xff\xfeWDO", "\u20ac" * 5])
def test_a_ticker_that_is_not_ascii_is_refused_as_unknown_and_the_exchange_goes_on(open_exchange, ticker):
    exchange = open_exchange()
    client = exchange.client()
    client.order(1, 1, 5000.0, 1, ticker=ticker)
    client.wait_status(1, Status.PENDING_NEW, Status.REJECTED)
    assert bytes(client.last(1)["text"]).decode().startswith("unknown ticker")
    client.order(2, 1, 4000.0, 1)
    client.wait_status(2, Status.PENDING_NEW, Status.NEW)
    again = exchange.client(key="other")
    assert len(again.of(protocol.ORDER)) == 2, "a login is told it too"


def test_the_figures_of_a_day_stay_at_the_end_of_their_field(open_exchange):
    exchange = open_exchange()
    client = exchange.client()
    client.subscribe()
    exchange.stage.server.tell_daily(0, {"quantity": 1 << 33, "trades": 7, "volume": 1e30, "ts_ns": 1 << 40})
    exchange.until(lambda: client.has(protocol.DAILY), "the figures")
    told = client.of(protocol.DAILY)[-1]
    assert (told["quantity"], told["trades"], told["ts_ns"]) == (np.iinfo(np.int32).max, 7, 1 << 40)
    assert told["volume"] == 1e30


def test_connections_beyond_the_most_are_closed_and_the_others_stay(open_exchange, monkeypatch):
    monkeypatch.setattr(exchange.server, "MAX_SESSIONS", 2)
    opened = open_exchange()
    kept = [opened.client(key=key) for key in ("a", "b")]
    late = opened.client(login=False)
    opened.until(lambda: late.ended, "the end of the third connection")
    for client in kept:
        client.sync()
    kept[0].socket.close()
    opened.clients.remove(kept[0])
    opened.until(lambda: opened.counters["clients"] == 1, "the free place")
    assert opened.client(key="c").of(protocol.LOGIN_REPLY)[0]["code"] == 0


def test_a_fault_s_time_is_bounded():
    with pytest.raises(msgspec.ValidationError, match="1000000000"):
        msgspec.convert({"name": "reject", "after_s": 1e300}, Reject)
