"""How far from the market an order's price may be, and how wide the market: fat fingers, stale quotes, crossed data."""

from __future__ import annotations

import math

from config.schema import Risk
from execution.events import BUY
from execution.risk.request import Facts, Request

HALF_A_PERCENT_OF_A_TICK = 0.005  # float64 room, far below one tick


def price_collar(request: Request, facts: Facts, limits: Risk) -> str:
    """Within `price_collar_ticks` of the last trade and of the touch that the order hits. Unknown prices refuse."""
    touch = facts.ask if request.side == BUY else facts.bid
    room = (limits.price_collar_ticks + HALF_A_PERCENT_OF_A_TICK) * request.contract.tick
    if abs(request.reference_price - facts.last) <= room and abs(request.reference_price - touch) <= room:
        return ""
    for name, market in (("last trade", facts.last), ("touch", touch)):
        distance = abs(request.reference_price - market) / request.contract.tick
        if not math.isfinite(distance):
            return f"the {name} or the price is not known"
        if distance > limits.price_collar_ticks + HALF_A_PERCENT_OF_A_TICK:
            break
    return f"{distance:.1f} ticks from the {name}; at most {limits.price_collar_ticks}"


def spread(request: Request, facts: Facts, limits: Risk) -> str:
    """Between 0 (locked) and `max_spread_ticks`: a crossed or one-sided book refuses."""
    ticks = (facts.ask - facts.bid) / request.contract.tick
    if -HALF_A_PERCENT_OF_A_TICK <= ticks <= limits.max_spread_ticks + HALF_A_PERCENT_OF_A_TICK:
        return ""
    return f"the spread is {ticks:.1f} ticks; at most {limits.max_spread_ticks}"
