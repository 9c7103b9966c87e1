"""What protects a position when the stop does not: time, trailing, exposure, hands at the broker, and configured moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Execution
from consensus.threshold import BUY as BUY_ACTION
from consensus.threshold import SELL as SELL_ACTION
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
    AskBroker,
    Unprotected,
    UpstreamSeen,
)
from execution.position_table import TABLE, Move, Stance, table_of
from execution.recompute import recompute
from execution.statuses import State
from tests.execution.broker_twin import Died
from tests.execution.rig import TICK, Rig, builder


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []
    yield builder(tmp_path, made)
    for rig in made:
        rig.stage.do_work()
        assert recompute(rig.config, start_weights(rig.config.consensus), rig.journal()) == []
        rig.stage.on_close()


def exits(rig: Rig) -> list[tuple[int, ...]]:
    return [order[:3] for order in rig.broker.sent if order[1] == MARKET]


def test_a_stop_that_triggers_and_does_not_fill_is_cancelled_and_the_position_left(make: Callable[..., Rig]) -> None:
    rig = make(execution={"stop_fill_ms": 300})
    rig.enter()
    rig.show(98.0, 98.5, 98.5)  # the trigger, but not beyond the limit
    rig.broker.last = 100.0  # the exchange does not see it trade there
    rig.run(250)
    assert exits(rig) == [] and rig.broker.protected() == 2
    rig.run(150)
    assert exits(rig) == [(SELL, MARKET, 2)]
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (0, 0, 0)
    assert rig.machine.ledger.brackets[1].reason == "the stop was triggered and did not fill"


def test_an_exit_that_the_exchange_keeps_goes_on_working_and_the_alarm_says_so(make: Callable[..., Rig]) -> None:
    """As in a halt: another one could not be entered, and two would turn the position around."""
    rig = make()
    rig.enter()
    rig.broker.rests = lambda order_type: order_type == MARKET
    rig.signal(-1.0)
    rig.run(20_000, step_ms=50)
    assert exits(rig) == [(SELL, MARKET, 2)] and len(rig.broker.open_orders(MARKET)) == 1
    assert rig.counter("unprotected_alarms") == 1
    rig.broker.rests = lambda order_type: False
    rig.run(50)
    assert (rig.position, rig.broker.position, len(exits(rig))) == (0, 0, 1)


def test_the_trailing_stop_follows_the_best_price(make: Callable[..., Rig]) -> None:
    rig = make(execution={"trail_ticks": 3, "target_ticks": 100})
    rig.enter()
    for bid in (101.0, 102.0, 103.0):
        rig.show(bid, bid + TICK, bid)
        rig.run(20)
    rig.show(102.0, 102.5, 102.0)  # two ticks back
    rig.run(50)
    assert rig.position == 2
    rig.show(101.5, 102.0, 101.5)
    rig.run(50)
    assert rig.position == 0 == rig.broker.position
    assert rig.machine.ledger.brackets[1].reason == "trailing stop"


def test_the_time_stop(make: Callable[..., Rig]) -> None:
    rig = make(execution={"max_hold_ms": 1_000})
    rig.enter()
    rig.run(600)
    assert rig.position == 2
    rig.run(500)
    assert (rig.position, rig.broker.position) == (0, 0)
    assert rig.machine.ledger.brackets[1].reason == "held for too long"


def test_time_without_protection_is_measured_and_bounded(make: Callable[..., Rig]) -> None:
    rig = make(execution={"unprotected_ms": 200, "confirm_ms": 100_000})
    rig.enter()
    measured = [record for record in rig.journal() if isinstance(record, Unprotected)]
    assert [record.over for record in measured] == [False] and measured[0].duration_ns <= 20_000_000
    assert rig.context.histograms["unprotected"].samples == 1
    rig.show(103.5, 104.0)
    rig.run(200)
    assert rig.position == 0
    rig.broker.swallow = lambda order_type: order_type == STOP_LIMIT  # no stop is ever confirmed
    rig.enter()
    rig.run(300)
    assert rig.counter("unprotected_alarms") == 1
    assert rig.machine.ledger.brackets[2].reason == "without protection for too long"
    assert rig.machine.ledger.brackets[2].phase is Phase.RETREATING, "what may still rest forbids the exit"


@pytest.mark.parametrize("left", [0, 1])
def test_an_exit_never_goes_beyond_what_the_broker_says_is_held(make: Callable[..., Rig], left: int) -> None:
    rig = make()
    rig.enter()
    rig.broker.position = left  # a person closed by hand
    rig.show(103.5, 104.0)  # the target
    rig.run(300)
    assert exits(rig) == ([(SELL, MARKET, 1)] if left else [])
    assert rig.broker.position == 0, "never turned around"
    assert rig.broker.protected() == 0, "nothing rests that could open a position"
    assert "we know of" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    rig.enter()
    assert len(exits(rig)) == left
    rig.stage.command(ADOPT)
    rig.run(1_200)
    assert rig.position == 0 and rig.machine.ledger.live == {}
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    rig.enter()
    assert rig.position == 2 == rig.broker.position


def test_a_position_that_the_broker_tells_late_is_left_soon_after(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.position = 0  # it lags behind its own fills
    rig.show(103.5, 104.0)
    rig.run(100)
    assert exits(rig) == []
    rig.broker.position = 2
    rig.run(250)
    assert exits(rig) == [(SELL, MARKET, 2)] and (rig.position, rig.broker.position) == (0, 0)


def test_stops_of_a_position_closed_by_hand_are_cancelled(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.position = 0
    rig.run(33_000, step_ms=100)  # nothing happens but the routine look, and a second one
    assert rig.broker.protected() == 0 and exits(rig) == []
    assert rig.machine.ledger.brackets[1].reason == "the broker holds less than we know of"


def test_a_failed_query_does_not_forbid_an_exit(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.query_problem = "no answer"
    rig.show(103.5, 104.0)
    rig.run(100)
    assert exits(rig) == [(SELL, MARKET, 2)] and rig.broker.position == 0


def lose_the_session(rig: Rig) -> None:
    """Nothing is sent, nothing is answered."""
    rig.broker.session_problem = rig.broker.query_problem = "routing is away"
    rig.broker.refuse = lambda order_type: True


def find_the_session(rig: Rig) -> None:
    rig.broker.session_problem = rig.broker.query_problem = ""
    rig.broker.refuse = lambda order_type: False


@pytest.mark.parametrize("away_ms", [690, 700, 710, 1_000])
def test_an_exit_that_waited_for_the_session_opens_nothing_that_a_person_closed(
    make: Callable[..., Rig], away_ms: int
) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(100, exchange=False)
    lose_the_session(rig)
    rig.run(200)
    assert rig.position == 2 and rig.machine.ledger.brackets[1].phase is Phase.CLOSING
    rig.broker.position = 0
    rig.run(away_ms)
    find_the_session(rig)
    rig.run(2_000)
    assert rig.broker.position == 0 and exits(rig) == []


def test_an_exit_goes_out_when_the_session_is_back(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    lose_the_session(rig)
    rig.run(100)
    rig.show(103.5, 104.0)
    rig.run(2_000)
    assert rig.broker.position == 2
    find_the_session(rig)
    rig.broker.query_problem = "no answer"  # it is there, and a query that fails does not forbid the exit
    rig.run(500)
    assert exits(rig) == [(SELL, MARKET, 2)] and rig.broker.position == 0


def test_an_exit_goes_out_while_a_part_of_the_session_is_away(make: Callable[..., Rig]) -> None:
    """The order session counts as away without market data; its routing answers and takes orders all the same."""
    rig = make()
    rig.enter()
    rig.broker.session_problem = "market data is away"
    rig.run(100)
    rig.show(103.5, 104.0)
    rig.run(200)
    assert exits(rig) == [(SELL, MARKET, 2)] and rig.broker.position == 0


def test_an_exit_on_its_way_is_asked_about_again_when_the_session_goes(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.refuse = lambda order_type: order_type == MARKET
    rig.show(103.5, 104.0)
    rig.run(100)
    assert rig.machine.ledger.brackets[1].phase is Phase.CLOSING
    rig.broker.session_problem = "market data is away"
    rig.broker.refuse = lambda order_type: False
    rig.run(400)
    assert exits(rig) == [(SELL, MARKET, 2)] and rig.broker.position == 0


def test_a_loss_of_the_session_between_two_looks_is_noticed(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.run(200)
    asked = sum(isinstance(record, AskBroker) for record in rig.journal())
    rig.broker.session_losses += 1  # and it is back before anybody looks
    rig.run(100)
    seen = [record.session for record in rig.journal() if isinstance(record, UpstreamSeen)]
    assert seen[-2:] == ["the order session was lost for a moment", ""]
    assert sum(isinstance(record, AskBroker) for record in rig.journal()) > asked
    assert rig.counter("session_losses") == 1


def test_a_reversal_leaves_and_then_enters_the_other_side(make: Callable[..., Rig]) -> None:
    rig = make(execution={"on_opposite": "reverse"})
    rig.enter()
    rig.signal(-1.0)
    rig.run(110)
    rig.run(100)
    assert [order[:3] for order in rig.broker.sent] == [
        (BUY, LIMIT, 2), (SELL, STOP_LIMIT, 2), (SELL, MARKET, 2), (SELL, LIMIT, 2), (BUY, STOP_LIMIT, 2)
    ]  # fmt: skip
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (-2, -2, 2)


def test_adding_opens_another_bracket_up_to_the_limit(make: Callable[..., Rig]) -> None:
    rig = make(execution={"on_same_side": "add"})
    for _ in range(4):
        rig.enter()
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (4, 4, 4)
    assert len(rig.machine.ledger.live) == 2 and rig.counter("denied_max_position") > 0
    rig.show(103.5, 104.0)
    rig.run(300)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (0, 0, 0)


@given(st.sampled_from(["hold", "add"]), st.sampled_from(["exit", "reverse"]))
def test_the_table_as_configured(same: str, other: str) -> None:
    table = table_of(Execution(on_same_side=same, on_opposite=other))  # type: ignore[arg-type]
    assert set(table) == set(TABLE)
    assert table[Stance.LONG, BUY_ACTION] is table[Stance.SHORT, SELL_ACTION]
    assert table[Stance.LONG, SELL_ACTION] is table[Stance.SHORT, BUY_ACTION]
    assert (table[Stance.LONG, BUY_ACTION] is Move.ADD) == (same == "add")
    assert (table[Stance.LONG, SELL_ACTION] is Move.REVERSE) == (other == "reverse")
    for stance in (Stance.FLAT, Stance.LEAVING):
        assert all(table[key] is TABLE[key] for key in table if key[0] is stance)


def test_the_defaults_are_no_adding_and_leaving() -> None:
    assert table_of(Execution()) == TABLE


def by_hand(rig: Rig) -> None:
    """A person's own order in the same account."""
    rig.broker.local_ids.pop(rig.broker.send(0, BUY, LIMIT, 1, 90.0, -1.0))
    rig.run(50)


