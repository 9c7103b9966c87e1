"""ProfitDLL as a Broker: opens the full login, carries orders over, translates errors. Decides nothing.

Order callbacks arrive on the DLL's ConnectorThread; they hand ids over and leave. The routing password stays in
here: it never reaches a record, a log or the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from execution.broker import BrokerError, BrokerOrder
from execution.contracts import Contract
from execution.events import BrokerPosition
from profitdll.callbacks import Listener
from profitdll.constants import NL_CODES
from profitdll.errors import DllError, SessionTimeout
from profitdll.library import load
from profitdll.routing import Account, OrderDetails, Routing, not_yet_known
from profitdll.session import Credentials as Login
from profitdll.session import MakeSession, Session
from runtime.secrets import Credentials

WAIT_SLICE_S = 0.2


class AccountUnknown(RuntimeError):
    """The login does not have the configured account; the message lists those it has."""


class ProfitDllBroker:
    """One order session. `open` before use."""

    def __init__(
        self,
        path: str | Path,
        contracts: Sequence[Contract],
        account: Account,
        credentials: Credentials,
        changed: Callable[[int, str], None],
        server: tuple[str, int] | None = None,
        make_session: MakeSession = Session,
    ) -> None:
        """path: of the library, empty: the simulator; server: host and port of the simulated exchange; make_session:
        gives the session, which others of this process may share.

        changed: called on the DLL's thread with (local id, permanent id) of an order that changed.
        """
        self.entering: Callable[[], None] = lambda: None
        self.session_losses = 0
        self._was_connected = False
        self._contracts = tuple(contracts)
        self._account = account
        library = load(path)
        self._session = make_session(
            library,
            Login(credentials.key, credentials.user, credentials.password),
            full=True,
            listener=Listener(order=changed, state=self._on_state),
            server=server,
        )
        self._routing = Routing(library, credentials.routing_password)

    def open(self, timeout_s: float, beat: Callable[[], None]) -> None:
        """Log in and wait until routing is there; `beat` is called meanwhile.

        Raises profitdll.errors.LoginRefused, SessionTimeout, DllError, and AccountUnknown.
        """
        self._session.open()
        slices = max(1, round(timeout_s / WAIT_SLICE_S))
        for number in range(slices):
            beat()
            try:
                self._session.wait_connected(WAIT_SLICE_S)
                break
            except SessionTimeout:
                if number == slices - 1:
                    raise
        self._check_account()

    def _on_state(self, kind: int, value: int) -> None:
        """On the DLL's thread, after the session noted it: a loss that is over before anybody looks is counted here."""
        connected = self._session.connected
        if self._was_connected and not connected:
            self.session_losses += 1
        self._was_connected = connected

    def problem(self) -> str:
        return "" if self._session.connected else f"the order session: {self._session.missing()}"

    def send(self, symbol: int, side: int, order_type: int, quantity: int, price: float, stop_price: float) -> int:
        contract = self._contracts[symbol]
        try:
            local_id = self._routing.send_order(
                self._account, contract.ticker, contract.exchange, side, order_type, quantity, price,
                stop_price, self.entering,
            )  # fmt: skip
        except DllError as error:
            raise BrokerError(str(error)) from error
        if local_id <= 0:
            raise BrokerError(f"SendOrder answered {local_id}, which is neither an id nor an error")
        return local_id

    def cancel(self, cl_order_id: str) -> None:
        try:
            self._routing.cancel(cl_order_id, self._account)
        except DllError as error:
            raise BrokerError(str(error), not_yet_known(error)) from error

    def order_details(self, local_id: int, cl_order_id: str) -> BrokerOrder | None:
        try:
            if cl_order_id:
                details = self._routing.order_details(cl_ord_id=cl_order_id)
            else:
                details = self._routing.order_details(local_id=local_id)
        except DllError as error:
            raise BrokerError(str(error), not_yet_known(error)) from error
        return self._order(details, local_id)

    def orders(self) -> list[BrokerOrder]:
        try:
            listed = self._routing.enumerate_orders(self._account)
        except DllError as error:
            raise BrokerError(str(error), not_yet_known(error)) from error
        return [order for details in listed if (order := self._order(details, 0)) is not None]

    def positions(self) -> list[BrokerPosition]:
        found = []
        for contract in self._contracts:
            try:
                held = self._routing.position(self._account, contract.ticker, contract.exchange)
            except DllError as error:
                if error.code == NL_CODES["NL_NO_POSITION"]:
                    continue  # the one answer that means flat
                raise BrokerError(str(error), not_yet_known(error)) from error
            found.append(BrokerPosition(contract.ticker, held.signed_quantity, held.open_average_price))
        return found

    def close(self) -> None:
        self._session.close()

    def _check_account(self) -> None:
        accounts = self._routing.accounts()
        ids = [(each.broker_id, each.account_id) for each in accounts]
        if (self._account.broker_id, self._account.account_id) not in ids:
            known = ", ".join(f"{broker}/{account}" for broker, account in ids) or "none"
            raise AccountUnknown(
                f"account {self._account.broker_id}/{self._account.account_id} is not of this login, which has {known}:"
                " set execution.broker and execution.account"
            )

    def _order(self, details: OrderDetails, local_id: int) -> BrokerOrder | None:
        """None for an order of another account of the login."""
        if (details.account.broker_id, details.account.account_id) != self._account[:2]:
            return None
        return BrokerOrder(
            local_id=details.local_id or local_id,
            cl_order_id=details.cl_ord_id,
            ticker=details.ticker,
            side=details.side,
            order_type=details.order_type,
            status=details.status,
            quantity=details.quantity,
            traded_quantity=details.traded_quantity,
            leaves_quantity=details.leaves_quantity,
            price=details.price,
            stop_price=details.stop_price,
            average_price=details.average_price,
            created_ns=details.date_ns,
            event_id=details.event_id,
            text=details.text,
        )
