"""Whether an order is one at all: side, type, price on its tick, quantity in lots."""

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
    return _off_tick(request, request.price) or (
        _off_tick(request, request.stop_price) if request.order_type == STOP_LIMIT else ""
    )


def _off_tick(request: Request, price: float) -> str:
    if price > 0.0 and request.contract.ticks(price) is not None:
        return ""
    return f"price {price} is not a price on a tick of {request.contract.tick}"


def order_lot(request: Request, facts: Facts, limits: Risk) -> str:
    lot = request.contract.lot
    return "" if request.quantity % lot == 0 else f"{request.quantity} contracts are not a multiple of {lot}"


def order_quantity(request: Request, facts: Facts, limits: Risk) -> str:
    if request.quantity <= limits.max_order_quantity:
        return ""
    return f"{request.quantity} contracts in one order; at most {limits.max_order_quantity}"
