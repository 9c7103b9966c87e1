"""The stage with its gateway apart: the same trades, and deaths of either at every command. Nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.schema import Consensus
from consensus.weights import start_weights
from execution import gateway as g
from execution.brackets import Phase
from execution.broker import BrokerError, BrokerOrder
from execution.broker_side import RECONNECTED
from execution.events import (
    BUY,
    FLATTEN,
    LIMIT,
    MARKET,
    SELL,
    STOP_LIMIT,
    BrokerView,
    OrderClosed,
    SendOrder,
    SessionBegan,
    UpstreamSeen,
)
from execution.gateway_link import FULL, LAPPED
from execution.meters import TIMED_ORDERS
from execution.recompute import recompute
from execution.statuses import State
from execution.translate import list_command
from runtime.topology import BY_NAME, STAGES, rings_of, stages_of
from shm.counters import STAGES as COUNTER_BLOCKS
from shm.ring import RingWriter
from tests.execution.linked_rig import LinkedRig
from tests.execution.rig import MS, make_config


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[LinkedRig]:
    made = LinkedRig(tmp_path).start()
    made.show(100.0, 100.5)
    made.run(100)
    yield made
    made.close()


class Killed(BaseException):
    """Execution is killed here."""


def trade(rig: LinkedRig) -> None:
    """In, protected, out at the target."""
    rig.show(100.0, 100.5)
    rig.enter()
    rig.show(103.5, 104.0)
    rig.run(300)


def revive(rig: LinkedRig, duration_ms: int = 8_000) -> None:
    """Whoever is dead comes back; the broker has time to answer everything."""
    if rig.ends.service is None:
        rig.revive_gateway()
    rig.run(duration_ms, step_ms=50)


def check(rig: LinkedRig) -> None:
    """Both sides agree, no intent went out twice, and the journal recomputes."""
    assert rig.position == rig.broker.position
    assert rig.broker.position == 0 or rig.broker.protected() >= abs(rig.broker.position)
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    rig.stage.do_work()
    records = rig.journal()
    intents = [
        (record.side, record.order_type, record.quantity, record.price, record.stop_price)
        for record in records
        if isinstance(record, SendOrder)
    ]
    rest = iter(intents)
    assert all(any(each == sent for each in rest) for sent in rig.broker.sent), "each call has an intent of its own"
    assert recompute(rig.config, start_weights(rig.config.consensus), records) == []


def tell_the_fill(rig: LinkedRig) -> None:
    """The exchange fills, and the gateway reports it without taking a command."""
    rig.broker.step()
    report_by_itself(rig)


def report_by_itself(rig: LinkedRig) -> None:
    """The gateway reports what changed, and takes no command."""
    core, service = rig.ends.core, rig.ends.service
    assert core is not None and service is not None
    core.work()
    for report in core.drain():
        service._put(report, g.EVERYONE)
    service._publish()


def close_by_hand(rig: LinkedRig) -> None:
    """A person sells all at the broker; the order is not counted among `sent`."""
    before = len(rig.broker.sent)
    rig.broker.send(0, SELL, MARKET, rig.broker.position, -1.0, -1.0)
    rig.broker.step()
    del rig.broker.sent[before:]
    assert rig.broker.position == 0


def watch_the_position(rig: LinkedRig) -> list[int]:
    """The broker's, after each step from now on."""
    seen: list[int] = []
    rig.after_step = lambda: seen.append(rig.broker.position)
    return seen


def views(rig: LinkedRig) -> list[BrokerView]:
    return [record for record in rig.journal() if isinstance(record, BrokerView)]


def test_a_trade_goes_over_the_rings_as_it_does_in_one_process(rig: LinkedRig) -> None:
    trade(rig)
    assert rig.broker.sent == [
        (BUY, LIMIT, 2, 100.5, -1.0), (SELL, STOP_LIMIT, 2, 97.5, 98.5), (SELL, MARKET, 2, -1.0, -1.0)
    ]  # fmt: skip
    assert [(fill.quantity, fill.price, fill.position) for fill in rig.fills()] == [(2, 100.5, 2), (2, 103.5, 0)]
    assert rig.counter("orders") == 3 and rig.counter("lost") == 0
    for name in ("tick_to_order", "decision_to_send"):
        assert rig.context.histograms[name].samples == 1, name
    check(rig)


