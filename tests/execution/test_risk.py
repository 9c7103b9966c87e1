"""Each check at, below and above its limit, and with data that are missing; the gate; the rates."""

from __future__ import annotations

import datetime
import math
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load
from config.schema import Instrument, NoTrade, Risk
from execution.contracts import Contract
from execution.events import BUY, ENTRY, EXIT, LIMIT, MARKET, SELL, STOP, STOP_LIMIT, TARGET
from execution.risk import age, collar, exposure, form, health, instrument, loss, own_orders, pace
from execution.risk.clear import clear
from execution.risk.gate import CANCEL_RATE, CHECKS, NOT_REDUCING, ORDER_RATE, REASONS, RiskGate
from execution.risk.rate import MINUTE_NS, SECOND_NS, MessageRate, Rates, TokenBucket
from execution.risk.request import Facts, Request
from execution.risk.states import Trading
from runtime.trading_hours import TradingHours

MS = 1_000_000
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
TABLE = load().sessions
WDO = Instrument(symbol="WDOFUT", order_symbol="WDOZ25", tick=0.5, point_value=10.0)


def market_ns(clock: str, day: date = date(2025, 11, 13)) -> int:
    hour, minute, second = (int(part) for part in clock.split(":"))
    local = datetime.datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=SAO_PAULO)
    return int(local.timestamp()) * SECOND_NS


NOW_NS = market_ns("12:00:00")
CONTRACT = Contract(
    0, "WDOZ25", "F", 0.5, 10.0, 1.0, SAO_PAULO, lot=1, margin=150.0, hours=TradingHours(WDO, TABLE),
    last_day=date(2025, 11, 28), ends=True, alias=True,
)  # fmt: skip
LIMITS = Risk(
    capital=10_000.0, risk_per_trade=0.01, max_position=2, max_order_quantity=3, max_open_orders=10, max_notional=5_000.0,
    max_margin=1_000.0, price_collar_ticks=20, max_spread_ticks=4, max_alias_ticks=6, max_daily_loss=500.0,
    max_drawdown=300.0, max_losses_in_row=3, cool_down_s=60.0, max_trades_per_day=10, min_entry_interval_ms=1_000,
    max_orders_per_s=5, max_orders_per_min=20, max_cancels_per_s=3, max_cancels_per_min=30, max_message_ratio=5.0,
    message_ratio_after=10, max_data_age_ms=1_000, max_exchange_age_ms=10_000,
)  # fmt: skip
REQUEST = Request(ENTRY, CONTRACT, BUY, 1, LIMIT, 100.5, -1.0, 100.5, 40.0)
FACTS = Facts(
    now_ns=50_000 * MS, market_now_ns=NOW_NS, trading=Trading.ACTIVE, position=0, working_entries=0, open_orders=0,
    notional=0.0, margin=0.0, own_bid=-math.inf, own_ask=math.inf, twin="", trades_today=0, messages_today=0,
    fills_today=0, day_profit=0.0, day_peak=0.0, losses_in_row=0, market_lost_ns=0, market_entered_ns=0, last=100.0,
    bid=100.0, ask=100.5, market_ts_ns=NOW_NS - 10 * MS, base_recv_ns=49_990 * MS, reference_bid=100.0,
    reference_ask=100.5, reference_ns=49_900 * MS, unready="", upstream_problem="", broker_problem="",
)  # fmt: skip
replace = msgspec.structs.replace


def with_contract(**changes: Any) -> dict[str, Any]:
    import dataclasses

    return {"contract": dataclasses.replace(CONTRACT, **changes)}


def refused(check: Any, request: dict[str, Any] | None = None, limits: Risk = LIMITS, **facts: Any) -> bool:
    """Whether the check refuses. The short way is held to all checks in each of these cases, at every limit."""
    asked, known = replace(REQUEST, **(request or {})), replace(FACTS, **facts)
    compare_ways(asked, known, limits)
    return bool(check(asked, known, limits))


def compare_ways(request: Request, facts: Facts, limits: Risk) -> None:
    """The gate's short way never says yes where a check refuses, and yes to every usual entry that they all pass."""
    refuses = [name for name, asked in CHECKS.items() if asked(request, facts, limits)]
    short = clear(request, facts, limits)
    assert not (short and refuses), refuses
    usual = facts.trading is Trading.ACTIVE and request.order_type in (LIMIT, MARKET)
    assert short or refuses or not usual


