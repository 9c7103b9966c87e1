"""Whether an order meets our own orders: trading with ourselves, or saying the same twice."""

from __future__ import annotations

from config.schema import Risk
from execution.events import BUY, MARKET
from execution.risk.request import Facts, Request


def self_match(request: Request, facts: Facts, limits: Risk) -> str:
    """A resting order of ours on the other side that this one would trade with. An unknown price meets every one."""
    if request.side == BUY:
        if facts.own_ask == float("inf"):
            return ""
        apart, other = request.order_type != MARKET and request.price < facts.own_ask, facts.own_ask
    else:
        if facts.own_bid == float("-inf"):
            return ""
        apart, other = request.order_type != MARKET and request.price > facts.own_bid, facts.own_bid
    return "" if apart else f"would trade with our own order at {other}"


def duplicate(request: Request, facts: Facts, limits: Risk) -> str:
    return facts.twin
