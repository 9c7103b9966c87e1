"""The legs of a bracket that rest at the broker: what of one is too much, which one failed, who watches the target. Pure.

It stands apart from the guardian because nothing here needs a market, a clock or settings: only what the orders say. A leg
is never reduced in size, for between "replace" and "replaced" nobody knows what rests: whole orders are cancelled, and what
is then missing is placed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from execution.orders import Order
from execution.sizing import direction
from execution.statuses import State


def resting(orders: Iterable[Order]) -> int:
    """Contracts that a leg can still trade."""
    return sum(order.leaves_quantity for order in orders)


def too_much(orders: Iterable[Order], held: int) -> list[Order]:
    """The orders of a leg to cancel so that no more than `held` contracts stay, those that are being cancelled left out.

    The smallest one that is enough, else the largest and on: what stays protected needs no new order. One that cannot be
    named yet (the DLL cancels by the permanent id only) must wait.
    """
    staying = [order for order in orders if order.open and not order.cancel_asked_ns]
    beyond = resting(staying) - max(held, 0)
    nameable = sorted((order for order in staying if order.cl_order_id), key=lambda order: order.leaves_quantity)
    chosen: list[Order] = []
    while beyond > 0 and nameable:
        order = next((order for order in nameable if order.leaves_quantity >= beyond), nameable[-1])
        nameable.remove(order)
        chosen.append(order)
        beyond -= order.leaves_quantity
    return chosen


def gone(order: Order) -> bool:
    """Whether an order of a leg is over although it has not filled and nobody of us cancelled it."""
    over = not order.open and order.state is not State.FILLED
    return over and order.traded_quantity < order.intent.quantity and not order.cancel_wanted


def set_by_a_person(targets: Iterable[Order]) -> bool:
    """Whether a person's order says where the profit is taken: it rests, has traded, or is being placed anew by us."""
    return any(order.adopted and (order.open or order.traded_quantity or order.cancel_wanted) for order in targets)


def inherited(leg: Sequence[Order]) -> Order | None:
    """A person's order that we cancelled because it was too much: what is placed anew stands where it stood."""
    return next((order for order in reversed(leg) if order.adopted and order.cancel_wanted and not order.open), None)


def outermost(bracket_side: int, stops: Iterable[Order]) -> Order | None:
    """Of stops where a person put one: the one that the market would reach last. None where all are ours."""
    stops = list(stops)
    persons = [order for order in stops if order.adopted and (order.open or order.cancel_wanted)]
    if not persons:
        return None
    way = direction(bracket_side)
    standing = [order for order in stops if order.open] or persons
    return min(standing, key=lambda order: (order.intent.stop_price * way, order.intent.price * way))


def watched_here(targets: Iterable[Order], held: int) -> bool:
    """Whether the target is a price that we watch: what the exchange confirmed of resting ones is less than what is held."""
    return resting(order for order in targets if not order.unconfirmed) < held
