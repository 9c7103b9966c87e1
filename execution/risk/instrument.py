"""Whether the contract can be traded now: its session, its last trading day, and whether the data are really of it."""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request
from runtime.expiry import sessions_left

MINUTE_NS = 60_000_000_000
MS = 1_000_000


def session(request: Request, facts: Facts, limits: Risk) -> str:
    """Open, and not in the last minutes before the close. Unknown hours or an unknown time refuse."""
    hours = request.contract.hours
    if hours is None or facts.market_now_ns <= 0:
        return f"the session of {request.contract.ticker} or the time is not known"
    window = hours.at(facts.market_now_ns)
    if window.closed:
        return f"{request.contract.ticker} is closed: {window.closed}"
    left_ns = window.closes_ns - facts.market_now_ns
    if left_ns > hours.sessions.no_entry_before_close_min * MINUTE_NS:
        return ""
    return f"the session ends in {left_ns / MINUTE_NS:.1f} min; no entry in the last {hours.sessions.no_entry_before_close_min}"


def no_trade_window(request: Request, facts: Facts, limits: Risk) -> str:
    hours = request.contract.hours
    if hours is None or facts.market_now_ns <= 0:
        return "the time or the windows are not known"
    return hours.quiet(facts.market_now_ns)


def expiry(request: Request, facts: Facts, limits: Risk) -> str:
    """Not too near to the contract's last trading day. Where one must be known and is not, it refuses."""
    contract = request.contract
    if contract.last_day is None:
        return f"the last trading day of {contract.ticker} is not known" if contract.ends else ""
    hours = contract.hours
    day = hours.at(facts.market_now_ns).day if hours is not None and facts.market_now_ns > 0 else None
    left = sessions_left(hours, day, contract.last_day) if hours is not None and day is not None else None
    if left is None or hours is None:
        return f"how long {contract.ticker} still trades is not known"
    if left > hours.sessions.no_entry_before_expiry_days:
        return ""
    return f"{contract.ticker} trades for {left} more sessions, until {contract.last_day}"


def alias(request: Request, facts: Facts, limits: Risk) -> str:
    """Where data come under another name than orders go, both must show the same market. Unknown prices refuse."""
    if not request.contract.alias:
        return ""
    age_ns = facts.now_ns - facts.reference_ns
    if facts.reference_ns <= 0 or not 0 <= age_ns <= limits.max_exchange_age_ms * MS:
        return f"the price of {request.contract.ticker} itself is not known"
    apart = (facts.bid + facts.ask - facts.reference_bid - facts.reference_ask) / 2.0 / request.contract.tick
    if abs(apart) <= limits.max_alias_ticks:
        return ""
    return f"the data are {apart:.1f} ticks from {request.contract.ticker}; at most {limits.max_alias_ticks}"
