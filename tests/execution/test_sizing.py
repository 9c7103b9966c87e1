"""Numbers of entries, stops and targets; ticks and days."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Decision
from config.schema import Execution, Risk
from execution.contracts import Contract
from execution.events import BUY, LIMIT, MARKET, SELL
from execution.liquidity_advice import liquidity_share
from execution.sizing import (
    affordable,
    entry_numbers,
    loss_per_contract,
    run_through,
    scaled,
    stop_ticks,
    target_reached,
    target_ticks,
)  # fmt: skip
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


# --- how many


def test_a_contract_loses_what_its_stop_gives_away() -> None:
    """4 + 2 ticks of 0.5 points at 10 a point, and the fees of both sides."""
    assert loss_per_contract(SETTINGS, CONTRACT) == 32.0


@pytest.mark.parametrize(
    "loss, most", [(99.9, 1), (100.0, 1), (100.1, 0), (50.0, 2), (33.3, 3), (33.4, 2), (0.0, 0), (-1.0, 0), (math.nan, 0),
                   (math.inf, 0)],
)  # fmt: skip
def test_affordable(loss: float, most: int) -> None:
    assert affordable(Risk(capital=10_000.0, risk_per_trade=0.01), loss) == most


@given(st.floats(1.0, 1e9), st.floats(0.0, 1.0), st.floats(0.01, 1e6))
def test_what_is_affordable_never_loses_more_than_the_capital_at_risk(capital: float, share: float, loss: float) -> None:
    limits = Risk(capital=capital, risk_per_trade=share)
    most = affordable(limits, loss)
    assert most * loss <= capital * share * (1 + 1e-6) + 1e-6
    assert (most + 1) * loss > capital * share * (1 - 1e-6) - 1e-6


@given(st.integers(1, 100), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_scaling_never_adds_and_never_leaves_nothing(most: int, confidence: float, share: float) -> None:
    size = scaled(most, confidence, share)
    assert 1 <= size <= most
    assert size <= scaled(most, confidence, 1.0) <= scaled(most, 1.0, 1.0) == most
    if size > 1:
        assert abs(size - most * confidence * share) <= 0.5 + 1e-9


def test_scaling_by_what_is_not_known_leaves_one() -> None:
    assert scaled(9, math.nan, 1.0) == scaled(9, 1.0, math.nan) == 1


def decided(votes: tuple[tuple[str, float, float, float], ...], abstained: tuple[tuple[str, str], ...] = ()) -> Decision:
    return Decision(1, 0, 0, 1, 1, 1, 1, "BUY", 0.5, 1.0, 4, votes, abstained, "")


@pytest.mark.parametrize(
    "direction, confidence, side, share",
    [
        (1.0, 1.0, BUY, 1.0), (-1.0, 0.4, BUY, 0.6), (-1.0, 1.0, BUY, 0.5), (1.0, 0.25, SELL, 0.75), (-0.5, 0.5, BUY, 0.75),
        (-1.0, 0.0, BUY, 1.0),
    ],
)  # fmt: skip
def test_the_liquidity_agent_against_us_takes_size_away(direction: float, confidence: float, side: int, share: float) -> None:
    vote = decided((("order_flow", 0.3, 1.0, 1.0), ("liquidity", 0.2, direction, confidence)))
    assert liquidity_share(vote, side, 0.5) == pytest.approx(share)


@pytest.mark.parametrize(
    "reason, share",
    [("no pattern", 1.0), ("patterns disagree", 1.0), ("expired", 0.5), ("no signal yet", 0.5), ("warming up", 0.5),
     ("lapped", 0.5)],
)  # fmt: skip
def test_a_book_that_nobody_knows_counts_as_thin(reason: str, share: float) -> None:
    assert liquidity_share(decided((), (("liquidity", reason),)), BUY, 0.5) == share
    assert liquidity_share(decided(()), BUY, 0.5) == 0.5
