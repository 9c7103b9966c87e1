"""Who bought and sold in the last 500 trades: a table of the known brokers, kept by adding and taking away.

A part of the microstructure family (columns 55-58). The volumes are integers. Concentrations and the top broker come
from one pass over the brokers in the table, at most 1,000 and about 80 on B3, when a trade with a known broker enters or
leaves: squares of volumes kept by adding would not fit 64 bits.
"""

from __future__ import annotations

import numpy as np

from shm.jit import inline

WINDOW = 500
ROOM = 512  # a power of two above it
ROOM_MASK = ROOM - 1
SLOTS = 2 * WINDOW  # each trade names at most two
TURNOVER = 100

BROKERS = np.dtype(
    [
        ("count", "<i8"),  # brokers in the table
        ("volume", "<i8"),  # of the last 500 trades, unknown brokers included
        ("bought", "<i8"),  # of these, by known buyers
        ("sold", "<i8"),
        ("turned", "<i8"),  # of the last 100 trades, those that differ from the trade before
        ("named", "<i8"),  # of the last 101 trades, those with a known broker
        ("buyer_concentration", "<f8"),  # of the table, NaN when no buyer is known
        ("seller_concentration", "<f8"),
        ("top_net", "<f8"),
        ("code", "<i8", (SLOTS,)),
        ("slot_bought", "<i8", (SLOTS,)),
        ("slot_sold", "<i8", (SLOTS,)),
        ("buyer", "<i4", (ROOM,)),  # of trade n at n mod ROOM; 0 unknown
        ("seller", "<i4", (ROOM,)),
        ("quantity", "<i8", (ROOM,)),
    ],
    align=True,
)


@inline
def start_session(own):
    own.count = 0
    own.volume = 0
    own.bought = 0
    own.sold = 0
    own.turned = 0
    own.named = 0
    own.buyer_concentration = np.nan
    own.seller_concentration = np.nan
    own.top_net = np.nan


@inline
def _slot(own, code):
    """The place of a broker in the table, made if need be."""
    for i in range(own.count):
        if own.code[i] == code:
            return i
    i = own.count
    own.code[i] = code
    own.slot_bought[i] = 0
    own.slot_sold[i] = 0
    own.count = i + 1
    return i


@inline
def _add(own, code, bought, sold):
    """Add to a known broker's volumes; one without any left gives its place to the last."""
    i = _slot(own, code)
    own.slot_bought[i] += bought
    own.slot_sold[i] += sold
    own.bought += bought
    own.sold += sold
    if own.slot_bought[i] == 0 and own.slot_sold[i] == 0:
        last = own.count - 1
        own.code[i] = own.code[last]
        own.slot_bought[i] = own.slot_bought[last]
        own.slot_sold[i] = own.slot_sold[last]
        own.count = last


@inline
def _enter(own, buyer, seller, quantity):
    own.volume += quantity
    if buyer > 0:
        _add(own, buyer, quantity, 0)
    if seller > 0:
        _add(own, seller, 0, quantity)


@inline
def _measure(own):
    """One pass over the table."""
    if own.count == 0:
        own.buyer_concentration = np.nan
        own.seller_concentration = np.nan
        own.top_net = np.nan
        return
    squared_bought = 0.0
    squared_sold = 0.0
    top = np.int64(-1)
    net_of_top = np.int64(0)
    code_of_top = np.int64(0)
    for i in range(own.count):
        bought = np.float64(own.slot_bought[i])
        sold = np.float64(own.slot_sold[i])
        squared_bought += bought * bought
        squared_sold += sold * sold
        net = own.slot_bought[i] - own.slot_sold[i]
        size = abs(net)
        if size > top or (size == top and own.code[i] < code_of_top):
            top = size
            net_of_top = net
            code_of_top = own.code[i]
    all_bought, all_sold = np.float64(own.bought), np.float64(own.sold)
    own.buyer_concentration = squared_bought / (all_bought * all_bought) if own.bought > 0 else np.nan
    own.seller_concentration = squared_sold / (all_sold * all_sold) if own.sold > 0 else np.nan
    own.top_net = net_of_top / own.volume


@inline
def _differs(own, number):
    """1 when trade `number` has another buyer or seller than the one before."""
    here, before = number & ROOM_MASK, (number - 1) & ROOM_MASK
    return np.int64(own.buyer[here] != own.buyer[before] or own.seller[here] != own.seller[before])


@inline
def _named(own, number):
    here = number & ROOM_MASK
    return np.int64(own.buyer[here] > 0 or own.seller[here] > 0)


@inline
def on_trade(own, number, first, quantity, buyer, seller):
    """Trade `number` of the symbol; `first` is the session's first. Codes <= 0 are unknown."""
    had_known = own.count > 0
    if number - WINDOW >= first:
        old = (number - WINDOW) & ROOM_MASK
        _enter(own, np.int64(own.buyer[old]), np.int64(own.seller[old]), -own.quantity[old])
    slot = number & ROOM_MASK
    own.buyer[slot] = max(buyer, 0)
    own.seller[slot] = max(seller, 0)
    own.quantity[slot] = quantity
    _enter(own, np.int64(own.buyer[slot]), np.int64(own.seller[slot]), quantity)
    if had_known or own.count > 0:
        _measure(own)
    own.named += _named(own, number)
    if number - TURNOVER - 1 >= first:
        own.named -= _named(own, number - TURNOVER - 1)
    if number > first:
        own.turned += _differs(own, number)
    if number - TURNOVER > first:
        own.turned -= _differs(own, number - TURNOVER)


@inline
def emit(own, trades_seen, values):
    """The four columns of the brokers into values[0:4]; trades_seen: of the session."""
    if trades_seen == 0:
        return
    values[0] = own.buyer_concentration
    values[1] = own.seller_concentration
    values[2] = own.top_net
    if trades_seen > TURNOVER and own.named > 0:
        values[3] = own.turned / TURNOVER
