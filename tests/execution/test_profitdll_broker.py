"""The DLL's side of the Broker, over the simulated library and the project's own exchange."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from exchange.profitsim import build
from execution import gateway as g
from execution.broker import BrokerError
from execution.contracts import contracts_of
from execution.events import BUY, LIMIT, MARKET, NO_PRICE, SELL, STOP_LIMIT, BrokerView, SendOrder
from execution.profitdll_broker import AccountUnknown, ProfitDllBroker
from execution.statuses import Status
from execution.translate import Listing, list_command, order_report, send_command, send_result
from profitdll.errors import LoginRefused
from profitdll.routing import Account
from runtime.secrets import PAPER, Credentials
from tests.exchange.kit import SteppedExchange, config_of
from tests.processes import eventually

GOOD = Credentials(PAPER, PAPER, PAPER, PAPER)
OWN = Account(0, "paper")


class Desk:
    """The exchange, stepped by hand, and one order session over it."""

    def __init__(self) -> None:
        self.config = config_of()
        self.exchange = SteppedExchange(self.config).open()
        self.contract = contracts_of(self.config)[0]
        self.path = build.build_if_stale()
        self.broker: ProfitDllBroker | None = None
        self.core: g.GatewayCore | None = None

    def changed(self, local_id: int, cl_order_id: str) -> None:
        if self.core is not None:
            self.core.changed(local_id, cl_order_id)

    def log_in(self, credentials: Credentials = GOOD, account: Account = OWN) -> ProfitDllBroker:
        """Open a session while the exchange works. Raises what `open` raises."""
        server = ("127.0.0.1", self.exchange.counters["port"])
        broker = ProfitDllBroker(self.path, contracts_of(self.config), account, credentials, self.changed, server)
        self.core = g.GatewayCore(broker, self.exchange.clock.monotonic_ns, lambda: None)
        self.broker = broker
        raised: list[Exception] = []
        beats: list[int] = []

        def work() -> None:
            try:
                broker.open(20.0, lambda: beats.append(1))
            except (LoginRefused, AccountUnknown) as error:
                raised.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        self.exchange.until(lambda: not thread.is_alive(), "the login")
        if raised:
            raise raised[0]
        assert beats, "the stage's heart beats while it waits"
        return broker

    def start_market(self) -> None:
        self.exchange.started = True
        self.exchange.step()
        self.exchange.step(3.0)

    def send(self, number: int, side: int, order_type: int, quantity: int, price: float, stop: float = NO_PRICE) -> Any:
        assert self.core is not None
        intent = SendOrder(0, 0, number, 1, "entry", 0, self.contract.ticker, side, order_type, quantity, price, stop)
        self.core.execute(send_command(intent))
        return next(send_result(r, 1, 2) for r in self.core.drain() if int(r["kind"][0]) == g.SENT)

    def await_status(self, local_id: int, status: Status) -> Any:
        """The newest report of that order once it has that status."""
        assert self.core is not None
        newest: list[Any] = []

        def there() -> bool:
            self.core.work()  # type: ignore[union-attr]
            for record in self.core.drain():  # type: ignore[union-attr]
                report = order_report(record, 1, 2)
                if report.local_id == local_id:
                    newest.append(report)
            return bool(newest) and newest[-1].status == status

        self.exchange.until(there, f"status {status.name} of order {local_id}")
        return newest[-1]

    def view(self) -> BrokerView:
        assert self.core is not None
        self.core.execute(list_command())
        listing = Listing()
        for record in self.core.drain():
            if (view := listing.take(record, 1, 2)) is not None:
                return view
        raise AssertionError("the listing has no end")

    def close(self) -> None:
        if self.broker is not None:
            self.broker.close()
            self.broker.close()
        self.exchange.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def test_a_wrong_password_and_an_unknown_account_are_told_apart(desk: Desk) -> None:
    with pytest.raises(LoginRefused):
        desk.log_in(Credentials(PAPER, PAPER, "wrong", PAPER))
    desk.broker.close()  # type: ignore[union-attr]
    with pytest.raises(AccountUnknown, match="0/paper"):
        desk.log_in(account=Account(0, "somebody"))


def test_before_anything_the_account_is_flat_and_empty(desk: Desk) -> None:
    broker = desk.log_in()
    assert broker.problem() == ""
    view = desk.view()
    assert (view.problem, view.orders) == ("", ())
    assert all(position.quantity == 0 for position in view.positions)


def test_fill_position_and_listing(desk: Desk) -> None:
    desk.log_in()
    desk.start_market()
    result = desk.send(41, BUY, MARKET, 2, NO_PRICE)
    assert (result.order, result.problem) == (41, "") and result.local_id > 0
    filled = desk.await_status(result.local_id, Status.FILLED)
    assert (filled.traded_quantity, filled.side, filled.ticker) == (2, BUY, desk.contract.ticker)
    assert filled.cl_order_id and filled.average_price > 0 and filled.created_ns > 0
    desk.exchange.until(lambda: any(p.quantity == 2 for p in desk.view().positions), "the position")
    assert [order.cl_order_id for order in desk.view().orders] == [filled.cl_order_id]


def test_a_stop_rests_and_is_cancelled(desk: Desk) -> None:
    broker = desk.log_in()
    desk.start_market()
    touch = desk.exchange.stage.market.last_ticks(0) * desk.contract.tick
    result = desk.send(42, SELL, STOP_LIMIT, 1, touch - 40, touch - 38)
    resting = desk.await_status(result.local_id, Status.NEW)
    assert (resting.order_type, resting.price, resting.stop_price) == (STOP_LIMIT, touch - 40, touch - 38)
    broker.cancel(resting.cl_order_id)
    assert desk.await_status(result.local_id, Status.CANCELED).leaves_quantity == 0


def test_orders_survive_their_session(desk: Desk) -> None:
    """What recovery rests on: another session lists the day's orders, by their permanent id."""
    broker = desk.log_in()
    desk.start_market()
    touch = desk.exchange.stage.market.last_ticks(0) * desk.contract.tick
    result = desk.send(43, BUY, LIMIT, 1, touch - 50)
    resting = desk.await_status(result.local_id, Status.NEW)
    broker.close()
    desk.log_in()
    (listed,) = desk.view().orders
    assert (listed.cl_order_id, listed.local_id) == (resting.cl_order_id, 0)
    assert (listed.price, listed.quantity, listed.status) == (touch - 50, 1, Status.NEW)
    assert abs(listed.created_ns - resting.created_ns) == 0


def test_a_wrong_routing_password_leaves_the_order_without_an_answer(desk: Desk) -> None:
    desk.log_in(Credentials(PAPER, PAPER, PAPER, "wrong"))
    desk.start_market()
    result = desk.send(44, BUY, MARKET, 1, NO_PRICE)
    assert result.local_id > 0
    desk.exchange.step(2.0)
    desk.core.work()  # type: ignore[union-attr]
    statuses = {order_report(record, 1, 2).status for record in desk.core.drain()}  # type: ignore[union-attr]
    assert statuses <= {Status.HADES_CREATED, Status.CLIENT_CREATED}


def test_errors_are_the_brokers_and_name_the_mend(desk: Desk) -> None:
    broker = desk.log_in()
    with pytest.raises(BrokerError, match="NL_") as caught:
        broker.order_details(999, "")
    assert caught.value.passing
    with pytest.raises(BrokerError, match="NL_"):
        broker.cancel("nobody's")


def test_a_lost_exchange_is_a_problem(desk: Desk) -> None:
    broker = desk.log_in()
    desk.exchange.stage.server.close()
    eventually(lambda: broker.problem() != "", "the disconnect")
    assert "order session" in broker.problem()
    eventually(lambda: broker.session_losses == 1, "the count of the loss")