def test_an_intent_stands_in_the_journal_before_its_command_is_in_the_ring(
    rig: LinkedRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, put = RingWriter.publish, []

    def look(writer: RingWriter, record: Any) -> int:
        if "order_type" in record.dtype.names and "made_ns" in record.dtype.names and record["order_type"][0]:
            number = int(record["order"][0])
            journaled = [each.order for each in rig.journal() if isinstance(each, SendOrder)]
            put.append((number, journaled))
        return publish(writer, record)

    monkeypatch.setattr(RingWriter, "publish", look)
    trade(rig)
    assert [number for number, _ in put] == [1, 2, 3]
    assert all(number in journaled for number, journaled in put)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("moment", ["die_before_send", "die_after_send"])
def test_the_gateway_dies_over_a_command(rig: LinkedRig, number: int, moment: str) -> None:
    setattr(rig.broker, moment, number)
    trade(rig)
    assert rig.deaths_of_gateway == 1
    revive(rig)
    check(rig)
    entries = [order for order in rig.broker.sent if order[:2] == (BUY, LIMIT)]
    assert len(entries) == (0 if (number, moment) == (0, "die_before_send") else 1)
    assert sum(isinstance(record, SessionBegan) for record in rig.journal()) == 1
    trade(rig)
    check(rig)
    assert rig.machine.ledger.live == {} and len(rig.broker.sent) > 2


def test_the_gateway_dies_with_an_entry_that_it_had_not_read(rig: LinkedRig) -> None:
    rig.hung = True
    rig.signal(1.0)
    rig.run(120)
    assert rig.machine.ledger.orders[1].state is State.INTENDED
    rig.kill_gateway()
    rig.hung = False
    rig.revive_gateway()
    rig.run(20)
    assert rig.machine.ledger.orders[1].state is State.NOT_SENT, "known at once, without waiting for listings"
    assert rig.broker.sent == []
    rig.run(2_000)
    check(rig)
    trade(rig)
    check(rig)
    assert rig.fills()


def test_a_stop_that_the_dead_gateway_had_not_read_is_replaced_by_an_exit(rig: LinkedRig) -> None:
    rig.signal(1.0)
    rig.run(100)
    rig.hung = True
    tell_the_fill(rig)
    rig.run(50)
    assert rig.position == 2 and rig.machine.ledger.orders[2].state is State.INTENDED
    rig.kill_gateway()
    rig.hung = False
    rig.revive_gateway()
    rig.run(2_000)
    assert [order[1] for order in rig.broker.sent[:2]] == [LIMIT, MARKET]
    assert rig.machine.ledger.orders[2].state is State.NOT_SENT
    assert rig.machine.ledger.brackets[1].live is False
    check(rig)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("served", [False, True], ids=["the gateway reads it later", "the gateway has read it"])
def test_execution_dies_behind_a_command(
    rig: LinkedRig, monkeypatch: pytest.MonkeyPatch, number: int, served: bool
) -> None:
    """The command stands in the ring, and goes out; the next incarnation finds it, and sends nothing twice."""
    publish = RingWriter.publish

    def put(writer: RingWriter, record: Any) -> int:
        at = publish(writer, record)
        if "made_ns" in record.dtype.names and int(record["kind"][0]) == 1 and int(record["order"][0]) == number:
            monkeypatch.undo()
            if served:
                rig._serve()
            raise Killed
        return at

    monkeypatch.setattr(RingWriter, "publish", put)
    with pytest.raises(Killed):
        trade(rig)
    rig.kill()
    rig.start()
    rig.run(8_000, step_ms=50)
    check(rig)
    kinds = [order[:2] for order in rig.broker.sent]
    assert kinds.count((BUY, LIMIT)) == 1 and kinds.count((SELL, MARKET)) <= 1
    assert rig.ends.gateway.get("commands_taken") == rig.stage._core._commands.cursor  # type: ignore[union-attr]
    trade(rig)
    check(rig)


def test_both_die(rig: LinkedRig) -> None:
    rig.broker.die_after_send = 1
    trade(rig)
    rig.kill()
    rig.start()
    rig.run(8_000, step_ms=50)
    check(rig)
    assert len([order for order in rig.broker.sent if order[1] == STOP_LIMIT]) == 1


def test_local_ids_of_another_session_hit_no_order_of_the_former(rig: LinkedRig) -> None:
    """The broker numbers each session's orders from one; the first of the new session is not the first of the old."""
    rig.enter()
    held = rig.machine.ledger.orders[1]
    assert held.local_id == 1
    rig.kill_gateway()
    rig.run(200)
    rig.revive_gateway()
    rig.run(1_500)
    assert rig.machine.ledger.orders[1].local_id == 0
    assert rig.machine.ledger._by_local == {}
    check(rig)


def test_an_order_that_was_answered_and_never_arrived_settles_in_the_next_session(rig: LinkedRig) -> None:
    """The library had taken it, and died before it was on the wire: no listing of the new session has it."""
    rig.signal(1.0)
    rig.run(100, exchange=False)
    order = rig.machine.ledger.orders[1]
    assert order.local_id == 1
    order.cl_order_id = ""  # the exchange has not answered
    rig.machine.ledger._by_cl_order.clear()
    rig.broker.resting.clear()
    rig.kill_gateway()
    rig.run(200)
    rig.revive_gateway()
    rig.run(7_000, step_ms=50)
    assert rig.machine.ledger.orders[1].state is State.NOT_SENT
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""


@pytest.mark.parametrize("how", ["dead", "silent", "logged out"])
def test_without_its_gateway_entries_are_closed_and_say_so(rig: LinkedRig, how: str) -> None:
    if how == "dead":
        rig.kill_gateway()
    elif how == "silent":
        rig.hung = True
        rig.run(1_200)
    else:
        rig.ends.gateway.set("session_away", 1)
    rig.run(100)
    rig.enter()
    assert rig.broker.sent == [] and rig.counter("denied_upstream") > 0
    problems = [record.problem for record in rig.journal() if isinstance(record, UpstreamSeen)]
    assert "gateway" in problems[-1]
    assert len(rig.decisions()) > 3, "execution goes on"
    rig.hung = False
    rig.ends.gateway.set("session_away", 0)
    revive(rig, 1_500)
    trade(rig)
    check(rig)
    assert len(rig.broker.sent) >= 3


@pytest.mark.parametrize("away_ms", [600, 850, 860, 1_150, 1_450])
def test_an_exit_that_waited_for_the_gateway_opens_nothing_that_a_person_closed(rig: LinkedRig, away_ms: int) -> None:
    """The stop was not sent, the bracket leaves; the retry that is due must not be quicker than the question."""
    rig.signal(1.0)
    rig.run(100)
    tell_the_fill(rig)
    rig.kill_gateway()
    rig.run(350, exchange=False)
    assert rig.position == 2 and rig.machine.ledger.brackets[1].phase is Phase.CLOSING
    close_by_hand(rig)
    rig.run(away_ms)
    sent = len(rig.broker.sent)
    rig.revive_gateway()
    seen = watch_the_position(rig)
    rig.run(3_000)
    assert set(seen) == {0} and rig.broker.sent[sent:] == []
    assert rig.position == 2, "until a person adopts it"


def test_an_exit_that_waited_for_the_gateway_goes_out_once_the_broker_answered(rig: LinkedRig) -> None:
    rig.signal(1.0)
    rig.run(100)
    tell_the_fill(rig)
    rig.kill_gateway()
    rig.run(2_000)
    rig.revive_gateway()
    rig.run(100)
    assert (rig.position, rig.broker.position) == (0, 0)
    kinds = [type(each) for each in rig.journal() if isinstance(each, SessionBegan | BrokerView)]
    assert kinds.index(SessionBegan) < len(kinds) - 1
    rig.run(1_500)
    check(rig)


def test_a_query_that_fails_in_the_new_session_does_not_forbid_the_exit(rig: LinkedRig) -> None:
    rig.signal(1.0)
    rig.run(100)
    tell_the_fill(rig)
    rig.kill_gateway()
    rig.run(500)
    rig.broker.query_problem = "no answer"
    rig.revive_gateway()
    rig.run(500)
    assert rig.broker.position == 0
    rig.broker.query_problem = ""
    rig.run(1_500)
    check(rig)


@pytest.mark.parametrize("bid", [100.0, 98.0])
def test_a_stop_that_was_given_up_is_not_sent_before_its_exit(rig: LinkedRig, bid: float) -> None:
    """The gateway hangs for longer than execution waits for the stop, and goes on."""
    rig.signal(1.0)
    rig.run(100)
    rig.hung = True
    tell_the_fill(rig)
    rig.run(50)
    rig.show(bid, bid + 0.5, bid)
    rig.run(1_500)
    sent = len(rig.broker.sent)
    rig.hung = False
    seen = watch_the_position(rig)
    rig.run(3_000)
    assert [order[:3] for order in rig.broker.sent[sent:]] == [(SELL, MARKET, 2)]
    assert min(seen) == 0 and rig.broker.protected() == 0
    assert rig.machine.ledger.orders[2].state is State.NOT_SENT
    check(rig)


def test_a_listing_that_a_new_gateway_makes_by_itself_clears_nothing(rig: LinkedRig) -> None:
    rig.broker.die_before_send = 0
    rig.signal(1.0)
    rig.run(200)
    assert rig.deaths_of_gateway == 1
    rig.revive_gateway()
    rig.hung = True  # it does not come to its commands

    def details(local_id: int, cl_order_id: str) -> BrokerOrder | None:
        raise BrokerError("it will never be known")

    rig.broker.order_details = details  # type: ignore[method-assign]
    rig.broker.changed(99, "")
    report_by_itself(rig)
    before = len(views(rig))
    rig.stage.do_work()
    rig.stage.do_work()
    (view,) = views(rig)[before:]
    assert (view.newest_order, view.problem) == (0, "")
    assert RECONNECTED in rig.machine.desk.problems
    rig.hung = False
    rig.run(7_000, step_ms=50)
    assert rig.machine.ledger.orders[1].state is State.NOT_SENT
    check(rig)


def test_what_is_held_is_left_as_soon_as_the_gateway_is_back(rig: LinkedRig) -> None:
    rig.enter()
    rig.kill_gateway()
    rig.show(103.5, 104.0)  # the target is reached meanwhile
    rig.run(500)
    assert rig.position == 2 and rig.broker.position == 2
    rig.revive_gateway()
    rig.run(2_500)
    assert (rig.position, rig.broker.position) == (0, 0)
    check(rig)


def test_lost_reports_and_a_full_ring_close_the_entries_until_a_view_agrees(rig: LinkedRig) -> None:
    rig.own.set("reports_taken", 1 << 40)
    service = rig.ends.service
    assert service is not None
    for _ in range(rig.ends.capacity + 8):
        service._put(g.new_report(g.CANCEL_SENT), g.EVERYONE)
    service._publish()
    rig.stage.do_work()
    assert rig.counter("lost") > 0
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()).endswith(LAPPED)
    rig.run(1_200)
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    rig.hung = True
    for _ in range(rig.ends.capacity + 1):
        rig.stage._core.execute(list_command())  # type: ignore[union-attr]
    rig.stage.do_work()
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()).endswith(FULL)
    rig.hung = False
    rig.run(1_200)
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    check(rig)


