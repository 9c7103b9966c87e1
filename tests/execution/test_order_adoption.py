"""`orders adopt` of open orders that are not ours: what each becomes, what it then does, and what cannot be ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consensus.weights import start_weights
from execution.brackets import Phase
from execution.events import (
    ADOPT,
    BUY,
    CANCEL_FOREIGN,
    ENTRY,
    FLATTEN,
    HALT,
    IGNORE,
    KILL,
    LIMIT,
    MARKET,
    RESUME,
    SELL,
    STOP,
    STOP_LIMIT,
    STOP_WORD,
    TARGET,
    BrokerView,
    OrderAdopted,
)
from execution.recompute import recompute
from tests.execution.broker_twin import Resting
from tests.execution.rig import TICK, Rig, builder


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []
    yield builder(tmp_path, made)
    for rig in made:
        rig.stage.do_work()
        assert recompute(rig.config, start_weights(rig.config.consensus), rig.journal()) == []
        rig.stage.on_close()


def by_hand(rig: Rig, side: int, order_type: int, quantity: int, price: float, stop_price: float = -1.0) -> Resting:
    """A person's own order in the same account."""
    number = rig.broker.send(0, side, order_type, quantity, price, stop_price)
    order = rig.broker.resting[rig.broker.local_ids.pop(number)]
    rig.run(50)
    return order


def held_by_hand(rig: Rig, quantity: int, price: float) -> None:
    rig.broker.position, rig.broker.average_price = quantity, price


def adopt(rig: Rig) -> None:
    rig.stage.command(ADOPT)
    rig.run(250)  # two looks at the broker


def adopted(rig: Rig) -> list[tuple[str, int, int]]:
    """(role, bracket, contracts) of each."""
    records = [record for record in rig.journal() if isinstance(record, OrderAdopted)]
    return [(r.role, r.bracket, r.report.quantity - r.report.traded_quantity) for r in records]


def problem(rig: Rig) -> str:
    return str(rig.machine.desk.broker_problem(rig.clock.monotonic_ns()))


def sent(rig: Rig) -> list[tuple[int, int, int]]:
    return [order[:3] for order in rig.broker.sent]


# --- what reduces


def test_a_stop_by_hand_becomes_the_stop_of_the_adopted_position(make: Callable[..., Rig]) -> None:
    rig = make()
    held_by_hand(rig, 3, 100.0)
    stop = by_hand(rig, SELL, STOP_LIMIT, 3, 94.0, 95.0)
    adopt(rig)
    assert adopted(rig) == [(STOP, 1, 3)] and problem(rig) == ""
    assert len(rig.broker.sent) == 1, "it needs no other stop"
    rig.show(96.5, 97.0, 96.5)  # beyond where ours would be
    rig.run(1_500)
    assert rig.position == 3, "the person's stop is the one that counts"
    rig.show(95.0, 95.5, 95.0)
    rig.run(50)
    assert (rig.position, rig.broker.position, rig.machine.ledger.live) == (0, 0, {}) and not stop.open
    assert len(rig.broker.sent) == 1


def test_a_stop_by_hand_that_is_run_through_means_out(make: Callable[..., Rig]) -> None:
    rig = make()
    held_by_hand(rig, 2, 100.0)
    by_hand(rig, SELL, STOP_LIMIT, 2, 94.0, 95.0)
    adopt(rig)
    rig.show(93.0, 93.5, 93.0)
    rig.run(200)
    assert (rig.position, rig.broker.position) == (0, 0) and sent(rig)[1:] == [(SELL, MARKET, 2)]


def test_a_stop_by_hand_for_a_part_is_completed_by_ours(make: Callable[..., Rig]) -> None:
    rig = make()
    held_by_hand(rig, -3, 101.0)
    by_hand(rig, BUY, STOP_LIMIT, 2, 105.0, 104.5)
    adopt(rig)
    assert adopted(rig) == [(STOP, 1, 2)]
    assert sent(rig)[1:] == [(BUY, STOP_LIMIT, 1)] and rig.broker.protected() == 3 and problem(rig) == ""


