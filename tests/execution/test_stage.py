"""The stage over the broker twin: what keeps entries shut, words of a person, stopping, sessions, signals and waiting."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from config.schema import Consensus
from execution.events import (
    ADOPT,
    BUY,
    FLATTEN,
    HALT,
    LIMIT,
    RESUME,
    STOP_LIMIT,
    SignalSeen,
)
from execution.operator_box import FOLDER, SUFFIX, leave_word
from tests.execution.rig import MS, Rig


def test_a_dry_run_sends_nothing(make: Callable[..., Rig]) -> None:
    rig = make(mode="dry-run")
    for _ in range(3):
        rig.enter()
    assert rig.broker.sent == []
    assert rig.counter("decisions_buy") > 0 and rig.counter("orders_not_sent") > 0 and rig.counter("orders") == 0
    assert rig.machine.ledger.live == {}
    assert rig.context.histograms["tick_to_order"].samples > 0


@pytest.mark.parametrize("stage", ["features", "ingest"])
def test_no_entry_while_a_stage_before_us_is_down(make: Callable[..., Rig], stage: str) -> None:
    rig = make()
    rig.context.upstream[stage] = f"{stage} is failed"
    rig.run(60)
    rig.enter()
    assert rig.broker.sent == []
    assert rig.counter("denied_upstream") > 0
    rig.context.upstream.clear()
    rig.run(60)
    rig.enter()
    assert len(rig.broker.sent) == 2


def test_protective_orders_go_out_while_everything_is_down(make: Callable[..., Rig]) -> None:
    rig = make(
        risk={"max_orders_per_s": 1, "max_orders_per_min": 1, "max_daily_loss": 0.01, "daily_loss_action": "reduce"}
    )
    rig.signal(1.0)
    rig.run(100)
    rig.context.upstream["features"] = "features is failed"
    rig.broker.query_problem = "no answer"
    rig.run(150)
    assert (rig.position, rig.broker.protected()) == (2, 2)
    rig.stage.command(FLATTEN)
    rig.run(100)
    assert (rig.position, rig.broker.position) == (0, 0)


def test_no_entry_without_a_market(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.bid = float("nan")  # nothing new comes in
    rig.gap()
    rig.work()
    rig.signal(1.0)
    rig.run(110)
    assert rig.broker.sent == []
    assert rig.counter("denied_price_collar") == 1


def test_a_failed_query_is_not_flat(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.query_problem = "no answer"
    rig.run(31_000, step_ms=100)
    assert "no answer" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (2, 2, 2)
    rig.broker.query_problem = ""
    rig.run(1_100, step_ms=100)
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""


def test_an_order_that_is_not_ours_stops_entries_and_is_left_alone(make: Callable[..., Rig]) -> None:
    rig = make()
    number = rig.broker.send(0, BUY, LIMIT, 1, 90.0, -1.0)  # by hand, in the same account
    rig.broker.local_ids.pop(number)
    rig.run(50)
    rig.enter()
    assert len(rig.broker.sent) == 1 and rig.broker.open_orders(LIMIT)
    assert "not ours" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    rig.broker.cancel("CL1")
    rig.run(1_100)
    rig.enter()
    assert len(rig.broker.sent) == 3


def test_a_position_made_by_hand_can_be_adopted_and_is_then_protected(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.broker.position, rig.broker.average_price = -3, 101.0
    rig.run(31_000, step_ms=100)
    assert "-3" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    assert rig.broker.sent == []
    rig.stage.command(ADOPT)
    rig.run(300)
    assert rig.position == -3
    assert rig.broker.sent == [(BUY, STOP_LIMIT, 3, 104.0, 103.0)]
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    rig.show(97.5, 98.0)
    rig.run(100)
    assert rig.broker.position == 0 == rig.position


def test_a_person_can_halt_and_resume(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.stage.command(HALT)
    rig.enter()
    assert rig.broker.sent == [] and rig.counter("denied_trading_allowed") > 0
    rig.stage.command("nonsense")
    rig.stage.command(RESUME)
    rig.enter()
    assert len(rig.broker.sent) == 2


@pytest.mark.parametrize("word", [HALT, FLATTEN])
def test_a_word_in_the_run_folder_is_taken_and_survives_a_death(make: Callable[..., Rig], word: str) -> None:
    rig = make()
    rig.enter()
    path = rig.folder / FOLDER / f"1-{word}{SUFFIX}"
    path.touch()
    rig.run(200)
    assert not path.exists()
    assert rig.broker.position == (2 if word == HALT else 0)
    rig.show(103.5, 104.0)
    rig.run(200)
    sent = len(rig.broker.sent)
    rig.kill()
    rig.start()
    rig.run(100)
    rig.enter()
    assert len(rig.broker.sent) == sent and rig.counter("denied_trading_allowed") > 0
    thread = threading.Thread(target=lambda: leave_word(rig.folder, RESUME))
    thread.start()
    while thread.is_alive():
        rig.run(20)
    rig.enter()
    assert len(rig.broker.sent) == sent + 2


def test_a_normal_stop_cancels_entries_and_leaves_position_and_stop(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter_in_part()
    rig.broker.step()
    rig.work()
    assert rig.broker.open_orders(LIMIT)
    rig.stage.on_close()
    assert not rig.broker.open_orders(LIMIT)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (1, 1, 1)
    assert rig.context.counters.get("stops_resting") == 1
    rig.start()


def test_stopping_is_bounded_when_nobody_answers(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(100, exchange=False)
    rig.broker.ignore_cancels = True
    before_ns = rig.clock.monotonic_ns()
    rig.stage.on_close()
    assert rig.clock.monotonic_ns() - before_ns <= 3_100 * MS
    rig.start()


def test_a_session_that_comes_back_is_reconciled_at_once(
    make: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    rig = make()
    rig.run(2_000)
    rig.broker.session_problem = "routing is not connected"
    rig.run(100)
    rig.broker.position, rig.broker.average_price = -3, 101.0  # while nobody could tell us
    rig.broker.query_problem = "no answer yet"
    rig.broker.session_problem = ""
    rig.run(60)
    assert "no answer yet" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    rig.enter()
    assert rig.broker.sent == []
    rig.broker.query_problem = ""
    rig.run(1_000)
    assert "-3" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    rig.enter()
    assert rig.broker.sent == [] and rig.counter("denied_reconciled") > 0
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert sum("the broker could not be asked" in text for text in errors) == 1
    assert sum("the broker holds -3" in text for text in errors) == 1
    rig.broker.position = 0
    rig.run(1_100)
    rig.enter()
    assert len(rig.broker.sent) == 2


def test_entries_are_closed_between_the_return_of_the_session_and_the_view(make: Callable[..., Rig]) -> None:
    rig = make()
    handled = rig.machine.handle
    at_return: list[str] = []

    def handle(event: Any) -> list[Any]:
        outputs = handled(event)
        if type(event).__name__ == "UpstreamSeen" and not event.problem:
            at_return.append(rig.machine.desk.broker_problem(event.monotonic_ns))
        return outputs

    rig.machine.handle = handle
    rig.broker.session_problem = "routing is not connected"
    rig.run(100)
    rig.broker.session_problem = ""
    rig.run(100)
    assert at_return == ["the order session is back; the broker has not been asked since"]
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""


def test_decisions_on_each_ml_signal(make: Callable[..., Rig]) -> None:
    rig = make(consensus=Consensus(decide_on="ml_signal"))
    rig.signal(1.0)
    rig.run(300)
    assert rig.decisions() == []
    rig.signal(1.0, sources=("order_flow", "liquidity", "tape_reading", "footprint", "ml"))
    rig.work()
    assert [decision.action for decision in rig.decisions()] == ["BUY"]
    assert rig.decisions()[0].total == pytest.approx(1.0)
    assert rig.broker.sent[0] == (BUY, LIMIT, 2, 100.5, -1.0)


def test_an_abstention_is_no_reason_to_decide(make: Callable[..., Rig]) -> None:
    rig = make(consensus=Consensus(decide_on="signal"))
    rig.signal(0.0, sources=("ml",), abstains="no model")
    rig.run(100)
    assert rig.decisions() == []
    rig.signal(1.0, sources=("order_flow",))
    rig.work()
    assert len(rig.decisions()) == 1


def test_signals_that_wait_together_are_answered_once(make: Callable[..., Rig]) -> None:
    """One event makes several sources speak: the decision counts them all, also when the last of them abstains."""
    rig = make(consensus=Consensus(decide_on="signal"))
    rig.signal(1.0)
    rig.signal(0.0, sources=("ml",), abstains="no model")
    rig.work()
    decisions = rig.decisions()
    assert [len(decision.votes) for decision in decisions] == [4]
    assert dict(decisions[0].abstained) == {"ml": "no model"}
    seen = [record for record in rig.journal() if isinstance(record, SignalSeen)]
    assert [record.more for record in seen] == [True, True, True, True, False]
    rig.signal(-1.0, sources=("footprint",))
    rig.work()
    assert len(rig.decisions()) == 2, "one that comes alone is answered alone"


def test_latencies_are_measured(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    for name in ("signal_to_decision", "decision_to_send", "tick_to_order"):
        assert rig.context.histograms[name].samples >= 1
    assert rig.context.histograms["tick_to_order"].samples == 1


def test_every_change_of_an_order_is_told_once(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    told = [(event.order, event.status, event.traded_quantity) for event in rig.order_events()]
    assert len(told) == len(set(told))
    assert told[-1][:2] == (2, "working") and (1, "filled", 2) in told


@pytest.mark.parametrize("waits", ["yield", "spin"])
def test_with_a_core_of_its_own_it_does_not_sleep(make: Callable[..., Rig], waits: str) -> None:
    rig = make()
    rig.context.waits = waits
    assert rig.stage._sleeper is not None
    rig.stage._sleeper.sleep = pytest.fail  # type: ignore[method-assign, assignment]
    rig.stage.wait(5 * MS)
    assert rig.context.waited == [5 * MS]


def test_the_market_wakes_it_only_while_a_bracket_lives(make: Callable[..., Rig]) -> None:
    rig = make()
    book = rig.context.readers["book"]
    rig.stage.wait(0)
    assert not book.listens
    rig.enter()
    rig.stage.wait(0)
    assert book.listens


@pytest.mark.parametrize("decide_on, listens", [("timer", False), ("ml_signal", True), ("signal", True)])
def test_where_signals_decide_the_market_always_wakes_it(
    make: Callable[..., Rig], decide_on: str, listens: bool
) -> None:
    rig = make(consensus=Consensus(decide_on=decide_on))  # type: ignore[arg-type]
    rig.stage.wait(0)
    assert rig.context.readers["book"].listens is listens
