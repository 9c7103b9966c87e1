"""The faults of connection, market data and history as a client on the wire meets them."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import protocol
from exchange.faults.running import Running
from exchange.faults.stream import Flicker, heard, struck
from exchange.faults.table import AuctionLevels, EditedTrades, FeedSilent, ZeroTrades
from exchange.frames import book_frames, trade_frames
from exchange.market import KIND_BOOK, KIND_TRADE, Batch
from tests.exchange.kit import SECOND_NS, Client, SteppedExchange


@pytest.fixture
def playing(open_exchange) -> tuple[SteppedExchange, Client]:
    exchange = open_exchange()
    exchange.started = True
    client = exchange.client(full=False)
    client.subscribe()
    exchange.step()
    exchange.step(3.0)
    client.sync()
    assert client.has(protocol.TRADE) and client.has(protocol.BOOK)
    return exchange, client


def history_of(exchange: SteppedExchange, client: Client) -> tuple[list[np.void], int]:
    """Trades and code of a history request over the last hour."""
    client.messages.clear()
    now_ns = exchange.stage.market.first_ns
    client.send(
        protocol.HISTORY, ticker="WDOFUT", exchange="F", request=9, from_ns=now_ns - 3600 * SECOND_NS, to_ns=now_ns
    )
    exchange.until(lambda: client.has(protocol.HISTORY_END), "the end of the history")
    return client.of(protocol.HISTORY_TRADE), int(client.of(protocol.HISTORY_END)[0]["code"])


def batch_of(kinds: list[int]) -> Batch:
    trades, books = trade_frames(kinds.count(KIND_TRADE)), book_frames(kinds.count(KIND_BOOK))
    trades["body"]["number"] = np.arange(1, len(trades) + 1)
    trades["body"]["price"], trades["body"]["quantity"], trades["body"]["ts_ns"] = 10.0, 3, 77
    books["body"]["bid_price"][:, :2], books["body"]["ask_price"][:, :2] = (9.5, 9.0), (10.0, 10.5)
    books["body"]["bid_quantity"][:, :2], books["body"]["ask_quantity"][:, :2] = (4, 5), (6, 7)
    return Batch(np.array(kinds, np.uint8), np.zeros(len(kinds), np.int32), trades, books, (), 77)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([KIND_TRADE, KIND_BOOK]), max_size=20), st.integers(1, 4), st.integers(1, 5))
def test_each_edit_stands_directly_behind_its_trade(kinds, every, count):
    """The twin: a list walked event by event."""
    faults = Running()
    faults.start(EditedTrades(every=every, count=count), 0)
    before = batch_of(kinds)
    after = struck(before, faults, [0.5])
    expected, number, edits = [], 0, 0
    for kind in kinds:
        if kind == KIND_BOOK:
            expected.append(("book",))
            continue
        number += 1
        expected.append(("trade", number, 0, 3, 10.0))
        if number % every == 0 and edits < count:
            edits += 1
            expected.append(("trade", number, 1, 6, 10.5))
    trades, seen = iter(after.trades["body"]), []
    for kind in after.kinds:
        if kind == KIND_BOOK:
            seen.append(("book",))
        else:
            body = next(trades)
            seen.append(("trade", *(body[name].item() for name in ("number", "flags", "quantity", "price"))))
    assert seen == expected
    assert len(after.symbols) == len(after.kinds)
    assert before.trades["body"]["flags"].sum() == 0, "the market's own rows are not touched"


@pytest.mark.parametrize(("field", "date", "price"), [("date", 0, 10.0), ("price", 77, 0.0), ("both", 0, 0.0)])
def test_zeros_strike_each_nth_trade(field, date, price):
    faults = Running()
    faults.start(ZeroTrades(field=field, every=2, count=2), 0)
    body = struck(batch_of([KIND_TRADE] * 7), faults, [0.5]).trades["body"]
    struck_rows = [1, 3]
    assert body["ts_ns"][struck_rows].tolist() == [date] * 2 and body["price"][struck_rows].tolist() == [price] * 2
    assert (np.delete(body["ts_ns"], struck_rows) == 77).all() and (np.delete(body["price"], struck_rows) == 10).all()
    assert not faults


def test_auction_levels_come_on_top():
    faults = Running()
    faults.start(AuctionLevels(), 0)
    (body,) = struck(batch_of([KIND_BOOK]), faults, [0.5]).books["body"]
    assert body["bid_price"].tolist()[:3] == [-np.inf, 9.5, 9.0] and body["ask_price"].tolist()[:2] == [-np.inf, 10.0]
    assert body["bid_quantity"].tolist()[:3] == [4, 4, 5]
    assert (body["flags"], body["theoretical_price"], body["theoretical_quantity"]) == (1, 9.75, 4)


@pytest.mark.parametrize(("what", "sent"), [("all", (0, 0)), ("trades", (0, 1)), ("books", (1, 0))])
def test_silence_is_of_a_kind(what, sent):
    faults = Running()
    assert heard(faults).all()
    faults.start(FeedSilent(what=what), 0)
    assert tuple(heard(faults)[:, 0]) == sent


def test_a_flicker_tells_the_newest_book_of_each_instrument_in_turn():
    flicker = Flicker()
    assert flicker.batch(5, 1) is None
    flicker.see(batch_of([KIND_TRADE, KIND_BOOK]))
    other = batch_of([KIND_BOOK])
    other.books["body"]["index"] = 1
    other.books["body"]["ask_quantity"][0, 0] = 0
    flicker.see(other)
    made = flicker.batch(200, 99)
    body = made.books["body"]
    assert made.symbols.tolist() == [0, 1] * 100
    assert set(body["ts_ns"]) == {99} and (body["bid_price"][:, 0] == 9.5).all()
    assert (np.diff(body["bid_quantity"][::2, 0]) != 0).all() and body["bid_quantity"][:, 0].min() > 4
    assert (body["ask_quantity"][1::2, 0] == 0).all(), "a level that is not there stays away"


def test_silence_while_connected_and_then_the_feed_goes_on(playing):
    exchange, client = playing
    exchange.fault("feed_silent", for_s=4.0)
    client.messages.clear()
    exchange.step(2.0)
    client.sync()
    assert not client.has(protocol.TRADE) and not client.has(protocol.BOOK) and not client.ended
    assert exchange.counters["undelivered_events"] > 0
    exchange.step(2.0)
    client.messages.clear()
    exchange.step(2.0)
    client.sync()
    assert client.has(protocol.BOOK)


def test_a_lost_connection_lets_nobody_in_until_it_is_back(playing):
    exchange, client = playing
    full = exchange.client()
    exchange.fault("connection_lost", sessions="market", for_s=3.0)
    exchange.until(lambda: client.ended, "the end of the connection")
    assert not full.ended
    early = exchange.client(full=False, login=False)
    early.send(protocol.LOGIN, key="key", user="user", password="paper")
    exchange.until(lambda: early.ended, "the end of the early login")
    assert not early.messages
    exchange.step(3.0)
    assert exchange.client(full=False).has(protocol.LOGIN_DONE)


def test_a_key_in_use_refuses_every_login(playing):
    exchange, _ = playing
    exchange.fault("key_taken", for_s=3.0, sessions="full")
    assert exchange.client(key="new").of(protocol.LOGIN_REPLY)[0]["code"] == 200
    assert exchange.client(key="new", full=False).of(protocol.LOGIN_REPLY)[0]["code"] == 0
    exchange.step(3.0)
    assert exchange.client(key="new").of(protocol.LOGIN_REPLY)[0]["code"] == 0


def test_a_key_may_hold_one_session_of_whichever_kind(playing):
    exchange, _ = playing
    market = exchange.client(key="new", full=False)
    assert exchange.client(key="new").has(protocol.LOGIN_DONE), "usually one of each kind"
    exchange.fault("one_session")
    assert exchange.client(key="new").of(protocol.LOGIN_REPLY)[0]["code"] == 200
    first = exchange.client(key="strict")
    assert first.has(protocol.LOGIN_DONE)
    assert exchange.client(key="strict", full=False).of(protocol.LOGIN_REPLY)[0]["code"] == 200
    assert exchange.client(key="other", full=False).has(protocol.LOGIN_DONE), "another key is another licence"
    first.socket.shutdown(socket.SHUT_RDWR)
    exchange.until(lambda: first.ended, "the end of the first session")
    assert exchange.client(key="strict", full=False).has(protocol.LOGIN_DONE), "the key is free again"
    assert not market.ended, "who is there stays"


def test_history_that_sticks_and_history_that_is_empty(playing):
    exchange, client = playing
    whole, code = history_of(exchange, client)
    assert code == 0 and len(whole) > 100 and whole[-1]["flags"] == 2
    exchange.fault("history_stuck", share=0.25)
    part, code = history_of(exchange, client)
    assert code < 0 and len(part) == len(whole) // 4
    assert not any(trade["flags"] for trade in part), "none of them is the last one"
    exchange.fault("history_empty", count=1)
    assert history_of(exchange, client) == ([], 0)
    assert len(history_of(exchange, client)[0]) == len(whole)


def test_a_burst_comes_at_its_rate_on_top_of_the_market(playing):
    exchange, client = playing
    exchange.fault("burst", events_per_s=10_000, for_s=0.5)
    exchange.step()
    played, client.messages[:] = exchange.counters["books"], []
    for _ in range(50):
        exchange.step(0.01)
        client.sync()
    extra = exchange.counters["books"] - played
    assert 4_800 <= extra <= 5_200
    assert len(client.of(protocol.BOOK)) == extra
    exchange.step(0.01)
    later = exchange.counters["books"]
    exchange.step(0.01)
    assert exchange.counters["books"] - later < 50
