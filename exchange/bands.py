"""How far from the market a price may be: the day's limits and the tunnel around the last trade. Pure arithmetic.

    daily limit   no order and no trade outside reference +- distance, for the whole day
    tunnel        no incoming order that reaches further than this beyond the last trade: buys above, sells below

An order outside is rejected, and a stop that is outside when it triggers cancelled; an order at market trades up to
the edge and no further. Distances are percent of the price they are counted from, rounded towards it to whole ticks,
or ticks. 0 switches a band off.
"""

from __future__ import annotations

from math import floor

from config.schema import Instrument

BUY = 1
NO_LOW, NO_HIGH = 1, 1 << 40  # ticks


def distance_ticks(spec: Instrument, width: float, from_ticks: int) -> int:
    """A configured width in whole ticks, counted from a price."""
    return floor(width if spec.band_unit == "ticks" else from_ticks * width / 100.0 + 1e-9)


def daily_limits(spec: Instrument, reference_ticks: int) -> tuple[int, int]:
    """(lowest, highest) price of the day in ticks; no reference (0): no limits yet."""
    if spec.daily_limit <= 0 or reference_ticks <= 0:
        return NO_LOW, NO_HIGH
    width = distance_ticks(spec, spec.daily_limit, reference_ticks)
    return max(1, reference_ticks - width), reference_ticks + width


def tunnel_edge(spec: Instrument, side: int, last_ticks: int) -> int:
    """The furthest price that an incoming order of that side may reach."""
    if spec.tunnel <= 0 or last_ticks <= 0:
        return NO_HIGH if side == BUY else NO_LOW
    width = distance_ticks(spec, spec.tunnel, last_ticks)
    return last_ticks + width if side == BUY else max(1, last_ticks - width)


def refusal(spec: Instrument, side: int, price_ticks: int, reference_ticks: int, last_ticks: int) -> str:
    """Why a limit price is not taken; empty when it is. last_ticks 0: the tunnel does not apply."""
    low, high = daily_limits(spec, reference_ticks)
    if not low <= price_ticks <= high:
        return (
            f"price {price_ticks * spec.tick:g} is outside the price limits {low * spec.tick:g} to {high * spec.tick:g}"
        )
    edge = tunnel_edge(spec, side, last_ticks)
    if (side == BUY and price_ticks > edge) or (side != BUY and price_ticks < edge):
        return f"price {price_ticks * spec.tick:g} is beyond the tunnel's edge at {edge * spec.tick:g}"
    return ""


def market_limit(spec: Instrument, side: int, reference_ticks: int, last_ticks: int) -> int | None:
    """The limit up to which an order at market trades, None: any price."""
    low, high = daily_limits(spec, reference_ticks)
    edge = tunnel_edge(spec, side, last_ticks)
    found = min(high, edge) if side == BUY else max(low, edge)
    return None if found in (NO_LOW, NO_HIGH) else found
