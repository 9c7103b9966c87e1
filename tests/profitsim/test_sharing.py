"""One session with two users, as market data and orders share it: each hears its own, and the last one finalises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from exchange import protocol as wire
from profitdll.callbacks import Listener
from profitdll.constants import NL_CODES, StateType
from profitdll.errors import LoginRefused, SessionError
from profitdll.library import Library
from profitdll.market import Market
from profitdll.session import Credentials
from profitdll.sharing import Part, SharedSession
from tests.profitsim.conftest import LIMIT_S, Heard, Rig
from tests.profitsim.scripted import NOON_NS

TRADE = {"index": 0, "ts_ns": NOON_NS, "price": 5000.5, "quantity": 3, "buyer": 3, "seller": 8, "trade_type": 2}
ORDER = {
    "account": b"12345", "broker": 7, "ticker": b"WDOFUT", "exchange": b"F", "quantity": 3, "leaves_quantity": 3,
    "price": 5000.0, "stop_price": -1.0, "side": 1, "order_type": 2, "date_ns": NOON_NS, "update_ns": NOON_NS,
}  # fmt: skip


def listener_of(rig: Rig) -> Listener:
    """Hears all that a shared session tells."""
    return replace(rig.listener(), daily=Listener().daily)


class Shared:
    """A market user, who brings native callbacks and needs no routing, and an order user. Neither is open yet."""

    def __init__(self, library: Library) -> None:
        self.rig = Rig(library)
        self.session = SharedSession()
        self.of_orders = Heard()
        self.market = self.part(self.rig, full=False)
        orders = Rig(library)  # for its listener only
        orders.server.close()
        orders.heard = self.of_orders
        self.orders = self.part(orders, full=True)
        self.parts = [self.market, self.orders]

    def part(self, rig: Rig, *, full: bool, **changed: Any) -> Part:
        """Who needs no routing brings native callbacks."""
        own = rig.make_session(full=full)
        settings = {
            "credentials": own._credentials, "native": None if full else own._native,
            "listener": listener_of(rig), "server": ("127.0.0.1", self.rig.server.port),
        }  # fmt: skip
        return self.session.join(rig.library, full=full, **(settings | changed))

    def open(self, *parts: Part) -> None:
        for part in parts or self.parts:
            part.open()
            part.wait_connected(LIMIT_S)

    def trade(self, number: int) -> None:
        self.rig.server.send(wire.TRADE, **TRADE, number=number)

    def order(self, name: str) -> None:
        self.rig.server.send(wire.ORDER, **ORDER, cl_order_id=name.encode())

    def subscribe(self) -> None:
        Market(self.rig.library).subscribe("WDOFUT", "F")
        self.rig.server.wait_for(wire.SUBSCRIBE)

    def finalised(self) -> bool:
        """Asks by finalising: whether nobody has initialised."""
        return bool(self.rig.library.dll.DLLFinalize() == NL_CODES["NL_NOT_INITIALIZED"])

    def close(self) -> None:
        for part in self.parts:
            part.close()
        self.rig.server.close()


@pytest.fixture
def shared(library: Library) -> Iterator[Shared]:
    made = Shared(library)
    yield made
    made.close()


@pytest.mark.parametrize("orders_first", [False, True])
def test_there_is_one_login_and_each_user_hears_its_own(shared: Shared, orders_first: bool) -> None:
    shared.open(*(reversed(shared.parts) if orders_first else shared.parts))
    shared.subscribe()
    shared.trade(1)
    shared.order("CL1")
    assert shared.rig.heard.wait("trade")[0][:2] == ("WDOFUT", "F")
    assert shared.of_orders.wait("order") == [(0, "CL1")]
    (login,) = shared.rig.server.wait_for(wire.LOGIN)
    assert login["full"], "the one login has routing, whoever opened it"
    assert not shared.of_orders.of("trade")


@pytest.mark.parametrize("orders_first", [False, True])
def test_who_closes_hears_nothing_more_and_the_last_one_finalises(shared: Shared, orders_first: bool) -> None:
    shared.open()
    shared.subscribe()
    first, last = reversed(shared.parts) if orders_first else shared.parts
    first.close()
    assert not first.connected and first.missing() == "the session is not open"
    assert last.connected
    shared.order("CL1")
    shared.trade(1)
    if orders_first:
        shared.rig.heard.wait("trade")
        assert not shared.of_orders.of("order")
    else:
        shared.of_orders.wait("order")
        shared.rig.server.send(wire.STATE, type=99, value=0)
        shared.of_orders.wait("state", len(shared.of_orders.of("state")) + 1)
        assert not shared.rig.heard.of("trade") and (99, 0) not in shared.rig.heard.of("state")
    last.close()
    last.close()
    first.close()
    assert shared.finalised()


def test_who_comes_late_hears_the_states_as_they_are(shared: Shared) -> None:
    shared.open(shared.market)
    heard: list[tuple[int, int, bool]] = []
    late = shared.part(shared.rig, full=True)
    late.listener.state = lambda kind, value: heard.append((kind, value, late.connected))
    shared.parts.append(late)
    late.open()
    assert sorted(heard) == [(0, 0, True), (1, 5, True), (2, 4, True), (3, 0, True)]


def test_routing_that_goes_concerns_only_who_needs_it(shared: Shared) -> None:
    shared.open()
    shared.rig.server.send(wire.STATE, type=StateType.ROUTING, value=0)
    shared.rig.settle()
    assert shared.market.connected and shared.market.missing() == ""
    assert not shared.orders.connected and shared.orders.missing() == "routing is not connected (state 0)"


def test_a_refused_login_is_told_to_both(shared: Shared) -> None:
    shared.rig.server.login_code = 200
    for part in shared.parts:
        part.open()
    for part in shared.parts:
        with pytest.raises(LoginRefused):
            part.wait_connected(LIMIT_S)
        part.close()
    assert shared.finalised()


def test_users_that_do_not_fit_each_other_are_refused(shared: Shared) -> None:
    with pytest.raises(SessionError, match=r"leave Listener\.daily out"):
        shared.part(shared.rig, full=True, listener=shared.rig.listener())
    with pytest.raises(SessionError, match="not open"):
        shared.market.wait_connected(0.0)
    shared.open()
    with pytest.raises(SessionError, match="open already"):
        shared.market.open()
    with pytest.raises(SessionError, match="one login"):
        shared.part(shared.rig, full=True, credentials=Credentials("key", "another", "password")).open()
    with pytest.raises(SessionError, match="one of its users"):
        shared.part(shared.rig, full=False).open()
    assert shared.market.connected and shared.orders.connected


def test_the_owner_finalises_what_its_users_left_open(shared: Shared) -> None:
    shared.open()
    shared.session.close()
    shared.session.close()
    assert shared.finalised()