def test_the_plain_case_passes_everything() -> None:
    assert RiskGate(LIMITS).refusals(REQUEST, FACTS) == {}


# --- form


@pytest.mark.parametrize(
    "changes, no",
    [
        ({}, False), ({"quantity": 0}, True), ({"quantity": -1}, True), ({"side": 3}, True), ({"price": 100.25}, True),
        ({"price": math.nan}, True), ({"price": 0.0}, True), ({"price": -100.0}, True), ({"price": 100.5 + 1e-9}, False),
        ({"price": math.inf}, True), ({"order_type": MARKET, "price": -1.0}, False), ({"order_type": 9}, True),
        ({"order_type": STOP_LIMIT, "stop_price": 101.0}, False), ({"order_type": STOP_LIMIT, "stop_price": 101.1}, True),
        ({"order_type": STOP_LIMIT, "stop_price": math.nan}, True),
    ],
)  # fmt: skip
def test_order_form(changes: dict[str, Any], no: bool) -> None:
    assert refused(form.order_form, changes) is no


@pytest.mark.parametrize("quantity, lot, no", [(1, 1, False), (5, 5, False), (10, 5, False), (4, 5, True), (6, 5, True)])
def test_order_lot(quantity: int, lot: int, no: bool) -> None:
    assert refused(form.order_lot, {"quantity": quantity, **with_contract(lot=lot)}) is no


@pytest.mark.parametrize("quantity, no", [(2, False), (3, False), (4, True)])
def test_order_quantity(quantity: int, no: bool) -> None:
    assert refused(form.order_quantity, {"quantity": quantity}) is no


# --- the instrument


@pytest.mark.parametrize(
    "clock, no",
    [("08:59:59", True), ("09:00:00", False), ("17:59:59", False), ("18:00:00", True), ("18:29:59", True), ("18:30:00", True)],
)  # fmt: skip
def test_session(clock: str, no: bool) -> None:
    assert refused(instrument.session, market_now_ns=market_ns(clock)) is no


def test_a_session_that_is_not_known_or_not_held_refuses() -> None:
    assert refused(instrument.session, market_now_ns=0)
    assert refused(instrument.session, with_contract(hours=None))
    assert refused(instrument.session, market_now_ns=market_ns("12:00:00", date(2025, 11, 20))), "a holiday"
    assert refused(instrument.session, market_now_ns=market_ns("12:00:00", date(2031, 11, 13))), "beyond the table"


@pytest.mark.parametrize("clock, no", [("09:59:59", False), ("10:00:00", True), ("10:14:59", True), ("10:15:00", False)])
def test_no_trade_window(clock: str, no: bool) -> None:
    quiet = msgspec.structs.replace(TABLE, no_trade=(NoTrade(starts="10:00", ends="10:15", reason="rates"),))
    request = with_contract(hours=TradingHours(WDO, quiet))
    assert refused(instrument.no_trade_window, request, market_now_ns=market_ns(clock)) is no
    assert refused(instrument.no_trade_window, request, market_now_ns=0)
    assert refused(instrument.no_trade_window, with_contract(hours=None))


@pytest.mark.parametrize(
    "today, no",
    [(date(2025, 11, 26), False), (date(2025, 11, 27), True), (date(2025, 11, 28), True), (date(2025, 12, 1), True)],
)
def test_expiry_with_one_day_to_spare(today: date, no: bool) -> None:
    assert TABLE.no_entry_before_expiry_days == 1
    assert refused(instrument.expiry, market_now_ns=market_ns("12:00:00", today)) is no


def test_a_last_day_that_must_be_known_and_is_not_refuses() -> None:
    assert refused(instrument.expiry, with_contract(last_day=None))
    assert not refused(instrument.expiry, with_contract(last_day=None, ends=False))
    assert refused(instrument.expiry, market_now_ns=0)
    assert refused(instrument.expiry, with_contract(hours=None))


@pytest.mark.parametrize("ticks, no", [(0, False), (5, False), (6, False), (7, True), (-6, False), (-7, True)])
def test_alias_price(ticks: int, no: bool) -> None:
    moved = {"reference_bid": 100.0 + ticks * 0.5, "reference_ask": 100.5 + ticks * 0.5}
    assert refused(instrument.alias, **moved) is no
    assert not refused(instrument.alias, with_contract(alias=False), **moved)


