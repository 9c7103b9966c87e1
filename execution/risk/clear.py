"""Whether no check refuses an order, asked in one go: the way of every order that goes out.

The checks are many small functions, because each must be read, tested and told alone. On the way from a signal to its
order they cost more than all else of the gate, and nearly every order passes them all; so their conditions stand here
once more, in a row. Each says what must hold, so that a number that is not known (NaN) is no. It must never say yes where
a check refuses: the tests hold it to them. Where it says no, the checks are asked, and they alone are told.
"""

from __future__ import annotations

from config.schema import Risk
from execution.events import BUY, LIMIT, MARKET, SELL
from execution.risk.collar import HALF_A_PERCENT_OF_A_TICK
from execution.risk.instrument import MINUTE_NS, alias, expiry
from execution.risk.loss import SECOND_NS
from execution.risk.request import Facts, Request
from execution.risk.states import ALLOWS
from execution.sizing import affordable

MS = 1_000_000
INFINITE = float("inf")


def clear(request: Request, facts: Facts, limits: Risk) -> bool:
    """True only when every one of `gate.CHECKS` passes."""
    if facts.upstream_problem or facts.unready or facts.broker_problem or facts.twin:
        return False
    return (
        ALLOWS[facts.trading].entries
        and _is_an_order(request, limits)
        and can_trade_now(request, facts, limits)
        and not (request.contract.alias and alias(request, facts, limits))
        and _data_are_fresh(facts, limits)
        and _price_is_near(request, facts, limits)
        and _exposure_is_borne(request, facts, limits)
        and day_is_good(facts, limits)
        and _meets_none_of_ours(request, facts)
    )


def _is_an_order(request: Request, limits: Risk) -> bool:
    contract, quantity, order_type = request.contract, request.quantity, request.order_type
    return (
        (request.side == BUY or request.side == SELL)
        and 1 <= quantity <= limits.max_order_quantity
        and quantity % contract.lot == 0
        and (
            (order_type == LIMIT and request.price > 0.0 and contract.ticks(request.price) is not None)
            or order_type == MARKET
        )
    )


def can_trade_now(request: Request, facts: Facts, limits: Risk) -> bool:
    """Session, no-trade windows and the contract's last day."""
    contract, now_ns = request.contract, facts.market_now_ns
    hours = contract.hours
    if hours is None or now_ns <= 0:
        return False
    window, sessions = hours.at(now_ns), hours.sessions
    return (
        not window.closed
        and window.closes_ns - now_ns > sessions.no_entry_before_close_min * MINUTE_NS
        and not (sessions.no_trade and hours.quiet(now_ns))
        and not ((contract.last_day is not None or contract.ends) and expiry(request, facts, limits))
    )


def _data_are_fresh(facts: Facts, limits: Risk) -> bool:
    return (
        facts.base_recv_ns > 0
        and 0 <= facts.now_ns - facts.base_recv_ns <= limits.max_data_age_ms * MS
        and facts.market_ts_ns > 0
        and -limits.max_exchange_age_ms * MS
        <= facts.market_now_ns - facts.market_ts_ns
        <= limits.max_exchange_age_ms * MS
    )


def _price_is_near(request: Request, facts: Facts, limits: Risk) -> bool:
    tick, price, bid, ask = request.contract.tick, request.reference_price, facts.bid, facts.ask
    room = (limits.price_collar_ticks + HALF_A_PERCENT_OF_A_TICK) * tick
    return (
        abs(price - facts.last) <= room
        and abs(price - (ask if request.side == BUY else bid)) <= room
        and -HALF_A_PERCENT_OF_A_TICK <= (ask - bid) / tick <= limits.max_spread_ticks + HALF_A_PERCENT_OF_A_TICK
    )


def _exposure_is_borne(request: Request, facts: Facts, limits: Risk) -> bool:
    contract, quantity, price = request.contract, request.quantity, request.reference_price
    held = facts.position if request.side == BUY else -facts.position
    return (
        held + facts.working_entries + quantity <= limits.max_position
        and facts.open_orders + 1 + request.legs <= limits.max_open_orders
        and facts.notional + quantity * price * contract.point_value <= limits.max_notional
        and facts.margin + quantity * contract.margin_at(price) <= limits.max_margin
        and quantity <= affordable(limits, request.loss_per_contract)
    )


def day_is_good(facts: Facts, limits: Risk) -> bool:
    """Losses and pace of the day; while nothing is sent or filled, the passing of that day only makes it better."""
    now_ns, messages = facts.market_now_ns, facts.messages_today + 1
    return (
        facts.day_profit > -limits.max_daily_loss
        and facts.day_peak - facts.day_profit < limits.max_drawdown
        and (
            facts.losses_in_row < limits.max_losses_in_row
            or (facts.market_lost_ns > 0 and now_ns - facts.market_lost_ns >= limits.cool_down_s * SECOND_NS)
        )
        and facts.trades_today < limits.max_trades_per_day
        and (facts.market_entered_ns == 0 or now_ns - facts.market_entered_ns >= limits.min_entry_interval_ms * MS)
        and (messages <= limits.message_ratio_after or messages / max(1, facts.fills_today) <= limits.max_message_ratio)
    )


def _meets_none_of_ours(request: Request, facts: Facts) -> bool:
    if request.side == BUY:
        return facts.own_ask == INFINITE or (request.order_type != MARKET and request.price < facts.own_ask)
    return facts.own_bid == -INFINITE or (request.order_type != MARKET and request.price > facts.own_bid)
