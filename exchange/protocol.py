"""The wire between the simulated exchange and the simulated ProfitDLL: fixed little-endian records over loopback TCP.

A frame is HEADER and then exactly one body of the type that the header names. Text is UTF-8, padded with zero
bytes. Times are int64 ns UTC of market time. `profitsim/wire.h` draws the same structs in C; a test holds their sizes
and offsets against each other.

Every client is told the instruments, and after a full login its accounts, the day's orders and positions, before
the login counts as finished; after that each change is pushed. So the library answers queries from what it was
told, as the real one does.

An instrument whose orders name a dated contract (`order_symbol`) is listed twice, once under each name, with an index
each: market data can be subscribed under either name and carry the index of the name that was subscribed; orders name
the dated contract only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

WIRE_VERSION = 1

HEADER = np.dtype([("length", "<u4"), ("type", "<u2"), ("version", "<u2")])  # length of header and body, bytes

# client to server
LOGIN, SUBSCRIBE, HISTORY, SEND_ORDER, CHANGE_ORDER, CANCEL_ORDER, CANCEL_ALL, ZERO_POSITION = range(1, 9)
# server to client
LOGIN_REPLY, ACCOUNT, INSTRUMENT, LOGIN_DONE, CLOCK, TRADE, BOOK, HISTORY_TRADE, HISTORY_END = range(64, 73)
ORDER, POSITION, TICKER_STATE, STATE, FAULT, DAILY = range(73, 79)

# fmt: off
LOGIN_BODY = np.dtype([("key", "S32"), ("user", "S64"), ("password", "S64"), ("full", "u1"), ("pad", "V7")])
SUBSCRIBE_BODY = np.dtype(
    [("ticker", "S16"), ("exchange", "S4"), ("trades", "u1"), ("depth", "u1"), ("on", "u1"), ("pad", "V1")]
)
HISTORY_BODY = np.dtype(
    [("ticker", "S16"), ("exchange", "S4"), ("request", "<i4"), ("from_ns", "<i8"), ("to_ns", "<i8")]
)
SEND_BODY = np.dtype([
    ("local_id", "<i8"), ("message_id", "<i8"), ("account", "S32"), ("sub_account", "S32"), ("password", "S64"),
    ("ticker", "S16"), ("exchange", "S4"), ("broker", "<i4"),
    ("order_type", "u1"), ("side", "u1"), ("validity", "u1"), ("pad", "V5"),
    ("price", "<f8"), ("stop_price", "<f8"), ("quantity", "<i8"),
])
CHANGE_BODY = np.dtype(
    [("cl_order_id", "S32"), ("password", "S64"), ("price", "<f8"), ("stop_price", "<f8"), ("quantity", "<i8")]
)
CANCEL_BODY = np.dtype([("cl_order_id", "S32"), ("password", "S64")])
# an empty ticker means every instrument of the account
CANCEL_ALL_BODY = np.dtype([
    ("account", "S32"), ("sub_account", "S32"), ("password", "S64"),
    ("ticker", "S16"), ("exchange", "S4"), ("broker", "<i4"),
])
ZERO_BODY = np.dtype([
    ("local_id", "<i8"), ("account", "S32"), ("sub_account", "S32"), ("password", "S64"),
    ("ticker", "S16"), ("exchange", "S4"), ("broker", "<i4"), ("position_type", "u1"), ("pad", "V7"), ("price", "<f8"),
])

LOGIN_REPLY_BODY = np.dtype([("code", "<i4"), ("pad", "V4")])  # 0 connected, else the DLL's login error
ACCOUNT_BODY = np.dtype([
    ("account", "S32"), ("sub_account", "S32"), ("broker", "<i4"), ("flags", "<u4"),
    ("broker_name", "S64"), ("owner_name", "S64"),
])
INSTRUMENT_BODY = np.dtype([
    ("index", "<i4"), ("state", "<i4"), ("ticker", "S16"), ("exchange", "S4"), ("pad", "V4"),
    ("tick", "<f8"), ("lot", "<f8"), ("point_value", "<f8"),
])
LOGIN_DONE_BODY = np.dtype([("orders", "<i4"), ("positions", "<i4")])
CLOCK_BODY = np.dtype([("market_ns", "<i8"), ("speed", "<f8"), ("running", "<i8")])  # frozen while running is 0
TRADE_BODY = np.dtype([
    ("index", "<i4"), ("request", "<i4"), ("ts_ns", "<i8"), ("number", "<u4"), ("flags", "<u4"),
    ("price", "<f8"), ("quantity", "<i8"), ("buyer", "<i4"), ("seller", "<i4"), ("trade_type", "u1"), ("pad", "V7"),
])  # flags: 1 = edit of an earlier trade, 2 = last packet of a history request
HISTORY_END_BODY = np.dtype([("request", "<i4"), ("code", "<i4"), ("trades", "<i8")])  # code: 0 or a negative NL code
BOOK_BODY = np.dtype([
    ("index", "<i4"), ("flags", "<u4"), ("ts_ns", "<i8"), ("theoretical_price", "<f8"), ("theoretical_quantity", "<i8"),
    ("bid_price", "<f8", (10,)), ("bid_quantity", "<i8", (10,)), ("bid_count", "<u4", (10,)),
    ("ask_price", "<f8", (10,)), ("ask_quantity", "<i8", (10,)), ("ask_count", "<u4", (10,)),
])  # flags: 1 = the best level is theoretical (auction); best first, a level that is not there is 0
ORDER_BODY = np.dtype([
    ("local_id", "<i8"), ("event_id", "<i8"), ("cl_order_id", "S32"), ("account", "S32"), ("sub_account", "S32"),
    ("ticker", "S16"), ("exchange", "S4"), ("broker", "<i4"),
    ("quantity", "<i8"), ("traded_quantity", "<i8"), ("leaves_quantity", "<i8"),
    ("price", "<f8"), ("stop_price", "<f8"), ("average_price", "<f8"),
    ("side", "u1"), ("order_type", "u1"), ("status", "u1"), ("validity", "u1"), ("own", "u1"), ("pad", "V3"),
    ("date_ns", "<i8"), ("update_ns", "<i8"), ("close_ns", "<i8"), ("text", "S128"),
])  # local_id is 0 unless own: it is unique per session only
POSITION_BODY = np.dtype([
    ("account", "S32"), ("sub_account", "S32"), ("ticker", "S16"), ("exchange", "S4"), ("broker", "<i4"),
    ("open_quantity", "<i8"), ("open_average_price", "<f8"), ("open_side", "u1"), ("pad", "V7"),
    ("daily_buy_quantity", "<i8"), ("daily_average_buy_price", "<f8"),
    ("daily_sell_quantity", "<i8"), ("daily_average_sell_price", "<f8"), ("event_id", "<i8"),
])  # open_quantity >= 0 with open_side 1 buy, 2 sell, 0 flat
TICKER_STATE_BODY = np.dtype([("index", "<i4"), ("state", "<i4"), ("ts_ns", "<i8")])
STATE_BODY = np.dtype([("type", "<i4"), ("value", "<i4")])  # passed on to the state callback as it is
DAILY_BODY = np.dtype([
    ("index", "<i4"), ("pad", "V4"), ("ts_ns", "<i8"),
    ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"), ("volume", "<f8"), ("adjust", "<f8"),
    ("max_limit", "<f8"), ("min_limit", "<f8"), ("volume_buyer", "<f8"), ("volume_seller", "<f8"),
    ("quantity", "<i4"), ("trades", "<i4"), ("open_contracts", "<i4"), ("quantity_buyer", "<i4"),
    ("quantity_seller", "<i4"), ("trades_buyer", "<i4"), ("trades_seller", "<i4"), ("pad_2", "V4"),
])  # the order of the daily callback's arguments
FAULT_BODY = np.dtype([("kind", "<i4"), ("count", "<i4"), ("code", "<i4"), ("value", "<i4")])
# fmt: on

# kinds of FAULT: what the library itself is to do wrong, for tests of its clients; the real one needs no telling
FAULT_DETAILS = 1  # the next `count` calls of GetOrderDetails answer `code`
FAULT_ABORT = 2  # the process ends in the next TranslateTrade, or behind the next order callback
FAULT_GROUPS = 3  # the next `count` books: `value` of them share one prepare and flush, 0: there is neither
FAULT_FULL_BOOK = 4  # the next `count` books are told as full ones
FAULT_OFFERS = 5  # offer books come whole again, `value` offers a packet

BODIES: dict[int, np.dtype[Any]] = {
    LOGIN: LOGIN_BODY, SUBSCRIBE: SUBSCRIBE_BODY, HISTORY: HISTORY_BODY,
    SEND_ORDER: SEND_BODY, CHANGE_ORDER: CHANGE_BODY, CANCEL_ORDER: CANCEL_BODY,
    CANCEL_ALL: CANCEL_ALL_BODY, ZERO_POSITION: ZERO_BODY,
    LOGIN_REPLY: LOGIN_REPLY_BODY, ACCOUNT: ACCOUNT_BODY, INSTRUMENT: INSTRUMENT_BODY, LOGIN_DONE: LOGIN_DONE_BODY,
    CLOCK: CLOCK_BODY, TRADE: TRADE_BODY, BOOK: BOOK_BODY, HISTORY_TRADE: TRADE_BODY, HISTORY_END: HISTORY_END_BODY,
    ORDER: ORDER_BODY, POSITION: POSITION_BODY, TICKER_STATE: TICKER_STATE_BODY, STATE: STATE_BODY, FAULT: FAULT_BODY,
    DAILY: DAILY_BODY,
}  # fmt: skip
"""Message type -> body. Every body is a multiple of 4 bytes; none has implicit padding."""


def frame(message: int, **fields: Any) -> bytes:
    """One whole frame. Fields that are not given are zero. Raises KeyError for an unknown message or field."""
    body = np.zeros((), BODIES[message])
    for name, value in fields.items():
        body[name] = value.encode() if isinstance(value, str) else value
    header = np.array((HEADER.itemsize + body.dtype.itemsize, message, WIRE_VERSION), HEADER)
    return header.tobytes() + body.tobytes()


def fitting(message: int, fields: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers held to what their field can say, as a counter that stands at its end."""
    body = BODIES[message]
    return {k: min(v, int(np.iinfo(body[k]).max)) if isinstance(v, int) else v for k, v in fields.items()}
