"""Orders, executions and positions of the clients, around one market source: commands in, events out.

Pure: no sockets, no clock (time is an argument), no random. A command has two moments: it is *received* (a number
and a pending status) and it *arrives* at the market, later by the configured latency. The caller keeps that order.

An event is a snapshot of an `Order` or of a `Position` that changed. A change of quantity is the new total quantity.
Priority is kept when only the quantity shrinks; any other change goes to the end of the queue, and may trade. What a
trading state and the price bands allow stands in `entry_rules`, an account that meets itself in `self_match`.
"""

from __future__ import annotations

from collections.abc import Sequence

from exchange import checks, self_match
from exchange.entry_rules import EntryRules
from exchange.fees import fee_of
from exchange.market import Batch, Fill, MarketSource
from exchange.orders import NewOrder, Order, order_of
from exchange.positions import Position
from exchange.stops import Stops, reached
from profitdll.constants import OrderStatus as Status
from profitdll.constants import OrderType, TickerState, Validity

Event = Order | Position


class Engine:
    """All client orders of the day, and those of days before that are open still.

    brokers: the broker code of each account; name: starts every ClOrdID, so that two lifetimes never share one.
    prevention: see `self_match`; fees: whose, see `fees.fee_of`.
    """

    def __init__(
        self,
        market: MarketSource,
        brokers: Sequence[int],
        name: str,
        prevention: str = self_match.CANCEL_RESTING,
        fees: str = "config",
    ) -> None:
        self.market, self.instruments, self.brokers, self.name = market, market.instruments, brokers, name
        self.orders: dict[int, Order] = {}
        self.by_text: dict[str, Order] = {}
        self.positions: dict[tuple[int, int], Position] = {}
        self.rules = EntryRules(market)
        self.fills = 0
        self.self_matches = 0  # times an account would have met itself
        self._prevention, self._fees = prevention, fees
        self._open: list[dict[int, Order]] = [{} for _ in self.instruments]
        self._stops = [Stops() for _ in self.instruments]
        self.events = self._numbers = 0  # events told so far: the id of the newest
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
        return order.number, self._taken()

    def drop(self, new: NewOrder, now_ns: int) -> list[Event]:
        """A new order with a wrong routing password: HADES_CREATED, nothing after it, not among the day's orders."""
        order = self._made(new, now_ns)
        order.cl_order_id = ""  # the exchange never gave it one
        order.status = Status.HADES_CREATED
        self._emit(order)
        return self._taken()

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
        return self._taken()

    def open_orders(self, account: int, instrument: int | None) -> list[Order]:
        """Open orders of an account, oldest first; None: in every instrument."""
        chosen = range(len(self.instruments)) if instrument is None else (instrument,)
        found = [order for index in chosen for order in self._open[index].values() if order.account == account]
        return sorted(found, key=lambda order: order.number)

    # -- arrived

    def place(self, number: int, now_ns: int) -> list[Event]:
        """A received order arrives at the market."""
        order = self.orders.get(number)
        if order is None or not order.open:
            return []
        order.refusal = order.refusal or self.rules.refusal(order, len(self._open[order.instrument]))
        if order.refusal:
            self._close(order, Status.REJECTED, now_ns, order.refusal)
            return self._taken()
        order.move(Status.NEW, now_ns)
        self._emit(order)
        self._enter(order, now_ns)
        self._trigger(order.instrument, now_ns)
        return self._taken()

    def cancel(self, number: int, now_ns: int) -> list[Event]:
        """A cancel arrives at the market; of an order of a day before nothing is told."""
        if (order := self.orders.get(number)) is None:
            return []
        if not order.open:
            self._refused(order, "cancel refused: the order is closed", now_ns)
        else:
            self._leave(order, now_ns)
            self._close(order, Status.CANCELED, now_ns)
        return self._taken()

    def change(self, number: int, quantity: int, price: float, stop_price: float, now_ns: int) -> list[Event]:
        """A change arrives at the market: new total quantity and prices (of a market order the prices are ignored)."""
        if (order := self.orders.get(number)) is None:
            return []  # it went with its day
        changed = order.snapshot()
        changed.quantity, changed.price, changed.stop_price = quantity, price, stop_price
        problem = order.unchangeable(quantity) or checks.refusal(changed, self.instruments[order.instrument])
        problem = problem or self.rules.refusal(changed, len(self._open[order.instrument]))
        if problem:
            self._refused(order, f"change refused: {problem}", now_ns)
            return self._taken()
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
        return self._taken()

    def set_state(self, instrument: int, state: int, now_ns: int, *, expired: bool = False) -> list[Event]:
        """A trading state begins: a call ends with its trades, at the close day orders expire.

        expired: the contract never opens again; then every order of it expires.
        """
        was_calling = self.rules.calling(instrument)
        if self.rules.states[instrument] == TickerState.CLOSED != state:
            self._new_day(instrument)
        self.rules.states[instrument] = TickerState(state)
        for fill in self.market.set_state(instrument, state, now_ns):
            self._executed(self.orders[fill.order], fill)
        if was_calling and not self.rules.calling(instrument):
            self._after_call(instrument, now_ns)
        if expired:
            self.rules.expired.add(instrument)
        if state == TickerState.CLOSED:
            self.rules.day_over(instrument)
            for order in list(self._open[instrument].values()):
                if expired or order.validity == Validity.DAY:
                    self._leave(order, now_ns)
                    why = "the contract expired" if expired else "the session is over"
                    self._close(order, Status.EXPIRED, now_ns, why)
        else:
            self._trigger(instrument, now_ns)
        return self._taken()

    def _new_day(self, instrument: int) -> None:
        """What belongs to the day before goes: its closed orders, and the quantities that positions traded in it."""
        for order in [each for each in self.orders.values() if each.instrument in (instrument, -1) and not each.open]:
            del self.orders[order.number], self.by_text[order.cl_order_id]
        for position in self.positions.values():
            if position.instrument == instrument and position.begin_day():
                self._emit(position)

    def _after_call(self, instrument: int, now_ns: int) -> None:
        """What the call left: orders at market are cancelled, and a market without a book meets the others again."""
        for order in [each for each in self._open[instrument].values() if each.resting]:
            if order.order_type == OrderType.MARKET:
                order.resting = False
                self._close(order, Status.CANCELED, now_ns, "market order: the auction left this quantity")
            elif not self.market.has_book and self.market.available(instrument, order.side, order.price_ticks, 1):
                self._leave(order, now_ns)
                self._enter(order, now_ns)

    def on_batch(self, batch: Batch) -> list[Event]:
        """The market moved: executions of resting orders, and stops that the last trades trigger."""
        for fill in batch.fills:
            self._executed(self.orders[fill.order], fill)
        for instrument, stops in enumerate(self._stops):
            if stops:
                self._trigger(instrument, batch.last_ns)
        return self._taken()

    # -- inside

    def _made(self, new: NewOrder, now_ns: int) -> Order:
        self._numbers += 1
        return order_of(new, self._numbers, f"{self.name}{self._numbers:07d}", now_ns)

    def _enter(self, order: Order, now_ns: int) -> None:
        """Bring a working order to the market: wait for its stop, trade, rest, or cancel what may not rest."""
        instrument, calling = order.instrument, self.rules.calling(order.instrument)
        at_market = order.order_type == OrderType.MARKET
        waits = order.order_type == OrderType.STOP_LIMIT and not order.triggered
        if waits and (calling or not reached(order, self.market.last_ticks(instrument))):
            self._stops[instrument].add(order)
            self._watch(instrument)
            return
        order.triggered = order.triggered or waits
        if not calling:
            limit = self.rules.limit(order)
            if order.validity == Validity.FILL_OR_KILL:
                found = self_match.fillable(self.market, self._prevention, order, limit, self._own(order, limit))
                if found < order.leaves:
                    self._close(order, Status.CANCELED, now_ns, "fill or kill: not enough quantity")
                    return
            self._trade(order, limit, now_ns)
            if not order.open:
                return
            if at_market:
                where = "" if limit is None else " within the price limits"
                self._close(order, Status.CANCELED, now_ns, f"market order: no more quantity on the other side{where}")
                return
            if order.validity == Validity.IMMEDIATE_OR_CANCEL:
                self._close(order, Status.CANCELED, now_ns, "immediate or cancel: the rest did not trade")
                return
        price, broker = None if at_market else order.price_ticks, self.brokers[order.account]
        try:
            self.market.rest(instrument, order.number, order.side, price, order.leaves, broker, now_ns)
        except OverflowError as full:
            self._close(order, Status.CANCELED, now_ns, str(full))
        else:
            order.resting = True

    def _own(self, order: Order, limit: int | None) -> list[Order]:
        """Resting orders of the same account that an incoming order could meet; empty when it may meet them."""
        others = self._open[order.instrument].values()
        return [] if self._prevention == self_match.ALLOW else self_match.reachable(order, limit, others)

    def _trade(self, order: Order, limit: int | None, now_ns: int) -> None:
        """Trade an incoming order against the market, and prevent its account from meeting itself."""
        while order.open and (own := self._own(order, limit)):
            met = self_match.first(self.market, own)
            before = self_match.quantity_before(self.market, order, met)
            if before >= order.leaves:
                limit = met.price_ticks  # it ends before it gets there
                break
            if before:
                self._take(order, met.price_ticks, before, now_ns)
            self.self_matches += 1
            if self._prevention != self_match.CANCEL_INCOMING:
                self._leave(met, now_ns)
                self._close(met, Status.CANCELED, now_ns, self_match.TEXT)
            if self._prevention != self_match.CANCEL_RESTING:
                self._close(order, Status.CANCELED, now_ns, self_match.TEXT)
        if order.open:
            self._take(order, limit, order.leaves, now_ns)

    def _take(self, order: Order, limit: int | None, quantity: int, now_ns: int) -> None:
        broker = self.brokers[order.account]
        for fill in self.market.take(order.instrument, order.number, order.side, limit, quantity, broker, now_ns):
            self._executed(order, fill)
            if fill.order:
                self._executed(self.orders[fill.order], fill)

    def _leave(self, order: Order, now_ns: int) -> None:
        if order.resting:
            self.market.withdraw(order.instrument, order.number, now_ns)
            order.resting = False
        if self._stops[order.instrument].remove(order):
            self._watch(order.instrument)

    def _trigger(self, instrument: int, now_ns: int) -> None:
        """Send every stop that the last price reaches to the market; what they trade may reach more of them."""
        stops = self._stops[instrument]
        if not stops or not self.rules.continuous(instrument):
            return
        while found := stops.reached(self.market.last_ticks(instrument)):
            for order in found:
                if order.open:
                    stops.remove(order)
                    order.triggered = True
                    order.move(order.status, now_ns, "stop triggered")
                    self._emit(order)
                    if problem := self.rules.refusal(order, 0):
                        self._close(order, Status.CANCELED, now_ns, f"stop triggered: {problem}")
                    else:
                        self._enter(order, now_ns)
            self._watch(instrument)

    def _watch(self, instrument: int) -> None:
        self.market.watch(instrument, *self._stops[instrument].bounds())

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
        spec = self.instruments[order.instrument]
        price = fill.price_ticks * spec.tick
        position.apply(order.side, fill.quantity, price, fee_of(spec, self._fees, price))
        self._emit(position)

    def position(self, account: int, instrument: int) -> Position:
        """The position of an account in an instrument; flat before its first execution."""
        key = (account, instrument)
        if key not in self.positions:
            self.positions[key] = Position(account, instrument, self.instruments[instrument].point_value)
        return self.positions[key]

    def _close(self, order: Order, status: Status, now_ns: int, text: str = "") -> None:
        order.move(status, now_ns, text)
        if order.instrument >= 0:
            self._open[order.instrument].pop(order.number, None)
        self._emit(order)

    def _refused(self, order: Order, text: str, now_ns: int) -> None:
        """A cancel or change that cannot be done: the present status once more, with the reason."""
        if order.open and order.status != Status.PENDING_NEW:
            order.move(order.working_status, now_ns)
        order.text = text
        self._emit(order)

    def _emit(self, changed: Order | Position) -> None:
        self.events += 1
        changed.event_id = self.events
        self._out.append(changed.snapshot())

    def _taken(self) -> list[Event]:
        out, self._out = self._out, []
        return out
