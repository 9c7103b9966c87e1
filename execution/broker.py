"""What execution needs of a broker, and nothing more. The DLL's side is `profitdll_broker`; tests bring their own.

Left out on purpose: changing an order (brackets never do), and the DLL's "cancel all" and "zero position", which would
touch orders and positions that are not ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from execution.events import BrokerPosition


class BrokerError(RuntimeError):
    """The broker did not do it. `passing`: it may work in a moment (the order has not arrived yet)."""

    def __init__(self, text: str, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing


class BrokerOrder(NamedTuple):
    """An order as the broker knows it. Prices in points, `created_ns` market time, 0 unknown."""

    local_id: int
    cl_order_id: str
    ticker: str
    side: int
    order_type: int
    status: int
    quantity: int
    traded_quantity: int
    leaves_quantity: int
    price: float
    stop_price: float
    average_price: float
    created_ns: int
    event_id: int
    text: str


class Broker(Protocol):
    """Calls may block for as long as the DLL does. Every one raises BrokerError when it was not done."""

    entering: Callable[[], None]
    """The gateway's: called just before an order leaves us, to note the time."""

    @property
    def session_losses(self) -> int:
        """How often the session was lost since it was opened, however shortly: counted where the library tells it."""
        ...

    def send(self, symbol: int, side: int, order_type: int, quantity: int, price: float, stop_price: float) -> int:
        """Send a new order; returns this session's id of it (> 0)."""
        ...

    def cancel(self, cl_order_id: str) -> None:
        """Ask to cancel one order."""
        ...

    def order_details(self, local_id: int, cl_order_id: str) -> BrokerOrder | None:
        """One order, by the permanent id or, when that is empty, by this session's. None: of another account."""
        ...

    def orders(self) -> list[BrokerOrder]:
        """Every order of the account today."""
        ...

    def positions(self) -> list[BrokerPosition]:
        """What the account holds of the run's contracts. A contract may be left out only when it is surely flat."""
        ...

    def problem(self) -> str:
        """Why no order can be sent now, or "". Never blocks."""
        ...

    def close(self) -> None:
        """End the session. Harmless when called twice."""
        ...
