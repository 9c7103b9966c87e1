"""How much may be held and be out at the same time: contracts, orders, notional, margin, and what one trade may lose."""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request
from execution.sizing import affordable, direction


def max_position(request: Request, facts: Facts, limits: Risk) -> str:
    """The position if this order and the entries that work already fill wholly."""
    worst = facts.position * direction(request.side) + facts.working_entries + request.quantity
    if worst <= limits.max_position:
        return ""
    return f"would hold {worst} contracts of at most {limits.max_position}"


def open_orders(request: Request, facts: Facts, limits: Risk) -> str:
    """With this one and the stop (and the target, where that rests too) that it will need."""
    if facts.open_orders + 1 + request.legs <= limits.max_open_orders:
        return ""
    its = "its stop" if request.legs == 1 else "its stop and target"
    return f"{facts.open_orders} orders are open; with this one and {its} at most {limits.max_open_orders}"


def notional(request: Request, facts: Facts, limits: Risk) -> str:
    worth = facts.notional + request.quantity * request.reference_price * request.contract.point_value
    if worth <= limits.max_notional:
        return ""
    return f"would be worth {worth:.2f}; at most {limits.max_notional:.2f}"


def margin(request: Request, facts: Facts, limits: Risk) -> str:
    needed = facts.margin + request.quantity * request.contract.margin_at(request.reference_price)
    if needed <= limits.max_margin:
        return ""
    return f"would need a margin of {needed:.2f}; at most {limits.max_margin:.2f}"


def trade_risk(request: Request, facts: Facts, limits: Risk) -> str:
    """What this order loses when it is stopped out at the worst."""
    most = affordable(limits, request.loss_per_contract)
    if request.quantity <= most:
        return ""
    return (
        f"{request.quantity} contracts would lose {request.quantity * request.loss_per_contract:.2f} at their stop;"
        f" {limits.risk_per_trade:.2%} of the capital bears {most}"
    )
