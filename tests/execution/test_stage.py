"""The stage from signal to fill, over the broker twin: the plain life of brackets, refusals, dry runs, stopping."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.schema import Consensus
from execution import journal_file
from execution.brackets import Phase
from execution.events import (
    ADOPT,
    BUY,
    FLATTEN,
    HALT,
    LIMIT,
    MARKET,
    RESUME,
    SELL,
    STOP_LIMIT,
    CancelOrder,
    SendOrder,
    SendResult,
    SignalSeen,
)
from execution.journal_keeper import journal_path
from execution.operator_box import FOLDER, SUFFIX, leave_word
from runtime.stage import Refusal
from tests.execution.rig import MS, Rig, builder


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []
    yield builder(tmp_path, made)
    for rig in made:
        rig.stage.on_close()


def test_entry_stop_and_target(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    assert rig.broker.sent == [(BUY, LIMIT, 2, 100.5, -1.0), (SELL, STOP_LIMIT, 2, 97.5, 98.5)]
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (2, 2, 2)
    rig.show(103.5, 104.0)  # six ticks above the entry, at the touch that an exit hits
    rig.run(100)
    assert rig.broker.sent[2:] == [(SELL, MARKET, 2, -1.0, -1.0)]
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (0, 0, 0)
    assert [(fill.quantity, fill.price, fill.position) for fill in rig.fills()] == [(2, 100.5, 2), (2, 103.5, 0)]
    assert rig.fills()[-1].realised_profit == pytest.approx(2 * 3.0 * 10.0 - 4 * 1.0)
    assert rig.counter("realised_profit_cents") == 5600
    assert rig.machine.ledger.brackets[1].reason == "target"
    assert rig.counter("orders") == 3 and rig.counter("fills") == 2 and rig.counter("position_0") == 0


def test_the_stop_takes_it_out(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter(-1.0)
    assert rig.broker.sent[:2] == [(SELL, LIMIT, 2, 100.0, -1.0), (BUY, STOP_LIMIT, 2, 103.0, 102.0)]
    rig.show(102.0, 102.5, 102.0)
    rig.run(100)
    assert len(rig.broker.sent) == 2
    assert (rig.position, rig.broker.position, rig.machine.ledger.live) == (0, 0, {})
    assert rig.fills()[-1].realised_profit == pytest.approx(-2 * 2.5 * 10.0 - 4.0)


def test_a_market_that_jumps_over_the_stop_limit_is_left_at_market(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.show(90.0, 90.5, 90.0)
    rig.run(200)
    assert rig.broker.sent[2:] == [(SELL, MARKET, 2, -1.0, -1.0)]
    assert (rig.position, rig.broker.position) == (0, 0)
    assert rig.machine.ledger.brackets[1].reason == "the price ran through the stop"


def test_an_opposite_decision_leaves_and_does_not_turn_around(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.signal(-1.0)
    rig.run(100)
    assert rig.broker.sent[2:] == [(SELL, MARKET, 2, -1.0, -1.0)]
    rig.run(50)
    assert rig.position == 0 == rig.broker.position


def test_no_adding_to_a_position(make: Callable[..., Rig]) -> None:
    rig = make()
    for _ in range(5):
        rig.enter()
    assert len(rig.broker.sent) == 2


def test_an_entry_that_does_not_fill_is_cancelled_after_its_time(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(100, exchange=False)
    rig.show(101.0, 101.5)
    rig.run(600)
    assert [status.details.status for status in rig.broker.resting.values()] == [4]
    assert rig.machine.ledger.live == {} and rig.position == 0
    assert rig.counter("cancels") == 1


def test_a_time_that_went_by_between_two_turns_is_not_forgotten(make: Callable[..., Rig]) -> None:
    """Nothing but its own deadline wakes the stage here: decisions wait for signals, and none comes."""
    rig = make(consensus=Consensus(decide_on="signal"))
    rig.signal(1.0)
    rig.run(100, exchange=False)
    rig.show(101.0, 101.5)
    rig.run(100)
    assert rig.counter("cancels") == 0
    rig.run(750, step_ms=750)  # far beyond the entry's time to live, before the next routine question
    assert rig.counter("cancels") == 1


def test_a_partial_entry_keeps_a_bracket_of_its_size(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.broker.fill_at_most = 1
    rig.signal(1.0)
    rig.run(100, exchange=False)
    rig.broker.step()
    rig.work()
    rig.show(101.0, 101.5)  # the rest will not fill
    rig.run(700)
    assert rig.broker.sent == [(BUY, LIMIT, 2, 100.5, -1.0), (SELL, STOP_LIMIT, 1, 97.5, 98.5)]
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (1, 1, 1)
    assert rig.machine.ledger.brackets[1].phase is Phase.PROTECTED


def test_each_partial_fill_gets_its_own_stop_at_once(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.broker.fill_at_most = 1
    rig.enter()
    assert [order[:3] for order in rig.broker.sent] == [
        (BUY, LIMIT, 2), (SELL, STOP_LIMIT, 1), (SELL, STOP_LIMIT, 1)
    ]  # fmt: skip
    assert rig.broker.protected() == 2 == rig.position


@pytest.mark.parametrize("how", ["reject", "refuse", "swallow"])
def test_a_stop_that_cannot_be_placed_means_out(make: Callable[..., Rig], how: str) -> None:
    rig = make()
    setattr(rig.broker, how, lambda order_type: order_type == STOP_LIMIT)
    rig.enter()
    rig.run(2500)
    assert (SELL, MARKET, 2, -1.0, -1.0) in rig.broker.sent
    assert (rig.position, rig.broker.position) == (0, 0)
    if how == "swallow":  # its fate stays unknown: no more entries
        assert rig.counter("unresolved") == 1
        rig.enter()
        assert sum(order[1] == LIMIT for order in rig.broker.sent) == 1
        assert rig.counter("denied_reconciled") > 0


def test_a_stop_that_vanishes_at_the_broker_means_out(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    stop = rig.broker.open_orders(STOP_LIMIT)[0]
    rig.broker.cancel(stop.details.cl_order_id)
    rig.run(100)
    assert (rig.position, rig.broker.position) == (0, 0)
    assert rig.machine.ledger.brackets[1].reason == "stop failed"


def test_a_rejected_exit_is_tried_again(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.reject = lambda order_type: order_type == MARKET
    rig.show(103.5, 104.0)
    rig.run(200)
    assert rig.position == 2
    rig.broker.reject = lambda order_type: False
    rig.run(500)
    assert (rig.position, rig.broker.position) == (0, 0)
    assert sum(order[1] == MARKET for order in rig.broker.sent) == 2


def test_a_fill_that_beats_the_cancel_does_not_turn_the_position_around(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.ignore_cancels = True
    rig.show(103.5, 104.0)
    rig.run(50)
    stop = rig.broker.open_orders(STOP_LIMIT)[0]
    rig.broker.fill(stop, 2, 98.5)  # the stop fills while its cancel is on the way
    rig.run(500)
    assert (rig.position, rig.broker.position) == (0, 0)
    assert all(order[1] != MARKET for order in rig.broker.sent)


def test_cancels_without_an_answer_are_asked_again(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.ignore_cancels = True
    rig.show(103.5, 104.0)
    rig.run(1000)
    assert rig.counter("cancels") >= 3
    assert all(order[1] != MARKET for order in rig.broker.sent), "a stop that rests forbids the exit"
    rig.broker.ignore_cancels = False
    rig.run(500)
    assert (rig.position, rig.broker.position) == (0, 0)


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
    rig.broker.fill_at_most = 1
    rig.signal(1.0)
    rig.run(100, exchange=False)
    rig.broker.step()
    rig.work()
    rig.show(101.0, 101.5)
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


def test_the_intent_is_journaled_before_the_broker_is_called(make: Callable[..., Rig]) -> None:
    rig = make()
    seen: list[int] = []
    send = rig.broker.send

    def spy(*order: Any) -> int:
        seen.append(sum(isinstance(record, SendOrder) for record in rig.journal()))
        return send(*order)

    rig.broker.send = spy  # type: ignore[method-assign]
    rig.enter()
    rig.show(103.5, 104.0)
    rig.run(100)
    assert seen == [1, 2, 3]
    kinds = [type(record) for record in rig.journal() if isinstance(record, SendOrder | SendResult | CancelOrder)]
    assert kinds == [SendOrder, SendResult, SendOrder, SendResult, CancelOrder, SendOrder, SendResult]


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


def broken_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, "no space left")


def test_a_disk_that_fails_between_fill_and_stop_does_not_keep_the_stop_back(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(100, exchange=False)
    monkeypatch.setattr(journal_file, "_write_at", broken_disk)
    with pytest.raises(Refusal, match=r"^journal .*no space left.*sent without it: stop 2"):
        rig.run(200)
    assert (rig.broker.position, rig.broker.protected()) == (2, 2)
    assert rig.counter("unjournaled") == 1
    rig.stage.on_close()
    assert (rig.broker.position, rig.broker.protected()) == (2, 2)
    words = [record.message for record in caplog.records if "resting at the broker" in record.message]
    assert words == ["stopping with +2 WDOZ25; resting at the broker: stop 2 (working)"]


def test_what_a_failed_journal_missed_is_left_for_the_next_incarnation_when_the_disk_comes_back(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(100, exchange=False)
    monkeypatch.setattr(journal_file, "_write_at", broken_disk)
    with pytest.raises(Refusal):
        rig.run(200)
    monkeypatch.undo()
    rig.stage.on_close()
    rig.start()
    rig.run(200)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (2, 2, 2), "one stop, known to be ours"


def test_no_entry_and_no_restart_loop_on_a_disk_that_fails(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    monkeypatch.setattr(journal_file, "_write_at", broken_disk)
    rig.signal(1.0)
    with pytest.raises(Refusal, match="sent without it: nothing"):
        rig.run(200)
    rig.stage.on_close()
    assert rig.broker.sent == []


def test_an_exit_is_finished_before_a_failed_journal_ends_the_stage(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.enter()
    monkeypatch.setattr(journal_file, "_write_at", broken_disk)
    rig.show(103.5, 104.0)
    with pytest.raises(Refusal, match="sent without it: the cancel of 2, exit 3"):
        rig.run(300)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (0, 0, 0)


def test_a_full_disk_stops_entries_and_the_reserve_takes_what_protects(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.enter()
    monkeypatch.setattr(journal_file.JournalFile, "_grow", broken_disk)
    journal = rig.stage._journal
    assert journal is not None
    journal._file._size = journal._file.end + journal_file.RESERVE_BYTES - 1
    journal._make_room()
    rig.run(60)
    rig.show(103.5, 104.0)
    rig.run(300)
    assert (rig.position, rig.broker.position) == (0, 0)
    sent = len(rig.broker.sent)
    rig.enter()
    assert len(rig.broker.sent) == sent and rig.counter("denied_upstream") > 0
    roles = [record.role for record in rig.journal() if isinstance(record, SendOrder)]
    assert roles == ["entry", "stop", "exit"] and rig.counter("unjournaled") == 0
    monkeypatch.undo()
    journal._make_room()
    rig.run(60)
    rig.enter()
    assert len(rig.broker.sent) == sent + 2


def test_no_entry_slips_out_at_a_start_on_a_full_disk(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal's trouble was told only at the end of the first turn, so the second one still took a signal for good."""
    rig = make(consensus=Consensus(decide_on="signal"))
    journal = rig.stage._journal
    assert journal is not None
    end = journal._file.end
    rig.kill()
    os.truncate(journal.path, end + journal_file.RESERVE_BYTES - 1)
    monkeypatch.setattr(journal_file.JournalFile, "_grow", broken_disk)
    rig.start()
    rig.show(100.0, 100.5)
    rig.signal(1.0)
    rig.work()
    assert rig.broker.sent == [] and rig.counter("denied_upstream") > 0


@pytest.mark.parametrize("ruin", ["damaged", "foreign", "in use"])
def test_a_journal_that_cannot_be_used_is_a_refusal(make: Callable[..., Rig], ruin: str) -> None:
    rig = make()
    rig.enter()
    path = journal_path(rig.context)  # type: ignore[arg-type]
    if ruin != "in use":
        rig.stage.on_close()
        data = bytearray(path.read_bytes())
        data[60 if ruin == "damaged" else 3] ^= 1
        path.write_bytes(data)
    with pytest.raises(Refusal, match=r"^journal .*(damaged|not a journal|in use)"):
        rig.start()


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
