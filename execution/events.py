"""Everything that goes into the order machine and comes out of it: frozen records, also the journal's content.

Each input carries the time at which it was seen (`monotonic_ns`, `market_ns`), so that the machine needs no clock
and a run can be recomputed from its journal. Prices are float64 points as the DLL takes them; a price that is not
known is NaN. Sides are the DLL's: 1 buy, 2 sell. No record holds a secret.
"""

from __future__ import annotations

import msgspec

from bus.messages import Message, Signal
from consensus.learner import LearnedState
from profitdll.constants import AT_MARKET, OrderType, Side

BUY = int(Side.BUY)
SELL = int(Side.SELL)
MARKET = int(OrderType.MARKET)
LIMIT = int(OrderType.LIMIT)
STOP_LIMIT = int(OrderType.STOP_LIMIT)
NO_PRICE = AT_MARKET  # what the DLL takes where an order type has no such price

ENTRY = "entry"
STOP = "stop"
EXIT = "exit"
TARGET = "target"
PROTECTIVE = frozenset({STOP, EXIT, TARGET})

HALT, RESUME, FLATTEN, STOP_WORD = "halt", "resume", "flatten", "stop"
REDUCE, KILL = "reduce", "kill"
ADOPT, IGNORE, CANCEL_FOREIGN = "orders-adopt", "orders-ignore", "orders-cancel"
WORDS = {
    HALT: "no entries and no exits by decision until `resume`, also after a restart; stops and targets stay",
    REDUCE: "no entries until `resume`, also after a restart; what is held may be left",
    RESUME: "entries are allowed again, unless a limit is still passed",
    FLATTEN: "no entries until `resume`, leave every position",
    KILL: "the kill switch: cancel every order of ours, leave every position, no entries until `resume`",
    ADOPT: "take the broker's positions and open orders as ours, under a stop",
    IGNORE: "leave the open orders that are not ours alone, and trade beside them",
    CANCEL_FOREIGN: "cancel the open orders that are not ours",
    STOP_WORD: "no entries, cancel those that work; positions and their stops stay",
}
"""What a person can say; the last is the stage's own at its end."""


