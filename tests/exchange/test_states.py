"""Trading states: what each allows, calls in the engine and on the wire, bands, lots, self-matches, expiry."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from config.load import FOLDER, load
from config.schema import Sessions
from exchange import bands, phases, protocol
from exchange.book_market import BookMarket
from exchange.engine import Engine
from exchange.orders import Order
from exchange.trading_day import NEVER_NS, TradingDay, last_close_ns, local_ns
from profitdll.constants import OrderStatus as Status
from profitdll.constants import OrderType, TickerState, TradeType, Validity
from tests.exchange.kit import SECOND_NS, START_NS, TICK, TapeRows, instrument
from tests.exchange.test_engine import FOREVER, NOW, new, send, statuses

BUY, SELL = 1, 2
MINUTE_NS = 60 * SECOND_NS
MARKET, LIMIT, STOP = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT


def clients(prevention: str = "allow", **spec) -> Engine:
    """An engine of two accounts on an empty book around 100 ticks, last price 100."""
    market = BookMarket.of_clients([instrument(**spec)], START_NS, 100 * TICK)
    return Engine(market, [71, 72], "C-", prevention)


def bodies(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """Trades and books told so far."""
    trades, books = [], []
    while (batch := engine.market.advance(FOREVER, 100)) is not None:
        trades.append(batch.trades["body"])
        books.append(batch.books["body"])
    return np.concatenate(trades), np.concatenate(books)


def call(engine: Engine, state: TickerState = TickerState.PRE_OPENING) -> Engine:
    engine.set_state(0, state, NOW)
    return engine


def test_a_call_collects_shows_a_theoretical_price_and_trades_at_one_price():
    engine = call(clients())
    buyer, _ = send(engine, new(BUY, 103, 5))
    late, _ = send(engine, new(BUY, 103, 5, account=1))
    seller, _ = send(engine, new(SELL, 98, 7, account=1))
    away, _ = send(engine, new(SELL, 110, 1))
    assert [order.status for order in (buyer, late, seller, away)] == [Status.NEW] * 4
    assert engine.market.queue_ahead(0, late.number) == 5
    trades, books = bodies(engine)
    assert len(trades) == 0
    last = books[-1]
    assert (last["flags"], last["theoretical_price"], last["theoretical_quantity"]) == (1, 100 * TICK, 7)
    assert (last["bid_price"][0], last["ask_price"][0]) == (100 * TICK, 100 * TICK)
    assert (last["bid_quantity"][0], last["ask_quantity"][0], last["ask_price"][1]) == (10, 7, 110 * TICK)
    events = engine.set_state(0, TickerState.OPENED, NOW + 1)
    assert (buyer.status, late.status, seller.status) == (Status.FILLED, Status.PARTIALLY_FILLED, Status.FILLED)
    assert (late.traded, buyer.value_ticks) == (2, 500)
    assert {event.update_ns for event in events if isinstance(event, Order)} == {NOW + 1}
    trades, books = bodies(engine)
    assert trades["quantity"].tolist() == [5, 2]
    assert set(trades["trade_type"]) == {TradeType.AUCTION}
    assert trades["buyer"].tolist() == [71, 72]
    assert trades["number"].tolist() == [1, 2]
    assert (books[-1]["flags"], books[-1]["theoretical_price"], books[-1]["bid_quantity"][0]) == (0, 0.0, 3)
    assert engine.position(0, 0).net == 5
    assert engine.position(1, 0).net == 2 - 7


def test_orders_at_market_in_a_call_come_first_show_minus_infinity_and_are_cancelled_after_it():
    engine = call(clients())
    order, _ = send(engine, new(BUY, -2, 5, MARKET))
    assert bodies(engine)[1][-1]["bid_price"][0] == -np.inf
    send(engine, new(BUY, 101, 4, account=1))
    send(engine, new(SELL, 100, 3, account=1))
    events = engine.set_state(0, TickerState.OPENED, NOW)
    assert (order.status, order.traded) == (Status.CANCELED, 3)
    assert "the auction left" in order.text
    assert engine.market.venues[0].slots.keys() == {2}
    assert statuses(events) == [Status.PARTIALLY_FILLED, Status.FILLED, Status.CANCELED]


def test_cancel_reduce_and_move_in_a_call():
    engine = call(clients())
    first, _ = send(engine, new(SELL, 100, 5))
    second, _ = send(engine, new(SELL, 100, 5, account=1))
    engine.request_change(first, NOW)
    engine.change(first.number, 2, 50.0, -1.0, NOW)
    assert engine.market.queue_ahead(0, second.number) == 2
    engine.request_change(first, NOW)
    engine.change(first.number, 3, 50.0, -1.0, NOW)
    assert engine.market.queue_ahead(0, first.number) == 5, "it grew: last in its queue"
    engine.request_cancel(second, NOW)
    engine.cancel(second.number, NOW)
    send(engine, new(BUY, 100, 9, account=1))
    engine.set_state(0, TickerState.OPENED, NOW)
    assert (first.status, first.traded, second.traded) == (Status.FILLED, 3, 0)


@pytest.mark.parametrize("validity", [Validity.IMMEDIATE_OR_CANCEL, Validity.FILL_OR_KILL])
def test_nothing_immediate_in_a_call(validity):
    engine = call(clients(), TickerState.AUCTION)
    order, events = send(engine, new(BUY, 100, 5, validity=validity))
    assert statuses(events) == [Status.PENDING_NEW, Status.REJECTED]
    assert "auction" in order.text


def test_stops_sleep_in_a_call_and_its_price_wakes_them():
    engine = call(clients())
    stop, _ = send(engine, new(SELL, 90, 2, STOP, 95))
    send(engine, new(BUY, 94, 3, account=1))
    send(engine, new(SELL, 94, 1, account=1))
    assert stop.status == Status.NEW
    engine.set_state(0, TickerState.OPENED, NOW)
    assert engine.market.last_ticks(0) == 94
    assert (stop.status, stop.traded) == (Status.FILLED, 2)


@pytest.mark.parametrize("state", [TickerState.CLOSED, TickerState.FROZEN, TickerState.INHIBITED])
def test_a_market_that_stands_takes_cancels_only(state):
    engine = clients()
    kept, _ = send(engine, new(BUY, 99, 5, validity=Validity.GOOD_TILL_CANCEL))
    engine.set_state(0, state, NOW)
    refused, _ = send(engine, new(SELL, 99, 5, account=1))
    assert (refused.status, refused.text) == (Status.REJECTED, phases.refusal(state))
    engine.request_change(kept, NOW)
    engine.change(kept.number, 9, 50.0, -1.0, NOW)
    assert (kept.quantity, kept.status) == (5, Status.NEW)
    engine.request_cancel(kept, NOW)
    engine.cancel(kept.number, NOW)
    assert kept.status == Status.CANCELED


def test_closing_call_trades_then_day_orders_expire():
    engine = call(clients(), TickerState.PRE_CLOSING)
    day, _ = send(engine, new(BUY, 101, 5))
    kept, _ = send(engine, new(SELL, 101, 7, account=1, validity=Validity.GOOD_TILL_CANCEL))
    lost, _ = send(engine, new(BUY, 90, 1))
    engine.set_state(0, TickerState.CLOSED, NOW)
    assert (day.status, kept.status, lost.status) == (Status.FILLED, Status.PARTIALLY_FILLED, Status.EXPIRED)


def test_an_expired_contract_closes_everything_for_good():
    engine = clients()
    kept, _ = send(engine, new(BUY, 99, 5, validity=Validity.GOOD_TILL_CANCEL))
    engine.set_state(0, TickerState.CLOSED, NOW, expired=True)
    assert (kept.status, kept.text) == (Status.EXPIRED, "the contract expired")
    order, _ = send(engine, new(BUY, 99, 5))
    assert (order.status, order.text) == (Status.REJECTED, "the contract has expired")


def test_a_recorded_market_s_resting_orders_meet_it_again_after_a_halt_in_a_call():
    rows = TapeRows().book(0, [(100, 10)], [(101, 8)])
    engine = Engine(rows.market(), [77], "T-")
    engine.market.advance(START_NS, 10)
    engine.set_state(0, TickerState.AUCTION, NOW)
    order, _ = send(engine, new(BUY, 102, 10))
    refused, _ = send(engine, new(BUY, -2, 10, MARKET))
    assert (order.traded, refused.status) == (0, Status.REJECTED)
    engine.set_state(0, TickerState.OPENED, NOW)
    assert (order.traded, order.resting) == (8, True)


# -- days


def day(start: str, **spec) -> tuple[TradingDay, int]:
    settings = {"timezone": "UTC", "session_open": "09:00", "session_close": "18:00"} | spec
    noon = local_ns(date(2026, 1, 2), start, "UTC")
    return TradingDay([instrument(**settings)], noon, calls=True), local_ns(date(2026, 1, 2), "00:00", "UTC")


def test_a_day_with_calls():
    found, midnight = day("10:00", pre_open_minutes=5, closing_call_minutes=10)
    assert found.initial == [TickerState.OPENED]
    changes = [((ns - midnight) // MINUTE_NS, state) for ns, _, state in found.due(midnight + 34 * 60 * MINUTE_NS)]
    assert changes == [
        (17 * 60 + 50, TickerState.PRE_CLOSING),
        (18 * 60, TickerState.CLOSED),
        (24 * 60 + 8 * 60 + 55, TickerState.PRE_OPENING),
        (24 * 60 + 9 * 60, TickerState.OPENED),
    ]


@pytest.mark.parametrize(
    ("start", "state", "next_minute"),
    [
        ("08:55", TickerState.PRE_OPENING, 540),
        ("08:59", TickerState.PRE_OPENING, 540),
        ("09:00", TickerState.OPENED, 1070),
        ("17:55", TickerState.PRE_CLOSING, 1080),
        ("08:00", TickerState.OPENED, 1070),
    ],
)
def test_where_a_day_starts(start, state, next_minute):
    found, midnight = day(start, pre_open_minutes=5, closing_call_minutes=10)
    assert (found.initial, (found.next_ns() - midnight) // MINUTE_NS) == ([state], next_minute)


def test_the_last_trading_day_ends_for_good():
    found, midnight = day("10:00", last_trading_day="2026-01-02")
    assert not found.expired(0, midnight)
    assert [state for _, _, state in found.due(NEVER_NS - 1)] == [TickerState.CLOSED]
    assert found.expired(0, midnight + 18 * 60 * MINUTE_NS)
    assert found.next_ns() == NEVER_NS
    assert day("10:00", last_trading_day="2025-12-31")[0].initial == [TickerState.CLOSED]


def test_the_last_day_by_the_contract_s_rule_needs_the_table_of_sessions():
    spec = instrument(symbol="WDOFUT", order_symbol="WDOZ26")
    table = load(FOLDER / "wdo.toml").sessions
    assert last_close_ns(spec, Sessions(), True) == NEVER_NS, "without a table nothing is guessed"
    assert last_close_ns(spec, table, False) == NEVER_NS, "a recording is the better evidence"
    close_ns = last_close_ns(spec, table, True)
    assert close_ns == local_ns(date(2026, 11, 30), spec.session_close, spec.timezone)


# -- bands and lots


@pytest.mark.parametrize(
    ("spec", "side", "ticks", "why"),
    [
        ({"daily_limit": 5.0}, BUY, 106, "outside the price limits 47.5 to 52.5"),
        ({"daily_limit": 5.0}, BUY, 94, "outside the price limits"),
        ({"daily_limit": 5.0}, SELL, 95, ""),
        ({"daily_limit": 8, "band_unit": "ticks"}, SELL, 109, "outside the price limits"),
        ({"tunnel": 3, "band_unit": "ticks"}, BUY, 104, "beyond the tunnel's edge at 51.5"),
        ({"tunnel": 3, "band_unit": "ticks"}, BUY, 50, ""),
        ({"tunnel": 3, "band_unit": "ticks"}, SELL, 96, "beyond the tunnel"),
        ({"tunnel": 3, "band_unit": "ticks"}, SELL, 150, ""),
        ({"daily_limit": 5.0, "reference_price": 60.0}, BUY, 113, "outside the price limits 57 to 63"),
    ],
)
def test_price_bands(spec, side, ticks, why):
    order, _ = send(clients(**spec), new(side, ticks, 1))
    assert (order.status == Status.REJECTED) == bool(why)
    assert why in order.text


def test_an_order_at_market_stops_at_the_tunnel_and_a_change_is_checked_too():
    engine = clients(tunnel=2, band_unit="ticks")
    for ticks in (101, 103):
        send(engine, new(SELL, ticks, 1))
    order, _ = send(engine, new(BUY, -2, 5, MARKET, account=1))
    assert (order.status, order.traded) == (Status.CANCELED, 1)
    assert order.value_ticks == 101, "103 is beyond 100 + 2"
    assert "within the price limits" in order.text
    rests, _ = send(engine, new(BUY, 99, 1, account=1))
    engine.request_change(rests, NOW)
    engine.change(rests.number, 1, 55.0, -1.0, NOW)
    assert "tunnel" in rests.text
    assert rests.price == 99 * TICK


def test_widths_round_towards_the_price():
    spec = instrument(daily_limit=5.0)
    assert bands.daily_limits(spec, 10_950) == (10_403, 11_497)
    assert bands.daily_limits(spec, 0) == (bands.NO_LOW, bands.NO_HIGH)


@pytest.mark.parametrize(("quantity", "why"), [(7, "multiple of 5"), (105, "above the 100"), (100, "")])
def test_lots(quantity, why):
    order, _ = send(clients(quantity_step=5, max_order_quantity=100), new(BUY, 99, quantity))
    assert (order.status == Status.REJECTED) == bool(why)
    assert why in order.text


# -- an account that meets itself


def crossing(prevention: str, validity: Validity = Validity.DAY, quantity: int = 10) -> tuple[list[Order], Engine]:
    """Offers: account 1 3 @ 101, account 0 4 @ 101, account 1 5 @ 101; then account 0 buys 10 @ 101."""
    engine = clients(prevention)
    resting = [send(engine, new(SELL, 101, q, account=a))[0] for a, q in ((1, 3), (0, 4), (1, 5))]
    order, _ = send(engine, new(BUY, 101, quantity, validity=validity))
    return [*resting, order], engine


def test_self_match_policies():
    for prevention, traded, states in (
        ("allow", [3, 4, 3, 10], [2, 2, 1, 2]),
        ("cancel_resting", [3, 0, 5, 8], [2, 4, 2, 1]),
        ("cancel_incoming", [3, 0, 0, 3], [2, 0, 0, 4]),
        ("cancel_both", [3, 0, 0, 3], [2, 4, 0, 4]),
    ):
        orders, engine = crossing(prevention)
        assert [order.traded for order in orders] == traded, prevention
        assert [int(order.status) for order in orders] == states, prevention
        assert engine.self_matches == (prevention != "allow")


def test_an_order_that_ends_before_it_meets_itself_prevents_nothing():
    orders, engine = crossing("cancel_both", quantity=3)
    assert [order.traded for order in orders] == [3, 0, 0, 3]
    assert engine.self_matches == 0
    assert orders[1].open


@pytest.mark.parametrize(("prevention", "quantity", "filled"), [
    ("allow", 12, True), ("cancel_resting", 8, True), ("cancel_resting", 9, False), ("cancel_incoming", 3, True),
    ("cancel_incoming", 4, False), ("cancel_both", 4, False),
])  # fmt: skip
def test_fill_or_kill_does_not_count_on_its_own_account(prevention, quantity, filled):
    orders, _ = crossing(prevention, Validity.FILL_OR_KILL, quantity)
    assert orders[-1].status == (Status.FILLED if filled else Status.CANCELED)
    assert orders[-1].traded == (quantity if filled else 0)
    assert filled or orders[1].open, "a killed order cancels nothing"


def test_self_match_in_a_recorded_market_uses_the_estimated_queue():
    engine = Engine(TapeRows().book(0, [(100, 10)], [(101, 8)]).market(), [77], "T-")
    engine.market.advance(START_NS, 10)
    own, _ = send(engine, new(BUY, 100, 2))
    order, _ = send(engine, new(SELL, 100, 9))
    assert (order.status, own.status) == (Status.FILLED, Status.NEW), "ten stand before our own"
    order, _ = send(engine, new(SELL, 100, 20))
    assert (own.status, order.traded) == (Status.CANCELED, 1)


# -- on the wire


def test_states_and_the_theoretical_price_reach_clients(open_exchange):
    spec = instrument(timezone="UTC", session_open="10:00", session_close="18:00", pre_open_minutes=5)
    exchange = open_exchange(spec, start_time="09:58", start_price=5000.0)
    client = exchange.client()
    assert client.of(protocol.INSTRUMENT)[0]["state"] == TickerState.PRE_OPENING
    client.subscribe()
    exchange.started = True
    exchange.step()
    exchange.step(2.0)
    client.order(1, BUY, 5001.0, 5)
    client.order(2, SELL, 4999.0, 3)
    client.wait_status(2, Status.PENDING_NEW, Status.NEW)
    exchange.step()
    exchange.until(lambda: client.has(protocol.BOOK, 2), "the theoretical price")
    book = client.of(protocol.BOOK)[-1]
    assert book["flags"] == 1
    assert book["theoretical_quantity"] >= 3
    assert book["bid_price"][0] == book["ask_price"][0] == book["theoretical_price"]
    exchange.step(120.0)
    exchange.until(lambda: client.has(protocol.TICKER_STATE), "the opening")
    assert client.of(protocol.TICKER_STATE)[0]["state"] == TickerState.OPENED
    exchange.until(lambda: client.statuses(2)[-1] == Status.FILLED, "the fill")
    exchange.until(lambda: client.has(protocol.TRADE), "the trade")
    assert client.of(protocol.TRADE)[0]["trade_type"] == TradeType.AUCTION