@pytest.mark.parametrize("name", ["reference_bid", "reference_ask", "bid", "ask"])
@pytest.mark.parametrize("missing", [math.nan, math.inf])
def test_alias_without_prices_refuses(name: str, missing: float) -> None:
    assert refused(instrument.alias, **{name: missing})


@pytest.mark.parametrize("age_ns, no", [(0, False), (10_000 * MS, False), (10_000 * MS + 1, True), (-1, True)])
def test_alias_price_has_an_age(age_ns: int, no: bool) -> None:
    assert refused(instrument.alias, reference_ns=FACTS.now_ns - age_ns) is no
    assert refused(instrument.alias, reference_ns=0)


# --- exposure


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


@pytest.mark.parametrize("already, no", [(7, False), (8, False), (9, True)])
def test_open_orders_leave_room_for_the_stop(already: int, no: bool) -> None:
    assert refused(exposure.open_orders, open_orders=already) is no
    assert refused(exposure.open_orders, {"legs": 2}, open_orders=already - 1) is no, "and for a target that rests"


@pytest.mark.parametrize("held, no", [(3_994.0, False), (3_995.0, False), (3_996.0, True), (math.nan, True), (math.inf, True)])
def test_notional(held: float, no: bool) -> None:
    """One contract at 100.5 is worth 1,005."""
    assert refused(exposure.notional, notional=held) is no
    assert refused(exposure.notional, {"reference_price": math.nan})


@pytest.mark.parametrize("held, no", [(849.0, False), (850.0, False), (851.0, True), (math.nan, True)])
def test_margin(held: float, no: bool) -> None:
    assert refused(exposure.margin, margin=held) is no


def test_a_margin_that_is_not_known_is_the_whole_value() -> None:
    unknown = with_contract(margin=math.nan)
    assert refused(exposure.margin, unknown), "1,005 of 1,000"
    assert not refused(exposure.margin, {**unknown, "reference_price": 100.0})
    assert refused(exposure.margin, {**unknown, "reference_price": math.nan})


@pytest.mark.parametrize(
    "quantity, loss_each, no",
    [(1, 99.0, False), (1, 100.0, False), (1, 100.1, True), (2, 50.0, False), (3, 50.0, True), (1, math.nan, True),
     (1, math.inf, True), (1, 0.0, True), (1, -5.0, True)],
)  # fmt: skip
def test_trade_risk_is_one_percent_of_the_capital(quantity: int, loss_each: float, no: bool) -> None:
    assert refused(exposure.trade_risk, {"quantity": quantity, "loss_per_contract": loss_each}) is no


# --- money


@pytest.mark.parametrize(
    "profit, no", [(1e9, False), (-499.99, False), (-500.0, True), (-500.01, True), (math.nan, True)]
)
def test_daily_loss(profit: float, no: bool) -> None:
    assert refused(loss.daily_loss, day_profit=profit) is no


@pytest.mark.parametrize(
    "peak, profit, no",
    [(0.0, -299.0, False), (0.0, -300.0, True), (1_000.0, 701.0, False), (1_000.0, 700.0, True), (1_000.0, 600.0, True),
     (0.0, math.nan, True), (math.nan, 0.0, True)],
)  # fmt: skip
def test_drawdown(peak: float, profit: float, no: bool) -> None:
    assert refused(loss.drawdown, day_peak=peak, day_profit=profit) is no


@pytest.mark.parametrize(
    "losses, ago_ns, no",
    [(2, 0, False), (3, 0, True), (3, 60 * SECOND_NS - 1, True), (3, 60 * SECOND_NS, False), (9, 61 * SECOND_NS, False)],
)
def test_losses_in_row(losses: int, ago_ns: int, no: bool) -> None:
    assert refused(loss.losses_in_row, losses_in_row=losses, market_lost_ns=NOW_NS - ago_ns) is no


def test_losses_without_a_time_refuse() -> None:
    assert refused(loss.losses_in_row, losses_in_row=3, market_lost_ns=0)
    assert refused(loss.losses_in_row, losses_in_row=3, market_lost_ns=NOW_NS, market_now_ns=0)


# --- pace


@pytest.mark.parametrize("trades, no", [(9, False), (10, True), (11, True)])
def test_trades_per_day(trades: int, no: bool) -> None:
    assert refused(pace.trades_per_day, trades_today=trades) is no


