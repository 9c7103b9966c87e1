"""Entries that go out before the machine has said them, in the running stage: what stands where, and when none does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bus.messages import Decision
from consensus.weights import start_weights
from execution import journal_file
from execution.events import (
    BUY,
    FLATTEN,
    HALT,
    LIMIT,
    RESUME,
    SELL,
    MarketSeen,
    Publish,
    SendOrder,
    SendResult,
    SignalSeen,
    Started,
    TradingChanged,
)
from execution.fast_path.fast_path import Disagreement
from execution.recompute import recompute
from execution.risk.states import Trading
from runtime.stage import Refusal
from tests.execution.broker_twin import Died
from tests.execution.rig import Rig


def entries(rig: Rig) -> list[tuple[int, int, int, float, float]]:
    return [order for order in rig.broker.sent if order[1] == LIMIT]


def ahead(rig: Rig) -> int:
    return rig.context.counters.get("orders_ahead")


def is_armed(rig: Rig) -> bool:
    return rig.stage._fast_path is not None and rig.stage._fast_path.armed


def agrees(rig: Rig) -> bool:
    return recompute(rig.config, start_weights(rig.config.consensus), rig.journal()) == []


def test_an_entry_goes_out_ahead_and_is_an_order_as_any(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.signal(1.0)
    rig.work()
    assert ahead(rig) == 1 and rig.broker.sent == [(BUY, LIMIT, 2, 100.5, -1.0)]
    assert [(decision.action, decision.quantity) for decision in rig.decisions()] == [("BUY", 2)]
    rig.run(100)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (2, 2, 2)
    for name in ("decision_to_send", "tick_to_order"):
        assert rig.context.histograms[name].samples == 1
    rig.show(103.5, 104.0)
    rig.run(400)
    rig.signal(-1.0)
    rig.run(100)
    assert ahead(rig) == 2 and rig.position == rig.broker.position == -2
    assert agrees(rig)


def test_the_journal_has_the_intent_before_the_words_about_it(make: Callable[..., Rig]) -> None:
    rig = make()
    before = len(rig.journal())
    rig.signal(-1.0)
    rig.work()
    written = rig.journal()[before:]
    kinds = [type(record) for record in written[: written.index(next(r for r in written if isinstance(r, SendResult)))]]
    assert kinds == [MarketSeen, *[SignalSeen] * 4, SendOrder, Publish]
    intent = next(record for record in written if isinstance(record, SendOrder))
    assert (intent.role, intent.side, intent.quantity, intent.price) == ("entry", SELL, 2, 100.0)
    assert [record.more for record in written if isinstance(record, SignalSeen)] == [True, True, True, False]
    decision = next(record.message for record in written if isinstance(record, Publish))
    assert isinstance(decision, Decision) and decision.decided_ns == intent.decided_ns
    assert agrees(rig)


def test_it_is_journaled_before_it_is_sent(make: Callable[..., Rig]) -> None:
    rig = make()
    send = rig.broker.send
    standing = []

    def spy(*order: Any) -> int:
        standing.append([record.order for record in rig.journal() if isinstance(record, SendOrder)])
        return send(*order)

    rig.broker.send = spy  # type: ignore[method-assign]
    rig.signal(1.0)
    rig.work()
    assert ahead(rig) == 1 and standing == [[1]]


@pytest.mark.parametrize("sent", [False, True])
def test_a_death_around_the_sending_leaves_no_unknown_and_no_second_order(make: Callable[..., Rig], sent: bool) -> None:
    rig = make()
    send = rig.broker.send

    def die(*order: Any) -> int:
        if sent:
            send(*order)
        raise Died

    rig.broker.send = die  # type: ignore[method-assign, assignment]
    rig.signal(1.0)
    with pytest.raises(Died):
        rig.work()
    rig.kill()
    rig.broker.send = send  # type: ignore[method-assign]
    rig.start()
    rig.run(6_000)
    assert len(entries(rig)) == sent and rig.position == rig.broker.position == 2 * sent
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    assert agrees(rig)


def another_quantity(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.stage._fast_path._permits.rows["max_quantity"] = 1  # type: ignore[union-attr]  # the machine says two


def another_side(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = rig.machine.handle

    def turned(event: Any) -> Any:
        outputs = handle(event)
        return [
            msgspec.structs.replace(output, side=SELL) if isinstance(output, SendOrder) else output
            for output in outputs
        ]

    monkeypatch.setattr(rig.machine, "handle", turned)


def nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.machine.desk.closing = "the machine refuses"


def it_fails(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise KeyError("a defect")

    monkeypatch.setattr(rig.machine.council, "decide", fail)


def no_message(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.context.subscribes, "accept", lambda heard: None)


def another_market(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    look = rig.stage._watch.look
    monkeypatch.setattr(rig.stage._watch, "look", lambda symbol: (look(symbol)[0] - 1, look(symbol)[1]))


def the_library_fails(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    send = rig.broker.send

    def fail(*order: Any) -> int:
        send(*order)
        raise ArithmeticError("after the library took it")

    monkeypatch.setattr(rig.broker, "send", fail)


@pytest.mark.parametrize(
    "happens", [another_quantity, another_side, nothing, it_fails, no_message, another_market, the_library_fails]
)
def test_what_the_machine_does_not_say_halts_trading_and_ends_the_stage(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, happens: Callable[[Rig, pytest.MonkeyPatch], None]
) -> None:
    """The order is out, so nothing is done on a memory that does not know it: no word, no cancel, no record but the halt."""
    rig = make()
    rig.run(10)
    happens(rig, monkeypatch)
    rig.signal(1.0)
    with pytest.raises((Disagreement, KeyError, ArithmeticError)):
        rig.work()
    assert len(rig.broker.sent) == 1 and rig.broker.sent[0][:2] == (BUY, LIMIT)
    written = rig.journal()
    halt = written[-1]
    assert isinstance(halt, TradingChanged) and halt.state == Trading.HALTED
    assert "order 1 went out early" in halt.reason and halt.ahead
    rig.stage.on_close()
    assert repr(rig.journal()) == repr(written) and len(rig.broker.sent) == 1, (
        "a price that is not known equals nothing"
    )
    monkeypatch.undo()
    rig.broker.new_session()
    rig.start()
    rig.run(3_000)
    assert rig.machine.ledger.trading is Trading.HALTED and len(entries(rig)) == 1
    assert rig.position == rig.broker.position and rig.broker.protected() == abs(rig.broker.position)
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    rig.signal(1.0)
    rig.run(100)
    assert len(entries(rig)) == 1, "a person must say resume"
    rig.stage.command(FLATTEN)
    rig.run(3_000)
    rig.stage.command(RESUME)
    rig.run(100)
    rig.signal(1.0)
    rig.work()
    assert len(entries(rig)) == 2 and ahead(rig) == 0 and rig.stage._fast_path is None, "by the long way, in this run"


def test_another_run_takes_the_short_way_again(make: Callable[..., Rig]) -> None:
    rig = make()
    ledger = rig.machine.ledger
    ledger.take(TradingChanged(rig.clock.market_ns(), Trading.HALTED, "", ahead=True))
    for run, doubted in ((rig.folder.name, True), ("another", False)):
        ledger.take(Started(*rig.stage._now(), 1, "paper", run))
        assert ledger.doubts_fast_path is doubted


def test_a_verification_shows_an_order_that_the_machine_did_not_say(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.run(10)
    another_quantity(rig, monkeypatch)
    rig.signal(1.0)
    with pytest.raises(Disagreement):
        rig.work()
    assert not agrees(rig)


def test_turned_off_none_of_it_is_there(make: Callable[..., Rig]) -> None:
    rig = make(execution={"fast_path": False, "rehearse_every_ms": 1})
    rig.stage._rehearse()
    assert rig.stage._fast_path is None and rig.stage._rehearsal._path is None and rig.stage._rehearsal.sent > 0


def unready(rig: Rig) -> None:
    rig.context.others["features.unready_0"] = 1


def upstream(rig: Rig) -> None:
    rig.context.upstream["features"] = "features is failed"


def halted(rig: Rig) -> None:
    rig.stage.command(HALT)


def session_lost(rig: Rig) -> None:
    rig.broker.session_problem = "the order session: not connected"


def stopped(rig: Rig) -> None:
    rig.stage.command("stop")


@pytest.mark.parametrize("happens", [unready, upstream, halted, session_lost, stopped])
def test_what_forbids_entries_tears_the_permit_up(make: Callable[..., Rig], happens: Callable[[Rig], None]) -> None:
    rig = make()
    rig.run(10)
    assert is_armed(rig)
    happens(rig)
    rig.run(60)
    assert not is_armed(rig)
    rig.signal(1.0)
    rig.run(100)
    assert rig.broker.sent == [] and ahead(rig) == 0
    assert [decision.action for decision in rig.decisions()] == ["BUY"]


def test_a_word_that_opens_again_arms_again(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.stage.command(HALT)
    rig.run(50)
    rig.stage.command(RESUME)
    rig.run(50)
    rig.signal(1.0)
    rig.work()
    assert ahead(rig) == 1


@pytest.mark.parametrize(
    "sections", [{"mode": "dry-run"}, {"execution": {"fast_path": False}}, {"execution": {"journal_sync": "always"}}]
)
def test_settings_that_keep_to_the_long_way(make: Callable[..., Rig], sections: dict[str, Any]) -> None:
    rig = make(**sections)
    rig.signal(1.0)
    rig.work()
    assert ahead(rig) == 0
    assert [record.role for record in rig.journal() if isinstance(record, SendOrder)] == ["entry"]
    assert agrees(rig)


def test_nothing_goes_ahead_while_something_is_open(make: Callable[..., Rig]) -> None:
    rig = make(execution={"on_same_side": "add", "max_quantity": 1})
    rig.signal(1.0)
    rig.run(200)
    assert ahead(rig) == 1 and not is_armed(rig)
    rig.signal(1.0)
    rig.run(200)
    assert ahead(rig) == 1 and len(entries(rig)) == 2, "added, the long way"
    assert agrees(rig)


def test_signals_about_what_nobody_trades_go_the_long_way(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.signal(1.0)
    source, last = rig.context.subscribes.waiting[-1]
    rig.context.subscribes.waiting[-1] = source, msgspec.structs.replace(last, symbol=7)
    rig.work()
    assert ahead(rig) == 0 and len(entries(rig)) == 1
    assert agrees(rig)


def test_a_message_that_will_be_dropped_sends_nothing(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.context.subscribes.are_fresh = lambda waiting: False  # type: ignore[method-assign]
    rig.context.subscribes.accept = lambda heard: None  # type: ignore[method-assign, assignment, return-value]
    rig.signal(1.0)
    rig.work()
    assert rig.broker.sent == [] and rig.decisions() == []


def test_a_journal_that_breaks_at_that_moment_sends_nothing(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.run(10)
    assert is_armed(rig)

    def broken(*arguments: Any) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(journal_file, "_write_at", broken)
    rig.signal(1.0)
    with pytest.raises(Refusal, match="sent without it: nothing"):
        rig.work()
    assert rig.broker.sent == [] and ahead(rig) == 0
    monkeypatch.undo()
    rig.kill()
    rig.start()
    rig.run(6_000)
    assert (
        rig.broker.sent == [] and rig.position == 0 and rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    )


def test_a_permit_ends_with_its_time(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.run(10)
    permit = rig.stage._fast_path._permits.rows[0]  # type: ignore[union-attr]
    assert permit["armed"] and permit["market_from_ns"] <= rig.clock.market_ns() < permit["market_until_ns"]
    permit["market_until_ns"] = rig.clock.market_ns()
    rig.signal(1.0)
    rig.work()
    assert ahead(rig) == 0 and len(entries(rig)) == 1, "the machine looks at the clock itself"
