"""What a risk check is given: the order that wants to go out, and the facts of this moment. Frozen, without a clock.

A fact that is not known is NaN (prices, money) or 0 (times). A check treats it as a reason to refuse: what cannot be
checked is not allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from execution.contracts import Contract


class Trading(StrEnum):
    """What a person allows. Protective orders and cancels go out in each."""

    ACTIVE = "active"
    HALTED = "halted"  # no entries


@dataclass(frozen=True)
class Request:
    """An order before it exists. Prices in points; `reference_price` stands for a market order's."""

    role: str
    contract: Contract
    side: int
    quantity: int
    order_type: int
    price: float
    stop_price: float
    reference_price: float


@dataclass(frozen=True)
class Facts:
    """Times in int64 ns: `_ns` monotonic, `market_` market clock. Money and quantities of the request's contract."""

    now_ns: int
    market_now_ns: int
    position: int  # signed contracts
    working_entries: int  # contracts that open entry orders of the same side can still add
    trades_today: int  # entries sent on this market day
    day_profit: float  # realised and open, all contracts
    last: float  # points
    bid: float
    ask: float
    base_recv_ns: int  # when the event behind the decision was received
    market_ts_ns: int  # market time of the contract's newest event
    upstream_problem: str
    broker_problem: str  # not reconciled, a foreign order, an unresolved one
    trading: Trading
