"""Random worlds: markets, signals, faults of the broker and deaths of ours, in any order. What must hold in all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.schema import Consensus
from consensus.weights import start_weights
from execution.brackets import Phase
from execution.events import (
    ADOPT,
    BUY,
    CANCEL_FOREIGN,
    IGNORE,
    LIMIT,
    MARKET,
    SELL,
    STOP_LIMIT,
    TARGET,
    OrderReport,
)
from execution.recompute import recompute
from profitdll.constants import OrderStatus
from tests.execution.rig import TICK, Rig

ORDER_TYPES = (None, STOP_LIMIT, MARKET)
COMMON = (
    st.tuples(st.just("move"), st.integers(-8, 8)),
    st.tuples(st.just("signal"), st.sampled_from([-1.0, -0.3, 0.0, 0.3, 1.0])),
    st.tuples(st.just("run"), st.sampled_from([20, 120, 400])),
    st.tuples(st.just("stall"), st.sampled_from([20, 120, 400])),
    st.tuples(st.just("partial"), st.sampled_from([None, 1])),
    st.tuples(st.just("refuse"), st.sampled_from(ORDER_TYPES)),
    st.tuples(st.just("ignore cancels"), st.booleans()),
    st.tuples(st.just("query"), st.sampled_from(["", "no answer"])),
    st.tuples(st.just("upstream"), st.sampled_from(["", "features is failed"])),
    st.tuples(st.just("kill"), st.none()),
)
actions = st.one_of(*COMMON, st.tuples(st.just("reject"), st.sampled_from(ORDER_TYPES)))
legs = st.one_of(
    *COMMON,
    st.tuples(st.just("reject"), st.sampled_from((*ORDER_TYPES, LIMIT))),
    st.tuples(st.just("swallow"), st.sampled_from([None, LIMIT])),
    st.tuples(st.just("fill"), st.tuples(st.sampled_from([LIMIT, STOP_LIMIT]), st.integers(1, 2))),
    st.tuples(st.just("fill"), st.tuples(st.sampled_from([LIMIT, STOP_LIMIT]), st.integers(1, 2))),
    st.tuples(st.just("vanish"), st.just(LIMIT)),
    st.tuples(st.just("told again"), st.integers(0, 50)),
)
order_by_hand = st.tuples(
    st.sampled_from([BUY, SELL]), st.sampled_from([LIMIT, STOP_LIMIT]), st.integers(1, 9), st.integers(1, 3)
)
hands = st.one_of(
    *COMMON,
    st.tuples(st.just("reject"), st.sampled_from(ORDER_TYPES)),
    *[st.tuples(st.just("adopted by hand"), order_by_hand)] * 4,
    st.tuples(st.just("by hand"), order_by_hand),
    st.tuples(st.just("held by hand"), st.sampled_from([-2, -1, 1, 2])),
    *[st.tuples(st.just("say"), st.sampled_from([ADOPT, ADOPT, ADOPT, IGNORE, CANCEL_FOREIGN]))] * 2,
    *[st.tuples(st.just("fill"), st.tuples(st.sampled_from([LIMIT, STOP_LIMIT]), st.integers(1, 2)))] * 2,
    st.tuples(st.just("vanish"), st.sampled_from([LIMIT, STOP_LIMIT])),
    st.tuples(st.just("changed by hand"), st.tuples(st.integers(1, 3), st.integers(-3, 3))),
    st.tuples(st.just("told again"), st.integers(0, 50)),
)
beginnings = st.sampled_from([[], [("signal", 1.0), ("run", 120), ("run", 120)], [("held by hand", 2), ("say", ADOPT)]])
ENTER = [("signal", 1.0), ("run", 120), ("run", 120)]
HEALED = [
    ("reject", None),
    ("refuse", None),
    ("swallow", None),
    ("wake", None),
    ("ignore cancels", False),
    ("query", ""),
]


def act(rig: Rig, name: str, value: Any) -> None:
    broker = rig.broker
    match name:
        case "move":
            bid = max(10.0, rig.bid + value * TICK)
            rig.show(bid, bid + TICK)
            rig.run(20)
        case "signal":
            rig.signal(value)
            rig.run(20)
        case "run" | "stall":
            rig.run(value, exchange=name == "run")
        case "partial":
            broker.fill_at_most = value
        case "reject":
            broker.reject = lambda order_type: order_type == value
        case "refuse":
            broker.refuse = lambda order_type: order_type == value
        case "swallow":
            broker.swallow = lambda order_type: order_type == value
        case "wake":  # what was swallowed goes on its way
            for order in broker.resting.values():
                if order.details.status == OrderStatus.HADES_CREATED:
                    broker._change(order, status=OrderStatus.PENDING_NEW)
        case "ignore cancels":
            broker.ignore_cancels = value
        case "query":
            broker.query_problem = value
        case "upstream":
            rig.context.upstream["features"] = value
        case "kill":
            rig.kill()
            rig.start()
        case "fill":  # at the exchange, whatever we think of it
            order_type, most = value
            for order in broker.open_orders(order_type)[:1]:
                broker.fill(order, min(most, order.details.leaves_quantity), order.details.price)
        case "held by hand":
            broker.position, broker.average_price = broker.position + value, rig.last
        case "changed by hand":
            quantity, ticks = value
            persons = [order for order in broker.resting.values() if order.details.cl_order_id in rig.persons]
            for order in persons[-1:]:
                if order.open and order.details.traded_quantity == 0:
                    price = order.details.price + ticks * TICK
                    broker._change(order, quantity=quantity, leaves_quantity=quantity, price=price)
        case "adopted by hand":
            act(rig, "by hand", value)
            act(rig, "say", ADOPT)
        case "by hand":
            side, order_type, ticks, quantity = value
            away = ticks * TICK * (1 if (side == BUY) == (order_type == STOP_LIMIT) else -1)
            price = (rig.ask if side == BUY else rig.bid) + away
            stop_price = price if order_type == STOP_LIMIT else -1.0
            limit = price + (2 * TICK if side == BUY else -2 * TICK) * (order_type == STOP_LIMIT)
            refuse, broker.refuse = broker.refuse, lambda order_type: False  # our library's, not the person's
            rig.persons.add(broker.local_ids.pop(broker.send(0, side, order_type, quantity, limit, stop_price)))
            broker.refuse = refuse
            rig.run(20)
        case "say":
            rig.stage.command(value)
            rig.run(20)
        case "vanish":  # nobody says why
            for order in broker.open_orders(value)[:1]:
                broker.cancel(order.details.cl_order_id)
        case "told again":  # late, or for the second time
            reports = [record for record in rig.journal() if isinstance(record, OrderReport)]
            if reports:
                old = reports[-1 - value % len(reports)]
                now_ns, market_ns = rig.clock.monotonic_ns(), rig.clock.market_ns()
                rig.stage._take(msgspec.structs.replace(old, monotonic_ns=now_ns, market_ns=market_ns))


def check_always(rig: Rig) -> None:
    """After each step of each world."""
    assert abs(rig.broker.position) <= rig.config.execution.max_quantity, "never added, never turned around"
    assert sum(bracket.live for bracket in rig.machine.ledger.brackets.values()) <= 1
    for bracket in rig.machine.ledger.live_brackets():
        facts = rig.machine._guardian.facts(bracket, rig.clock.monotonic_ns())
        if bracket.phase in (Phase.ENTERING, Phase.PROTECTED):
            assert facts.covered >= facts.open_quantity, "never without protection"


def check_legs(rig: Rig) -> None:
    """Besides: no target for more than is held stays, but those whose cancel is on its way or cannot be said yet."""
    ledger = rig.machine.ledger
    for bracket in ledger.live_brackets():
        facts = rig.machine._guardian.facts(bracket, rig.clock.monotonic_ns())
        if bracket.phase in (Phase.ENTERING, Phase.PROTECTED):
            assert facts.covered >= facts.open_quantity >= 0, "never without protection, never left turned around"
            staying = [ledger.orders[number] for number in bracket.targets]
            quantity = sum(o.leaves_quantity for o in staying if not o.cancel_asked_ns and o.cl_order_id)
            assert quantity <= facts.open_quantity


def check_brackets(rig: Rig) -> None:
    """Whoever made its orders: never without protection, never left turned around, never both sides of a contract."""
    live = rig.machine.ledger.live_brackets()
    assert len({bracket.side for bracket in live if bracket.phase in (Phase.ENTERING, Phase.PROTECTED)}) <= 1
    for bracket in live:
        facts = rig.machine._guardian.facts(bracket, rig.clock.monotonic_ns())
        if bracket.phase in (Phase.ENTERING, Phase.PROTECTED):
            assert facts.covered >= facts.open_quantity >= 0


def watch_sends(rig: Rig) -> None:
    """The stop first: when a target goes out, what is held stands behind confirmed stops."""
    send = rig.broker.send

    def spy(symbol: int, side: int, order_type: int, quantity: int, price: float, stop_price: float) -> int:
        order = rig.machine.ledger.orders[max(rig.machine.ledger.orders)]
        if order_type == LIMIT and order.intent.role == TARGET:
            bracket = rig.machine.ledger.bracket_of(order)
            assert rig.machine._guardian.exposed(bracket) == 0
            assert (
                quantity <= rig.broker.position * (1 if bracket.side == BUY else -1)
                or rig.position != rig.broker.position
            )
        return send(symbol, side, order_type, quantity, price, stop_price)

    rig.broker.send = spy  # type: ignore[method-assign]


@pytest.mark.parametrize("decide_on", ["timer", "signal"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=st.lists(actions, min_size=5, max_size=40))
def test_any_world(decide_on: Any, world: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), consensus=Consensus(decide_every_ms=100, decide_on=decide_on)).start()
        rig.after_step = lambda: check_always(rig)
        try:
            live_through(rig, world)
        finally:
            rig.stage.on_close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(legs, min_size=5, max_size=40))
def test_any_world_with_resting_targets(world: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), execution={"target": "resting", "settle_ms": 500}).start()
        rig.after_step = lambda: check_legs(rig)
        watch_sends(rig)
        try:
            live_through(rig, [*ENTER, *world])
            targets = sum(order.details.leaves_quantity for order in rig.broker.open_orders(LIMIT))
            assert targets <= abs(rig.broker.position)
        finally:
            rig.stage.on_close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(beginnings, st.lists(hands, min_size=5, max_size=40))
def test_any_world_with_orders_by_hand(beginning: list[tuple[str, Any]], world: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), execution={"settle_ms": 500}).start()
        rig.after_step = lambda: check_brackets(rig)
        try:
            live_through(rig, [*beginning, *world], [CANCEL_FOREIGN, ADOPT, ADOPT])
            ledger = rig.machine.ledger
            assert not any(rig.machine._guardian.exposed(bracket) for bracket in ledger.live_brackets())
        finally:
            rig.stage.on_close()


def live_through(rig: Rig, world: list[tuple[str, Any]], words: Sequence[str] = ()) -> None:
    """See it to its end, let the broker come to its senses, have the last words, and compare."""
    rig.show(100.0, 100.5)
    rig.run(60)
    for name, value in world:
        act(rig, name, value)
    for name, value in HEALED:
        act(rig, name, value)
    for name in sorted(rig.persons):  # what a person still has there is taken back, as the log asks
        rig.broker.cancel(name)
    for word in words:
        rig.stage.command(word)
        rig.run(2_000, step_ms=20)
    rig.run(4_000, step_ms=20)
    assert rig.position == rig.broker.position
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    assert words or rig.broker.protected() == abs(rig.broker.position)
    rig.stage.do_work()
    assert recompute(rig.config, start_weights(rig.config.consensus), rig.journal()) == []
