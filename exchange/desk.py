"""Between the wire and the engine: reads order messages, delays them by the configured latency, writes what changed.

Pure but for its heap of commands on their way to the market: monotonic and market time are arguments, bodies come in
as numpy records, frames go out as bytes. Passwords are compared here and kept nowhere else.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from exchange import protocol
from exchange.engine import Engine, Event
from exchange.faults.running import Running
from exchange.faults.table import Reject, SlowAcknowledgement, WrongPassword
from exchange.latency import Route
from exchange.listing import Account, Listing, Listings
from exchange.orders import NewOrder, Order
from exchange.positions import BUY, SELL, Position
from exchange.tally import Tally
from profitdll.constants import OrderType, Validity

Arrival = Callable[[int], list[Event]]


def text(value: np.bytes_ | bytes) -> str:
    """A wire text; what is not UTF-8 becomes a replacement character and matches nothing."""
    return bytes(value).decode("utf-8", "replace")


class Desk:
    """Order entry for the accounts. latency_ns: what the exchange takes from receipt to the market; `entry`: the way there.

    `faults`: those that are on; the desk carries out `slow_acknowledgement`, `reject` and `wrong_password`.
    """

    def __init__(
        self,
        engine: Engine,
        listings: Listings,
        accounts: Sequence[Account],
        latency_ns: int,
        tally: Tally,
        faults: Running,
        entry: Route,
    ) -> None:
        self.engine, self.listings, self.accounts, self.tally = engine, listings, accounts, tally
        self.faults = faults
        self._latency_ns = latency_ns
        self._entry = entry
        self._connection = 0  # whose message is worked on
        self._on_their_way: list[tuple[int, int, Arrival]] = []  # due monotonic, number, what happens then
        self._sent = 0

    # -- received

    def receive(self, message: int, body: np.void, session: int, monotonic_ns: int, now_ns: int) -> list[Event]:
        """One order message of a logged-in full client."""
        self.tally.order_messages += 1
        self._connection = session
        if message == protocol.CHANGE_ORDER:
            return self._change(body, monotonic_ns, now_ns)
        if message == protocol.CANCEL_ORDER:
            return self._cancel(body, monotonic_ns, now_ns)
        account = self._account(body)
        if message == protocol.CANCEL_ALL:
            return self._cancel_all(account, body, monotonic_ns, now_ns)
        if account is None:
            self.tally.unknown_orders += 1
            return []
        make = self._new if message == protocol.SEND_ORDER else self._zero
        new = make(account, body, session)
        self.tally.orders += 1
        if not self._allowed(account, body):
            return self.engine.drop(new, now_ns)
        if rejected := self.faults.strike(Reject):
            new = replace(new, refusal=new.refusal or rejected.text)
        number, events = self.engine.receive(new, now_ns)
        self._later(monotonic_ns, lambda now: self.engine.place(number, now))
        return events

    def _cancel(self, body: np.void, monotonic_ns: int, now_ns: int) -> list[Event]:
        order = self._named(body)
        return [] if order is None else self._cancel_order(order, monotonic_ns, now_ns)

    def _cancel_order(self, order: Order, monotonic_ns: int, now_ns: int) -> list[Event]:
        if order.open:
            self._later(monotonic_ns, lambda now: self.engine.cancel(order.number, now))
        return self.engine.request_cancel(order, now_ns)

    def _change(self, body: np.void, monotonic_ns: int, now_ns: int) -> list[Event]:
        order = self._named(body)
        if order is None:
            return []
        quantity, price, stop_price = int(body["quantity"]), float(body["price"]), float(body["stop_price"])
        if order.open:
            self._later(monotonic_ns, lambda now: self.engine.change(order.number, quantity, price, stop_price, now))
        return self.engine.request_change(order, now_ns)

    def _cancel_all(self, account: int | None, body: np.void, monotonic_ns: int, now_ns: int) -> list[Event]:
        if account is None or not self._allowed(account, body):
            return []
        instrument = None
        if body["ticker"]:
            listing = self._listing(body)
            if listing is None:
                return []
            instrument = listing.instrument
        found = self.engine.open_orders(account, instrument)
        return [event for order in found for event in self._cancel_order(order, monotonic_ns, now_ns)]

    def _new(self, account: int, body: np.void, session: int) -> NewOrder:
        instrument, ticker, refusal = self._target(body)
        return NewOrder(
            account=account, instrument=instrument, ticker=ticker, side=int(body["side"]),
            order_type=int(body["order_type"]), validity=int(body["validity"]), quantity=int(body["quantity"]),
            price=float(body["price"]), stop_price=float(body["stop_price"]),
            session=session, local_id=int(body["local_id"]), refusal=refusal,
        )  # fmt: skip

    def _zero(self, account: int, body: np.void, session: int) -> NewOrder:
        """The order that closes a position, at market when the price is negative."""
        instrument, ticker, refusal = self._target(body)
        net = 0 if refusal else self.engine.position(account, instrument).net
        price = float(body["price"])
        return NewOrder(
            account=account, instrument=instrument, ticker=ticker, side=SELL if net > 0 else BUY,
            order_type=OrderType.MARKET if price < 0 else OrderType.LIMIT, validity=Validity.DAY, quantity=abs(net),
            price=price, stop_price=-1.0, session=session, local_id=int(body["local_id"]),
            refusal=refusal or ("" if net else "there is no open position"),
        )  # fmt: skip

    # -- arrived

    def next_due_ns(self) -> int | None:
        """When, monotonic, the next command arrives at the market."""
        return self._on_their_way[0][0] if self._on_their_way else None

    def arrive(self, monotonic_ns: int, now_ns: int) -> tuple[int, list[Event]]:
        """Let every command that is due arrive, in the order of receipt: how many, and what changed."""
        done, events = 0, []
        while self._on_their_way and self._on_their_way[0][0] <= monotonic_ns:
            events += heapq.heappop(self._on_their_way)[2](now_ns)
            done += 1
        return done, events

    # -- wire

    def encode(self, event: Event, session: int) -> bytes:
        """An order or position as that session is told it."""
        return self._order(event, session) if isinstance(event, Order) else self._position(event)

    def snapshot(self, session: int) -> tuple[list[bytes], list[bytes]]:
        """Frames of the day's orders and of the positions, as a fresh login is told them."""
        orders = [self._order(order, session) for order in self.engine.orders.values()]
        traded = [position for position in self.engine.positions.values() if position.event_id]
        return orders, [self._position(position) for position in traded]

    def _order(self, order: Order, session: int) -> bytes:
        own = order.session == session
        account = self.accounts[order.account]
        known = order.instrument >= 0
        tick = self.engine.instruments[order.instrument].tick if known else 0.0
        exchange = self.engine.instruments[order.instrument].exchange if known else ""
        return protocol.frame(
            protocol.ORDER,
            local_id=order.local_id if own else 0, own=own, event_id=order.event_id, cl_order_id=order.cl_order_id,
            account=account.name, broker=account.broker, ticker=order.ticker, exchange=exchange,
            quantity=order.quantity, traded_quantity=order.traded, leaves_quantity=order.leaves,
            price=order.price, stop_price=order.stop_price,
            average_price=order.value_ticks * tick / order.traded if order.traded else 0.0,
            side=order.side, order_type=order.order_type, status=int(order.status), validity=order.validity,
            date_ns=order.date_ns, update_ns=order.update_ns, close_ns=order.close_ns, text=order.text.encode()[:127],
        )  # fmt: skip

    def _position(self, position: Position) -> bytes:
        account, listing = self.accounts[position.account], self.listings.contract[position.instrument]
        return protocol.frame(
            protocol.POSITION,
            account=account.name, broker=account.broker, ticker=listing.ticker, exchange=listing.exchange,
            open_quantity=abs(position.net), open_average_price=position.average_price, open_side=position.open_side,
            daily_buy_quantity=position.bought, daily_average_buy_price=position.bought_average,
            daily_sell_quantity=position.sold, daily_average_sell_price=position.sold_average,
            event_id=position.event_id,
        )  # fmt: skip

    # -- inside

    def _later(self, monotonic_ns: int, arrival: Arrival) -> None:
        self._sent += 1
        slow = self.faults.active(SlowAcknowledgement)
        delay_ns = self._latency_ns + (int(slow.delay_ms * 1e6) if slow else 0)
        arrives_ns = self._entry.arrival_ns(monotonic_ns, self._connection) + delay_ns
        heapq.heappush(self._on_their_way, (arrives_ns, self._sent, arrival))

    def _allowed(self, account: int, body: np.void) -> bool:
        right = text(body["password"]) == self.accounts[account].routing_password
        if right and not self.faults.strike(WrongPassword):
            return True
        self.tally.wrong_passwords += 1
        return False

    def _named(self, body: np.void) -> Order | None:
        """The order of a cancel or change, None (and counted) when there is none or the password is wrong."""
        order = self.engine.by_text.get(text(body["cl_order_id"]))
        if order is None:
            self.tally.unknown_orders += 1
            return None
        return order if self._allowed(order.account, body) else None

    def _account(self, body: np.void) -> int | None:
        name, broker, sub = text(body["account"]), int(body["broker"]), text(body["sub_account"])
        for index, account in enumerate(self.accounts):
            if (account.name, account.broker, "") == (name, broker, sub):
                return index
        return None

    def _listing(self, body: np.void) -> Listing | None:
        return self.listings.find(text(body["ticker"]), text(body["exchange"]))

    def _target(self, body: np.void) -> tuple[int, str, str]:
        """Instrument (-1: none), ticker as it was named, and why it cannot be traded."""
        ticker, listing = text(body["ticker"]), self._listing(body)
        if listing is None:
            return -1, ticker, f"unknown ticker {ticker}"
        if not listing.tradable:
            contract = self.listings.contract[listing.instrument].ticker
            return listing.instrument, ticker, f"{ticker} is for data only, orders name {contract}"
        return listing.instrument, ticker, ""
