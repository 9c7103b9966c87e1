"""The gateway: one command once, callbacks that only leave ids, details fetched again, listings that say how they ended."""

from __future__ import annotations

import threading
from zoneinfo import ZoneInfo

import pytest

from execution import gateway as g
from execution.contracts import Contract
from execution.events import BUY, LIMIT, NO_PRICE, SELL, BrokerPosition, SendOrder
from execution.translate import Listing, cancel_command, list_command, order_report, send_command, send_result
from shm.layouts import COMMAND, REPORT
from tests.execution.broker_twin import BrokerTwin

CONTRACT = Contract(0, "WDOZ25", "F", 0.5, 10.0, 1.0, ZoneInfo("America/Sao_Paulo"))
INTENT = SendOrder(1, 2, 77, 1, "entry", 0, "WDOZ25", BUY, LIMIT, 3, 100.5, NO_PRICE)


class Bench:
    """A core over a broker twin, and a clock that a test sets."""

    def __init__(self) -> None:
        self.now_ns = 1_000
        self.rung = 0
        self.broker = BrokerTwin(CONTRACT, lambda: 5_000_000)
        self.core = g.GatewayCore(self.broker, lambda: self.now_ns, self._ring)
        self.broker.changed = self.core.changed

    def _ring(self) -> None:
        self.rung += 1

    def kinds(self) -> list[int]:
        return [int(report["kind"][0]) for report in self.core.drain()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_records_are_whole_slots_and_hold_no_secret() -> None:
    assert COMMAND.itemsize % 64 == 0 == REPORT.itemsize % 64
    assert not [name for name in (*COMMAND.names, *REPORT.names) if "password" in name or "key" in name]


def test_a_send_is_carried_over_and_reported(bench: Bench) -> None:
    bench.core.execute(send_command(INTENT))
    assert bench.broker.sent == [(BUY, LIMIT, 3, 100.5, -1.0)]
    (report,) = bench.core.drain()
    result = send_result(report, 8, 9)
    assert (result.order, result.local_id, result.entered_ns, result.problem) == (77, 1, 1_000, "")
    assert bench.core.drain() == []


def test_a_refused_send_is_a_report_too(bench: Bench) -> None:
    bench.broker.refuse = lambda order_type: True
    bench.core.execute(send_command(INTENT))
    result = send_result(bench.core.drain()[0], 8, 9)
    assert (result.local_id, result.problem) == (0, "refused by the library")


def test_callbacks_only_leave_ids_and_ring(bench: Bench) -> None:
    bench.core.execute(send_command(INTENT))
    bench.core.drain()
    thread = threading.Thread(target=lambda: [bench.core.changed(1, "CL1") for _ in range(100)])
    thread.start()
    thread.join(10.0)
    assert bench.rung >= 100
    assert bench.core.drain() == [], "nothing was fetched on that thread"
    assert bench.core.work() == 2, "one look for each way to name it"
    details = order_report(bench.core.drain()[0], 8, 9)
    assert (details.cl_order_id, details.ticker, details.quantity, details.status) == ("CL1", "WDOZ25", 3, 10)


def test_details_that_are_not_there_yet_are_fetched_again(bench: Bench) -> None:
    bench.core.changed(1, "")
    assert bench.core.work() == 0
    assert bench.core.next_retry_ns() == 1_000 + g.RETRY_NS
    assert bench.core.work() == 0 and bench.core.next_retry_ns() == 1_000 + g.RETRY_NS
    bench.core.execute(send_command(INTENT))
    bench.core.drain()
    bench.core._changed.clear()
    bench.now_ns += g.RETRY_NS
    assert bench.core.work() == 1
    assert bench.core.next_retry_ns() is None
    assert bench.kinds() == [g.ORDER]


def test_details_that_never_come_end_in_a_listing(bench: Bench) -> None:
    bench.core.changed(99, "")
    for _ in range(g.RETRIES + 1):
        bench.core.work()
        bench.now_ns += g.RETRY_NS
    assert bench.core.lost_details == 1 and bench.core.next_retry_ns() is None
    assert bench.kinds() == [g.LISTED]


def test_a_listing_is_whole_or_says_why_not(bench: Bench) -> None:
    bench.core.execute(send_command(INTENT))
    bench.broker.position, bench.broker.average_price = -2, 101.5
    bench.core.drain()
    listing = Listing()
    bench.core.execute(list_command())
    views = [listing.take(report, 8, 9) for report in bench.core.drain()]
    assert views[:-1] == [None] * (len(views) - 1)
    view = views[-1]
    assert view is not None and view.problem == ""
    assert [order.cl_order_id for order in view.orders] == ["CL1"]
    assert view.positions == (BrokerPosition("WDOZ25", -2, 101.5),)
    bench.broker.query_problem = "no answer"
    bench.core.execute(list_command())
    failed = [listing.take(report, 8, 9) for report in bench.core.drain()]
    assert len(failed) == 1 and failed[0] is not None
    assert (failed[0].problem, failed[0].orders, failed[0].positions) == ("no answer", (), ())


def test_cancels(bench: Bench) -> None:
    bench.broker.market(100.0, 110.0, 105.0)
    bench.core.execute(send_command(INTENT))
    bench.broker.step()
    bench.core.execute(cancel_command(77, "CL1"))
    assert bench.broker.resting["CL1"].details.status == 4
    assert g.CANCEL_SENT in bench.kinds()


def test_long_words_of_the_broker_are_cut_between_characters(bench: Bench) -> None:
    bench.core.execute(send_command(INTENT))
    bench.core.drain()
    order = bench.broker.resting["CL1"]
    order.details = order.details._replace(text="n\u00e3o " * 100)
    bench.core.work()
    text = order_report(bench.core.drain()[0], 8, 9).text
    assert text.startswith("n\u00e3o ") and len(text.encode()) <= g.TEXT_BYTES and "\ufffd" not in text


def test_an_unknown_command_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="kind 9"):
        bench.core.execute(g.Command(kind=9))


def test_sides_and_prices_survive(bench: Bench) -> None:
    stop = SendOrder(1, 2, 78, 1, "stop", 0, "WDOZ25", SELL, 4, 1, 97.5, 98.5)
    bench.core.execute(send_command(stop))
    assert bench.broker.sent == [(SELL, 4, 1, 97.5, 98.5)]
