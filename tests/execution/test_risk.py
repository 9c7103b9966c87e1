"""Each check at, below and above its limit, and with data that are missing; the gate; the order rate."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Risk
from execution.contracts import Contract
from execution.events import BUY, ENTRY, EXIT, LIMIT, MARKET, SELL, STOP, STOP_LIMIT
from execution.risk import age, collar, exposure, form, health, loss
from execution.risk.gate import CHECKS, NOT_REDUCING, ORDER_RATE, REASONS, RiskGate
from execution.risk.rate import MINUTE_NS, SECOND_NS, OrderRate, TokenBucket
from execution.risk.request import Facts, Request, Trading

MS = 1_000_000
CONTRACT = Contract(0, "WDOZ25", "F", 0.5, 10.0, 1.0, ZoneInfo("America/Sao_Paulo"))
LIMITS = Risk(
    max_position=2, max_trades_per_day=10, max_daily_loss=500.0, max_orders_per_s=5, max_orders_per_min=20,
    max_data_age_ms=1_000, max_exchange_age_ms=10_000, price_collar_ticks=20,
)  # fmt: skip
REQUEST = Request(ENTRY, CONTRACT, BUY, 1, LIMIT, 100.5, -1.0, 100.5)
FACTS = Facts(
    now_ns=50_000 * MS, market_now_ns=90_000 * MS, position=0, working_entries=0, trades_today=0, day_profit=0.0,
    last=100.0, bid=100.0, ask=100.5, base_recv_ns=49_990 * MS, market_ts_ns=89_990 * MS, upstream_problem="",
    broker_problem="", trading=Trading.ACTIVE,
)  # fmt: skip


def refused(check: Any, request: dict[str, Any] | None = None, **facts: Any) -> bool:
    return bool(check(replace(REQUEST, **(request or {})), replace(FACTS, **facts), LIMITS))


def test_the_plain_case_passes_everything() -> None:
    assert RiskGate(LIMITS).refusals(REQUEST, FACTS) == {}


@pytest.mark.parametrize(
    "position, working, quantity, side, no",
    [
        (1, 0, 1, BUY, False), (2, 0, 1, BUY, True), (0, 1, 1, BUY, False), (0, 2, 1, BUY, True), (0, 0, 2, BUY, False),
        (0, 0, 3, BUY, True), (-1, 0, 1, SELL, False), (-2, 0, 1, SELL, True), (-2, 0, 4, BUY, False),
        (-2, 0, 5, BUY, True), (2, 0, 1, SELL, False),
    ],
)  # fmt: skip
def test_max_position(position: int, working: int, quantity: int, side: int, no: bool) -> None:
    request = {"quantity": quantity, "side": side}
    assert refused(exposure.max_position, request, position=position, working_entries=working) is no


@pytest.mark.parametrize("trades, no", [(9, False), (10, True), (11, True)])
def test_trades_per_day(trades: int, no: bool) -> None:
    assert refused(exposure.trades_per_day, trades_today=trades) is no


@pytest.mark.parametrize(
    "profit, no", [(1e9, False), (-499.99, False), (-500.0, True), (-500.01, True), (math.nan, True)]
)
def test_daily_loss(profit: float, no: bool) -> None:
    assert refused(loss.daily_loss, day_profit=profit) is no


@pytest.mark.parametrize("age_ns, no", [(0, False), (1_000 * MS, False), (1_000 * MS + 1, True), (-1, True)])
def test_pipeline_age(age_ns: int, no: bool) -> None:
    assert refused(age.pipeline_age, base_recv_ns=FACTS.now_ns - age_ns) is no
    assert refused(age.pipeline_age, base_recv_ns=0)


@pytest.mark.parametrize(
    "age_ns, no",
    [(0, False), (10_000 * MS, False), (10_000 * MS + 1, True), (-10_000 * MS, False), (-10_001 * MS, True)],
)
def test_exchange_age(age_ns: int, no: bool) -> None:
    assert refused(age.exchange_age, market_ts_ns=FACTS.market_now_ns - age_ns) is no
    assert refused(age.exchange_age, market_ts_ns=0)
    assert refused(age.exchange_age, market_now_ns=0)


@pytest.mark.parametrize("ticks, no", [(0, False), (20, False), (21, True), (-20, False), (-21, True)])
def test_price_collar_from_the_last_trade_and_from_the_touch(ticks: int, no: bool) -> None:
    price = 100.5 + ticks * 0.5
    assert refused(collar.price_collar, {"reference_price": price}, last=100.5) is no
    near = {"reference_price": price}
    assert refused(collar.price_collar, near, last=price) is no, "far from the ask"
    assert not refused(collar.price_collar, near, last=price, ask=price)


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_price_collar_without_data_refuses(missing: float) -> None:
    assert refused(collar.price_collar, last=missing)
    assert refused(collar.price_collar, ask=missing)
    assert refused(collar.price_collar, {"reference_price": missing})
    assert not refused(collar.price_collar, bid=missing), "a buy does not hit the bid"
    assert refused(collar.price_collar, {"side": SELL}, bid=missing)


@pytest.mark.parametrize(
    "changes, no",
    [
        ({}, False), ({"quantity": 0}, True), ({"quantity": -1}, True), ({"side": 3}, True), ({"price": 100.25}, True),
        ({"price": math.nan}, True), ({"price": 0.0}, True), ({"price": -100.0}, True), ({"price": 100.5 + 1e-9}, False),
        ({"order_type": MARKET, "price": -1.0}, False), ({"order_type": 9}, True),
        ({"order_type": STOP_LIMIT, "stop_price": 101.0}, False), ({"order_type": STOP_LIMIT, "stop_price": 101.1}, True),
    ],
)  # fmt: skip
def test_order_form(changes: dict[str, Any], no: bool) -> None:
    assert refused(form.order_form, changes) is no


def test_health() -> None:
    assert refused(health.upstream, upstream_problem="features is failed") and not refused(health.upstream)
    assert refused(health.reconciled, broker_problem="the broker holds +1") and not refused(health.reconciled)
    assert refused(health.trading_allowed, trading=Trading.HALTED) and not refused(health.trading_allowed)


# --- rate


@given(st.integers(1, 20), st.lists(st.integers(0, 3 * SECOND_NS), max_size=60))
def test_token_bucket_against_exact_fractions(capacity: int, gaps: list[int]) -> None:
    from fractions import Fraction

    bucket, level, now_ns = TokenBucket(capacity, SECOND_NS), Fraction(capacity), 1
    for gap in gaps:
        now_ns += gap
        level = min(Fraction(capacity), level + Fraction(gap * capacity, SECOND_NS))
        assert bucket.tokens(now_ns) == int(level)
        bucket.take(now_ns)
        level = max(Fraction(0), level - 1)


def test_order_rate_at_its_limits() -> None:
    rate = OrderRate(3, 5)
    for _ in range(3):
        assert rate.refusal(1) == ""
        rate.count(1)
    assert "in 1 s" in rate.refusal(1)
    assert "in 1 s" in rate.refusal(SECOND_NS // 3)
    assert rate.refusal(SECOND_NS // 3 + 2) == ""
    for second in (2, 3):
        rate.count(second * SECOND_NS)
    assert "in 60 s" in rate.refusal(4 * SECOND_NS)
    assert rate.refusal(4 * SECOND_NS + MINUTE_NS) == ""


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1, SECOND_NS)
    bucket.take(5 * SECOND_NS)
    assert bucket.tokens(0) == 0
    assert bucket.tokens(5 * SECOND_NS + 1) == 0


# --- the gate


def test_the_gate_names_everything_that_refuses() -> None:
    gate = RiskGate(LIMITS)
    request = replace(REQUEST, price=math.nan, reference_price=math.nan, quantity=9)
    facts = replace(
        FACTS, trades_today=10, day_profit=math.nan, base_recv_ns=0, market_ts_ns=0, upstream_problem="x",
        broker_problem="y", trading=Trading.HALTED,
    )  # fmt: skip
    assert set(gate.refusals(request, facts)) == set(CHECKS)
    assert set(CHECKS) | {ORDER_RATE, NOT_REDUCING} == set(REASONS)


def test_the_gate_counts_what_it_lets_out_and_only_that() -> None:
    gate = RiskGate(LIMITS)
    for _ in range(100):
        assert gate.refusals(replace(REQUEST, quantity=9), FACTS).keys() == {"max_position"}
    for _ in range(LIMITS.max_orders_per_s):
        assert gate.refusals(REQUEST, FACTS) == {}
    assert gate.refusals(REQUEST, FACTS).keys() == {ORDER_RATE}


@pytest.mark.parametrize("role", [STOP, EXIT])
def test_what_reduces_passes_whatever_happens(role: str) -> None:
    gate = RiskGate(LIMITS)
    facts = replace(
        FACTS, position=2, trades_today=99, day_profit=math.nan, base_recv_ns=0, market_ts_ns=0, last=math.nan,
        bid=math.nan, upstream_problem="x", broker_problem="y", trading=Trading.HALTED,
    )  # fmt: skip
    for _ in range(50):
        gate.count_cancel(FACTS.now_ns)
    for quantity in (1, 2):
        assert gate.refusals(replace(REQUEST, role=role, side=SELL, quantity=quantity), facts) == {}


@pytest.mark.parametrize(
    "side, quantity, position", [(SELL, 3, 2), (BUY, 1, 2), (SELL, 1, 0), (BUY, 3, -2), (SELL, 0, 2)]
)
def test_what_only_claims_to_reduce_does_not_pass(side: int, quantity: int, position: int) -> None:
    found = RiskGate(LIMITS).refusals(
        replace(REQUEST, role=EXIT, side=side, quantity=quantity), replace(FACTS, position=position)
    )
    assert NOT_REDUCING in found


def test_an_entry_that_happens_to_reduce_is_still_judged() -> None:
    facts = replace(FACTS, position=-2, upstream_problem="features is failed")
    assert RiskGate(LIMITS).refusals(REQUEST, facts).keys() == {"upstream"}
