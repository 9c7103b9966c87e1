"""Numbers of entries, stops and targets; ticks and days."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Execution
from execution.contracts import Contract
from execution.events import BUY, LIMIT, MARKET, SELL
from execution.sizing import entry_numbers, run_through, stop_ticks, target_reached, target_ticks
from tests.execution.rig import MARKET_NS

CONTRACT = Contract(0, "WDOZ25", "F", 0.5, 10.0, 1.0, ZoneInfo("America/Sao_Paulo"))
SETTINGS = Execution(stop_ticks=4, target_ticks=6, stop_limit_offset_ticks=2, entry_offset_ticks=1)


def test_entries_aim_at_the_touch_they_hit_with_the_offset() -> None:
    buy = entry_numbers(SETTINGS, CONTRACT, BUY, 3, 2, 100.0, 100.5)
    assert (buy.order_type, buy.quantity, buy.price, buy.reference_price) == (LIMIT, 2, 101.0, 101.0)
    sell = entry_numbers(SETTINGS, CONTRACT, SELL, 1, 2, 100.0, 100.5)
    assert (sell.quantity, sell.price) == (1, 99.5)


def test_market_entries_are_judged_by_the_touch() -> None:
    market = Execution(order_type="market")
    numbers = entry_numbers(market, CONTRACT, BUY, 1, 2, 100.0, 100.5)
    assert (numbers.order_type, numbers.price, numbers.reference_price) == (MARKET, -1.0, 100.5)


def test_nothing_is_made_up_without_a_touch() -> None:
    for settings in (SETTINGS, Execution(order_type="market")):
        assert math.isnan(entry_numbers(settings, CONTRACT, BUY, 1, 2, 100.0, math.nan).reference_price)


def test_without_room_the_gate_has_the_last_word() -> None:
    assert entry_numbers(SETTINGS, CONTRACT, BUY, 3, 0, 100.0, 100.5).quantity == 1


@given(st.sampled_from([BUY, SELL]), st.integers(100, 20_000))
def test_stop_and_target_stand_on_their_sides(side: int, entry_ticks: int) -> None:
    entry = CONTRACT.price(entry_ticks)
    sign = 1 if side == BUY else -1
    trigger, limit = stop_ticks(SETTINGS, CONTRACT, side, entry)
    target = target_ticks(SETTINGS, CONTRACT, side, entry)
    assert ((entry_ticks - trigger) * sign, (trigger - limit) * sign, (target - entry_ticks) * sign) == (4, 2, 6)
    at = CONTRACT.price
    touches = (at(target), math.nan) if side == BUY else (math.nan, at(target))
    assert target_reached(target, side, CONTRACT, *touches)
    short = (at(target - sign), math.nan) if side == BUY else (math.nan, at(target - sign))
    assert not target_reached(target, side, CONTRACT, *short)
    assert not run_through(limit, side, CONTRACT, at(limit))
    assert run_through(limit, side, CONTRACT, at(limit - sign))


def test_what_is_not_known_triggers_nothing() -> None:
    assert not target_reached(200, BUY, CONTRACT, math.nan, 1000.0)
    assert not run_through(200, BUY, CONTRACT, math.nan)


@pytest.mark.parametrize("price, ticks", [(100.5, 201), (100.25, None), (math.nan, None), (math.inf, None), (0.0, 0)])
def test_ticks(price: float, ticks: int | None) -> None:
    assert CONTRACT.ticks(price) == ticks


@given(st.integers(1, 2_000_000))
def test_ticks_and_prices_are_each_others_inverse(ticks: int) -> None:
    assert CONTRACT.ticks(CONTRACT.price(ticks)) == ticks


def test_the_day_is_the_exchanges_own() -> None:
    assert CONTRACT.day(MARKET_NS) == 20251113
    three_hours_ns = 3 * 3600 * 10**9
    midnight_utc = MARKET_NS // (24 * 3600 * 10**9) * (24 * 3600 * 10**9)
    assert CONTRACT.day(midnight_utc) == 20251112, "21:00 of the day before"
    assert CONTRACT.day(midnight_utc + three_hours_ns) == 20251113
