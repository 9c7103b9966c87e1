"""The whole exchange through its sockets, on a manual clock: start, tape, sessions, counters, waiting."""

from __future__ import annotations

import threading
import time

import pytest

from exchange import protocol
from profitdll.constants import OrderStatus as Status
from profitdll.constants import TickerState
from runtime.stage import Refusal
from tape.format import TapeHeader, TapeInstrument
from tape.writer import TapeWriter
from tests.exchange.kit import SECOND_NS, START_NS, SteppedExchange, TapeRows, config_of, instrument

UTC_DAY = {"timezone": "UTC", "session_open": "00:00", "session_close": "24:00"}


def write_tape(folder, rows: TapeRows, *symbols: str, tick: float = 0.5) -> str:
    header = TapeHeader(
        instruments=tuple(TapeInstrument(symbol=symbol, tick=tick) for symbol in symbols or ("WDOFUT",)),
        origin={"source": "test"},
    )
    trades, book = rows.arrays()
    with TapeWriter.create(folder, header) as writer:
        writer.append("trades", trades)
        writer.append("book", book)
    return str(folder)


def two_seconds() -> TapeRows:
    rows = TapeRows().book(0, [(100, 10)], [(101, 8)])
    return rows.trade(0.5, 101, 1, trade_type=2).trade(1, 99, 3).book(2, [(99, 4)], [(101, 8)])


def test_login_tells_instruments_accounts_and_the_frozen_clock(open_exchange):
    exchange = open_exchange()
    client = exchange.client()
    kinds = [kind for kind, _ in client.messages]
    assert kinds == [protocol.LOGIN_REPLY, protocol.INSTRUMENT, protocol.CLOCK, protocol.ACCOUNT, protocol.LOGIN_DONE]
    assert client.of(protocol.INSTRUMENT)[0]["ticker"] == b"WDOFUT"
    assert client.of(protocol.ACCOUNT)[0]["account"] == b"paper"
    clock = client.of(protocol.CLOCK)[0]
    assert clock["running"] == 0
    assert clock["market_ns"] == exchange.stage.market.first_ns - SECOND_NS


def test_market_starts_one_second_after_the_word_and_is_delivered(open_exchange):
    exchange = open_exchange()
    client = exchange.client(full=False)
    client.subscribe()
    exchange.step(10.0)
    client.sync()
    assert not client.of(protocol.BOOK), "the market must stand still before it is started"
    exchange.started = True
    exchange.step()
    exchange.step(0.999)
    client.sync()
    assert client.of(protocol.CLOCK)[-1]["running"] == 1
    assert not client.of(protocol.BOOK)
    exchange.step(0.002)
    exchange.step(5.0)
    client.sync()
    assert len(client.of(protocol.BOOK)) == exchange.counters["books"] > 50
    assert len(client.of(protocol.TRADE)) == exchange.counters["trades"] > 10
    assert exchange.counters["market_events"] == exchange.counters["trades"] + exchange.counters["books"]
    assert exchange.counters["undelivered_events"] == 0
    assert client.of(protocol.BOOK)[0]["ts_ns"] == exchange.stage.market.first_ns


def test_order_fill_position_and_zero_position(open_exchange):
    exchange = open_exchange()
    client = exchange.client()
    exchange.started = True
    exchange.step()
    exchange.step(2.0)
    client.order(7, 1, -1.0, 2, order_type=1)
    exchange.until(lambda: client.statuses(7)[-1:] == [Status.FILLED], "the fill")
    assert client.statuses(7)[:2] == [Status.PENDING_NEW, Status.NEW]
    assert client.last(7)["average_price"] > 0
    position = client.of(protocol.POSITION)[-1]
    assert (position["open_quantity"], position["open_side"]) == (2, 1)
    assert exchange.counters["net_position_0"] == 2
    close = {"account": "paper", "password": "paper", "ticker": "WDOFUT", "exchange": "F", "price": -1}
    client.send(protocol.ZERO_POSITION, local_id=8, **close)
    exchange.until(lambda: client.statuses(8)[-1:] == [Status.FILLED], "the closing fill")
    assert client.of(protocol.POSITION)[-1]["open_side"] == 0
    assert exchange.counters["net_position_0"] == 0
    client.send(protocol.ZERO_POSITION, local_id=9, **close)
    client.wait_status(9, Status.PENDING_NEW, Status.REJECTED)
    assert client.last(9)["text"] == b"there is no open position"
    assert exchange.counters["orders"] == 3