@pytest.mark.parametrize("word", [IGNORE, CANCEL_FOREIGN])
def test_a_stop_for_more_than_is_bare_stays_not_ours(
    make: Callable[..., Rig], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make()
    rig.enter()  # under a stop of ours
    order = by_hand(rig, SELL, STOP_LIMIT, 2, 94.0, 95.0)
    adopt(rig)
    assert adopted(rig) == [] and "orders ignore" in problem(rig) and order.open
    assert any("0 are held without a stop" in record.message for record in caplog.records)
    rig.stage.command(word)
    rig.run(50)
    assert problem(rig) == "" and order.open == (word == IGNORE)
    assert (rig.position, rig.machine.ledger.brackets[1].phase) == (2, Phase.PROTECTED)


def test_a_limit_by_hand_becomes_the_target(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    by_hand(rig, SELL, LIMIT, 2, 110.0)
    adopt(rig)
    assert adopted(rig) == [(TARGET, 1, 2)] and problem(rig) == ""
    rig.show(105.0, 105.5)  # beyond the target that we would watch
    rig.run(200)
    assert rig.position == 2
    rig.show(110.0, 110.5)
    rig.run(100)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (0, 0, 0)
    assert sent(rig) == [(BUY, LIMIT, 2), (SELL, STOP_LIMIT, 2), (SELL, LIMIT, 2)], "the stop was cancelled, no more"


def test_a_limit_by_hand_for_a_part_leaves_the_rest_to_the_stop(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    by_hand(rig, SELL, LIMIT, 1, 110.0)
    adopt(rig)
    rig.show(110.0, 110.5)
    rig.run(200)
    assert (rig.position, rig.broker.protected()) == (1, 1), "reduced, and the person's target is not followed by ours"
    rig.show(98.0, 98.5, 98.0)
    rig.run(100)
    assert (rig.position, rig.broker.position) == (0, 0)


def test_a_target_taken_away_by_hand_is_watched_here_again(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    order = by_hand(rig, SELL, LIMIT, 2, 110.0)
    adopt(rig)
    rig.broker.cancel(order.details.cl_order_id)
    rig.run(50)
    assert rig.position == 2
    rig.show(103.5, 104.0)
    rig.run(100)
    assert (rig.position, rig.broker.position) == (0, 0) and sent(rig)[-1] == (SELL, MARKET, 2)


@pytest.mark.parametrize("order_type, price, stop_price", [(LIMIT, 110.0, -1.0), (STOP_LIMIT, 94.0, 95.0)])
def test_what_would_turn_the_position_around_stays_not_ours(
    make: Callable[..., Rig], order_type: int, price: float, stop_price: float
) -> None:
    rig = make()
    held_by_hand(rig, 2, 100.0)
    order = by_hand(rig, SELL, order_type, 3, price, stop_price)
    adopt(rig)
    assert adopted(rig) == [] and "not ours" in problem(rig) and order.open
    assert sent(rig)[1:] == [(SELL, STOP_LIMIT, 2)], "the position is protected all the same"


# --- what opens


def test_an_order_that_opens_is_protected_when_it_fills(make: Callable[..., Rig]) -> None:
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 2, 98.0)
    adopt(rig)
    assert adopted(rig) == [(ENTRY, 1, 2)] and problem(rig) == ""
    rig.run(3_000, step_ms=50)
    assert order.open, "our time to live is not its own"
    rig.signal(-1.0)
    rig.run(150)
    assert order.open and len(rig.broker.sent) == 1, "a decision neither cancels it nor trades against it"
    rig.run(200)
    rig.show(97.5, 98.0)
    rig.run(50)
    assert rig.position == 2 and sent(rig)[1:] == [(SELL, STOP_LIMIT, 2)] and rig.broker.protected() == 2
    rig.show(101.0, 101.5)
    rig.run(100)
    assert (rig.position, rig.broker.position) == (0, 0), "the target"


def test_a_stop_order_that_opens(make: Callable[..., Rig]) -> None:
    rig = make()
    by_hand(rig, BUY, STOP_LIMIT, 1, 103.0, 102.0)
    adopt(rig)
    assert adopted(rig) == [(ENTRY, 1, 1)] and problem(rig) == ""
    rig.show(102.0, 102.5, 102.0)
    rig.run(50)
    assert rig.position == 1 and sent(rig)[1:] == [(SELL, STOP_LIMIT, 1)]


@pytest.mark.parametrize("word", [HALT, FLATTEN, KILL, STOP_WORD])
def test_a_persons_word_cancels_it(make: Callable[..., Rig], word: str) -> None:
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 2, 98.0)
    adopt(rig)
    rig.stage.command(word)
    rig.run(50)
    assert not order.open and rig.machine.ledger.live == {}


def test_a_person_cancels_it_at_the_broker(make: Callable[..., Rig]) -> None:
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 2, 98.0)
    adopt(rig)
    rig.broker.cancel(order.details.cl_order_id)
    rig.run(50)
    assert rig.machine.ledger.live == {} and problem(rig) == ""
    rig.enter()
    assert rig.position == 2


def test_what_had_traded_before_is_position_and_not_a_fill(make: Callable[..., Rig]) -> None:
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 3, 98.0)
    rig.broker.fill(order, 1, 98.0)
    rig.run(50)
    adopt(rig)
    assert adopted(rig) == [(ENTRY, 2, 2)] and rig.position == 1 and rig.fills() == []
    rig.broker.fill(order, 2, 98.5)
    rig.run(50)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (3, 3, 3) and problem(rig) == ""
    assert [(fill.quantity, fill.price) for fill in rig.fills()] == [(2, pytest.approx(98.5))]


