"""Orders, executions and positions of the clients, around one market source: commands in, events out.

Pure: no sockets, no clock (time is an argument), no random. A command has two moments: it is *received* (a number
and a pending status) and it *arrives* at the market, later by the configured latency. The caller keeps that order.

An event is a snapshot of an `Order` or of a `Position` that changed. A change of quantity is the new total quantity.
Priority is kept when only the quantity shrinks; any other change goes to the end of the queue, and may trade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exchange import checks
from exchange.market import BUY, Batch, Fill, MarketSource
from exchange.orders import Order
from exchange.positions import Position
from profitdll.constants import OrderStatus as Status
from profitdll.constants import OrderType, Validity

MAX_OPEN_ORDERS = 1024  # of clients, per instrument
NO_LOW, NO_HIGH = -1, 1 << 62  # a watch that no price reaches

Event = Order | Position


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a client asks for. `instrument` is -1 with `refusal` set when the ticker cannot be traded."""

    account: int
    instrument: int
    ticker: str
    side: int
    order_type: int
    validity: int
    quantity: int
    price: float
    stop_price: float
    session: int = 0
    local_id: int = 0
    refusal: str = ""


class Engine:
    """All client orders of the exchange's lifetime.

    brokers: the broker code of each account; name: starts every ClOrdID, so that two lifetimes never share one.
    """

    def __init__(self, market: MarketSource, brokers: Sequence[int], name: str) -> None:
        self.market, self.instruments, self.brokers, self.name = market, market.instruments, brokers, name
        self.orders: dict[int, Order] = {}
        self.by_text: dict[str, Order] = {}
        self.positions: dict[tuple[int, int], Position] = {}
        self.closed: set[int] = set()  # instruments whose session is over
        self.fills = 0
        self._open: list[dict[int, Order]] = [{} for _ in self.instruments]
        self._stops: list[dict[int, Order]] = [{} for _ in self.instruments]
        self._numbers = 0
        self._event_id = 0
        self._out: list[Event] = []

    # -- received

    def receive(self, new: NewOrder, now_ns: int) -> tuple[int, list[Event]]:
        """A new order reached the broker: its number, and its PENDING_NEW event. Then comes `place`."""
        order = self._made(new, now_ns)
        order.refusal = new.refusal or checks.refusal(order, self.instruments[new.instrument])
        self.orders[order.number] = self.by_text[order.cl_order_id] = order
        if new.instrument >= 0:
            self._open[new.instrument][order.number] = order
        self._emit(order)
        return order.number, self._events()

    def drop(self, new: NewOrder, now_ns: int) -> list[Event]:
        """A new order with a wrong routing password: HADES_CREATED, nothing after it, not among the day's orders."""
        order = self._made(new, now_ns)
        order.cl_order_id = ""  # the exchange never gave it one
        order.status = Status.HADES_CREATED
        self._emit(order)
        return self._events()

    def request_cancel(self, order: Order, now_ns: int) -> list[Event]:
        """A cancel was received: PENDING_CANCEL, or the refusal when the order is closed. Then comes `cancel`."""
        return self._request(order, Status.PENDING_CANCEL, "cancel", now_ns)

    def request_change(self, order: Order, now_ns: int) -> list[Event]:
        """A change was received: PENDING_REPLACE, or the refusal when the order is closed. Then comes `change`."""
        return self._request(order, Status.PENDING_REPLACE, "change", now_ns)

    def _request(self, order: Order, pending: Status, what: str, now_ns: int) -> list[Event]:
        if not order.open:
            self._refused(order, f"{what} refused: the order is closed", now_ns)
        elif order.status != Status.PENDING_NEW:
            order.move(pending, now_ns)
            self._emit(order)
        return self._events()

    def open_orders(self, account: int, instrument: int | None) -> list[Order]:
        """Open orders of an account, oldest first; None: in every instrument."""
        chosen = range(len(self.instruments)) if instrument is None else (instrument,)
        found = [order for index in chosen for order in self._open[index].values() if order.account == account]
        return sorted(found, key=lambda order: order.number)

    # -- arrived

    def place(self, number: int, now_ns: int) -> list[Event]:
        """A received order arrives at the market."""
        order = self.orders[number]
        if not order.open:
            return []
        if not order.refusal and order.instrument in self.closed:
            order.refusal = "the market is closed"
        elif not order.refusal and len(self._open[order.instrument]) > MAX_OPEN_ORDERS:
            order.refusal = f"more than {MAX_OPEN_ORDERS} open orders"
        elif not order.refusal:
            order.refusal = self._out_of_range(order)
        if order.refusal:
            self._close(order, Status.REJECTED, now_ns, order.refusal)
            return self._events()
        order.move(Status.NEW, now_ns)
        self._emit(order)
        self._enter(order, now_ns)
        self._trigger(order.instrument, now_ns)
        return self._events()

    def cancel(self, number: int, now_ns: int) -> list[Event]:
        """A cancel arrives at the market."""
        order = self.orders[number]
        if not order.open:
            self._refused(order, "cancel refused: the order is closed", now_ns)
        else:
            self._leave(order, now_ns)
            self._close(order, Status.CANCELED, now_ns)
        return self._events()

    def change(self, number: int, quantity: int, price: float, stop_price: float, now_ns: int) -> list[Event]:
        """A change arrives at the market: new total quantity and prices (of a market order the prices are ignored)."""
        order = self.orders[number]
        changed = order.snapshot()
        changed.quantity, changed.price, changed.stop_price = quantity, price, stop_price
        problem = "" if order.open else "the order is closed"
        problem = problem or checks.refusal(changed, self.instruments[order.instrument]) or self._out_of_range(changed)
        if not problem and quantity <= order.traded:
            problem = f"{order.traded} are traded already"
        if problem:
            self._refused(order, f"change refused: {problem}", now_ns)
            return self._events()
        keeps_place = order.resting and changed.price_ticks == order.price_ticks and quantity <= order.quantity
        if keeps_place:
            self.market.reduce(order.instrument, number, quantity - order.traded, now_ns)
        else:
            self._leave(order, now_ns)
        order.quantity, order.price, order.stop_price = quantity, price, stop_price
        order.price_ticks, order.stop_ticks = changed.price_ticks, changed.stop_ticks
        order.move(Status.REPLACED, now_ns)
        self._emit(order)
        order.move(order.working_status, now_ns)
        self._emit(order)
        if not keeps_place:
            self._enter(order, now_ns)
            self._trigger(order.instrument, now_ns)
        return self._events()

    def expire(self, instrument: int, now_ns: int) -> list[Event]:
        """The session of an instrument is over: its day orders expire, new ones are refused until `reopen`."""
        self.closed.add(instrument)
        for order in list(self._open[instrument].values()):
            if order.validity == Validity.DAY:
                self._leave(order, now_ns)
                self._close(order, Status.EXPIRED, now_ns, "the session is over")
        return self._events()

    def reopen(self, instrument: int) -> None:
        """The session of an instrument began."""
        self.closed.discard(instrument)

    def on_batch(self, batch: Batch) -> list[Event]:
        """The market moved: executions of resting orders, and stops that the last trades trigger."""
        for fill in batch.fills:
            self._executed(self.orders[fill.order], fill)
        for instrument, stops in enumerate(self._stops):
            if stops:
                self._trigger(instrument, batch.last_ns)
        return self._events()

    # -- inside

    def _made(self, new: NewOrder, now_ns: int) -> Order:
        self._numbers += 1
        return Order(
            number=self._numbers, cl_order_id=f"{self.name}{self._numbers:07d}", account=new.account,
            instrument=new.instrument, ticker=new.ticker, side=new.side, order_type=new.order_type,
            validity=new.validity, quantity=new.quantity, price=new.price, stop_price=new.stop_price,
            session=new.session, local_id=new.local_id, date_ns=now_ns, update_ns=now_ns,
        )  # fmt: skip

    def _out_of_range(self, order: Order) -> str:
        if order.order_type == OrderType.MARKET or self.market.in_range(order.instrument, order.price_ticks):
            return ""
        return f"price {order.price} is outside the price limits"

    def _enter(self, order: Order, now_ns: int) -> None:
        """Bring a working order to the market: wait for its stop, trade, rest, or cancel what may not rest."""
        if order.order_type == OrderType.STOP_LIMIT and not order.triggered and not self._reached(order):
            self._stops[order.instrument][order.number] = order
            self._watch(order.instrument)
            return
        market = self.market
        limit = None if order.order_type == OrderType.MARKET else order.price_ticks
        where = (order.instrument, order.side, limit, order.leaves)
        if order.validity == Validity.FILL_OR_KILL and market.available(*where) < order.leaves:
            self._close(order, Status.CANCELED, now_ns, "fill or kill: not enough quantity")
            return
        broker = self.brokers[order.account]
        taken = market.take(order.instrument, order.number, order.side, limit, order.leaves, broker, now_ns)
        for fill in taken:
            self._executed(order, fill)
            if fill.order:
                self._executed(self.orders[fill.order], fill)
        if not order.open:
            return
        if limit is None:
            self._close(order, Status.CANCELED, now_ns, "market order: no more quantity on the other side")
        elif order.validity == Validity.IMMEDIATE_OR_CANCEL:
            self._close(order, Status.CANCELED, now_ns, "immediate or cancel: the rest did not trade")
        else:
            market.rest(order.instrument, order.number, order.side, limit, order.leaves, broker, now_ns)
            order.resting = True

    def _leave(self, order: Order, now_ns: int) -> None:
        if order.resting:
            self.market.withdraw(order.instrument, order.number, now_ns)
            order.resting = False
        if self._stops[order.instrument].pop(order.number, None) is not None:
            self._watch(order.instrument)

    def _reached(self, order: Order) -> bool:
        last = self.market.last_ticks(order.instrument)
        return last > 0 and (last >= order.stop_ticks if order.side == BUY else last <= order.stop_ticks)

    def _trigger(self, instrument: int, now_ns: int) -> None:
        """Send every stop that the last price reaches to the market; what they trade may reach more of them."""
        stops = self._stops[instrument]
        while reached := [order for order in stops.values() if self._reached(order)]:
            for order in reached:
                if order.open:
                    del stops[order.number]
                    order.triggered = True
                    order.move(order.status, now_ns, "stop triggered")
                    self._emit(order)
                    self._enter(order, now_ns)
            self._watch(instrument)

    def _watch(self, instrument: int) -> None:
        stops = self._stops[instrument].values()
        lows = [order.stop_ticks for order in stops if order.side != BUY]
        highs = [order.stop_ticks for order in stops if order.side == BUY]
        self.market.watch(instrument, max(lows, default=NO_LOW), min(highs, default=NO_HIGH))

    def _executed(self, order: Order, fill: Fill) -> None:
        order.traded += fill.quantity
        order.value_ticks += fill.price_ticks * fill.quantity
        self.fills += 1
        if order.traded == order.quantity:
            order.resting = False
            self._close(order, Status.FILLED, fill.ts_ns)
        else:
            order.move(Status.PARTIALLY_FILLED, fill.ts_ns)
            self._emit(order)
        position = self.position(order.account, order.instrument)
        position.apply(order.side, fill.quantity, fill.price_ticks * self.instruments[order.instrument].tick)
        self._emit(position)

    def position(self, account: int, instrument: int) -> Position:
        """The position of an account in an instrument; flat before its first execution."""
        key = (account, instrument)
        if key not in self.positions:
            spec = self.instruments[instrument]
            self.positions[key] = Position(account, instrument, spec.point_value, spec.fee_per_contract)
        return self.positions[key]

    def _close(self, order: Order, status: Status, now_ns: int, text: str = "") -> None:
        order.move(status, now_ns, text)
        if order.instrument >= 0:
            self._open[order.instrument].pop(order.number, None)
        self._emit(order)

    def _refused(self, order: Order, text: str, now_ns: int) -> None:
        """A cancel or change that cannot be done: the present status once more, with the reason."""
        if order.open:
            order.move(order.working_status, now_ns)
        order.text = text
        self._emit(order)

    def _changed(self, order: Order) -> None:
        self._emit(order)

    def _emit(self, changed: Order | Position) -> None:
        self._event_id += 1
        changed.event_id = self._event_id
        self._out.append(changed.snapshot())

    def _events(self) -> list[Event]:
        out, self._out = self._out, []
        return out