def test_an_ignored_order_of_others_stays_and_entries_go_on_also_after_a_restart(make: Callable[..., Rig]) -> None:
    rig = make()
    by_hand(rig)
    rig.enter()
    assert len(rig.broker.sent) == 1 and "orders ignore" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    rig.stage.command(IGNORE)
    rig.run(50)
    rig.kill()
    rig.start()
    rig.run(100)
    rig.enter()
    assert rig.position == 2 and len(rig.broker.open_orders(LIMIT)) == 1


def test_an_order_of_others_is_cancelled_only_when_a_person_says_so(make: Callable[..., Rig]) -> None:
    rig = make()
    by_hand(rig)
    rig.run(40_000, step_ms=100)
    assert rig.broker.open_orders(LIMIT), "never by ourselves"
    rig.stage.command(CANCEL_FOREIGN)
    rig.run(1_100)
    assert not rig.broker.open_orders(LIMIT)
    assert [type(r).__name__ for r in rig.journal()].count("CancelForeign") == 1
    rig.enter()
    assert rig.position == 2


def test_not_sent_needs_two_listings_and_the_time_to_settle(make: Callable[..., Rig]) -> None:
    rig = make(execution={"settle_ms": 100})
    rig.broker.die_before_send = 0
    with pytest.raises(Died):
        rig.enter()
    rig.kill()
    rig.clock.advance(10_000_000_000)
    rig.start()  # the first listing
    assert rig.machine.ledger.orders[1].state is State.INTENDED
    rig.run(500)
    assert rig.machine.ledger.orders[1].state is State.INTENDED
    rig.run(700)  # the second
    assert rig.machine.ledger.orders[1].state is State.NOT_SENT
