"""The plain life of a bracket, from signal to flat, over the stage and the broker twin."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from config.schema import Consensus
from execution.brackets import Phase
from execution.events import (
    BUY,
    LIMIT,
    MARKET,
    SELL,
    STOP_LIMIT,
)
from tests.execution.rig import Rig


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
    rig.enter_in_part()
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