@pytest.mark.parametrize("gap_ns, no", [(999 * MS, True), (1_000 * MS, False), (1_001 * MS, False), (-1, True)])
def test_entry_interval(gap_ns: int, no: bool) -> None:
    assert refused(pace.entry_interval, market_entered_ns=NOW_NS - gap_ns) is no
    assert not refused(pace.entry_interval, market_entered_ns=0), "no entry yet"
    assert refused(pace.entry_interval, market_entered_ns=NOW_NS, market_now_ns=0)


@pytest.mark.parametrize(
    "messages, fills, no",
    [(9, 0, False), (10, 0, True), (49, 10, False), (50, 10, True), (14, 3, False), (15, 3, True)],
)
def test_message_ratio(messages: int, fills: int, no: bool) -> None:
    """This order is one more message; at most 5 for one execution, looked at from the 11th on."""
    assert refused(pace.message_ratio, messages_today=messages, fills_today=fills) is no


# --- our own orders


@pytest.mark.parametrize("own, no", [(100.0, True), (100.5, True), (101.0, False), (math.inf, False), (math.nan, True)])
def test_self_match_of_a_buy(own: float, no: bool) -> None:
    assert refused(own_orders.self_match, own_ask=own) is no
    assert not refused(own_orders.self_match, own_bid=own), "the same side never trades with us"


@pytest.mark.parametrize("own, no", [(101.0, True), (100.5, True), (100.0, False), (-math.inf, False), (math.nan, True)])
def test_self_match_of_a_sell(own: float, no: bool) -> None:
    assert refused(own_orders.self_match, {"side": SELL}, own_bid=own) is no


def test_a_market_order_meets_whatever_rests() -> None:
    assert refused(own_orders.self_match, {"order_type": MARKET}, own_ask=500.0)
    assert not refused(own_orders.self_match, {"order_type": MARKET})


def test_duplicate() -> None:
    assert refused(own_orders.duplicate, twin="order 7 says the same") and not refused(own_orders.duplicate)


# --- data and prices


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


@pytest.mark.parametrize("ticks, no", [(0, False), (19, False), (20, False), (21, True), (-20, False), (-21, True)])
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


@pytest.mark.parametrize("ticks, no", [(0, False), (3, False), (4, False), (5, True), (-1, True)])
def test_spread(ticks: int, no: bool) -> None:
    assert refused(collar.spread, ask=100.0 + ticks * 0.5) is no


@pytest.mark.parametrize("side", ["bid", "ask"])
@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_spread_without_a_side_refuses(side: str, missing: float) -> None:
    assert refused(collar.spread, **{side: missing})


# --- health and states


def test_health() -> None:
    assert refused(health.upstream, upstream_problem="features is failed") and not refused(health.upstream)
    assert refused(health.reconciled, broker_problem="the broker holds +1") and not refused(health.reconciled)
    assert refused(health.features_ready, unready="no vector yet") and not refused(health.features_ready)


@pytest.mark.parametrize("trading, no", [(Trading.ACTIVE, False), (Trading.REDUCING, False), (Trading.HALTED, True)])
def test_trading_allowed(trading: Trading, no: bool) -> None:
    assert refused(health.trading_allowed, trading=trading) is no


@pytest.mark.parametrize(
    "position, working, quantity, no",
    [(0, 0, 1, True), (1, 0, 1, True), (-1, 0, 1, False), (-2, 0, 1, False), (-1, 0, 2, True), (-2, 1, 1, False),
     (-1, 1, 1, True)],
)  # fmt: skip
def test_reduce_only_of_a_buy(position: int, working: int, quantity: int, no: bool) -> None:
    facts = {"position": position, "working_entries": working}
    assert refused(health.reduce_only, {"quantity": quantity}, trading=Trading.REDUCING, **facts) is no
    assert not refused(health.reduce_only, {"quantity": quantity}, trading=Trading.ACTIVE, **facts)


# --- rates


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


@given(st.integers(1, 10), st.lists(st.integers(0, SECOND_NS), min_size=1, max_size=80))
def test_a_bucket_that_is_asked_first_never_lets_out_more_than_burst_and_rate(capacity: int, gaps: list[int]) -> None:
    bucket, now_ns, sent = TokenBucket(capacity, SECOND_NS), 0, []
    for gap in gaps:
        now_ns += gap
        if bucket.tokens(now_ns) >= 1:
            bucket.take(now_ns)
            sent.append(now_ns)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            span_ns = sent[last] - sent[first]
            assert last - first + 1 <= capacity + span_ns * capacity // SECOND_NS + 1


def test_message_rate_at_its_limits() -> None:
    rate = MessageRate("orders", 3, 5)
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


