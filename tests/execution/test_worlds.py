"""Random worlds: markets, signals, faults of the broker and deaths of ours, in any order. What must hold in all of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.weights import start_weights
from execution.brackets import Phase
from execution.events import MARKET, STOP_LIMIT
from execution.recompute import recompute
from tests.execution.rig import TICK, Rig

ORDER_TYPES = (None, STOP_LIMIT, MARKET)
actions = st.one_of(
    st.tuples(st.just("move"), st.integers(-8, 8)),
    st.tuples(st.just("signal"), st.sampled_from([-1.0, -0.3, 0.0, 0.3, 1.0])),
    st.tuples(st.just("run"), st.sampled_from([20, 120, 400])),
    st.tuples(st.just("stall"), st.sampled_from([20, 120, 400])),
    st.tuples(st.just("partial"), st.sampled_from([None, 1])),
    st.tuples(st.just("reject"), st.sampled_from(ORDER_TYPES)),
    st.tuples(st.just("refuse"), st.sampled_from(ORDER_TYPES)),
    st.tuples(st.just("ignore cancels"), st.booleans()),
    st.tuples(st.just("query"), st.sampled_from(["", "no answer"])),
    st.tuples(st.just("upstream"), st.sampled_from(["", "features is failed"])),
    st.tuples(st.just("kill"), st.none()),
)


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
        case "ignore cancels":
            broker.ignore_cancels = value
        case "query":
            broker.query_problem = value
        case "upstream":
            rig.context.upstream["features"] = value
        case "kill":
            rig.kill()
            rig.start()


def check_always(rig: Rig) -> None:
    """After each step of each world."""
    assert abs(rig.broker.position) <= rig.config.execution.max_quantity, "never added, never turned around"
    assert sum(bracket.live for bracket in rig.machine.ledger.brackets.values()) <= 1
    for bracket in rig.machine.ledger.live_brackets():
        facts = rig.machine._guardian.facts(bracket, rig.clock.monotonic_ns())
        if bracket.phase in (Phase.ENTERING, Phase.PROTECTED):
            assert facts.covered >= facts.open_quantity, "never without protection"


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(actions, min_size=5, max_size=40))
def test_any_world(world: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder)).start()
        rig.after_step = lambda: check_always(rig)
        try:
            rig.show(100.0, 100.5)
            rig.run(60)
            for name, value in world:
                act(rig, name, value)
            for name, value in [("reject", None), ("refuse", None), ("ignore cancels", False), ("query", "")]:
                act(rig, name, value)
            rig.run(4_000, step_ms=20)
            assert rig.position == rig.broker.position
            assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
            assert rig.broker.protected() == abs(rig.broker.position)
            rig.stage.do_work()
            assert recompute(rig.config, start_weights(rig.config.consensus), rig.journal()) == []
        finally:
            rig.stage.on_close()
