"""Positions, prices on tick, the market clock, and the days of a session."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load
from config.schema import Config, Exchange
from exchange import protocol
from exchange.build import build_market
from exchange.checks import ticks_of
from exchange.market_clock import MarketClock
from exchange.positions import Position
from exchange.trading_day import TradingDay, local_ns, next_at
from profitdll.constants import TickerState
from tests.exchange.kit import SECOND_NS, instrument

BUY, SELL = 1, 2
HOUR_NS = 3600 * SECOND_NS


def test_position_realises_and_turns():
    position = Position(0, 0, point_value=10.0)
    position.apply(BUY, 2, 100.0, 0.5)
    position.apply(BUY, 2, 101.0, 0.5)
    assert (position.net, position.average_price, position.open_side) == (4, 100.5, BUY)
    position.apply(SELL, 1, 102.0, 0.5)
    assert (position.net, position.average_price, position.realised) == (3, 100.5, 15.0)
    position.apply(SELL, 5, 99.5, 0.5)
    assert (position.net, position.average_price, position.open_side) == (-2, 99.5, SELL)
    assert position.realised == 15.0 - 30.0
    position.apply(BUY, 2, 99.0, 0.5)
    assert (position.net, position.average_price, position.open_side) == (0, 0.0, 0)
    assert position.realised == -15.0 + 10.0
    assert (position.bought, position.sold, position.fees) == (6, 6, 6.0)


@given(
    st.lists(st.tuples(st.sampled_from((BUY, SELL)), st.integers(1, 9), st.integers(90, 110)), min_size=1, max_size=30)
)
def test_position_money_is_cash_plus_what_is_open(fills):
    position = Position(0, 0, point_value=10.0)
    cash = net = 0
    for side, quantity, price in fills:
        position.apply(side, quantity, float(price))
        signed = quantity if side == BUY else -quantity
        cash -= signed * price
        net += signed
        assert position.net == net
    mark = 100
    open_value = (mark - position.average_price) * net if net else 0.0
    assert position.realised + open_value * 10 == pytest.approx((cash + net * mark) * 10, abs=1e-6)


@pytest.mark.parametrize(
    ("price", "tick", "ticks"),
    [(50.0, 0.5, 100), (60000.1, 0.1, 600001), (0.1 + 0.2, 0.1, 3), (50.25, 0.5, None), (0.0, 0.5, None)],
)
def test_ticks_of_a_price(price, tick, ticks):
    assert ticks_of(price, tick) == ticks


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf"), float("-inf")])
def test_what_is_no_price_has_no_ticks(price):
    assert ticks_of(price, 0.5) is None


@pytest.mark.parametrize("speed", [0.25, 1.0, 37.5])
def test_market_clock_stands_still_then_runs_at_its_speed(speed):
    first = 1_700_000_000 * SECOND_NS
    clock = MarketClock(first, speed)
    assert clock.market_ns(0) == clock.market_ns(10**18) == first - int(speed * SECOND_NS)
    assert clock.monotonic_at(first) is None
    clock.start(500)
    clock.start(9_999)
    assert clock.market_ns(500 + SECOND_NS) == first
    for market_ns in (first, first + 1, first + 12_345_678_901):
        due = clock.monotonic_at(market_ns)
        assert clock.market_ns(due - 2) < market_ns <= clock.market_ns(due)


def test_local_times_are_the_exchange_s():
    ten = local_ns(date(2026, 1, 2), "10:00", "America/Sao_Paulo")
    assert datetime.fromtimestamp(ten / SECOND_NS, UTC).isoformat() == "2026-01-02T13:00:00+00:00"
    assert local_ns(date(2026, 1, 2), "24:00", "UTC") == local_ns(date(2026, 1, 3), "00:00", "UTC")
    assert next_at(ten, "10:00", "America/Sao_Paulo") == ten + 24 * HOUR_NS
    assert next_at(ten - 1, "10:00", "America/Sao_Paulo") == ten


def test_trading_day_alternates_in_order_of_time():
    start = local_ns(date(2026, 1, 2), "10:00", "UTC")
    day = TradingDay(
        [
            instrument(timezone="UTC", session_open="09:00", session_close="18:00"),
            instrument(timezone="UTC", session_open="00:00", session_close="24:00"),
        ],
        start,
    )
    assert day.next_ns() == start + 8 * HOUR_NS
    assert day.due(start) == []
    changes = day.due(start + 24 * HOUR_NS)
    assert [((ns - start) // HOUR_NS, index, state) for ns, index, state in changes] == [
        (8, 0, TickerState.CLOSED),
        (14, 1, TickerState.CLOSED),
        (14, 1, TickerState.OPENED),  # a market of 24 hours opens at once
        (23, 0, TickerState.OPENED),
    ]


def test_start_outside_the_session_waits_for_the_next_close():
    evening = local_ns(date(2026, 1, 2), "20:00", "UTC")
    day = TradingDay([instrument(timezone="UTC", session_open="09:00", session_close="18:00")], evening)
    assert day.next_ns() == evening + 22 * HOUR_NS


def test_wire_bodies_have_no_hidden_padding():
    for body in {id(body): body for body in protocol.BODIES.values()}.values():
        assert body.itemsize % 4 == 0
        assert body.itemsize == sum(body[name].itemsize for name in body.names)


@pytest.mark.parametrize(
    "today, begins",
    [
        (date(2026, 11, 23), date(2026, 11, 23)),
        (date(2026, 11, 21), date(2026, 11, 23)),  # a Saturday
        (date(2026, 2, 14), date(2026, 2, 19)),  # carnival; on Ash Wednesday the session begins after the start time
        (date(2029, 5, 5), date(2029, 5, 5)),  # beyond the table
    ],
)
def test_a_generated_market_begins_on_the_next_day_with_a_session(today: date, begins: date) -> None:
    config = Config(instruments=(instrument(),), sessions=load().sessions, exchange=Exchange(start_time="10:00"))
    assert build_market(config, today).first_ns == local_ns(begins, "10:00", "America/Sao_Paulo")


def test_a_market_of_every_day_begins_today() -> None:
    always = instrument(symbol="ES", session_open="00:00", session_close="24:00", timezone="UTC")
    config = Config(instruments=(always,), sessions=load().sessions, exchange=Exchange(start_time="10:00"))
    assert build_market(config, date(2026, 11, 22)).first_ns == local_ns(date(2026, 11, 22), "10:00", "UTC")