def test_orders_of_both_sides_are_not_both_ours(make: Callable[..., Rig]) -> None:
    """Once both filled, nobody could protect either: the account holds nothing."""
    rig = make()
    by_hand(rig, BUY, LIMIT, 1, 98.0)
    by_hand(rig, SELL, LIMIT, 1, 104.0)
    adopt(rig)
    assert adopted(rig) == [(ENTRY, 1, 1)] and "not ours" in problem(rig)


def test_a_position_against_an_adopted_order_is_not_ours(
    make: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 1, 98.0)
    adopt(rig)
    held_by_hand(rig, -2, 100.0)
    adopt(rig)
    assert rig.position == 0 and order.open and "-2" in problem(rig)
    assert any("works against them" in record.message for record in caplog.records)
    rig.broker.cancel(order.details.cl_order_id)
    adopt(rig)
    rig.run(1_100)
    assert rig.position == -2 and rig.broker.protected() == 2 and problem(rig) == ""


def test_nothing_that_opens_is_adopted_while_trading_is_halted(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.stage.command(HALT)
    order = by_hand(rig, BUY, LIMIT, 1, 98.0)
    adopt(rig)
    assert adopted(rig) == [] and order.open and "not ours" in problem(rig)
    rig.stage.command(RESUME)
    adopt(rig)
    assert adopted(rig) == [(ENTRY, 1, 1)]


def test_an_order_without_a_permanent_id_waits(make: Callable[..., Rig], caplog: pytest.LogCaptureFixture) -> None:
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 1, 98.0)
    whole = order.details
    order.details = whole._replace(cl_order_id="")
    adopt(rig)
    assert adopted(rig) == [] and any("permanent id" in record.message for record in caplog.records)
    order.details = whole
    adopt(rig)
    assert adopted(rig) == [(ENTRY, 1, 1)]


