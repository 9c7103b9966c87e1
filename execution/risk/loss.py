"""How much may be lost in a day."""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request


def daily_loss(request: Request, facts: Facts, limits: Risk) -> str:
    """Realised and open loss of this market day must stay below the limit. An unknown profit (NaN) refuses."""
    if facts.day_profit > -limits.max_daily_loss:
        return ""
    return f"the day stands at {facts.day_profit:.2f}; the limit is a loss of {limits.max_daily_loss:.2f}"
