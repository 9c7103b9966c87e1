"""An account's incoming order must not trade with its own resting one: whom it would meet, and after how much.

Pure arithmetic over the market's queues; the engine does what the policy says. The three policies are those that B3's
order entry offers (EntryPoint, self-trade prevention): cancel the aggressor, the resting order, or both. In an auction
nothing is prevented.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exchange.market import BUY, MarketSource
from exchange.orders import Order

ALLOW, CANCEL_INCOMING, CANCEL_RESTING, CANCEL_BOTH = "allow", "cancel_incoming", "cancel_resting", "cancel_both"
TEXT = "self-match prevention: the account would have traded with itself"


def reachable(order: Order, limit_ticks: int | None, others: Iterable[Order]) -> list[Order]:
    """The account's resting orders on the other side that the limit (None: any price) reaches."""
    return [
        other
        for other in others
        if other.resting
        and other.account == order.account
        and other.side != order.side
        and (
            limit_ticks is None
            or (other.price_ticks <= limit_ticks if order.side == BUY else other.price_ticks >= limit_ticks)
        )
    ]


def first(market: MarketSource, own: Sequence[Order]) -> Order:
    """The one of them that an incoming order meets first: best price, then first in its queue."""
    best = min(own, key=lambda each: -each.price_ticks if each.side == BUY else each.price_ticks)
    same = [each for each in own if each.price_ticks == best.price_ticks]
    if len(same) == 1:
        return best
    return min(same, key=lambda each: (market.queue_ahead(each.instrument, each.number), each.number))


def quantity_before(market: MarketSource, order: Order, met: Order) -> int:
    """What the incoming order can trade before it meets that one, counted up to its leaves."""
    better = met.price_ticks - 1 if order.side == BUY else met.price_ticks + 1
    found = market.available(order.instrument, order.side, better, order.leaves)
    return found + max(0, market.queue_ahead(met.instrument, met.number))


def fillable(market: MarketSource, policy: str, order: Order, limit: int | None, own: Sequence[Order]) -> int:
    """What an incoming order could trade at once, its account's own orders left out (`own`: those it would meet)."""
    if own and policy != CANCEL_RESTING:
        return quantity_before(market, order, first(market, own))
    behind = sum(each.leaves for each in own) if market.has_book else 0
    return market.available(order.instrument, order.side, limit, order.leaves + behind) - behind
