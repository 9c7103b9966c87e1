"""How much may be lost: in a day, from the day's peak, and how often in a row."""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request

SECOND_NS = 1_000_000_000


def daily_loss(request: Request, facts: Facts, limits: Risk) -> str:
    """Realised and open loss of this market day must stay below the limit. An unknown profit (NaN) refuses."""
    if not daily_loss_reached(facts.day_profit, limits):
        return ""
    return f"the day stands at {facts.day_profit:.2f}; the limit is a loss of {limits.max_daily_loss:.2f}"


def drawdown(request: Request, facts: Facts, limits: Risk) -> str:
    if not drawdown_reached(facts.day_peak, facts.day_profit, limits):
        return ""
    return (
        f"the day stands at {facts.day_profit:.2f}, {facts.day_peak - facts.day_profit:.2f} below its peak;"
        f" the limit is {limits.max_drawdown:.2f}"
    )


def losses_in_row(request: Request, facts: Facts, limits: Risk) -> str:
    """After too many losses in a row entries wait, by market time; one gain begins the count anew."""
    if facts.losses_in_row < limits.max_losses_in_row:
        return ""
    waited_ns = facts.market_now_ns - facts.market_lost_ns
    known = facts.market_now_ns > 0 and facts.market_lost_ns > 0
    if known and waited_ns >= limits.cool_down_s * SECOND_NS:
        return ""
    return f"{facts.losses_in_row} losses in a row; entries wait {limits.cool_down_s:g} s after the last"


def daily_loss_reached(day_profit: float, limits: Risk) -> bool:
    """True also for a profit that is not known."""
    return not day_profit > -limits.max_daily_loss


def drawdown_reached(day_peak: float, day_profit: float, limits: Risk) -> bool:
    """True also for a profit that is not known."""
    return not day_peak - day_profit < limits.max_drawdown
