"""From a decision to the size and the numbers of an entry, and from a filled entry to those of its stop and target. Pure.

Size: what the capital at risk bears at the stop, scaled by the decision's confidence and the liquidity agent's word. The
capital is a limit and rounds down; the scaling is advice and leaves at least one contract.

The entry aims at the touch that it hits, shifted by the configured offset in its own direction. Missing data gives a
price of NaN, which the gate refuses; nothing is made up here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from config.schema import Execution, Risk
from execution.contracts import Contract
from execution.events import BUY, LIMIT, MARKET, NO_PRICE, SELL


class OrderNumbers(NamedTuple):
    """`price` and `stop_price` as the DLL takes them; `reference_price`: what the checks judge a market order by."""

    order_type: int
    quantity: int
    price: float
    stop_price: float
    reference_price: float


def opposite(side: int) -> int:
    return SELL if side == BUY else BUY


def direction(side: int) -> int:
    """+1 for a buy, -1 for a sell."""
    return 1 if side == BUY else -1


def loss_per_contract(settings: Execution, contract: Contract) -> float:
    """Money that one contract loses when its stop fills at its limit price, with the fees of both sides."""
    ticks = settings.stop_ticks + settings.stop_limit_offset_ticks
    return ticks * contract.tick * contract.point_value + 2.0 * contract.fee


def affordable(limits: Risk, loss: float) -> int:
    """Most contracts whose `loss` (money each, at the stop) the capital at risk bears; 0 when it is not known.

    >>> affordable(Risk(capital=10_000.0, risk_per_trade=0.01), 40.0)
    2
    """
    if not (math.isfinite(loss) and loss > 0.0):
        return 0
    return math.floor(limits.capital * limits.risk_per_trade / loss + 1e-9)


def scaled(most: int, confidence: float, share: float) -> int:
    """`most` contracts times two shares in 0 ... 1, rounded half up, at least 1. A share that is not known gives 1.

    >>> scaled(4, 1.0, 1.0), scaled(4, 0.5, 0.5), scaled(4, 0.0, 1.0), scaled(4, float("nan"), 1.0)
    (4, 1, 1, 1)
    """
    wanted = most * confidence * share
    return max(1, min(most, math.floor(wanted + 0.5))) if math.isfinite(wanted) else 1


def entry_numbers(
    settings: Execution, contract: Contract, side: int, quantity: int, room: int, bid: float, ask: float
) -> OrderNumbers:
    """An entry of at most `room` contracts (what risk leaves free), but at least 1: the gate has the last word.

    bid, ask: points, NaN when that side of the book is empty; the price is then NaN.
    """
    touch = ask if side == BUY else bid
    size = max(1, min(quantity, room))
    if settings.order_type == "market":
        return OrderNumbers(MARKET, size, NO_PRICE, NO_PRICE, touch)
    price = touch
    if math.isfinite(touch):
        offset = settings.entry_offset_ticks * direction(side)
        price = contract.price(contract.nearest_ticks(touch) + offset)
    return OrderNumbers(LIMIT, size, price, NO_PRICE, price)


def stop_ticks(settings: Execution, contract: Contract, side: int, average_price: float) -> tuple[int, int]:
    """(trigger, limit) in ticks of the stop that protects an entry of `side` filled at `average_price` (points)."""
    trigger = contract.nearest_ticks(average_price) - direction(side) * settings.stop_ticks
    return trigger, trigger - direction(side) * settings.stop_limit_offset_ticks


def target_ticks(settings: Execution, contract: Contract, side: int, average_price: float) -> int:
    """The price, in ticks, at which an entry of `side` has made its profit."""
    return contract.nearest_ticks(average_price) + direction(side) * settings.target_ticks


def target_reached(target: int, side: int, contract: Contract, bid: float, ask: float) -> bool:
    """Whether we could close at the target now: by the touch that an exit hits. False when it is not known."""
    touch = bid if side == BUY else ask
    if not math.isfinite(touch):
        return False
    return (contract.nearest_ticks(touch) - target) * direction(side) >= 0


def run_through(limit: int, side: int, contract: Contract, last: float) -> bool:
    """Whether the market traded beyond the stop's limit price: the stop may rest there unfilled."""
    if not math.isfinite(last):
        return False
    return (contract.nearest_ticks(last) - limit) * direction(side) < 0
