"""`execution.target = "resting"`: two legs at the broker, kept to one another by us."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consensus.weights import start_weights
from execution.brackets import Phase
from execution.events import (
    BUY,
    FLATTEN,
    LIMIT,
    MARKET,
    SELL,
    STOP_LIMIT,
    TARGET,
    CancelOrder,
    SendOrder,
    Unprotected,
)
from execution.recompute import recompute
from execution.statuses import State
from profitdll.constants import OrderStatus
from tests.execution.broker_twin import Died, Resting
from tests.execution.rig import TICK, Rig, builder

ENTRY, STOP, GOAL = (BUY, LIMIT, 2, 100.5, -1.0), (SELL, STOP_LIMIT, 2, 97.5, 98.5), (SELL, LIMIT, 2, 103.5, -1.0)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []
    build = builder(tmp_path, made)
    yield lambda **more: build(execution={"target": "resting", "settle_ms": 500, **more})
    for rig in made:
        rig.stage.do_work()
        assert recompute(rig.config, start_weights(rig.config.consensus), rig.journal()) == []
        rig.stage.on_close()


def leg(rig: Rig, order_type: int) -> Resting:
    (order,) = rig.broker.open_orders(order_type)
    return order


def fill(rig: Rig, order_type: int, quantity: int) -> None:
    """At the exchange, at the leg's own price."""
    order = leg(rig, order_type)
    rig.broker.fill(order, quantity, order.details.price)


def nothing_is_left(rig: Rig) -> bool:
    flat = (rig.position, rig.broker.position, rig.machine.ledger.live) == (0, 0, {})
    return flat and not any(order.open for order in rig.broker.resting.values())


def test_both_legs_rest_the_stop_first(make: Callable[..., Rig]) -> None:
    rig = make()
    send, statuses = rig.broker.send, []

    def spy(*order: Any) -> int:
        statuses.append([each.details.status for each in rig.broker.open_orders(STOP_LIMIT)])
        return send(*order)

    rig.broker.send = spy  # type: ignore[method-assign]
    rig.enter()
    assert statuses == [[], [], [OrderStatus.NEW]], "the target not before the stop is confirmed"
    assert rig.broker.sent == [ENTRY, STOP, GOAL]
    assert [record.role for record in rig.journal() if isinstance(record, SendOrder)] == ["entry", "stop", "target"]
    assert rig.machine.ledger.brackets[1].phase is Phase.PROTECTED
    assert [record.over for record in rig.journal() if isinstance(record, Unprotected)] == [False]


