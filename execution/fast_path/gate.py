"""The numbers of an entry and the checks of risk in compiled code. A part of `answer`.

As `execution.risk.clear` for a contract in which nothing is held or open: each condition says what must hold, so that a
number that is not known (NaN) is no. What does not change while a permit stands was looked at when it was written.
"""

from __future__ import annotations

import math

import numpy as np

from execution.contracts import ON_TICK_TOLERANCE
from execution.events import BUY
from execution.risk.collar import HALF_A_PERCENT_OF_A_TICK
from shm.jit import inline


@inline
def entry_price(permit, side, bid, ask):  # type: ignore[no-untyped-def]
    """The limit price by `sizing.entry_numbers`, NaN when the touch is not known."""
    touch = ask if side == BUY else bid
    if not math.isfinite(touch):
        return np.nan
    offset = permit.entry_offset_ticks if side == BUY else -permit.entry_offset_ticks
    return (np.rint(touch / permit.tick) + offset) * permit.tick


@inline
def is_time(permit, market_ns):  # type: ignore[no-untyped-def]
    return permit.market_from_ns <= market_ns < permit.market_until_ns


@inline
def data_are_fresh(permit, answer):  # type: ignore[no-untyped-def]
    age_ns = answer.monotonic_ns - answer.base_recv_ns
    apart_ns = answer.market_ns - answer.ts_ns
    return (
        answer.base_recv_ns > 0
        and 0 <= age_ns <= permit.max_data_age_ns
        and answer.ts_ns > 0
        and -permit.max_exchange_age_ns <= apart_ns <= permit.max_exchange_age_ns
    )


@inline
def price_is_near(permit, answer):  # type: ignore[no-untyped-def]
    price, touch = answer.reference_price, answer.ask if answer.side == BUY else answer.bid
    spread = (answer.ask - answer.bid) / permit.tick
    return (
        abs(price - answer.last) <= permit.collar
        and abs(price - touch) <= permit.collar
        and -HALF_A_PERCENT_OF_A_TICK <= spread <= permit.max_spread_ticks
    )


@inline
def is_an_order(permit, answer):  # type: ignore[no-untyped-def]
    if not 1 <= answer.quantity <= permit.max_order_quantity or answer.quantity % permit.lot != 0:
        return False
    if permit.at_market:
        return True
    ticks = answer.price / permit.tick
    return answer.price > 0.0 and abs(ticks - np.rint(ticks)) <= ON_TICK_TOLERANCE


@inline
def is_borne(permit, answer):  # type: ignore[no-untyped-def]
    value = answer.reference_price * permit.point_value
    margin = value if math.isnan(permit.margin) else permit.margin
    return (
        answer.quantity <= permit.max_position
        and answer.quantity * answer.reference_price * permit.point_value <= permit.max_notional
        and answer.quantity * margin <= permit.max_margin
        and answer.quantity <= permit.affordable
    )


@inline
def is_new(permit, answer):  # type: ignore[no-untyped-def]
    """Not what the newest entry said, or long enough after it."""
    since_ns = answer.monotonic_ns - permit.newest_ns
    return (
        permit.newest_side != answer.side
        or permit.newest_quantity != answer.quantity
        or permit.newest_price != answer.price
        or not 0 <= since_ns < permit.duplicate_ns
    )


@inline
def shows_one_market(permit, answer):  # type: ignore[no-untyped-def]
    """Data that come under another name than orders go are of the same market."""
    if not permit.alias:
        return True
    age_ns = answer.monotonic_ns - permit.reference_ns
    apart = (answer.bid + answer.ask - permit.reference_bid - permit.reference_ask) / 2.0 / permit.tick
    return (
        permit.reference_ns > 0 and 0 <= age_ns <= permit.max_exchange_age_ns and abs(apart) <= permit.max_alias_ticks
    )


@inline
def lets_pass(permit, answer):  # type: ignore[no-untyped-def]
    return (
        is_time(permit, answer.market_ns)
        and is_an_order(permit, answer)
        and data_are_fresh(permit, answer)
        and price_is_near(permit, answer)
        and is_borne(permit, answer)
        and is_new(permit, answer)
        and shows_one_market(permit, answer)
    )
