"""The fast path against the machine, its slow and obvious twin: the same signals to both, in random worlds.

What the fast path sends the machine must say, field for field (`Twins.answer` holds it to that); and what the machine enters
the fast path must send, unless a number is too near to a bound or no permit stood.
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bus.messages import Signal
from config.schema import Agents, Config, Consensus, Execution, Instrument, NoTrade, Risk, Sessions
from consensus.weights import SOURCES
from execution.events import SendOrder, Tick, UpstreamSeen
from execution.market_watch import STALE_BOOK_NS
from tests.execution.fast_path.twins import (
    SECOND_NS,
    TICK,
    Twins,
    decision_of,
    is_near_a_bound,
    plain_config,
)
from tests.execution.rig import MS

MINUTE_NS = 60 * SECOND_NS


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """A world in which everything is unusual sends nothing."""
    return st.integers(0, 5).flatmap(lambda dice: st.sampled_from(others) if dice == 0 else st.just(usual))


directions = st.one_of(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), st.floats(-1.0, 1.0))
confidences = st.one_of(st.sampled_from([0.0, 0.5, 0.85, 1.0]), st.floats(0.0, 1.0))
odd = st.tuples(
    st.sampled_from(SOURCES), directions, confidences,
    mostly("", "no pattern", "patterns disagree", "cold"), mostly(5_000, -1, 0, 50), mostly(1, 0, -1, 2), mostly(0, 1, 7),
)  # fmt: skip
agreed = st.sampled_from([1.0, -1.0, 0.7, -0.4]).map(
    lambda side: [(source, side, 1.0, "", 5_000, 1, 0) for source in SOURCES]
)
batches = st.one_of(agreed, agreed, st.lists(odd, min_size=1, max_size=5))
prices = st.sampled_from([*[100.0] * 12, 99.5, 100.5, 103.0, 112.0, 100.2, math.nan])
spreads = st.sampled_from([*[TICK] * 12, 0.0, -TICK, 2.0, 6.0, math.nan])
ages_ms = mostly(0, 5, 400, 9_000, 20_000, -20_000)
steps = st.one_of(
    *[st.tuples(st.just("signals"), st.tuples(batches, mostly(0, 5, 400, 2_000), mostly(True, False)))] * 4,
    st.tuples(st.just("market"), st.tuples(prices, prices, spreads, ages_ms, mostly(0, STALE_BOOK_NS + 1))),
    st.tuples(st.just("time"), st.tuples(st.sampled_from([1, 20, 300, 2_000]), st.booleans())),
    st.tuples(st.just("instrument"), st.tuples(mostly("", "not whole"), mostly(0.0, 3.0, 20.0))),
    st.tuples(st.just("upstream"), mostly("", "features are down")),
)
configs = st.fixed_dictionaries(
    {
        "strategies": st.permutations(["threshold", "strong", "qualified", "specialist"]).flatmap(
            lambda names: st.integers(1, 4).map(lambda count: tuple(names[:count]))
        ),
        "decide_on": mostly("signal", "ml_signal"),
        "threshold": st.sampled_from([0.0, 0.1, 0.3]),
        "threshold_dispersion": st.sampled_from([0.0, 1.0, 4.0]),
        "minimum_sources": st.integers(1, 3),
        "minimum_weight": st.sampled_from([0.1, 0.6]),
        "order_type": mostly("limit", "market"),
        "entry_offset_ticks": mostly(0, 1, -2, 30),
        "max_quantity": st.integers(1, 5),
        "target": mostly("local", "resting"),
        "max_position": mostly(4, 1, 2, 3),
        "max_order_quantity": mostly(4, 1, 2, 3),
        "liquidity_floor": st.sampled_from([0.0, 0.5, 1.0]),
        "max_notional": mostly(250_000.0, 1_500.0),
        "margin_per_contract": mostly(None, 150.0),
        "max_margin": mostly(250_000.0, 400.0),
        "capital": st.sampled_from([100_000.0, 10_000.0]),
        "duplicate_ms": mostly(0, 500),
        "min_entry_interval_ms": mostly(0, 1_000),
        "max_trades_per_day": mostly(200, 3),
        "max_orders_per_s": mostly(50, 2),
        "quantity_step": mostly(1, 2),
        "order_symbol": mostly("", "WDOZ25"),
        "no_trade": mostly(False, True),
        "session_close": mostly("18:00", "09:32"),
        "warm": mostly(True, False),
    }
)


def config_of(chosen: dict[str, Any]) -> Config:
    def only(section: Any, **more: Any) -> Any:
        names = section.__struct_fields__
        return section(**{**more, **{name: value for name, value in chosen.items() if name in names}})

    quiet = NoTrade(starts="09:02", ends="09:03")
    return Config(
        instruments=(
            only(Instrument, symbol="WDOFUT", tick=TICK, point_value=10.0, fee_per_contract=1.0,
                 last_trading_day="2025-11-28"),
            Instrument(symbol="WINFUT", tick=5.0, point_value=0.2, last_trading_day="2025-11-28"),
        ),
        consensus=only(Consensus),
        risk=only(Risk, max_orders_per_min=1_000, max_cancels_per_s=50, max_cancels_per_min=1_000,
                  message_ratio_after=1_000),
        execution=only(Execution, stop_ticks=4, target_ticks=6, stop_limit_offset_ticks=2),
        sessions=Sessions(no_trade=(quiet,) if chosen["no_trade"] else ()),
    )  # fmt: skip


def say(twins: Twins, batch: list[tuple[Any, ...]], age_ms: int, arms: bool) -> None:
    if arms:
        twins.arm()
    signals = [
        twins.signal(
            source, direction, confidence, abstains=abstains, valid_until_ns=twins.market_ns + holds_ms * MS, step=step,
            symbol=symbol, recv_ns=twins.now_ns - age_ms * MS,
        )
        for source, direction, confidence, abstains, holds_ms, step, symbol in batch
    ]  # fmt: skip
    permit = twins.path._permits.rows[0].copy()
    before, all_new = twins.sent, twins.are_new(signals)
    outputs = twins.answer(signals)
    entered = any(isinstance(output, SendOrder) for output in outputs)
    one_contract = {signal.symbol for signal in signals} == {0}
    if permit["armed"] and entered and one_contract and all_new and twins.sent == before:
        decision = decision_of(outputs)
        voters = sum(1 << SOURCES.index(source) for source, *_ in decision.votes)
        assert not permit["known"][voters] or is_near_a_bound(decision, twins.config), f"not sent early: {decision}"
    twins.refuse(outputs)


def live(twins: Twins, world: list[tuple[str, Any]]) -> None:
    for name, value in world:
        match name:
            case "signals":
                say(twins, *value)
            case "market":
                last, bid, spread, age_ms, book_behind_ns = value
                twins.show(0, last, bid, bid + spread, age_ms, book_behind_ns)
            case "time":
                twins.go_on(*value)
            case "instrument":
                twins.see(0, *value)
            case "upstream":
                twins.take(UpstreamSeen(*twins.stamps, value))


@settings(max_examples=600, deadline=None)
@given(configs, st.lists(steps, min_size=2, max_size=25))
def test_both_ways_say_the_same(chosen: dict[str, Any], world: list[tuple[str, Any]]) -> None:
    twins = Twins(config_of(chosen), chosen["warm"])
    live(twins, world)
    event(f"sent early: {min(twins.sent, 3)}")


def test_most_entries_go_early() -> None:
    """A day of plain signals in a plain market: the property above would also hold of a path that never sends."""
    twins = Twins(plain_config())
    dice = np.random.default_rng(7)
    for _ in range(200):
        bid = 100.0 + TICK * int(dice.integers(-3, 4))
        twins.show(0, bid, bid, bid + TICK)
        twins.arm()
        side = float(dice.choice([-1.0, 1.0]))
        signals = [twins.signal(source, side * dice.uniform(0.5, 1.0), dice.uniform(0.7, 1.0)) for source in SOURCES]
        twins.refuse(twins.answer(signals))
        twins.go_on(1_100)
    assert twins.sent > 190 and twins.long <= 2


# --- long walks: two contracts, restarts of sources, odd stamps, learning, clocks that jump


def walk_config(dice: random.Random) -> Config:
    c = dice.choice
    strategies = ["threshold", "strong", "qualified", "specialist"]
    dice.shuffle(strategies)
    quiet = c([(), (NoTrade(starts="09:02", ends="09:03"),), (NoTrade(starts="23:30", ends="00:10"),)])
    return plain_config(
        instruments=(
            Instrument(
                symbol="WDOFUT", order_symbol=c(["", "WDOZ25"]), tick=c([0.5, 0.1, 0.01, 1 / 3]), point_value=10.0,
                fee_per_contract=1.0, last_trading_day="2025-11-28", quantity_step=c([1, 1, 1, 2]),
                session_open=c(["09:00", "00:00"]), session_close=c(["18:00", "24:00", "09:33"]),
            ),
            Instrument(
                symbol="WINFUT", tick=5.0, point_value=0.2, timezone=c(["America/Sao_Paulo", "Asia/Tokyo", "UTC"]),
                last_trading_day="2025-11-28", session_open="00:00", session_close=c(["24:00", "23:00"]),
            ),
        ),
        agents=Agents(horizon_ms=c([50, 500])),
        consensus={
            "decide_on": c(["signal", "signal", "ml_signal"]), "strategies": tuple(strategies[: dice.randint(1, 4)]),
            "threshold": c([0.0, 0.1, 0.3]), "threshold_dispersion": c([0.0, 1.0, 4.0]),
            "minimum_sources": dice.randint(1, 3), "minimum_weight": c([0.1, 0.6]), "adaptive": c([True, False]),
            "learning_rate": c([0.0, 5.0]), "correlation_rounds": c([0, 3]),
        },
        risk={
            "max_position": c([4, 1, 2]), "max_order_quantity": c([4, 1, 2]), "liquidity_floor": c([0.0, 0.5, 1.0]),
            "max_notional": c([250_000.0, 1_500.0]), "max_orders_per_s": c([50, 2]),
            "message_ratio_after": c([1_000, 20]), "max_trades_per_day": c([200, 5]), "duplicate_ms": c([0, 500]),
            "min_entry_interval_ms": c([0, 1_000]), "capital": c([1e5, 1e4]), "max_losses_in_row": 1,
        },
        execution={
            "max_quantity": dice.randint(1, 5), "order_type": c(["limit", "limit", "market"]),
            "entry_offset_ticks": c([0, 0, 1, -2]), "target": c(["local", "resting"]),
        },
        sessions=Sessions(no_trade=quiet, no_entry_before_close_min=c([0, 30])),
    )  # fmt: skip


def some_signals(twins: Twins, dice: random.Random) -> list[Signal]:
    agree, two = dice.random() < 0.6, dice.random() < 0.1
    symbol, side = dice.choice([0, 0, 0, 1]), dice.choice([1.0, -1.0])
    found = []
    for number in range(dice.choice([1, 1, 2, 3, 5, 5, 7])):
        source = SOURCES[number % len(SOURCES)] if agree else dice.choice(SOURCES)
        if dice.random() < 0.05:
            twins.epochs[source] += 1
            twins.numbers[source] = dice.choice([0, 5])
        own = dice.choice([1.0, -1.0, 0.5, 0.0, -0.0, dice.uniform(-1, 1), 5e-324, 1e-300])
        of = dice.choice([0, 1, 1, 7]) if two else symbol
        changes: dict[str, Any] = {"step": dice.choice([1, 1, 2, 0, -1]) if dice.random() < 0.3 else 1, "symbol": of}
        if dice.random() < 0.1:
            changes["ingest_seq"] = dice.choice([-1, 0, 1, (1 << 62) - 1])
        if dice.random() < 0.1:
            changes["recv_ns"] = dice.choice([-1, 0, twins.now_ns + 1, twins.now_ns - 2_000 * MS, (1 << 62) - 1])
        if dice.random() < 0.3:
            changes["valid_until_ns"] = twins.market_ns + dice.choice([-1, 0, 1, 50 * MS])
        found.append(
            twins.signal(
                source, side * dice.choice([1.0, 0.5, dice.random()]) if agree else own,
                dice.choice([1.0, 1.0, 0.85, dice.random(), 0.0]), patterns=dice.choice([(), ("a", "b")]),
                abstains=dice.choice([*[""] * 12, "no pattern", "cold", "x" * 200]), **changes,
            )
        )  # fmt: skip
    return found


def some_market(twins: Twins, dice: random.Random) -> None:
    symbol = dice.choice([0, 0, 1])
    tick = twins.config.instruments[symbol].tick
    bid = 100.0 + tick * dice.choice([*[0] * 9, 3, -3, 50, 0.4, 0.5, 1.5])
    ask = bid + tick * dice.choice([*[1] * 9, 0, -1, 4, 20])
    bid = dice.choice([*[bid] * 20, math.nan, math.inf, -math.inf, -bid, 0.0])
    ask = dice.choice([*[ask] * 20, math.nan, math.inf, -0.0])
    behind_ns = STALE_BOOK_NS + dice.choice([-1, 0, 1]) if dice.random() < 0.1 else 0
    last = dice.choice([*[bid] * 6, ask, math.nan, bid + 30 * tick])
    twins.show(symbol, last, bid, ask, dice.choice([*[0] * 9, 9_000, 20_000, -9_000]), behind_ns)


@pytest.mark.parametrize("seed", range(4))
def test_long_walks(seed: int) -> None:
    dice = random.Random(seed)
    sent = long = 0
    for _ in range(40):
        twins = Twins(walk_config(dice), warm=dice.random() < 0.7)
        for _ in range(200):
            match dice.random():
                case what if what < 0.5:
                    if dice.random() < 0.7:
                        twins.arm()
                    twins.refuse(twins.answer(some_signals(twins, dice)))
                case what if what < 0.75:
                    some_market(twins, dice)
                case what if what < 0.9:
                    twins.go_on(dice.choice([1, 20, 251, 300, 1_100]), tick=False)
                    if dice.random() < 0.1:
                        twins.market_ns += dice.choice([-1, 1]) * dice.choice([1, 60, 3_600, 8 * 3_600]) * SECOND_NS
                    if dice.random() < 0.8:
                        twins.take(Tick(*twins.stamps))
                case _:
                    twins.see(dice.choice([0, 1]), dice.choice([*[""] * 6, "no"]), dice.choice([*[0.0] * 5, 3.0, 20.0]))
        sent, long = sent + twins.sent, long + twins.long
    assert sent >= 10 and long >= 10, "both ways were walked"


# --- permits that live through time

HOURS = [("09:00", "18:00"), ("00:00", "00:00"), ("22:00", "03:00"), ("09:00", "00:30")]
WINDOWS = [
    Sessions(),
    Sessions(no_trade=(NoTrade(starts="10:00", ends="10:30"), NoTrade(starts="23:50", ends="00:20"))),
    Sessions(no_entry_before_close_min=0),
    Sessions(timezone="Asia/Tokyo", no_trade=(NoTrade(starts="00:00", ends="01:00"),)),
]
JUMPS_MIN = (-600, -60, -1, 0, 1, 29, 30, 31, 59, 60, 61, 300, 390, 480, 539, 540, 899, 900, 1_500)


@pytest.mark.parametrize("sessions", WINDOWS)
@pytest.mark.parametrize("hours", HOURS)
def test_a_permit_never_outlives_what_it_says(hours: tuple[str, str], sessions: Sessions) -> None:
    """Written at one market time and asked at another: what it sends then the machine says too (a second trade of the day, a
    closed session and a no-trade window forbid)."""
    sent = long = 0
    never_closes = hours == ("00:00", "00:00")
    config = plain_config(
        instruments=(
            Instrument(
                symbol="WDOFUT", tick=TICK, point_value=10.0, session_open=hours[0], session_close=hours[1],
                last_trading_day="" if never_closes else "2025-11-28",
            ),
        ),
        risk={"max_trades_per_day": 1}, sessions=sessions,
    )  # fmt: skip
    for begin_min in (0, 60, 508, 840, 895, 900):
        for jump_ns in [minute * MINUTE_NS + rest for minute in JUMPS_MIN for rest in (-MINUTE_NS - 1, -1, 0, 1)]:
            twins = Twins(config)
            twins.market_ns += begin_min * MINUTE_NS
            twins.take(Tick(*twins.stamps))
            if not twins.arm():
                break
            twins.market_ns += jump_ns
            twins.now_ns += 1
            twins.show(0, 100.0, 100.0, 100.5)
            twins.answer(twins.everybody())
            sent, long = sent + twins.sent, long + twins.long
    assert sent > 0
