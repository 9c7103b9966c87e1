"""A slow, obvious twin of engine, book and auction: one instrument, plain lists, everything looked for when it is asked.

It shares no code with `exchange`. Resting orders stand in one list in the order of their arrival; price priority is a
stable sort. Executions are appended to `fills` as (order, price, quantity), the incoming order first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BUY, SELL = 1, 2
MARKET, LIMIT, STOP = 1, 2, 4
DAY, GTC, IOC, FOK = 0, 1, 3, 4
OPEN, AUCTION, CLOSED, PRE_OPENING, FROZEN = 0, 4, 6, 13, 2
CALLS = (AUCTION, PRE_OPENING)
FAR = 1 << 40


@dataclass
class One:
    number: int
    account: int
    side: int
    kind: int
    validity: int
    price: int
    stop: int
    quantity: int
    traded: int = 0
    status: str = "new"
    waits: bool = False
    done_waiting: bool = False

    @property
    def leaves(self) -> int:
        return self.quantity - self.traded


class NaiveEngine:
    """prices from `low` to `high` ticks; the outermost two are not for limits. Bands in ticks, 0: none."""

    def __init__(self, last: int, low: int, high: int, prevention: str, daily_limit: int, tunnel: int) -> None:
        self.last = self.reference = last
        self.low, self.high, self.prevention = low, high, prevention
        self.daily_limit, self.tunnel = daily_limit, tunnel
        self.state = OPEN
        self.orders: dict[int, One] = {}
        self.resting: list[One] = []
        self.stops: list[One] = []
        self.fills: list[tuple[int, int, int]] = []

    # -- commands

    def send(self, order: One) -> None:
        self.orders[order.number] = order
        if self.refused(order):
            order.status = "rejected"
            return
        self.enter(order)
        self.trigger()

    def cancel(self, number: int) -> None:
        order = self.orders[number]
        if order.status in ("new", "partial"):
            self.leave(order)
            order.status = "canceled"

    def change(self, number: int, quantity: int, price: int, stop: int) -> None:
        order = self.orders[number]
        wanted = One(number, order.account, order.side, order.kind, order.validity, price, stop, quantity)
        wanted.done_waiting = order.done_waiting
        if order.kind == MARKET:
            wanted.price = order.price
        if order.status not in ("new", "partial") or self.refused(wanted) or quantity <= order.traded:
            return
        rests = any(each is order for each in self.resting)
        keeps = rests and wanted.price == order.price and quantity <= order.quantity
        if not keeps:
            self.leave(order)
        order.quantity, order.price, order.stop = quantity, wanted.price, stop
        if not keeps:
            self.enter(order)
            self.trigger()

    def set_state(self, state: int) -> None:
        before, self.state = self.state, state
        if before in CALLS and state not in CALLS:
            self.uncross()
        if state == CLOSED:
            self.reference = self.last
            for order in [*self.resting, *self.stops]:
                if order.validity == DAY:
                    self.leave(order)
                    order.status = "expired"
        self.trigger()

    # -- rules

    def refused(self, order: One) -> bool:
        if self.state in (CLOSED, FROZEN):
            return True
        if self.state in CALLS and order.validity in (IOC, FOK):
            return True
        if order.kind == MARKET:
            return False
        if not self.low < order.price < self.high:
            return True
        if self.daily_limit and abs(order.price - self.reference) > self.daily_limit:
            return True
        if self.tunnel and self.state not in CALLS and not self.sleeps(order):
            return order.price - self.last > self.tunnel if order.side == BUY else self.last - order.price > self.tunnel
        return False

    def furthest(self, order: One) -> int:
        """The worst price at which it may trade."""
        if order.kind != MARKET:
            return order.price
        far = [FAR]
        if self.daily_limit:
            far.append(self.reference + self.daily_limit if order.side == BUY else self.daily_limit - self.reference)
        if self.tunnel:
            far.append(self.last + self.tunnel if order.side == BUY else self.tunnel - self.last)
        return min(far) if order.side == BUY else -min(far)

    def sleeps(self, order: One) -> bool:
        """A stop that still waits for its price."""
        return order.kind == STOP and not order.done_waiting and not self.reached(order)

    def reached(self, order: One) -> bool:
        return self.last >= order.stop if order.side == BUY else self.last <= order.stop

    # -- trading

    def others(self, order: One, limit: int) -> list[One]:
        """What it could meet, in the order in which it would."""
        if order.side == BUY:
            return sorted((o for o in self.resting if o.side == SELL and o.price <= limit), key=lambda o: o.price)
        return sorted((o for o in self.resting if o.side == BUY and o.price >= limit), key=lambda o: -o.price)

    def enter(self, order: One) -> None:
        if order.kind == STOP and not order.done_waiting and (self.state in CALLS or not self.reached(order)):
            self.stops.append(order)
            return
        order.done_waiting = order.kind == STOP
        if self.state in CALLS:
            self.resting.append(order)
            return
        limit = self.furthest(order)
        if order.validity == FOK and self.could_trade(order, limit) < order.leaves:
            order.status = "canceled"
            return
        self.match(order, limit)
        if order.status in ("filled", "canceled"):
            return
        if order.kind == MARKET or order.validity == IOC:
            order.status = "canceled"
            return
        self.resting.append(order)

    def could_trade(self, order: One, limit: int) -> int:
        found = 0
        for other in self.others(order, limit):
            if other.account == order.account and self.prevention != "allow":
                if self.prevention != "cancel_resting":
                    break
                continue
            found += other.leaves
        return found

    def match(self, order: One, limit: int) -> None:
        for other in self.others(order, limit):
            if not order.leaves:
                break
            if other.account == order.account and self.prevention != "allow":
                if self.prevention != "cancel_incoming":
                    self.leave(other)
                    other.status = "canceled"
                if self.prevention != "cancel_resting":
                    order.status = "canceled"
                    break
                continue
            self.trade(order, other, min(order.leaves, other.leaves), other.price)

    def trade(self, first: One, second: One, quantity: int, price: int) -> None:
        for order in (first, second):
            order.traded += quantity
            order.status = "partial" if order.leaves else "filled"
            self.fills.append((order.number, price, quantity))
        self.resting = [order for order in self.resting if order.leaves]
        self.last = price

    def leave(self, order: One) -> None:
        self.resting = [each for each in self.resting if each is not order]
        self.stops = [each for each in self.stops if each is not order]

    def trigger(self) -> None:
        while self.state == OPEN and (found := [order for order in self.stops if self.reached(order)]):
            for order in found:
                self.leave(order)
                order.done_waiting = True
                if self.refused(order):
                    order.status = "canceled"
                else:
                    self.enter(order)

    # -- calls

    def uncross(self) -> None:
        def at(order: One) -> int:
            """Orders at market stand beyond every limit."""
            return order.price if order.kind != MARKET else self.high if order.side == BUY else self.low

        by_price: Callable[[One], int] = lambda order: -at(order) if order.side == BUY else at(order)  # noqa: E731
        bids = sorted((order for order in self.resting if order.side == BUY), key=by_price)
        asks = sorted((order for order in self.resting if order.side == SELL), key=by_price)
        tried = []
        for price in range(self.low, self.high + 1):
            demand = sum(order.leaves for order in bids if at(order) >= price)
            supply = sum(order.leaves for order in asks if at(order) <= price)
            tried.append((price, min(demand, supply), demand - supply))
        most = max(quantity for _, quantity, _ in tried)
        if most:
            first = [(price, surplus) for price, quantity, surplus in tried if quantity == most]
            buys = min((surplus for _, surplus in first if surplus >= 0), default=None)
            sells = max((surplus for _, surplus in first if surplus <= 0), default=None)
            ends = [price for price, surplus in first if surplus in (buys, sells)]
            price = min(range(min(ends), max(ends) + 1), key=lambda each: abs(each - self.last))
            while most:
                quantity = min(most, bids[0].leaves, asks[0].leaves)
                self.trade(bids[0], asks[0], quantity, price)
                most -= quantity
                bids = [order for order in bids if order.leaves]
                asks = [order for order in asks if order.leaves]
        for order in [*self.resting]:
            if order.kind == MARKET:
                self.leave(order)
                order.status = "canceled"
