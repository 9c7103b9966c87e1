"""A broker for tests: the simplest exchange that fills, rejects, loses and delays on demand. Never part of the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from execution.broker import BrokerError, BrokerOrder
from execution.contracts import Contract
from execution.events import BUY, LIMIT, MARKET, STOP_LIMIT, BrokerPosition
from profitdll.constants import OrderStatus as S


class Died(BaseException):
    """The process is killed here."""


@dataclass
class Resting:
    details: BrokerOrder
    triggered: bool = False

    @property
    def open(self) -> bool:
        return self.details.status in (S.NEW, S.PARTIALLY_FILLED, S.PENDING_NEW, S.HADES_CREATED)


class BrokerTwin:
    """Keeps everything over the deaths of its clients. `step` lets time pass: acknowledgements, matching."""

    def __init__(self, contract: Contract, market_ns: Callable[[], int]) -> None:
        self.contract = contract
        self.market_ns = market_ns
        self.resting: dict[str, Resting] = {}
        self.position = 0
        self.average_price = 0.0
        self.bid = self.ask = self.last = 0.0
        self.changed: Callable[[int, str], None] = lambda local_id, cl_order_id: None
        self.entering: Callable[[], None] = lambda: None
        self.session_losses = 0
        self.sent: list[tuple[int, int, int, float, float]] = []  # side, type, quantity, price, stop
        self.local_ids: dict[int, str] = {}
        self.reject: Callable[[int], bool] = lambda order_type: False  # the exchange says no
        self.refuse: Callable[[int], bool] = lambda order_type: False  # the DLL's function says no
        self.swallow: Callable[[int], bool] = lambda order_type: False  # stays at "created" for ever
        self.rests: Callable[[int], bool] = lambda order_type: False  # nobody trades with it
        self.ignore_cancels = False
        self.fill_at_most: int | None = None  # contracts per match
        self.die_before_send: int | None = None  # counted in sends from now, 0 is the next
        self.die_after_send: int | None = None
        self.query_problem = ""
        self.session_problem = ""
        self.hide: set[str] = set()  # ids that a listing does not show yet

    # --- the Broker protocol

    def send(self, symbol: int, side: int, order_type: int, quantity: int, price: float, stop_price: float) -> int:
        if self._due("die_before_send"):
            raise Died
        if self.refuse(order_type):
            raise BrokerError("refused by the library")
        self.sent.append((side, order_type, quantity, price, stop_price))
        number = len(self.sent)
        name = f"CL{number}"
        status = S.HADES_CREATED if self.swallow(order_type) else S.PENDING_NEW
        details = BrokerOrder(
            number, name, self.contract.ticker, side, order_type, status, quantity, 0, quantity, price, stop_price, 0.0,
            self.market_ns() // 1_000_000 * 1_000_000, 1, "",
        )  # fmt: skip
        self.resting[name] = Resting(details)
        if self._due("die_after_send"):
            raise Died
        self.local_ids[number] = name
        self.changed(number, "")
        return number

    def cancel(self, cl_order_id: str) -> None:
        order = self.resting[cl_order_id]
        if self.ignore_cancels or not order.open or order.details.status == S.HADES_CREATED:
            return
        partly = order.details.traded_quantity > 0
        self._change(order, status=S.PARTIALLY_FILLED_CANCELED if partly else S.CANCELED, leaves_quantity=0)

    def order_details(self, local_id: int, cl_order_id: str) -> BrokerOrder | None:
        name = cl_order_id or self.local_ids.get(local_id, "")
        if name not in self.resting:
            raise BrokerError("not found", passing=True)
        return self.resting[name].details

    def orders(self) -> list[BrokerOrder]:
        if self.query_problem:
            raise BrokerError(self.query_problem)
        known = self.local_ids.values()
        return [
            order.details if name in known else order.details._replace(local_id=0)
            for name, order in self.resting.items()
            if name not in self.hide
        ]

    def positions(self) -> list[BrokerPosition]:
        if self.query_problem:
            raise BrokerError(self.query_problem)
        return [BrokerPosition(self.contract.ticker, self.position, self.average_price)] if self.position else []

    def problem(self) -> str:
        return self.session_problem

    def close(self) -> None:
        self.new_session()

    # --- the test's hands

    def new_session(self) -> None:
        """Session ids are gone."""
        self.local_ids.clear()
        self.changed = lambda local_id, cl_order_id: None

    def market(self, bid: float, ask: float, last: float) -> None:
        self.bid, self.ask, self.last = bid, ask, last

    def step(self) -> None:
        """Acknowledge or reject what is on its way, then match."""
        for order in list(self.resting.values()):
            if order.details.status == S.PENDING_NEW:
                rejected = self.reject(order.details.order_type)
                self._change(order, status=S.REJECTED if rejected else S.NEW, text="no" if rejected else "")
        for order in list(self.resting.values()):
            if order.details.status in (S.NEW, S.PARTIALLY_FILLED) and not self.rests(order.details.order_type):
                self._match(order)

    def fill(self, order: Resting, quantity: int, price: float) -> None:
        d = order.details
        traded = d.traded_quantity + quantity
        average = (d.average_price * d.traded_quantity + price * quantity) / traded
        status = S.FILLED if traded == d.quantity else S.PARTIALLY_FILLED
        self.position += quantity if d.side == BUY else -quantity
        self.average_price = price if self.position else 0.0
        self._change(
            order, status=status, traded_quantity=traded, leaves_quantity=d.quantity - traded, average_price=average
        )

    def open_orders(self, order_type: int) -> list[Resting]:
        return [order for order in self.resting.values() if order.open and order.details.order_type == order_type]

    def protected(self) -> int:
        """Contracts that open stops would close."""
        return sum(order.details.leaves_quantity for order in self.open_orders(STOP_LIMIT))

    def _match(self, order: Resting) -> None:
        d = order.details
        buys = d.side == BUY
        if d.order_type == STOP_LIMIT and not order.triggered:
            order.triggered = self.last >= d.stop_price if buys else self.last <= d.stop_price
            if not order.triggered:
                return
        touch = self.ask if buys else self.bid
        crosses = d.order_type == MARKET or (touch <= d.price if buys else touch >= d.price)
        assert d.order_type in (MARKET, LIMIT, STOP_LIMIT)
        if crosses:
            self.fill(order, min(d.leaves_quantity, self.fill_at_most or d.leaves_quantity), touch)

    def _change(self, order: Resting, **changes: object) -> None:
        order.details = order.details._replace(event_id=order.details.event_id + 1, **changes)
        local = next((number for number, name in self.local_ids.items() if name == order.details.cl_order_id), 0)
        self.changed(local, order.details.cl_order_id)

    def _due(self, name: str) -> bool:
        left = getattr(self, name)
        if left is None:
            return False
        setattr(self, name, left - 1 if left else None)
        return left == 0
