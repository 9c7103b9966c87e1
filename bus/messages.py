"""What the stages say to each other over ZeroMQ: frozen, versioned, packed as msgpack arrays of a fixed field order.

A message is a msgpack array whose first element is its tag. Fields are only ever appended. `version` is the sender's:
a receiver refuses a higher one than it knows. The codec is msgspec; its bytes are plain msgpack.
"""

from __future__ import annotations

import msgspec

MESSAGE_VERSION = 1

TOPIC_SIGNAL = b"signal"
TOPIC_DECISION = b"decision"
TOPIC_ORDER = b"order"
TOPIC_FILL = b"fill"
TOPIC_WEIGHTS = b"weights"
TOPIC_DENIAL = b"denial"
TOPIC_TRADING = b"trading"


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What every message shares: immutable, an array on the wire, told apart by its tag."""


class Signal(_Message, frozen=True, tag="signal"):
    """The opinion of one source about one instrument, or that it has none.

    A source that is cold, stale or lapped sends `abstains` with the reason, never a made-up neutral.
    """

    version: int
    source: str  # order_flow, liquidity, tape_reading, footprint, ml
    sequence: int  # of this publisher, from 0 in each incarnation
    epoch: int  # incarnation of the publisher
    symbol: int  # index into the run's instruments
    ingest_seq: int  # the event it is based on
    ts_ns: int  # market time of that event
    recv_ns: int  # monotonic time at which the DLL delivered that event
    features_publish_ns: int  # monotonic time at which its vector was published
    publish_ns: int  # monotonic time of this message
    direction: float  # -1 sell ... +1 buy
    confidence: float  # 0 ... 1
    horizon_ms: int
    valid_until_ns: int  # market time
    patterns: tuple[str, ...] = ()
    abstains: str = ""  # reason; empty: it votes


class Decision(_Message, frozen=True, tag="decision"):
    """What consensus made of the latest valid signals."""

    version: int
    sequence: int
    symbol: int
    ingest_seq: int  # newest event that a counted vote is based on
    ts_ns: int
    recv_ns: int  # of that event
    decided_ns: int  # monotonic
    action: str  # BUY, SELL, HOLD
    total: float  # sum of votes, -1 ... 1
    confidence: float
    quantity: int
    votes: tuple[tuple[str, float, float, float], ...]  # source, weight, direction, confidence
    abstained: tuple[tuple[str, str], ...]  # source, reason
    reason: str
    threshold: float = 0.0  # what abs(total) was held against
    regime: str = ""  # of volatility: calm, normal, wild
    rule: str = ""  # the strategy that gave the action; empty for a HOLD
    size: float = 1.0  # share of the full size that the strategy allows
    data_age_ns: int = -1  # decided_ns - recv_ns; -1: it rests on no event, or nobody knows when that was delivered


class WeightsChanged(_Message, frozen=True, tag="weights"):
    """A round of votes was marked to the market: what each vote brought, and the learned weights before and after."""

    version: int
    sequence: int
    symbol: int
    ts_ns: int  # market time at which the round was settled
    regime: str  # of volatility when the round began: the weights of this regime changed
    applied: bool  # whether decisions use the learned weights, or those of the configuration
    changes: tuple[tuple[str, float, float, float, float], ...]  # source, vote, net ticks, weight before, after
    reason: str


class OrderEvent(_Message, frozen=True, tag="order"):
    """An order of ours changed."""

    version: int
    sequence: int
    order: int  # our number
    symbol: int
    role: str  # entry, stop, target, exit, flatten
    side: int  # 1 buy, 2 sell
    status: str
    quantity: int
    traded_quantity: int
    leaves_quantity: int
    price: float
    average_price: float
    ts_ns: int
    reason: str = ""


class Fill(_Message, frozen=True, tag="fill"):
    """Part of an order of ours was executed."""

    version: int
    sequence: int
    order: int
    symbol: int
    side: int
    quantity: int
    price: float
    ts_ns: int
    position: int  # signed, after it
    realised_profit: float  # money, of the run so far, fees included


class Denial(_Message, frozen=True, tag="denial"):
    """The risk gate refused an order."""

    version: int
    sequence: int
    symbol: int
    role: str
    side: int
    quantity: int
    ts_ns: int  # market time
    reasons: tuple[tuple[str, str], ...]  # name of the check, sentence


class TradingState(_Message, frozen=True, tag="trading"):
    """A person or a limit moved the state of trading."""

    version: int
    sequence: int
    state: str  # active, reducing, halted
    reason: str
    ts_ns: int  # market time


Message = Signal | Decision | OrderEvent | Fill | WeightsChanged | Denial | TradingState

LARGEST = 1 << 62  # of a whole number in a signal: sums of two of them stay within int64
_WHOLE = tuple(field.name for field in msgspec.structs.fields(Signal) if field.type is int)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class BadMessage(ValueError):
    """Bytes from the bus that are not a message of this version."""


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode(body: bytes) -> Message:
    """Raises BadMessage, naming what is wrong, for anything but a message of a known version."""
    try:
        message: Message = _decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BadMessage(f"not a bus message: {error}") from error
    if message.version > MESSAGE_VERSION:
        kind = type(message).__name__
        raise BadMessage(f"{kind} of version {message.version}; this build knows {MESSAGE_VERSION}: update it")
    if isinstance(message, Signal):
        _check(message)
    return message


def _check(signal: Signal) -> None:
    """Raises BadMessage for an opinion out of its range (so is a NaN) and for times and numbers that no clock reaches."""
    if not (-1.0 <= signal.direction <= 1.0 and 0.0 <= signal.confidence <= 1.0):
        raise BadMessage(f"direction {signal.direction}, confidence {signal.confidence}")
    for name in _WHOLE:
        if not -1 <= getattr(signal, name) < LARGEST:
            raise BadMessage(f"{name} {getattr(signal, name)}")
