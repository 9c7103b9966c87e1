"""Whether an order may stand in the market at all: type, validity, quantity, prices on tick. Pure; returns the reason.

The real exchange answers a bad order with a rejection and a text, not with an error code: so does this one.
"""

from __future__ import annotations

from config.schema import Instrument
from exchange.orders import Order
from profitdll.constants import OrderType, Side, Validity

MAX_QUANTITY = 1 << 40
MAX_TICKS = 1 << 40  # of a price: whole numbers of ticks that every market holds
RESTING = (Validity.DAY, Validity.GOOD_TILL_CANCEL)
VALIDITIES = (*RESTING, Validity.IMMEDIATE_OR_CANCEL, Validity.FILL_OR_KILL)
TICK_TOLERANCE = 1e-6  # of a tick: what a price may miss its tick by, for prices that binary cannot hold


def ticks_of(price: float, tick: float) -> int | None:
    """The price in whole ticks, None when it is not a positive price on tick, or beyond MAX_TICKS."""
    exact = price / tick
    if not 0 < exact <= MAX_TICKS:
        return None
    ticks = round(exact)
    return ticks if ticks > 0 and abs(exact - ticks) <= TICK_TOLERANCE * max(1.0, ticks * 1e-6) else None


def refusal(order: Order, instrument: Instrument) -> str:
    """Why this order is not accepted, empty when it is; sets `price_ticks` and `stop_ticks` of a good one."""
    if order.order_type not in tuple(OrderType):
        return f"order type {order.order_type} is not supported"
    if order.validity not in VALIDITIES:
        return f"validity {order.validity} is not supported"
    if order.side not in tuple(Side):
        return f"side {order.side} is neither buy (1) nor sell (2)"
    if not 1 <= order.quantity <= MAX_QUANTITY:
        return f"quantity {order.quantity} is not a positive number of contracts"
    if order.quantity % instrument.quantity_step:
        return f"quantity {order.quantity} is not a multiple of {instrument.quantity_step}"
    if 0 < instrument.max_order_quantity < order.quantity:
        return f"quantity {order.quantity} is above the {instrument.max_order_quantity} that one order may have"
    if order.order_type == OrderType.MARKET:
        return ""
    ticks = ticks_of(order.price, instrument.tick)
    if ticks is None:
        return f"price {order.price} is not on the tick of {instrument.tick}"
    order.price_ticks = ticks
    if order.order_type == OrderType.STOP_LIMIT:
        stop = ticks_of(order.stop_price, instrument.tick)
        if stop is None:
            return f"stop price {order.stop_price} is not on the tick of {instrument.tick}"
        if order.validity not in RESTING:
            return "a stop order must be good for the day or till cancelled"
        if (order.side == Side.BUY and ticks < stop) or (order.side == Side.SELL and ticks > stop):
            return f"limit {order.price} is on the wrong side of the stop {order.stop_price}"
        order.stop_ticks = stop
    return ""
