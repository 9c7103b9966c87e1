"""The two rings between execution and its gateway: each command once, by the incarnation it was meant for or by none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from execution import gateway as g
from execution.contracts import Contract
from execution.events import BUY, ENTRY, EXIT, LIMIT, NO_PRICE, SELL, STOP, STOP_LIMIT, TARGET, BrokerView, SendOrder
from execution.gateway_link import FULL, LAPPED, SESSION_AWAY, SESSION_LOSSES, SILENT_NS, UNTOLD, GatewayLink
from execution.gateway_service import GatewayService
from execution.patience import given_up_ns, too_old_ns
from execution.translate import Listing, cancel_command, list_command, send_command, send_result
from runtime.clock import ManualClock
from shm import counters as words
from shm.atomics import write_word
from shm.counters import StageCounters
from shm.layouts import COMMAND, OFFSET_SLOTS
from tests.execution.broker_twin import BrokerTwin, Died
from tests.execution.linked_rig import Ends

CONTRACT = Contract(0, "WDOZ25", "F", 0.5, 10.0, 1.0, ZoneInfo("America/Sao_Paulo"))
MS = 1_000_000
NOW_NS = 1_000_000_000


def intent(order: int, role: str = ENTRY, at_ns: int = NOW_NS) -> SendOrder:
    side, order_type, stop = (BUY, LIMIT, NO_PRICE) if role == ENTRY else (SELL, STOP_LIMIT, 98.5)
    return SendOrder(at_ns, 2, order, 1, role, 0, "WDOZ25", side, order_type, 1, 100.0 + order, stop)


class Bench:
    """One broker, and the newest incarnation of each end."""

    def __init__(self, capacity: int = 64) -> None:
        self.clock = ManualClock(NOW_NS, 5_000_000)
        self.ends = Ends(self.clock, capacity)
        self.broker = BrokerTwin(CONTRACT, self.clock.market_ns)
        self.own = StageCounters.private()
        self.epoch = -1
        self.link = self.new_execution()
        self.service: GatewayService = self.new_gateway()
        self.reports()  # that it serves

    def new_execution(self) -> GatewayLink:
        self.epoch += 1
        self.link = self.ends.link(self.own, self.epoch)
        return self.link

    def new_gateway(self) -> GatewayService:
        self.service = self.ends.start_gateway(self.broker)
        return self.service

    def serve(self) -> None:
        while self.service.work():
            pass

    def reports(self) -> list[Any]:
        self.link.work()
        return self.link.drain()

    def kinds(self) -> list[int]:
        return [int(report["kind"][0]) for report in self.reports()]

    def views(self) -> list[BrokerView]:
        """Of the reports that are there now."""
        return views_of(self.reports(), Listing())

    def ask(self, newest_order: int = 0) -> BrokerView:
        self.link.execute(list_command(newest_order))
        listing, views = Listing(), list[BrokerView]()
        while self.service.work() or self.service.holds_back:
            views += views_of(self.reports(), listing)
        (view,) = views
        return view

    @property
    def prices(self) -> list[float]:
        """Of what the broker was sent."""
        return [price for _, _, _, price, _ in self.broker.sent]


def views_of(reports: list[Any], listing: Listing) -> list[BrokerView]:
    views = [listing.take(report, 8, 9) for report in reports if int(report["kind"][0]) >= g.LISTED_ORDER]
    return [view for view in views if view is not None]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    with made.ends:
        yield made


def results(reports: list[Any]) -> list[tuple[int, int, str]]:
    """(order, local id, problem) of each answer to a send."""
    sent = [send_result(report, 8, 9) for report in reports if int(report["kind"][0]) == g.SENT]
    return [(each.order, each.local_id, each.problem) for each in sent]


def test_records_have_room_for_both_incarnations() -> None:
    assert COMMAND.itemsize == 128 and g.Command._fields == COMMAND.names


def test_a_command_goes_over_and_its_answer_comes_back(bench: Bench) -> None:
    bench.link.execute(send_command(intent(7)))
    assert bench.broker.sent == [] and bench.reports() == []
    bench.clock.advance(3 * MS)
    bench.serve()
    first, *rest = bench.reports()
    answer = send_result(first, 8, 9)
    assert (answer.order, answer.local_id, answer.problem) == (7, 1, "")
    assert answer.entered_ns == NOW_NS + 3 * MS, "measured where the library is called"
    assert {int(report["kind"][0]) for report in rest} == {g.ORDER}
    assert bench.prices == [107.0]
    bench.serve()
    assert bench.reports() == [] and len(bench.broker.sent) == 1


def test_what_a_dead_gateway_had_not_read_is_answered_as_not_sent(bench: Bench) -> None:
    for order, role in ((1, ENTRY), (2, STOP)):
        bench.link.execute(send_command(intent(order, role)))
    bench.link.execute(cancel_command(9, "CL9"))
    bench.ends.kill_gateway(bench.broker)
    bench.new_gateway()
    bench.serve()
    reports = bench.reports()
    assert [int(report["kind"][0]) for report in reports] == [g.SESSION, g.SENT, g.SENT, g.CANCEL_SENT]
    assert [(order, local) for order, local, _ in results(reports)] == [(1, 0), (2, 0)]
    assert "incarnation 0 of the gateway" in results(reports)[0][2]
    assert bench.broker.sent == []


@pytest.mark.parametrize("moment", ["die_before_send", "die_after_send"])
def test_what_a_dead_gateway_had_read_is_never_sent_again_and_answered_by_nobody(bench: Bench, moment: str) -> None:
    assert bench.ask().problem == ""  # its voice is known
    setattr(bench.broker, moment, 0)
    bench.link.execute(send_command(intent(1)))
    bench.link.execute(send_command(intent(2)))
    with pytest.raises(Died):
        bench.serve()
    bench.ends.kill_gateway(bench.broker)
    bench.new_gateway()
    bench.serve()
    assert bench.prices == ([] if moment == "die_before_send" else [101.0])
    reports = bench.reports()
    assert [int(report["kind"][0]) for report in reports] == [g.SESSION, g.SENT]
    assert results(reports)[0][:2] == (2, 0), "the second was never read"


def test_a_command_for_a_gateway_that_is_gone_is_not_carried_out_by_the_next(bench: Bench) -> None:
    """Put in the moment in which nobody has noticed the death yet, and also when the next one reads already."""
    late = send_command(intent(1, STOP))
    bench.ends.kill_gateway(bench.broker, noticed=False)
    bench.link.execute(late)
    bench.new_gateway()
    bench.link._commands.publish(g.new_command(late._replace(gateway=0)))
    bench.serve()
    assert [local for _, local, _ in results(bench.reports())] == [0, 0]
    assert bench.broker.sent == []


def test_without_a_running_gateway_nothing_is_put(bench: Bench) -> None:
    bench.ends.kill_gateway(bench.broker)
    cursor = bench.link._commands.cursor
    for command in (send_command(intent(1)), cancel_command(1, "CL1"), list_command()):
        bench.link.execute(command)
    reports = bench.reports()
    assert [int(report["kind"][0]) for report in reports] == [g.SENT, g.CANCEL_SENT, g.LISTED]
    assert all(bytes(report["text"][0]) == b"gateway is failed" for report in reports)
    assert results(reports) == [(1, 0, "gateway is failed")] and int(reports[0]["entered_ns"][0]) == 0
    assert bench.link._commands.cursor == cursor
    bench.ends.gateway.words[words.STAGE_STATE] = words.RUNNING
    bench.ends.gateway.words[words.STAGE_EPOCH] += 1  # of one that has not opened yet
    bench.link.execute(send_command(intent(2)))
    assert results(bench.reports()) == [(2, 0, "gateway is starting")]


def test_commands_of_a_dead_execution_are_sent_and_its_successor_sees_them(bench: Bench) -> None:
    bench.link.execute(list_command())
    bench.link.execute(send_command(intent(1, STOP)))
    bench.new_execution()
    bench.link.execute(list_command(1))
    bench.serve()
    reports = bench.reports()
    assert results(reports) == [], "the answer was the dead one's"
    (view,) = views_of(reports, Listing())  # and so was the first listing
    assert [order.price for order in view.orders] == [101.0] and view.newest_order == 1
    bench.link.execute(send_command(intent(2, STOP)))
    bench.serve()
    assert [order for order, _, _ in results(bench.reports())] == [2]
    assert bench.prices == [101.0, 102.0]


def test_a_torn_command_is_cleared_and_a_whole_one_without_its_cursor_is_sent(bench: Bench) -> None:
    ring = bench.link._commands.segment
    bench.link.execute(send_command(intent(1, STOP)))
    bench.link.execute(send_command(intent(2, STOP)))
    write_word(ring.address + OFFSET_SLOTS + 2 * COMMAND.itemsize, 2 * 2 + 1)  # record 2 was being written
    bench.new_execution()
    assert bench.link._commands.repaired == 2
    bench.serve()
    assert bench.prices == [101.0, 102.0]
    bench.link.execute(send_command(intent(3, STOP)))
    bench.serve()
    assert bench.prices == [101.0, 102.0, 103.0]


def test_a_full_ring_overwrites_nothing_and_closes_the_entries(bench: Bench) -> None:
    bench.serve()
    for order in range(1, bench.ends.capacity + 3):
        bench.link.execute(send_command(intent(order, STOP)))
    refused = bench.reports()
    assert results(refused) == [(bench.ends.capacity + 1, 0, FULL), (bench.ends.capacity + 2, 0, FULL)]
    assert {view.problem for view in views_of(refused, Listing())} == {FULL}
    bench.serve()
    assert len(bench.broker.sent) == bench.ends.capacity
    bench.reports()
    assert bench.ask(1_000).problem == ""
    assert bench.ends.gateway.get("lost") == 0


def test_commands_that_were_overwritten_are_told(bench: Bench) -> None:
    """Nothing of ours does that: another writer in the ring."""
    for order in range(1, bench.ends.capacity + 2):
        command = send_command(intent(order, STOP))
        bench.link._commands.publish(g.new_command(command))
    bench.serve()
    assert bench.ends.gateway.get("lost") > 0
    assert any("overwritten" in view.problem for view in bench.views())


def test_a_listing_larger_than_the_ring_arrives_whole(bench: Bench) -> None:
    for order in range(1, 200):
        bench.link.execute(send_command(intent(order, STOP)))
        bench.serve()
        bench.reports()
    bench.link.execute(list_command(199))
    listing, views = Listing(), []
    for _ in range(50):
        bench.service.work()
        views += views_of(bench.reports(), listing)
    (view,) = views
    assert (view.problem, len(view.orders)) == ("", 199)
    assert bench.ends.gateway.get("held_back") == 200 - bench.ends.capacity and bench.own.get("lost") == 0
    assert not bench.service.holds_back


def test_reports_that_are_lost_are_counted_and_no_part_of_a_listing_is_one(bench: Bench) -> None:
    for order in range(1, bench.ends.capacity):
        bench.link.execute(send_command(intent(order, STOP)))
        bench.serve()
        bench.reports()
    bench.own.set("reports_taken", 1 << 40)  # execution is believed to have room
    bench.link.execute(list_command(1))
    bench.link.execute(list_command(1))
    bench.serve()
    views = bench.views()
    assert bench.own.get("lost") > 0
    assert LAPPED in {view.problem for view in views}
    assert all(view.problem or len(view.orders) == bench.ends.capacity - 1 for view in views)
    assert views[-1].problem == LAPPED, "the broker is asked afresh"
    assert bench.ask(1).problem == ""


def test_half_a_listing_of_a_dead_gateway_is_not_finished_by_the_next(bench: Bench) -> None:
    for order in (1, 2, 3):
        bench.link.execute(send_command(intent(order, STOP)))
    bench.serve()
    bench.reports()
    bench.link.execute(list_command(3))
    bench.serve()
    listing = Listing()
    half = bench.reports()[:2]
    assert views_of(half, listing) == []
    bench.ends.kill_gateway(bench.broker)
    bench.new_gateway()
    (began,) = bench.reports()
    assert int(began["kind"][0]) == g.SESSION and int(began["gateway"][0]) == 1
    bench.link.execute(list_command(3))
    bench.serve()
    reports = bench.reports()
    (view,) = views_of(reports, listing)
    assert [order.price for order in view.orders] == [101.0, 102.0, 103.0]
    (torn,) = views_of(reports[2:], Listing())
    assert torn.problem == "1 of 3 orders and 0 of 0 positions came" and torn.orders == ()


def test_an_old_entry_or_target_is_not_sent_and_an_old_stop_is(bench: Bench) -> None:
    bench.link.execute(send_command(intent(1)))
    bench.link.execute(send_command(intent(2, STOP)))
    bench.link.execute(send_command(intent(4, TARGET)))
    bench.clock.advance((bench.ends.entry_ttl_ms + 1) * MS)
    bench.serve()
    entry, stop, target = results(bench.reports())
    assert entry == (1, 0, "it was 501 ms old when the gateway took it, beyond execution.entry_ttl_ms")
    assert stop[:2] == (2, 1) and target[:2] == (4, 0) and bench.prices == [102.0]
    bench.link.execute(send_command(intent(3, at_ns=bench.clock.monotonic_ns())))
    bench.clock.advance(bench.ends.entry_ttl_ms * MS)
    bench.serve()
    assert bench.prices == [102.0, 103.0]


def test_an_order_is_refused_before_execution_gives_it_up_and_an_exit_never(bench: Bench) -> None:
    bound_ns = too_old_ns(bench.ends.confirm_ms)
    assert 0 < bound_ns < given_up_ns(bench.ends.confirm_ms)
    bench.link.execute(send_command(intent(1, STOP)))
    bench.clock.advance(MS)
    bench.link.execute(send_command(intent(2, STOP, bench.clock.monotonic_ns())))
    bench.link.execute(send_command(intent(3, EXIT)))
    bench.clock.advance(bound_ns - MS)
    bench.serve()
    refused, stop, leaving = results(bench.reports())
    assert refused == (1, 0, "it was 600 ms old when the gateway took it, and execution gives it up (confirm_ms)")
    assert stop[:2] == (2, 1) and leaving[:2] == (3, 2) and bench.prices == [102.0, 103.0]


def test_an_entry_that_may_live_long_is_refused_before_it_is_given_up_too(bench: Bench) -> None:
    bench.ends.entry_ttl_ms = 60_000
    bench.ends.kill_gateway(bench.broker)
    bench.new_gateway()
    bench.reports()
    bench.link.execute(send_command(intent(1)))
    bench.clock.advance(too_old_ns(bench.ends.confirm_ms))
    bench.serve()
    assert results(bench.reports())[0][1] == 0 and bench.broker.sent == []


def test_nothing_is_put_for_an_incarnation_before_it_is_told(bench: Bench) -> None:
    bench.ends.kill_gateway(bench.broker)
    bench.new_gateway()
    cursor = bench.link._commands.cursor
    bench.link.execute(send_command(intent(1, STOP)))
    bench.link.execute(list_command(1))
    refused = bench.link.drain()
    assert results(refused) == [(1, 0, UNTOLD)] and [view.problem for view in views_of(refused, Listing())] == [UNTOLD]
    assert bench.link._commands.cursor == cursor
    assert bench.kinds() == [g.SESSION], "without a report of it"
    bench.link.execute(send_command(intent(2, STOP)))
    bench.serve()
    assert bench.prices == [102.0] and g.SESSION not in bench.kinds()


def test_what_the_former_said_is_handled_before_another_session_is_told(bench: Bench) -> None:
    """Else what it brings about, decided without knowing of the other session, is put for that one."""
    bench.link.execute(send_command(intent(1, STOP)))
    bench.serve()
    bench.link.execute(send_command(intent(2, STOP)))
    bench.ends.kill_gateway(bench.broker)
    bench.new_gateway()
    bench.serve()
    assert bench.kinds() == [g.SENT, g.ORDER], "of the former"
    bench.link.execute(send_command(intent(3, STOP)))
    assert results(bench.link.drain()) == [(3, 0, UNTOLD)]
    assert bench.kinds() == [g.SESSION, g.SENT]
    assert bench.prices == [101.0]


def test_a_refusal_of_the_library_and_a_cancel_come_back(bench: Bench) -> None:
    bench.broker.refuse = lambda order_type: order_type == LIMIT
    bench.link.execute(send_command(intent(1)))
    bench.link.execute(send_command(intent(2, STOP)))
    bench.serve()
    assert results(bench.reports())[0] == (1, 0, "refused by the library")
    bench.link.execute(cancel_command(2, "CL1"))
    bench.serve()
    assert g.CANCEL_SENT in bench.kinds()
    assert bench.broker.resting["CL1"].details.leaves_quantity == 0


def test_a_listing_speaks_of_what_was_commanded_before_it(bench: Bench) -> None:
    bench.link.execute(list_command(4))
    bench.link.execute(send_command(intent(5, STOP)))
    bench.clock.advance(MS)
    bench.serve()
    (view,) = bench.views()
    assert view.newest_order == 4 and view.orders == () and view.asked_ns == NOW_NS + MS
    assert bench.ask(5).newest_order == 5


def test_what_the_gateway_shows_is_the_session_of_execution(bench: Bench) -> None:
    gateway, link = bench.ends.gateway, bench.link
    assert (link.problem(), link.session_losses, link.lost_details, link.next_retry_ns()) == ("", 0, 0, None)
    gateway.set(SESSION_LOSSES, 2)
    gateway.set(SESSION_AWAY, 1)
    assert "gateway" in link.problem() and "session" in link.problem() and link.session_losses == 2
    gateway.set(SESSION_AWAY, 0)
    bench.clock.advance(SILENT_NS + 1)
    assert link.problem() == "gateway does not beat"
    bench.ends.kill_gateway(bench.broker)
    assert link.problem() == "gateway is failed"
    link.close()
    assert bench.new_execution().session_losses == 0, "of this incarnation"