class _Record(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What all share: an array on the wire, told apart by its tag (the class name)."""


# --- inputs


class Started(_Record, frozen=True):
    """An incarnation of the machine begins."""

    monotonic_ns: int
    market_ns: int
    epoch: int
    mode: str
    run: str = ""  # name of its folder: the journal of an account goes on from run to run


class SignalSeen(_Record, frozen=True):
    monotonic_ns: int
    market_ns: int
    signal: Signal
    more: bool = False  # others about the same contract came with it and follow: no decision before the last


class MarketSeen(_Record, frozen=True):
    """The newest of the market of one symbol. `recv_ns`: monotonic, of the newest event behind it."""

    monotonic_ns: int
    market_ns: int
    symbol: int
    ingest_seq: int
    ts_ns: int
    recv_ns: int
    last: float
    bid: float
    ask: float


class Tick(_Record, frozen=True):
    """Time went by."""

    monotonic_ns: int
    market_ns: int


class UpstreamSeen(_Record, frozen=True):
    """The health of what we rest on changed: the stages before us, the order session, the journal. Empty: all well."""

    monotonic_ns: int
    market_ns: int
    problem: str  # of all together
    session: str = ""  # the order session's part: when it goes away, the broker must be asked again


class InstrumentSeen(_Record, frozen=True):
    """What others know of one contract: whether its features are whole, and the touch of the ordered contract itself.

    The touch is NaN and its time 0 when it is not known, and where data come under the name that orders go by.
    """

    monotonic_ns: int
    market_ns: int
    symbol: int
    unready: str  # why the features are not to be traded on, empty: they are
    reference_bid: float  # points
    reference_ask: float
    reference_ns: int  # monotonic, when ingest asked for it


class Operator(_Record, frozen=True):
    """A person's word: see WORDS."""

    monotonic_ns: int
    market_ns: int
    word: str


class SendResult(_Record, frozen=True):
    """What the DLL's send function returned for an order: an id > 0, or an error code < 0."""

    monotonic_ns: int
    market_ns: int
    order: int
    local_id: int
    entered_ns: int  # monotonic, just before the call
    problem: str = ""  # name of the error


class OrderReport(_Record, frozen=True):
    """The details of one order as the broker has them. Times are market time, 0 unknown."""

    monotonic_ns: int
    market_ns: int
    local_id: int  # this session's, 0 if it is not known
    cl_order_id: str  # permanent, may come late
    ticker: str
    side: int
    order_type: int
    status: int
    quantity: int
    traded_quantity: int
    leaves_quantity: int
    price: float
    stop_price: float
    average_price: float
    created_ns: int
    event_id: int  # rises with each change of the order; 0 unknown
    text: str = ""


class BrokerPosition(_Record, frozen=True):
    ticker: str
    quantity: int  # signed
    average_price: float


class BrokerView(_Record, frozen=True):
    """The broker's side, asked for as a whole. With a `problem` nothing in it counts: a failed query is not flat."""

    monotonic_ns: int
    market_ns: int
    problem: str
    orders: tuple[OrderReport, ...] = ()
    positions: tuple[BrokerPosition, ...] = ()
    asked_ns: int = 0  # monotonic, just before the broker was asked; 0: when the view came
    newest_order: int = -1  # of ours that was commanded before the broker was asked: of later ones it says nothing


class SessionBegan(_Record, frozen=True):
    """The gateway came back with another order session; the ids of the former mean nothing in it."""

    monotonic_ns: int
    market_ns: int
    gateway: int  # its incarnation


# --- outputs


class SendOrder(_Record, frozen=True):
    """Intent: journaled before the DLL is called."""

    monotonic_ns: int
    market_ns: int
    order: int
    bracket: int
    role: str
    symbol: int
    ticker: str
    side: int
    order_type: int
    quantity: int
    price: float
    stop_price: float
    decided_ns: int = 0  # of the decision behind it, 0 none
    base_recv_ns: int = 0  # monotonic receive time of the event behind that decision, 0 none


class CancelOrder(_Record, frozen=True):
    """Intent: journaled before the DLL is called."""

    monotonic_ns: int
    market_ns: int
    order: int
    reason: str


class CancelForeign(_Record, frozen=True):
    """A person wants an order cancelled that is not ours: journaled before the DLL is called."""

    monotonic_ns: int
    market_ns: int
    cl_order_id: str


class OrderIgnored(_Record, frozen=True):
    """A person said that this order, which is not ours, is none of our business."""

    market_ns: int
    cl_order_id: str


class Matched(_Record, frozen=True):
    """Recovery found that this order of the broker's is that one of ours."""

    order: int
    report: OrderReport


class OrderClosed(_Record, frozen=True):
    """We conclude that an order is over without the broker saying so: never sent, or of an earlier day."""

    order: int
    state: str
    reason: str


class BracketChanged(_Record, frozen=True):
    """A bracket took another phase, or was made for a position that came without an entry of ours."""

    market_ns: int
    bracket: int
    symbol: int
    side: int
    phase: str
    reason: str
    adopted_quantity: int = 0
    adopted_price: float = 0.0


class Adopted(_Record, frozen=True):
    """A person accepted the broker's position: the difference is booked at the broker's average price."""

    market_ns: int
    symbol: int
    quantity: int  # signed difference
    price: float


class Learned(_Record, frozen=True):
    """All that consensus has learned about the sources in one contract; the newest one counts."""

    state: LearnedState


class TradingChanged(_Record, frozen=True):
    """A limit moved the state of trading (`risk.states.Trading`); a person's words do it by themselves."""

    market_ns: int
    state: str
    reason: str
    ahead: bool = False  # an entry that went ahead of the machine did it: none does any more in this run


class Unprotected(_Record, frozen=True):
    """Contracts were held without a confirmed stop: for so long until they had one, or (`over`) at the bound."""

    bracket: int
    duration_ns: int  # monotonic
    over: bool


class Omitted(_Record, frozen=True):
    """From here to the end of the incarnation inputs may be missing: the journal could not take all of them."""

    reason: str


class OrderAdopted(_Record, frozen=True):
    """A person said that this open order, which was not ours, is: `report` as it stood then. What had traded by then is
    not a fill of ours; it is part of the position."""

    monotonic_ns: int
    market_ns: int
    order: int  # our number for it from now on
    bracket: int
    role: str
    symbol: int
    report: OrderReport


class Denied(_Record, frozen=True):
    """The gate refused an order; `reasons` are names of checks."""

    symbol: int
    role: str
    reasons: tuple[str, ...]


class Publish(_Record, frozen=True):
    message: Message


class AskBroker(_Record, frozen=True):
    """The machine wants a BrokerView."""

    reason: str


class Note(_Record, frozen=True):
    """For the log. `level`: info, warning, error."""

    level: str
    text: str


Input = (
    Started | SignalSeen | MarketSeen | InstrumentSeen | Tick | UpstreamSeen | Operator | SendResult | OrderReport
    | BrokerView | SessionBegan
)  # fmt: skip
Output = (
    SendOrder | CancelOrder | CancelForeign | OrderIgnored | Matched | OrderClosed | BracketChanged | Adopted
    | TradingChanged | Learned | Unprotected | Denied | Publish | AskBroker | Note | Omitted
    | OrderAdopted
)  # fmt: skip
LedgerRecord = (
    Started | SendResult | OrderReport | SendOrder | CancelOrder | Matched | OrderClosed | BracketChanged | Adopted
    | TradingChanged | Operator | Learned | OrderIgnored | Omitted | OrderAdopted | SessionBegan
)  # fmt: skip
"""What changes orders, positions, brackets, whether entries are allowed and what was learned: what recovery reads."""
LEDGER_TYPES: frozenset[type] = frozenset(LedgerRecord.__args__)