@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_tape_is_played_at_its_speed_and_its_end_is_told(open_exchange, tmp_path, speed):
    folder = write_tape(tmp_path / "tape", two_seconds())
    exchange = open_exchange(instrument(**UTC_DAY), tape=folder, speed=speed)
    client = exchange.client()
    client.subscribe()
    assert client.of(protocol.CLOCK)[0]["market_ns"] == START_NS - int(speed * SECOND_NS)
    exchange.started = True
    exchange.step()
    exchange.step(1.0 + 0.4 / speed)
    assert exchange.counters["market_events"] == 1
    client.order(1, 1, 50.0, 2)
    client.wait_status(1, Status.PENDING_NEW, Status.NEW)
    exchange.step(0.2 / speed)
    assert exchange.counters["market_events"] == 2
    exchange.step(0.4 / speed)
    client.wait_status(1, Status.PENDING_NEW, Status.NEW, Status.FILLED)
    assert client.last(1)["update_ns"] == START_NS + SECOND_NS
    assert exchange.counters["tape_ended"] == 0
    exchange.step(1.1 / speed)
    client.sync()
    assert exchange.counters["tape_ended"] == 1
    assert exchange.counters["market_events"] == 4
    assert [int(trade["number"]) for trade in client.of(protocol.TRADE)] == [1, 2]


def test_order_that_arrives_with_the_events_of_one_turn_sees_the_market_as_it_is_by_then(open_exchange, tmp_path):
    folder = write_tape(tmp_path / "tape", two_seconds())
    exchange = open_exchange(instrument(**UTC_DAY), tape=folder)
    client = exchange.client()
    exchange.started = True
    exchange.step()
    client.order(1, 1, 50.5, 1, validity=3)
    exchange.clock.advance(SECOND_NS * 3)
    exchange.until(lambda: bool(client.statuses(1)), "the order")
    client.wait_status(1, Status.PENDING_NEW, Status.NEW, Status.FILLED)


def test_tape_that_does_not_fit_is_refused_with_the_mend(tmp_path):
    folder = write_tape(tmp_path / "tape", two_seconds())
    for spec, tape, why in (
        (instrument(symbol="WINFUT"), folder, "has no WINFUT, it has WDOFUT"),
        (instrument(tick=1.0), folder, r"tick 1\.0 in the configuration and 0\.5"),
        (instrument(), str(tmp_path / "nothing"), "nothing"),
    ):
        exchange = SteppedExchange(config_of(spec, tape=tape))
        with pytest.raises(Refusal, match=why):
            exchange.open()
        exchange.stage.on_close()


def test_only_the_configured_instruments_of_a_tape_are_played(open_exchange, tmp_path):
    rows = two_seconds().trade(3, 500, 1, symbol=1).trade(4, 501, 1, symbol=1)
    folder = write_tape(tmp_path / "tape", rows, "WDOFUT", "WINFUT")
    exchange = open_exchange(instrument(symbol="WINFUT", **UTC_DAY), tape=folder)
    client = exchange.client(full=False)
    client.subscribe("WINFUT")
    exchange.started = True
    exchange.step()
    exchange.step(10.0)
    client.sync()
    assert [float(trade["price"]) for trade in client.of(protocol.TRADE)] == [250.0, 250.5]


def test_session_close_expires_day_orders_and_tells_the_state(open_exchange):
    exchange = open_exchange(instrument(session_close="10:01", session_open="10:03"), start_time="10:00", speed=60.0)
    client = exchange.client()
    exchange.started = True
    exchange.step()
    exchange.step(1.5)
    price = (exchange.stage.market.last_ticks(0) - 200) * 0.5
    client.order(1, 1, price, 1)
    client.order(2, 1, price, 1, validity=1)
    client.wait_status(2, Status.PENDING_NEW, Status.NEW)
    exchange.step(1.0)
    client.wait_status(1, Status.PENDING_NEW, Status.NEW, Status.EXPIRED)
    assert [int(each["state"]) for each in client.of(protocol.TICKER_STATE)] == [TickerState.CLOSED]
    assert exchange.counters["tape_ended"] == 1
    client.order(3, 1, price, 1)
    client.wait_status(3, Status.PENDING_NEW, Status.REJECTED)
    late = exchange.client(key="late")
    assert late.of(protocol.INSTRUMENT)[0]["state"] == TickerState.CLOSED
    exchange.step(2.0)
    client.sync()
    assert [int(each["state"]) for each in client.of(protocol.TICKER_STATE)] == [TickerState.CLOSED, TickerState.OPENED]
    assert client.statuses(2) == [Status.PENDING_NEW, Status.NEW]


def test_wait_ends_when_a_socket_speaks_and_when_its_time_is_over(open_exchange):
    exchange = open_exchange()
    client = exchange.client()
    begin = time.monotonic()
    exchange.stage.wait(30_000_000)
    assert time.monotonic() - begin > 0.02
    later = threading.Timer(0.05, lambda: client.order(1, 1, 5000.0, 1))
    later.start()
    give_up = time.monotonic() + 20
    while not exchange.stage.server.tally.orders and time.monotonic() < give_up:
        exchange.stage.wait(5_000_000_000)
    later.join()
    assert exchange.counters["orders"] == 1


def test_every_counter_of_the_contract_is_there(open_exchange):
    exchange = open_exchange(instrument(), instrument(symbol="WINFUT", tick=5.0))
    assert {
        "market_events", "trades", "books", "clients", "orders", "fills", "undelivered_events", "net_position_0",
        "net_position_1", "tape_ended", "port",
    } <= set(exchange.counters)  # fmt: skip
    assert exchange.counters["port"] > 0
