"""How often may be traded, and how many messages a trade may cost. Order and cancel rates have memory: see `rate`."""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request

MS = 1_000_000


def trades_per_day(request: Request, facts: Facts, limits: Risk) -> str:
    """Entries of this market day, this one included."""
    if facts.trades_today < limits.max_trades_per_day:
        return ""
    return f"{facts.trades_today} entries today of at most {limits.max_trades_per_day}"


def entry_interval(request: Request, facts: Facts, limits: Risk) -> str:
    """Market time since the newest entry of this contract. An unknown time, or one before that entry, refuses."""
    if facts.market_entered_ns == 0:
        return ""
    gap_ns = facts.market_now_ns - facts.market_entered_ns
    if gap_ns >= limits.min_entry_interval_ms * MS:
        return ""
    return f"{gap_ns / MS:.0f} ms after the last entry; at least {limits.min_entry_interval_ms} ms"


def message_ratio(request: Request, facts: Facts, limits: Risk) -> str:
    """Orders and cancels of the day per execution: exchanges charge for noise, and it is a sign of a fault."""
    messages = facts.messages_today + 1
    if messages <= limits.message_ratio_after:
        return ""
    ratio = messages / max(1, facts.fills_today)
    if ratio <= limits.max_message_ratio:
        return ""
    return f"{messages} messages for {facts.fills_today} executions; at most {limits.max_message_ratio:g} for one"