def test_a_listing_that_was_asked_for_before_an_order_does_not_count_it_as_never_sent(tmp_path: Path) -> None:
    """A gateway that is slow answers old questions while a stop waits behind them."""
    rig = LinkedRig(tmp_path, execution={"settle_ms": 20}).start()
    rig.show(100.0, 100.5)
    rig.run(100)
    rig.signal(1.0)
    rig.run(100)
    for _ in range(3):
        rig.stage._core.execute(list_command(1))  # type: ignore[union-attr]
    tell_the_fill(rig)
    rig.stage.do_work()
    assert rig.machine.ledger.orders[2].state is State.INTENDED
    rig.clock.advance(100 * MS)  # beyond settle_ms
    before = len(views(rig))
    rig.run(500)
    assert [view.newest_order for view in views(rig)[before:]][:3] == [1, 1, 1]
    assert not [record for record in rig.journal() if isinstance(record, OrderClosed)]
    assert rig.machine.ledger.orders[2].state is State.WORKING and rig.broker.protected() == 2
    check(rig)
    rig.close()


def test_a_view_of_before_an_exit_was_wanted_does_not_allow_it(rig: LinkedRig) -> None:
    rig.enter()
    rig.stage._core.execute(list_command(2))  # type: ignore[union-attr]
    rig._serve()
    rig.clock.advance(MS)
    rig.stage.command(FLATTEN)
    rig.stage.do_work()
    bracket = rig.machine.ledger.brackets[1]
    now_ns = rig.clock.monotonic_ns()
    assert bracket.exit_asked_ns == now_ns and views(rig)[-1].asked_ns == now_ns - MS
    assert not rig.machine._guardian._asked(bracket, now_ns)
    rig.run(200)
    assert (rig.position, rig.broker.position) == (0, 0)
    check(rig)