def test_nothing_is_adopted_into_a_contract_that_is_being_left(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    rig.broker.ignore_cancels = True
    rig.stage.command(FLATTEN)
    by_hand(rig, SELL, LIMIT, 2, 110.0)
    adopt(rig)
    assert adopted(rig) == [] and "not ours" in problem(rig)
    rig.broker.ignore_cancels = False
    rig.run(800)
    assert (rig.position, rig.broker.position) == (0, 0)


def test_a_failed_query_is_asked_again(make: Callable[..., Rig]) -> None:
    rig = make()
    by_hand(rig, BUY, LIMIT, 1, 98.0)
    rig.broker.query_problem = "no answer"
    adopt(rig)
    assert adopted(rig) == []
    rig.broker.query_problem = ""
    rig.run(1_100)
    assert adopted(rig) == [(ENTRY, 1, 1)]


# --- changed by hand, and over restarts


def test_a_change_by_hand_is_followed(make: Callable[..., Rig]) -> None:
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 1, 98.0)
    adopt(rig)
    rig.broker._change(order, status=5, quantity=3, leaves_quantity=3, price=99.0)
    rig.run(50)
    assert rig.machine.ledger.orders[1].intent.quantity == 3
    rig.broker.fill(order, 3, 99.0)
    rig.run(50)
    assert (rig.position, rig.broker.protected()) == (3, 3) and problem(rig) == ""


def test_a_stop_that_is_moved_by_hand_moves_what_we_watch(make: Callable[..., Rig]) -> None:
    rig = make()
    held_by_hand(rig, 2, 100.0)
    stop = by_hand(rig, SELL, STOP_LIMIT, 2, 97.0, 98.0)
    adopt(rig)
    rig.broker._change(stop, status=5, price=90.0, stop_price=91.0)
    rig.broker._change(stop, status=0)
    rig.run(20)
    rig.show(93.0, 93.5, 93.0)
    rig.run(1_500)
    assert rig.position == 2 and len(rig.broker.sent) == 1


@pytest.mark.parametrize("role", [ENTRY, STOP, TARGET])
def test_adopted_orders_that_filled_while_we_were_dead(make: Callable[..., Rig], role: str) -> None:
    rig = make()
    if role == ENTRY:
        order = by_hand(rig, BUY, LIMIT, 2, 98.0)
    else:
        held_by_hand(rig, 2, 100.0)
        prices = (94.0, 95.0) if role == STOP else (110.0, -1.0)
        order = by_hand(rig, SELL, STOP_LIMIT if role == STOP else LIMIT, 2, *prices)
    adopt(rig)
    assert [each[0] for each in adopted(rig)] == [role]
    rig.kill()
    rig.start()
    rig.run(100)
    assert order.open and problem(rig) == "", "still ours after a restart"
    rig.kill()
    rig.broker.fill(order, 2, order.details.price)
    rig.start()
    rig.run(200)
    held = 2 if role == ENTRY else 0
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (held, held, held)
    assert problem(rig) == "" and bool(rig.machine.ledger.live) == bool(held)
    assert (SELL, MARKET, 2) not in sent(rig)


def test_the_time_stop_counts_from_the_fill(make: Callable[..., Rig]) -> None:
    rig = make(execution={"max_hold_ms": 1_000, "target_ticks": 100})
    by_hand(rig, BUY, LIMIT, 1, 98.0)
    adopt(rig)
    rig.run(1_500)
    rig.show(97.5, 97.5 + TICK)
    rig.run(600)
    assert rig.position == 1
    rig.run(600)
    assert rig.position == 0


def test_every_adoption_says_what_it_became(make: Callable[..., Rig], caplog: pytest.LogCaptureFixture) -> None:
    rig = make()
    by_hand(rig, BUY, LIMIT, 1, 98.0)
    adopt(rig)
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert any("now order 1, the entry of bracket 1" in text for text in told)
    assert [(event.order, event.role, event.status) for event in rig.order_events()] == [(1, "entry", "working")]


