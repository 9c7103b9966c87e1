"""Every number of ProfitDLL's interface that this project reads or writes, under its name.

The numbers stand here once. Nothing in this file decides anything; `explain` turns a code into a sentence that says
what is wrong and what mends it.
"""

from __future__ import annotations

from enum import IntEnum


class OrderType(IntEnum):
    MARKET = 1
    LIMIT = 2
    STOP_LIMIT = 4


class Side(IntEnum):
    """Of an order or a position; a flat position has 0."""

    BUY = 1
    SELL = 2


class BookSide(IntEnum):
    BUY = 0
    SELL = 1
    BOTH = 254
    NONE = 255


class DepthUpdate(IntEnum):
    """What a price depth notice says. PREPARE: several notices follow; FLUSH: all are sent."""

    ADD = 0
    EDIT = 1
    DELETE = 2
    INSERT = 3
    FULL_BOOK = 4
    PREPARE = 5
    FLUSH = 6
    THEORETICAL_PRICE = 7
    DELETE_FROM = 8


class OrderStatus(IntEnum):
    NEW = 0
    PARTIALLY_FILLED = 1
    FILLED = 2
    DONE_FOR_DAY = 3
    CANCELED = 4
    REPLACED = 5
    PENDING_CANCEL = 6
    STOPPED = 7
    REJECTED = 8
    SUSPENDED = 9
    PENDING_NEW = 10
    CALCULATED = 11
    EXPIRED = 12
    ACCEPTED_FOR_BIDDING = 13
    PENDING_REPLACE = 14
    PARTIALLY_FILLED_CANCELED = 15
    RECEIVED = 16
    PARTIALLY_FILLED_EXPIRED = 17
    PARTIALLY_FILLED_REJECTED = 18
    UNKNOWN = 200
    HADES_CREATED = 201
    BROKER_SENT = 202
    CLIENT_CREATED = 203
    ORDER_NOT_CREATED = 204
    CANCELED_BY_ADMIN = 205
    DELAY_FIX_GATEWAY = 206
    SCHEDULED = 207


class Validity(IntEnum):
    DAY = 0
    GOOD_TILL_CANCEL = 1
    AT_THE_OPENING = 2
    IMMEDIATE_OR_CANCEL = 3
    FILL_OR_KILL = 4
    GOOD_TILL_CROSSING = 5
    GOOD_TILL_DATE = 6
    AT_THE_CLOSE = 7
    UNKNOWN = 200
    GOOD_FOR_AUCTION = 201


class TradeType(IntEnum):
    """Only BUY_AGGRESSOR and SELL_AGGRESSOR carry an aggressor. Newer versions send numbers that are not listed."""

    CROSS = 1
    BUY_AGGRESSOR = 2
    SELL_AGGRESSOR = 3
    AUCTION = 4
    SURVEILLANCE = 5
    EXPIT = 6
    OPTIONS_EXERCISE = 7
    OVER_THE_COUNTER = 8
    DERIVATIVE_TERM = 9
    INDEX = 10
    BTC = 11
    ON_BEHALF = 12
    RLP = 13
    UNKNOWN = 32


class TickerState(IntEnum):
    OPENED = 0
    FROZEN = 2
    INHIBITED = 3
    AUCTION = 4
    CLOSED = 6
    PRE_CLOSING = 10
    PRE_OPENING = 13


class PositionType(IntEnum):
    DAY_TRADE = 1
    CONSOLIDATED = 2


TRADE_EDIT = 1  # flag of a trade callback: replaces the trade of the same date and number
TRADE_LAST_PACKET = 2  # flag of a history trade callback: the request is answered
PRICE_GROUP_THEORETICAL = 1  # flag of a price group: an auction's theoretical price, not a level
AT_MARKET = -1.0  # price of a market order, and stop price of an order that is no stop


class StateType(IntEnum):
    """First argument of the state callback."""

    LOGIN = 0
    ROUTING = 1
    MARKET_DATA = 2
    ACTIVATION = 3


LOGIN_CONNECTED = 0
ROUTING_CONNECTED = frozenset({2, 5})  # 5: the broker's connection too
ROUTING_BROKER_CONNECTED = 5
MARKET_CONNECTED = frozenset({4, 5, 6})  # 5 and 6 are complaints about slow callbacks, not a lost connection
MARKET_SLOW = frozenset({5, 6})
ACTIVATION_VALID = 0