def test_a_stop_of_the_stage_waits_for_the_gateways_answers(rig: LinkedRig) -> None:
    rig.signal(1.0)
    rig.run(100, exchange=False)
    poll = rig.stage._sleeper.poll  # type: ignore[union-attr]

    def serve(milliseconds: int) -> None:
        rig._serve()
        poll(0)

    rig.stage._sleeper.poll = serve  # type: ignore[union-attr, method-assign]
    rig.stage.on_close()
    assert [order.details.leaves_quantity for order in rig.broker.resting.values()] == [0]
    assert rig.machine.unfinished() is False


def test_the_gateway_is_a_stage_of_the_runs_that_have_it() -> None:
    apart, within = make_config(execution={"gateway": "process"}), make_config()
    names = [[spec.name for spec in stages_of(config)] for config in (apart, within)]
    assert "gateway" in names[0] and "gateway" not in names[1]
    assert set(rings_of(apart)) - set(rings_of(within)) == {"commands", "reports"}
    assert BY_NAME["execution"].stops < BY_NAME["gateway"].stops, "it answers until execution has stopped"
    assert len({spec.number for spec in STAGES}) == len(STAGES) <= COUNTER_BLOCKS


def test_the_time_from_a_signal_to_its_order_is_not_that_of_the_next_signal(tmp_path: Path) -> None:
    rig = LinkedRig(tmp_path, consensus=Consensus(decide_on="signal")).start()
    rig.show(100.0, 100.5)
    rig.run(100)
    collect = rig.context.subscribes.collect

    def received() -> list[Any]:
        rig.stage._signal_received()
        return collect()

    rig.context.subscribes.collect = received  # type: ignore[method-assign]
    rig.hung = True
    rig.signal(1.0)
    rig.stage.do_work()
    rig.clock.advance(7 * MS)
    rig.signal(1.0, sources=("ml",))
    rig.ends.beat()
    rig.ends.service.work()  # type: ignore[union-attr]  # its answer is there when the next signal is taken
    rig.stage.do_work()
    histogram = rig.context.histograms["signal_to_send"]
    assert histogram.samples == 1 and (histogram.percentile(50.0) or 0) >= 6 * MS
    rig.hung = False
    rig.close()


def test_the_times_of_orders_that_nobody_answers_for_do_not_pile_up(rig: LinkedRig) -> None:
    meters = rig.stage._meters
    meters.signal_received_ns = 1
    for order in range(3 * TIMED_ORDERS):
        meters.sending(order)
    assert list(meters._received_ns) == list(range(2 * TIMED_ORDERS, 3 * TIMED_ORDERS))