def test_a_new_incarnation_remembers_what_was_sent() -> None:
    now_ns = 100 * SECOND_NS
    rates = Rates(LIMITS)
    rates.restore(now_ns, [now_ns - 1] * LIMITS.max_orders_per_s, [now_ns - SECOND_NS // 2])
    assert rates.orders.refusal(now_ns) and not rates.cancels.refusal(now_ns)
    rebooted = Rates(LIMITS)
    rebooted.restore(now_ns, [now_ns + 10**15] * 50, [])
    assert not rebooted.orders.refusal(now_ns), "times of before the machine was started say nothing"


# --- the gate


def test_the_gate_names_everything_that_refuses() -> None:
    gate = RiskGate(LIMITS)
    for _ in range(50):
        gate.count_cancel(FACTS.now_ns)
    request = replace(
        REQUEST, price=math.nan, reference_price=math.nan, quantity=9, loss_per_contract=math.nan, **with_contract(lot=2)
    )
    facts = replace(
        FACTS, market_now_ns=0, open_orders=10, notional=math.nan, margin=math.nan, own_ask=100.0, twin="x",
        trades_today=10, messages_today=99, day_profit=math.nan, losses_in_row=9, market_entered_ns=1, bid=math.nan,
        base_recv_ns=0, market_ts_ns=0, reference_ns=0, unready="x", upstream_problem="x", broker_problem="y",
        trading=Trading.HALTED,
    )  # fmt: skip
    found = set(gate.refusals(request, facts))
    assert found == set(CHECKS) - {"reduce_only"} | {CANCEL_RATE}, "halted says more than reducing"
    reducing = RiskGate(LIMITS).refusals(request, replace(facts, trading=Trading.REDUCING))
    assert set(reducing) == set(CHECKS) - {"trading_allowed"}
    assert set(CHECKS) | {ORDER_RATE, CANCEL_RATE, NOT_REDUCING} == set(REASONS)


def test_the_gate_counts_what_it_lets_out_and_only_that() -> None:
    gate = RiskGate(LIMITS)
    for _ in range(100):
        assert gate.refusals(REQUEST, replace(FACTS, trades_today=10)).keys() == {"trades_per_day"}
    for _ in range(LIMITS.max_orders_per_s):
        assert gate.refusals(REQUEST, FACTS) == {}
    assert gate.refusals(REQUEST, FACTS).keys() == {ORDER_RATE}


def test_cancels_are_counted_apart() -> None:
    gate = RiskGate(LIMITS)
    for _ in range(LIMITS.max_cancels_per_s):
        assert gate.refusals(REQUEST, FACTS) == {}
        gate.count_cancel(FACTS.now_ns)
    assert gate.refusals(REQUEST, FACTS).keys() == {CANCEL_RATE}


@pytest.mark.parametrize("role", [STOP, EXIT])
def test_what_reduces_passes_whatever_happens(role: str) -> None:
    gate = RiskGate(LIMITS)
    facts = replace(
        FACTS, market_now_ns=0, position=2, trades_today=99, day_profit=math.nan, base_recv_ns=0, market_ts_ns=0,
        last=math.nan, bid=math.nan, notional=math.nan, margin=math.nan, own_bid=math.nan, twin="x", unready="x",
        upstream_problem="x", broker_problem="y", trading=Trading.HALTED,
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


@pytest.mark.parametrize(
    "position, resting, quantity, no", [(2, 0, 2, False), (2, 1, 1, False), (2, 1, 2, True), (2, 2, 1, True)]
)
def test_all_targets_together_close_no_more_than_is_held(position: int, resting: int, quantity: int, no: bool) -> None:
    facts = replace(FACTS, position=position, working_targets=resting, upstream_problem="features is failed")
    found = RiskGate(LIMITS).refusals(replace(REQUEST, role=TARGET, side=SELL, quantity=quantity), facts)
    assert (NOT_REDUCING in found) is no and bool(found) is no
    stop = replace(REQUEST, role=STOP, side=SELL, quantity=position, order_type=STOP_LIMIT, stop_price=98.0)
    assert RiskGate(LIMITS).refusals(stop, facts) == {}, "the stop rests for the same contracts"


def test_an_entry_that_happens_to_reduce_is_still_judged() -> None:
    facts = replace(FACTS, position=-2, upstream_problem="features is failed")
    assert RiskGate(LIMITS).refusals(REQUEST, facts).keys() == {"upstream"}


MONEY = st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))
TIME = st.integers(-(10**9), 2 * NOW_NS)


@given(
    MONEY, MONEY, MONEY, MONEY, MONEY, TIME, TIME, TIME, st.integers(-9, 9), st.sampled_from([BUY, SELL]),
    st.sampled_from(list(Trading)),
)  # fmt: skip
def test_no_check_ever_raises(
    last: float, bid: float, ask: float, profit: float, notional: float, now_ns: int, recv_ns: int, ts_ns: int,
    position: int, side: int, trading: Trading,
) -> None:  # fmt: skip
    facts = replace(
        FACTS, last=last, bid=bid, ask=ask, day_profit=profit, notional=notional, market_now_ns=now_ns,
        base_recv_ns=recv_ns, market_ts_ns=ts_ns, position=position, trading=trading,
    )  # fmt: skip
    request = replace(REQUEST, side=side, price=last, reference_price=last)
    compare_ways(request, facts, LIMITS)
    found = RiskGate(LIMITS).refusals(request, facts)
    assert set(found) <= set(REASONS)
    if any(math.isnan(value) for value in (last, bid, ask, profit, notional)):
        assert found, "what is not known is not allowed"


@given(st.data())
def test_the_short_way_says_what_the_checks_say(data: st.DataObject) -> None:
    """Several facts moved at once, each to its limit or next to it."""
    near: dict[str, list[Any]] = {
        "trading": list(Trading), "position": [-2, -1, 0, 1, 2], "working_entries": [0, 1], "open_orders": [0, 8, 9],
        "notional": [0.0, 3_995.0, 3_996.0, math.nan], "margin": [0.0, 850.0, 851.0, math.nan],
        "own_bid": [-math.inf, 100.0, 100.5, math.nan], "own_ask": [math.inf, 100.5, 101.0, math.nan],
        "twin": ["", "x"], "trades_today": [0, 9, 10], "messages_today": [0, 9, 10, 60], "fills_today": [0, 2, 10],
        "day_profit": [0.0, -299.9, -300.0, -500.0, math.nan], "day_peak": [0.0, 100.0, math.nan],
        "losses_in_row": [0, 2, 3], "market_lost_ns": [0, NOW_NS - 60 * SECOND_NS, NOW_NS - 60 * SECOND_NS + 1],
        "market_entered_ns": [0, NOW_NS - 1_000 * MS, NOW_NS - 999 * MS, NOW_NS + 1],
        "market_now_ns": [0, NOW_NS, market_ns("17:59:59"), market_ns("18:00:00"), market_ns("08:59:59")],
        "last": [100.0, 90.5, 90.0, math.nan], "bid": [100.0, 98.5, 98.0, 101.0, math.nan], "ask": [100.5, math.inf],
        "market_ts_ns": [0, NOW_NS, NOW_NS - 10_000 * MS, NOW_NS - 10_001 * MS, NOW_NS + 10_000 * MS],
        "base_recv_ns": [0, 49_000 * MS, 49_000 * MS - 1, 50_000 * MS, 50_001 * MS], "unready": ["", "x"],
        "reference_ns": [0, 49_900 * MS], "upstream_problem": ["", "x"], "broker_problem": ["", "x"],
    }  # fmt: skip
    asked: dict[str, list[Any]] = {
        "side": [BUY, SELL, 0], "quantity": [1, 2, 3, 4, 0], "order_type": [LIMIT, MARKET, STOP_LIMIT],
        "price": [100.5, 100.25, math.nan, 0.0], "reference_price": [100.5, 110.5, 111.0, math.nan],
        "loss_per_contract": [40.0, 50.0, 100.0, 101.0, math.nan], "stop_price": [-1.0, 101.0],
        "contract": [CONTRACT, *(with_contract(**changes)["contract"] for changes in (
            {"lot": 2}, {"alias": False}, {"hours": None}, {"last_day": None}, {"last_day": None, "ends": False},
            {"margin": math.nan}, {"last_day": date(2025, 11, 14)},
        ))],
    }  # fmt: skip

    def some(choices: dict[str, list[Any]]) -> dict[str, Any]:
        names = data.draw(st.lists(st.sampled_from(sorted(choices)), max_size=3, unique=True))
        return {name: data.draw(st.sampled_from(choices[name])) for name in names}

    compare_ways(replace(REQUEST, **some(asked)), replace(FACTS, **some(near)), LIMITS)
