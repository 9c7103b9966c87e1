"""The states of trading: what each allows, who moves them, limits and the kill switch; and that a death forgets nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bus.messages import Denial, TradingState
from config.load import load
from consensus.weights import start_weights
from execution.events import (
    BUY,
    FLATTEN,
    HALT,
    KILL,
    REDUCE,
    RESUME,
    STOP_LIMIT,
    STOP_WORD,
    WORDS,
    Operator,
    TradingChanged,
)  # fmt: skip
from execution.ledger import Ledger
from execution.operator_box import KILL_FILE, OperatorBox
from execution.recompute import recompute
from execution.risk.gate import REASONS
from execution.risk.states import ALLOWS, MOVES, Limit, Trading, move_of
from tests.execution.rig import MARKET_NS, MS, Rig
from tests.execution.test_risk import market_ns

ACTIVE, REDUCING, HALTED = Trading.ACTIVE, Trading.REDUCING, Trading.HALTED


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def build(at_ns: int = MARKET_NS, **sections: Any) -> Rig:
        rig = Rig(tmp_path, **sections)
        rig.clock.set_market(at_ns)
        rig.start()
        rig.show(100.0, 100.5)
        rig.run(60)
        made.append(rig)
        return rig

    yield build
    for rig in made:
        rig.stage.on_close()


def state(rig: Rig) -> Trading:
    trading: Trading = rig.machine.ledger.trading
    return trading


def reborn(rig: Rig) -> None:
    """Killed and started again, in a market that goes on."""
    rig.kill()
    rig.start()
    rig.show(rig.bid, rig.ask)
    rig.run(60)


def checked(rig: Rig) -> None:
    """The journal recomputes."""
    assert recompute(rig.config, start_weights(rig.config.consensus), rig.journal()) == []


# --- the tables


def test_every_state_knows_every_cause() -> None:
    causes = {HALT, REDUCE, RESUME, FLATTEN, KILL, *Limit}
    assert set(MOVES) == {(state, cause) for state in Trading for cause in causes}
    assert set(ALLOWS) == set(Trading)
    assert {HALT, REDUCE, RESUME, FLATTEN, KILL} <= set(WORDS)


@pytest.mark.parametrize("cause", sorted({cause for _, cause in MOVES} - {RESUME}))
@pytest.mark.parametrize("before", list(Trading))
def test_only_resume_loosens(before: Trading, cause: str) -> None:
    order = [ACTIVE, REDUCING, HALTED]
    assert order.index(move_of(before, cause).state) >= order.index(before)


@pytest.mark.parametrize("before", list(Trading))
def test_words_that_move_nothing(before: Trading) -> None:
    for word in (STOP_WORD, "adopt", "nonsense"):
        assert move_of(before, word) == (before, False)


@pytest.mark.parametrize(
    "before, cause, after, flatten",
    [
        (ACTIVE, HALT, HALTED, False), (ACTIVE, REDUCE, REDUCING, False), (ACTIVE, FLATTEN, HALTED, True),
        (ACTIVE, KILL, HALTED, True), (ACTIVE, Limit.HALT, HALTED, True), (ACTIVE, Limit.REDUCE, REDUCING, False),
        (REDUCING, Limit.HALT, HALTED, True), (REDUCING, RESUME, ACTIVE, False), (HALTED, REDUCE, HALTED, False),
        (HALTED, KILL, HALTED, True), (HALTED, RESUME, ACTIVE, False), (ACTIVE, Limit.SESSION_END, ACTIVE, True),
        (HALTED, Limit.SESSION_END, HALTED, True),
    ],
)  # fmt: skip
def test_moves(before: Trading, cause: str, after: Trading, flatten: bool) -> None:
    assert move_of(before, cause) == (after, flatten)


# --- people


@pytest.mark.parametrize("word, after, held", [(HALT, HALTED, 2), (REDUCE, REDUCING, 2), (FLATTEN, HALTED, 0), (KILL, HALTED, 0)])
def test_a_word_moves_the_state_and_a_death_forgets_nothing(
    make: Callable[..., Rig], word: str, after: Trading, held: int
) -> None:
    rig = make()
    rig.enter()
    assert rig.position == 2
    rig.stage.command(word)
    rig.run(300)
    assert (state(rig), rig.position, rig.broker.position) == (after, held, held)
    assert [(told.state, told.reason) for told in rig.published(TradingState)] == [(after, f"a person said {word}")]
    reborn(rig)
    assert state(rig) is after and rig.counter("trading") == list(Trading).index(after)
    if held:
        rig.show(103.5, 104.0)  # the target goes on working in every state
        rig.run(300)
        assert rig.position == 0
    sent = len(rig.broker.sent)
    rig.enter()
    assert len(rig.broker.sent) == sent, "no entry before somebody says resume"
    denied = "denied_reduce_only" if after is REDUCING else "denied_trading_allowed"
    assert rig.counter(denied) > 0
    rig.stage.command(RESUME)
    rig.enter()
    assert len(rig.broker.sent) > sent
    checked(rig)


def test_reducing_lets_a_decision_leave_and_halted_does_not(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.stage.command(HALT)
    rig.signal(-1.0)
    rig.run(300)
    assert rig.position == 2 == rig.broker.protected()
    rig.stage.command(RESUME)
    rig.stage.command(REDUCE)
    rig.signal(-1.0)
    rig.run(300)
    assert rig.position == 0
    checked(rig)


@pytest.mark.parametrize("word", [HALT, REDUCE, KILL])
def test_working_entries_are_cancelled(make: Callable[..., Rig], word: str) -> None:
    rig = make(execution={"entry_offset_ticks": -8, "entry_ttl_ms": 60_000})
    rig.signal(1.0)
    rig.run(200)
    assert rig.position == 0 and rig.machine.unfinished()
    rig.stage.command(word)
    rig.run(200)
    assert not rig.machine.unfinished() and rig.counter("cancels") == 1


def test_the_kill_switch_is_a_file_too(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    switch = rig.folder / KILL_FILE
    switch.write_text("whatever", encoding="utf-8")
    rig.run(400)
    assert not switch.exists(), "it was carried out and stands in the journal"
    assert (state(rig), rig.position, rig.broker.position) == (HALTED, 0, 0)
    assert any(isinstance(record, Operator) and record.word == KILL for record in rig.journal())
    reborn(rig)
    rig.enter()
    assert rig.position == 0 and state(rig) is HALTED
    rig.stage.command(RESUME)
    rig.enter()
    assert rig.position == 2
    checked(rig)


def test_the_kill_switch_flattens_what_is_ours_and_nothing_else(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.position += 5  # by hand, in the same account
    rig.stage.command(KILL)
    rig.run(400)
    assert (rig.position, rig.broker.position) == (0, 5)


def test_the_kill_file_goes_before_older_words(tmp_path: Path) -> None:
    box = OperatorBox(tmp_path)
    (tmp_path / "operator" / "1-resume.word").touch()
    (tmp_path / KILL_FILE).touch()
    assert [word for _, word in box.waiting()] == [KILL, RESUME]


def test_a_file_that_cannot_be_taken_away_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = OperatorBox(tmp_path)
    switch = tmp_path / KILL_FILE
    switch.touch()
    with monkeypatch.context() as held_open:

        def refuse(self: Path, missing_ok: bool = False) -> None:
            raise PermissionError("in use")

        held_open.setattr(Path, "unlink", refuse)
        for file, _ in box.waiting():
            box.done(file)
        assert box.waiting() == [] and switch.exists()
    assert box.waiting() == [] and not switch.exists()
    switch.touch()
    assert [word for _, word in box.waiting()] == [KILL], "another time it counts again"


# --- limits


@pytest.mark.parametrize("action, after, held", [("halt", HALTED, 0), ("reduce", REDUCING, 2)])
@pytest.mark.parametrize("limit", ["daily_loss", "drawdown"])
def test_a_limit_of_money_moves_the_state_by_itself(
    make: Callable[..., Rig], limit: str, action: str, after: Trading, held: int
) -> None:
    rig = make(risk={f"max_{limit}": 30.0, f"{limit}_action": action})
    rig.enter()
    assert rig.position == 2 and state(rig) is ACTIVE
    rig.show(99.0, 99.5)  # two contracts, 1.5 points below: -30 with the fees
    rig.run(500)
    assert state(rig) is after
    assert (rig.position, rig.broker.position) == (held, held)
    changes = [record for record in rig.journal() if isinstance(record, TradingChanged)]
    assert [change.state for change in changes] == [after]
    reborn(rig)
    assert state(rig) is after
    rig.stage.command(RESUME)
    rig.run(200)
    assert state(rig) is after, "the limit is still passed"
    checked(rig)


def test_a_new_day_and_a_person_open_it_again(make: Callable[..., Rig]) -> None:
    rig = make(risk={"max_daily_loss": 30.0})
    rig.enter()
    rig.show(99.0, 99.5)
    rig.run(500)
    assert state(rig) is HALTED and rig.position == 0
    rig.clock.set_market(MARKET_NS + 24 * 3_600_000 * MS)
    rig.run(200)
    assert state(rig) is HALTED, "time alone opens nothing"
    rig.stage.command(RESUME)
    rig.run(1_100, step_ms=100)
    assert state(rig) is ACTIVE


def test_a_profit_that_is_not_known_moves_nothing(make: Callable[..., Rig]) -> None:
    rig = make(risk={"max_daily_loss": 30.0})
    rig.enter()
    rig.bid = math.nan
    rig.gap()
    rig.run(500)
    assert state(rig) is ACTIVE and rig.position == 2 == rig.broker.protected()


def test_losses_in_a_row_cool_down_and_a_gain_forgets_them(make: Callable[..., Rig]) -> None:
    rig = make(risk={"max_losses_in_row": 2, "cool_down_s": 60.0})

    def lose() -> None:
        rig.enter()
        rig.stage.command(FLATTEN)
        rig.run(300)
        rig.stage.command(RESUME)
        rig.run(20)

    lose()
    lose()
    reborn(rig)
    sent = len(rig.broker.sent)
    rig.enter()
    assert len(rig.broker.sent) == sent and rig.counter("denied_losses_in_row") > 0
    rig.run(60_000, step_ms=100)
    rig.enter()
    assert rig.position == 2, rig.published(Denial)[-1:]
    rig.show(104.0, 104.5)
    rig.run(300)
    assert rig.position == 0, "the target"
    sent = len(rig.broker.sent)
    rig.enter()
    assert len(rig.broker.sent) > sent
    checked(rig)


# --- the session


def table() -> Any:
    return load().sessions


def test_positions_are_left_before_the_close_and_entries_stop_before_that(make: Callable[..., Rig]) -> None:
    rig = make(at_ns=market_ns("17:59:30"), sessions=table())
    rig.enter()
    assert rig.position == 2
    rig.clock.set_market(market_ns("18:10:00"))
    rig.run(200)
    assert rig.position == 2, "entries have stopped, what is held may stay"
    rig.clock.set_market(market_ns("18:14:59"))
    rig.run(2_000)
    assert (rig.position, rig.broker.position, state(rig)) == (0, 0, ACTIVE)
    reason = [bracket.reason for bracket in rig.machine.ledger.brackets.values()]
    assert reason == ["session ends"]
    sent = len(rig.broker.sent)
    rig.enter()
    assert len(rig.broker.sent) == sent and rig.counter("denied_session") > 0
    denial = rig.published(Denial)[-1]
    assert dict(denial.reasons)["session"].startswith("the session ends in")
    checked(rig)


def test_no_entry_on_a_holiday(make: Callable[..., Rig]) -> None:
    rig = make(at_ns=market_ns("12:00:00", date(2025, 11, 20)), sessions=table())
    rig.enter()
    assert rig.broker.sent == [] and rig.counter("denied_session") > 0


# --- what others know


def test_features_that_are_not_whole_deny(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.context.others["features.unready_0"] = 4
    rig.run(60)
    rig.enter()
    assert rig.broker.sent == [] and rig.counter("denied_features_ready") > 0
    rig.context.others["features.unready_0"] = 0
    rig.run(60)
    rig.enter()
    assert rig.position == 2
    checked(rig)


def test_an_alias_that_has_rolled_over_denies(make: Callable[..., Rig]) -> None:
    rig = make(risk={"max_alias_ticks": 10})
    real = rig._ingest

    def rolled() -> None:
        real()
        rig.context.others["ingest.reference_bid_e6_0"] = round((rig.bid + 30.0) * 1e6)

    rig._ingest = rolled  # type: ignore[method-assign]
    rig.run(100)
    rig.enter()
    assert rig.broker.sent == [] and rig.counter("denied_alias") > 0
    rig._ingest = real  # type: ignore[method-assign]
    rig.run(100)
    rig.enter()
    assert rig.position == 2


# --- denials


def test_a_denial_is_counted_and_published_with_its_reasons(make: Callable[..., Rig]) -> None:
    rig = make(risk={"max_spread_ticks": 1, "max_trades_per_day": 1})
    rig.show(100.0, 101.0)
    rig.enter()
    assert rig.broker.sent == [] and rig.counter("denied_spread") > 0
    denials = rig.published(Denial)
    assert len(denials) == rig.counter("denied_spread")
    assert [denial.sequence for denial in denials] == list(range(len(denials)))
    last = denials[-1]
    assert (last.role, last.side, last.symbol) == ("entry", BUY, 0)
    assert [name for name, _ in last.reasons] == ["spread"] and "2.0 ticks" in last.reasons[0][1]


def test_every_reason_has_a_counter(make: Callable[..., Rig]) -> None:
    rig = make()
    names = {name for name, _ in rig.context.counters.items()}
    assert {f"denied_{reason}" for reason in REASONS} <= names


def test_the_same_entry_again_at_once_is_refused(make: Callable[..., Rig]) -> None:
    rig = make(risk={"duplicate_ms": 5_000})
    rig.enter()
    rig.stage.command(FLATTEN)
    rig.run(300)
    rig.stage.command(RESUME)
    sent = len(rig.broker.sent)
    rig.enter()
    assert len(rig.broker.sent) == sent and rig.counter("denied_duplicate") > 0
    rig.run(5_000, step_ms=100)
    rig.enter()
    assert len(rig.broker.sent) > sent


def test_the_rate_of_orders_outlives_a_death(make: Callable[..., Rig]) -> None:
    rig = make(risk={"max_orders_per_s": 50, "max_orders_per_min": 2})
    rig.enter()  # an entry and its stop
    rig.broker.market(110.0, 110.5, 110.0)
    rig.stage.command(FLATTEN)
    rig.run(300)
    rig.stage.command(RESUME)
    reborn(rig)
    sent = len(rig.broker.sent)
    rig.enter()
    assert len(rig.broker.sent) == sent and rig.counter("denied_order_rate") > 0


# --- tallies


def test_tallies_are_those_of_the_orders(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.show(97.5, 98.0)
    rig.run(500)
    assert rig.position == 0
    ledger: Ledger = rig.machine.ledger
    day = ledger.tallies.day(ledger.contracts[0].day(rig.clock.market_ns()))
    orders = ledger.orders.values()
    assert day.entries == 1 and day.messages == len(orders) + sum(order.cancels_asked for order in orders)
    assert day.profit == pytest.approx(ledger.realised_profit()) and day.profit < 0.0 == day.peak
    assert day.losses_in_row == 1 and day.lost_ns > 0 and day.fills >= 2
    assert ledger.tallies.day(20250101).entries == 0
    before = day
    reborn(rig)
    again = rig.machine.ledger.tallies.day(ledger.contracts[0].day(rig.clock.market_ns()))
    assert again == before
    assert sum(order.intent.order_type == STOP_LIMIT for order in orders) >= 1