def test_the_target_fills_and_the_stop_goes(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.show(103.5, 104.0)
    rig.run(100)
    assert rig.broker.sent[2:] == [GOAL], "no other order was needed"
    assert nothing_is_left(rig) and rig.machine.ledger.brackets[1].reason == "target"
    assert rig.fills()[-1].realised_profit == pytest.approx(2 * 3.0 * 10.0 - 4 * 1.0)


def test_the_stop_fills_and_the_target_goes(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter(-1.0)
    rig.show(102.0, 102.5, 102.0)
    rig.run(100)
    assert [order[:2] for order in rig.broker.sent] == [(SELL, LIMIT), (BUY, STOP_LIMIT), (BUY, LIMIT)]
    assert nothing_is_left(rig) and rig.machine.ledger.brackets[1].reason == "stop"


@pytest.mark.parametrize("traded, other", [(LIMIT, STOP_LIMIT), (STOP_LIMIT, LIMIT)])
def test_when_one_leg_trades_the_other_is_placed_anew_for_what_is_left(
    make: Callable[..., Rig], traded: int, other: int
) -> None:
    rig = make()
    rig.enter()
    replaced = leg(rig, other).details
    fill(rig, traded, 1)
    rig.run(50)
    assert rig.broker.resting[replaced.cl_order_id].details.status == 4
    assert rig.broker.sent[3:] == [(SELL, other, 1, replaced.price, replaced.stop_price)]
    assert (rig.position, rig.broker.protected(), leg(rig, LIMIT).details.leaves_quantity) == (1, 1, 1)
    assert rig.machine.ledger.brackets[1].phase is Phase.PROTECTED
    fill(rig, traded, 1)
    rig.run(50)
    assert nothing_is_left(rig)


def test_legs_in_pieces_lose_no_protection(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.broker.fill_at_most = 1
    rig.enter()
    assert [order[:3] for order in rig.broker.sent].count((SELL, STOP_LIMIT, 1)) == 2
    targets = rig.broker.open_orders(LIMIT)
    rig.broker.fill(targets[0], 1, 103.5)
    least = []
    rig.after_step = lambda: least.append(rig.broker.protected())
    rig.run(50)
    assert rig.position == 1 and min(least) == 1, "one of the two stops was cancelled, none placed"
    assert sum(order[1] == STOP_LIMIT for order in rig.broker.sent) == 2


def test_a_target_that_trades_ends_the_rest_of_the_entry(make: Callable[..., Rig]) -> None:
    rig = make(entry_ttl_ms=60_000)
    rig.broker.fill_at_most = 1
    rig.signal(1.0)
    rig.run(110, exchange=False)
    rig.broker.step()
    rig.work()
    rig.show(101.0, 101.5)  # the rest of the entry does not fill
    rig.run(50)
    target = next(order for order in rig.broker.open_orders(LIMIT) if order.details.side == SELL)
    rig.broker.fill(target, 1, 103.5)
    rig.run(20)
    assert nothing_is_left(rig)
    assert all(order[1] != MARKET for order in rig.broker.sent)


def test_both_legs_fill_and_the_turned_position_is_closed_at_once(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    fill(rig, LIMIT, 2)
    fill(rig, STOP_LIMIT, 2)
    assert rig.broker.position == -2
    rig.run(100)
    assert rig.broker.sent[3:] == [(BUY, MARKET, 2, -1.0, -1.0)]
    assert nothing_is_left(rig) and rig.machine.ledger.brackets[1].reason == "target"


def test_a_stop_that_fills_while_its_cancel_is_on_the_way(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.ignore_cancels = True
    fill(rig, LIMIT, 2)
    rig.run(30)
    fill(rig, STOP_LIMIT, 1)
    rig.broker.ignore_cancels = False
    rig.run(800)
    assert rig.broker.sent[3:] == [(BUY, MARKET, 1, -1.0, -1.0)] and nothing_is_left(rig)


@pytest.mark.parametrize("how", ["reject", "refuse", "swallow"])
def test_a_target_that_cannot_rest_is_watched_here(
    make: Callable[..., Rig], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(110)  # the entry is through
    setattr(rig.broker, how, lambda order_type: order_type == LIMIT)
    rig.run(1_000)
    assert (rig.position, rig.broker.protected()) == (2, 2), "no reason to leave"
    told = [r.message for r in caplog.records if r.levelno == logging.WARNING and "watched here" in r.message]
    assert len(told) == 1
    goals = sum(isinstance(record, SendOrder) and record.role == TARGET for record in rig.journal())
    assert goals == 1, "not tried again"
    rig.show(103.5, 104.0)
    rig.run(2_000)
    assert (rig.position, rig.broker.position) == (0, 0)
    assert (SELL, MARKET, 2, -1.0, -1.0) in rig.broker.sent
    assert rig.machine.ledger.brackets[1].reason == "target"


def test_a_target_that_vanishes_at_the_broker_is_watched_here(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.cancel(leg(rig, LIMIT).details.cl_order_id)
    rig.run(500)
    assert (rig.position, rig.broker.protected()) == (2, 2) and len(rig.broker.sent) == 3
    rig.kill()
    rig.start()
    rig.run(100)
    assert len(rig.broker.sent) == 3, "remembered over a restart"
    rig.show(103.5, 104.0)
    rig.run(100)
    assert rig.broker.sent[3:] == [(SELL, MARKET, 2, -1.0, -1.0)] and nothing_is_left(rig)


def decision(rig: Rig) -> None:
    rig.signal(-1.0)


@pytest.mark.parametrize("why", [decision, lambda rig: rig.stage.command(FLATTEN)])
def test_an_exit_cancels_both_legs_before_it_goes_out(make: Callable[..., Rig], why: Callable[[Rig], None]) -> None:
    rig = make()
    rig.enter()
    rig.broker.ignore_cancels = True
    why(rig)
    rig.run(150)
    records = rig.journal()
    cancelled = {record.order for record in records if isinstance(record, CancelOrder)}
    assert cancelled == {2, 3} and all(order[1] != MARKET for order in rig.broker.sent)
    rig.broker.ignore_cancels = False
    rig.run(500)
    assert rig.broker.sent[3:] == [(SELL, MARKET, 2, -1.0, -1.0)] and nothing_is_left(rig)


def test_a_lost_stop_still_means_out(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.cancel(leg(rig, STOP_LIMIT).details.cl_order_id)
    rig.run(100)
    assert nothing_is_left(rig) and rig.machine.ledger.brackets[1].reason == "stop failed"


@pytest.mark.parametrize("settings", [{"trail_ticks": 3}, {"max_hold_ms": 600}])
def test_trailing_and_time_stops_go_on(make: Callable[..., Rig], settings: dict[str, Any]) -> None:
    rig = make(**settings)
    rig.enter()
    for bid in (101.0, 102.0, 100.5):
        rig.show(bid, bid + TICK, bid)
        rig.run(20)
    rig.run(600)
    assert nothing_is_left(rig) and (SELL, MARKET, 2, -1.0, -1.0) in rig.broker.sent
    assert rig.machine.ledger.brackets[1].reason in ("trailing stop", "held for too long")


@pytest.mark.parametrize("target, stop", [(1, 0), (2, 0), (0, 1), (0, 2), (1, 1), (2, 1), (2, 2)])
def test_legs_that_traded_while_we_were_dead(make: Callable[..., Rig], target: int, stop: int) -> None:
    rig = make()
    rig.enter()
    rig.kill()
    for order_type, quantity in ((LIMIT, target), (STOP_LIMIT, stop)):
        if quantity:
            fill(rig, order_type, quantity)
    rig.start()
    rig.run(500)
    held = max(0, 2 - target - stop)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (held, held, held)
    assert sum(order.details.leaves_quantity for order in rig.broker.open_orders(LIMIT)) == held
    turned = [order for order in rig.broker.sent if order[:2] == (BUY, MARKET)]
    assert [order[2] for order in turned] == ([target + stop - 2] if target + stop > 2 else [])
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""


@pytest.mark.parametrize("moment", ["die_before_send", "die_after_send"])
def test_death_around_the_send_of_a_target(make: Callable[..., Rig], moment: str) -> None:
    rig = make()
    setattr(rig.broker, moment, 2)
    with pytest.raises(Died):
        rig.enter()
    rig.kill()
    rig.start()
    rig.run(3_000, step_ms=50)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (2, 2, 2)
    assert rig.broker.sent == [ENTRY, STOP] + [GOAL] * (moment == "die_after_send"), "an intent is never sent again"
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    assert rig.machine.ledger.orders[3].state is (State.WORKING if moment == "die_after_send" else State.NOT_SENT)
    rig.show(103.5, 104.0)
    rig.run(200)
    assert nothing_is_left(rig)


def test_a_target_is_not_sent_while_nobody_would_remember_it(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(110)
    rig.stage._performer.unjournaled = "the disk is full"
    rig.run(100)
    assert rig.broker.sent == [ENTRY, STOP] and rig.broker.protected() == 2
    rig.show(103.5, 104.0)
    rig.run(100)
    assert rig.broker.sent[2:] == [(SELL, MARKET, 2, -1.0, -1.0)] and nothing_is_left(rig)


def test_a_normal_stop_leaves_both_legs(make: Callable[..., Rig], caplog: pytest.LogCaptureFixture) -> None:
    rig = make()
    rig.enter()
    rig.stage.on_close()
    assert (rig.broker.protected(), leg(rig, LIMIT).details.leaves_quantity) == (2, 2)
    assert any("target 3 (working)" in record.message for record in caplog.records)
    rig.start()