def test_a_position_closed_by_hand_is_taken_from_what_holds_it(make: Callable[..., Rig]) -> None:
    """Not from the adopted order that only waits beside it."""
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 1, 98.0)
    adopt(rig)
    held_by_hand(rig, 2, 100.0)
    adopt(rig)
    assert rig.position == 2 == rig.broker.protected()
    held_by_hand(rig, 0, 0.0)
    adopt(rig)
    rig.run(1_100)
    assert (rig.position, rig.broker.protected()) == (0, 0) and order.open and problem(rig) == ""
    assert list(rig.machine.ledger.live) == [1] and MARKET not in {each[1] for each in sent(rig)}


def test_a_position_turned_around_by_hand_gets_its_own_bracket(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.enter()
    held_by_hand(rig, -1, 100.0)
    adopt(rig)
    rig.run(1_100)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (-1, -1, 1) and problem(rig) == ""
    assert sent(rig)[2:] == [(BUY, STOP_LIMIT, 1)]


@pytest.mark.parametrize("traded", [LIMIT, STOP_LIMIT])
def test_what_is_placed_anew_stands_where_the_person_put_it(make: Callable[..., Rig], traded: int) -> None:
    rig = make()
    held_by_hand(rig, 2, 100.0)
    legs = {LIMIT: by_hand(rig, SELL, LIMIT, 2, 110.0), STOP_LIMIT: by_hand(rig, SELL, STOP_LIMIT, 2, 94.0, 95.0)}
    adopt(rig)
    assert [each[0] for each in adopted(rig)] == [STOP, TARGET]
    rig.broker.fill(legs[traded], 1, legs[traded].details.price)
    rig.run(50)
    anew = (SELL, STOP_LIMIT, 1, 94.0, 95.0) if traded == LIMIT else (SELL, LIMIT, 1, 110.0, -1.0)
    assert rig.broker.sent[2:] == [anew] and (rig.position, rig.broker.protected()) == (1, 1)
    for bid in (96.5, 105.0):  # beyond where our stop and our target would be
        rig.show(bid, bid + TICK, bid)
        rig.run(1_200)
    assert rig.position == 1 and len(rig.broker.sent) == 3
    rig.show(110.0, 110.5)
    rig.run(100)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (0, 0, 0) and len(rig.broker.sent) == 3


def test_a_fill_between_the_two_listings_is_booked_once(make: Callable[..., Rig]) -> None:
    """The broker's orders are listed before its positions."""
    rig = make()
    order = by_hand(rig, BUY, LIMIT, 2, 98.0)
    positions, filled = rig.broker.positions, []

    def after_a_fill() -> Any:
        if not filled:
            filled.append(order)
            rig.broker.fill(order, 2, 98.0)
        return positions()

    rig.broker.positions = after_a_fill  # type: ignore[method-assign]
    adopt(rig)
    rig.run(6_000)
    assert filled and rig.position == rig.broker.position == 2
    assert rig.broker.protected() == 2 and problem(rig) == ""


def test_a_view_from_before_the_word_is_not_adopted(make: Callable[..., Rig]) -> None:
    rig = make()
    view = BrokerView(*rig.stage._now(), "")
    by_hand(rig, BUY, LIMIT, 2, 98.0)
    rig.run(10)
    rig.stage.command(ADOPT)
    rig.stage._take(view)
    rig.stage._take(view)
    assert adopted(rig) == []
    rig.run(500)
    assert adopted(rig) == [(ENTRY, 1, 2)]


@pytest.mark.parametrize("closed", [1, 2, 3])
def test_several_brackets_never_close_more_than_is_held(make: Callable[..., Rig], closed: int) -> None:
    """Two of ours and two adopted; a person closes some by hand, and every bracket leaves at once."""
    rig = make()
    rig.enter()
    by_hand(rig, BUY, LIMIT, 2, 99.5)
    adopt(rig)
    rig.show(99.0, 99.5)
    rig.run(300)
    assert rig.position == rig.broker.position == 4
    rig.broker.position -= closed
    lowest: list[int] = []
    rig.after_step = lambda: lowest.append(rig.broker.position)
    rig.run(70_000, step_ms=50)
    assert min(lowest) == 0, "never turned around"
    assert rig.broker.position == 0 and rig.broker.protected() == 0
