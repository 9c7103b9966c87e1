"""Whether an order is one at all: side, quantity, price on its tick."""

from __future__ import annotations

from config.schema import Risk
from execution.events import BUY, LIMIT, MARKET, SELL, STOP_LIMIT
from execution.risk.request import Facts, Request


def order_form(request: Request, facts: Facts, limits: Risk) -> str:
    if request.side not in (BUY, SELL):
        return f"side {request.side} is neither {BUY} nor {SELL}"
    if request.quantity < 1:
        return f"a quantity of {request.quantity}"
    if request.order_type == MARKET:
        return ""
    if request.order_type not in (LIMIT, STOP_LIMIT):
        return f"order type {request.order_type} is not used here"
    prices = [request.price] if request.order_type == LIMIT else [request.price, request.stop_price]
    for price in prices:
        if request.contract.ticks(price) is None or price <= 0.0:
            return f"price {price} is not a price on a tick of {request.contract.tick}"
    return ""
