"""The faults that the library itself carries out, told by FAULT messages."""

from __future__ import annotations

import subprocess
import sys

import pytest

from exchange import protocol as wire
from profitdll.constants import DepthUpdate
from profitdll.market import Market
from tests.processes import PROJECT
from tests.profitsim.conftest import Rig
from tests.profitsim.scripted import NOON_NS, ScriptedServer
from tests.profitsim.test_market import book, trade

PREPARE, FLUSH, FULL, EDIT = DepthUpdate.PREPARE, DepthUpdate.FLUSH, DepthUpdate.FULL_BOOK, DepthUpdate.EDIT


def updates_of_books(rig: Rig, quantities: list[int]) -> list[int]:
    """The updates that books with these best quantities bring."""
    start = len(rig.heard.of("depth"))
    for quantity in quantities:
        rig.server.send(wire.BOOK, **book([(10.0, quantity, 1)], []))
    rig.settle()
    return [event[3] for event in rig.heard.of("depth")[start:]]


@pytest.fixture
def subscribed(rig: Rig) -> Rig:
    rig.connect()
    Market(rig.library).subscribe_depth("WDOFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE)
    assert updates_of_books(rig, [1]) == [PREPARE, FULL, FLUSH]
    return rig


def test_several_books_share_one_group(subscribed: Rig) -> None:
    subscribed.server.send(wire.FAULT, kind=wire.FAULT_GROUPS, value=3, count=6)
    assert updates_of_books(subscribed, [2, 3]) == [PREPARE, EDIT, EDIT]
    assert updates_of_books(subscribed, [4]) == [EDIT, FLUSH]
    assert updates_of_books(subscribed, [5, 6, 7]) == [PREPARE, EDIT, EDIT, EDIT, FLUSH]
    assert updates_of_books(subscribed, [8]) == [PREPARE, EDIT, FLUSH]


def test_notices_without_a_group(subscribed: Rig) -> None:
    subscribed.server.send(wire.FAULT, kind=wire.FAULT_GROUPS, value=0, count=2)
    assert updates_of_books(subscribed, [2, 3, 4]) == [EDIT, EDIT, PREPARE, EDIT, FLUSH]


def test_a_group_that_the_connection_cut_is_no_more(subscribed: Rig) -> None:
    subscribed.server.send(wire.FAULT, kind=wire.FAULT_GROUPS, value=9, count=9)
    assert updates_of_books(subscribed, [2]) == [PREPARE, EDIT]
    subscribed.server.drop()
    subscribed.server.wait_for(wire.SUBSCRIBE, 2)
    assert subscribed.session is not None
    subscribed.session.wait_connected(20)
    assert updates_of_books(subscribed, [3]) == [PREPARE, FULL, FLUSH]


def test_full_books_again(subscribed: Rig) -> None:
    subscribed.server.send(wire.FAULT, kind=wire.FAULT_FULL_BOOK, count=2)
    assert updates_of_books(subscribed, [2, 3, 4]) == [PREPARE, FULL, FLUSH] * 2 + [PREPARE, EDIT, FLUSH]


def test_a_fault_that_the_library_does_not_know_changes_nothing(subscribed: Rig) -> None:
    subscribed.server.send(wire.FAULT, kind=999, count=-5, value=-5)
    subscribed.server.send(wire.FAULT, kind=wire.FAULT_GROUPS, count=-5, value=-5)
    assert updates_of_books(subscribed, [2]) == [PREPARE, EDIT, FLUSH]


@pytest.mark.parametrize("kind", ["market", "full"])
def test_the_host_is_aborted_in_the_middle_of_a_callback(kind: str) -> None:
    server = ScriptedServer()
    server.accounts = [{"account": b"1", "broker": 1, "flags": 2}]
    host = subprocess.Popen(
        [sys.executable, "-c", f"import tests.profitsim.host as h; h.main({server.port}, {kind == 'full'})"], cwd=PROJECT
    )
    try:
        server.wait_for(wire.SUBSCRIBE, timeout_s=60.0)
        server.send(wire.FAULT, kind=wire.FAULT_ABORT, count=1)
        if kind == "full":
            server.send(wire.ORDER, cl_order_id=b"1", account=b"1", broker=1, ticker=b"WDOFUT", exchange=b"F", status=0)
        else:
            server.send(wire.TRADE, **trade(ts_ns=NOON_NS))
        assert host.wait(20) not in (0, 1), "it ended by itself"
    finally:
        host.kill()
        server.close()
