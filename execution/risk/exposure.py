"""How much may be held, and how often it may be tried."""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request
from execution.sizing import direction


def max_position(request: Request, facts: Facts, limits: Risk) -> str:
    """The position if this order and the entries that work already fill wholly."""
    worst = facts.position * direction(request.side) + facts.working_entries + request.quantity
    if worst <= limits.max_position:
        return ""
    return f"would hold {worst} contracts of at most {limits.max_position}"


def trades_per_day(request: Request, facts: Facts, limits: Risk) -> str:
    """Entries of this market day, this one included."""
    if facts.trades_today < limits.max_trades_per_day:
        return ""
    return f"{facts.trades_today} entries today of at most {limits.max_trades_per_day}"