LOGIN_NO_REASON = 200  # also what a second session of one key is told
LOGIN_ERRORS = {
    1: "the login is invalid: check the user name and the activation key",
    2: "the password is wrong: set the right one, and mind that repeated failures block the user",
    3: "the user is blocked: have the broker or Nelogica unblock it",
    4: "the password has expired: set a new one in the broker's own terminal",
    LOGIN_NO_REASON: "the server gave no reason: try again, then ask Nelogica's support",
}

MARKET_STATES = {
    0: "disconnected",
    1: "connecting",
    2: "waiting for the server",
    3: "not logged in",
    4: "connected",
    5: "connected, but the callbacks are slow",
    6: "connected, but local delivery is stalled by a callback",
}

_FIRST_ERROR = -(2**31) + 1
_ERRORS = (
    (
        "NL_INTERNAL_ERROR",
        "the library failed, or a request was made from inside a callback: move it to another thread",
    ),
    ("NL_NOT_INITIALIZED", "the library is not initialised: open a session first"),
    ("NL_INVALID_ARGS", "an argument is invalid: look at the ticker, the dates, the side and the quantity"),
    ("NL_WAITING_SERVER", "the server has not answered yet: wait for the connected state and repeat"),
    ("NL_NO_LOGIN", "there is no login: open a session first"),
    ("NL_NO_LICENSE", "the activation key has no licence: ask Nelogica to enable it"),
    ("NL_PASSWORD_HASH_SHA1", "the password must not be given as a SHA-1 hash: give the password itself"),
    ("NL_PASSWORD_HASH_MD5", "the password must not be given as an MD5 hash: give the password itself"),
    ("NL_OUT_OF_RANGE", "beyond what there is: ask for less (history of WIN and WDO reaches ten days a request)"),
    ("NL_MARKET_ONLY", "this session has market data only: log in with routing to use orders, accounts and positions"),
    ("NL_NO_POSITION", "there is no open position: nothing to close"),
    ("NL_NOT_FOUND", "not found: check account, broker and order id; an order may need a moment to become known"),
    ("NL_VERSION_NOT_SUPPORTED", "the library does not know this version of a struct: install the version documented"),
    ("NL_OCO_NO_RULES", "the OCO order has no rules"),
    ("NL_EXCHANGE_UNKNOWN", "the exchange is unknown: F is BM&F futures, B is Bovespa"),
    ("NL_NO_OCO_DEFINED", "no OCO order is defined"),
    ("NL_INVALID_SERIE", "the series is invalid: check ticker and interval"),
    ("NL_LICENSE_NOT_ALLOWED", "the licence does not include this: ask Nelogica to enable it"),
    ("NL_NOT_HARD_LOGOUT", "the session is still being closed: start again in a new process"),
    ("NL_SERIE_NO_HISTORY", "the series has no history"),
    ("NL_ASSET_NO_DATA", "there are no such data for this asset"),
    ("NL_SERIE_NO_DATA", "the series has no data"),
    ("NL_HAS_STRATEGY_RUNNING", "a strategy is running: stop it first"),
    ("NL_SERIE_NO_MORE_HISTORY", "the series has no older history"),
    ("NL_SERIE_MAX_COUNT", "too many series: release some first"),
    ("NL_DUPLICATE_RESOURCE", "it exists already; for a login: one session for each activation key"),
    ("NL_UNSIGNED_CONTRACT", "a contract is not signed: sign it in the broker's own terminal"),
    ("NL_NO_PASSWORD", "the password is missing"),
    ("NL_NO_USER", "the user is missing"),
    ("NL_FILE_ALREADY_EXISTS", "the file exists already"),
    ("NL_INVALID_TICKER", "the ticker is unknown: check spelling, exchange and expiry"),
    ("NL_NOT_MASTER_ACCOUNT", "this is not a master account"),
)

NL_OK = 0
NL_NAMES: dict[int, str] = {NL_OK: "NL_OK"} | {_FIRST_ERROR + n: name for n, (name, _) in enumerate(_ERRORS)}
NL_CODES: dict[str, int] = {name: code for code, name in NL_NAMES.items()}
_MEANINGS = {_FIRST_ERROR + n: meaning for n, (_, meaning) in enumerate(_ERRORS)}


def name_of(code: int) -> str:
    """NL code -> its name; a code that is not known gives its number in hexadecimal."""
    return NL_NAMES.get(code, f"0x{code & 0xFFFFFFFF:08X}")


def explain(code: int) -> str:
    """NL code -> what is wrong, and what mends it."""
    return _MEANINGS.get(code, "the meaning of this code is not documented: see the vendor's manual")
