"""What a risk check is given: the order that wants to go out, and the facts of this moment. Frozen, without a clock.

A fact that is not known is NaN (prices, money) or 0 (times). A check treats it as a reason to refuse: what cannot be
checked is not allowed. Both are msgspec structs because one of each is made for every order, on the hot path.
"""

from __future__ import annotations

import math

import msgspec

from execution.contracts import Contract
from execution.risk.states import Trading


class Request(msgspec.Struct, frozen=True):
    """An order before it exists. Prices in points; `reference_price` stands for a market order's."""

    role: str
    contract: Contract
    side: int
    quantity: int
    order_type: int
    price: float
    stop_price: float
    reference_price: float
    loss_per_contract: float = math.nan  # money, when its stop fills at its limit price, with the fees of both sides
    legs: int = 1  # orders that will rest beside an entry once it fills


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Times in int64 ns: `_ns` monotonic, `market_` market clock. Of the request's contract unless it says: all."""

    now_ns: int
    market_now_ns: int
    trading: Trading
    # what we hold and have out
    position: int  # signed contracts
    working_entries: int  # contracts that open entry orders of the same side can still add
    open_orders: int  # all contracts
    working_targets: int = 0  # contracts that open targets of the same side can still close
    working_exits: int = 0  # the same of open exits
    notional: float  # money, held and working, all contracts
    margin: float  # money, the same
    own_bid: float  # highest price of our resting buys, -inf none
    own_ask: float  # lowest price of our resting sells, +inf none
    twin: str  # an order of ours that says the same as this one and is open or too recent, or ""
    # the day so far, all contracts
    trades_today: int  # entries sent
    messages_today: int  # orders and cancels sent
    fills_today: int
    day_profit: float  # money, realised and open
    day_peak: float  # highest realised profit of the day, at least 0
    losses_in_row: int
    market_lost_ns: int  # when the last of them was over, 0 none
    market_entered_ns: int  # newest entry of this contract, 0 none
    # the market
    last: float  # points
    bid: float
    ask: float
    market_ts_ns: int  # market time of the contract's newest event
    base_recv_ns: int  # when the event behind the decision was received
    reference_bid: float  # touch of the ordered contract, where data are of an alias
    reference_ask: float
    reference_ns: int  # when that touch was asked for
    # the world
    unready: str  # why the features are not to be traded on
    upstream_problem: str
    broker_problem: str  # not reconciled, a foreign order, an unresolved one
