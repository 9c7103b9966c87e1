"""The bus: one Publisher per stage, one Subscriber per listening stage, over loopback TCP with CURVE keys.

A message is three frames: topic | number u64, epoch u32 (little-endian) | msgpack body. A publisher numbers its
messages per topic from 0 in each incarnation, so a subscriber sees what it missed, and sees a restart by the epoch.

What the network brings never raises here: bytes that are no message, a source that speaks for another, an old
incarnation are dropped and counted. What it must never do: listen beyond the loopback, or accept a peer whose key
does not stand in the run's allow-list. A socket belongs to the thread that made it.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import zmq

from bus.keys import PublisherKeys, SubscriberKeys
from bus.messages import (
    TOPIC_DECISION,
    TOPIC_DENIAL,
    TOPIC_FILL,
    TOPIC_ORDER,
    TOPIC_SIGNAL,
    TOPIC_TRADING,
    TOPIC_WEIGHTS,
    BadMessage,
    Decision,
    Denial,
    Fill,
    Message,
    OrderEvent,
    Signal,
    TradingState,
    WeightsChanged,
    decode,
    encode,
)
from bus.zap import DOMAIN, Doorkeeper

TOPICS: dict[type, bytes] = {
    Signal: TOPIC_SIGNAL, Decision: TOPIC_DECISION, OrderEvent: TOPIC_ORDER, Fill: TOPIC_FILL,
    WeightsChanged: TOPIC_WEIGHTS,
    Denial: TOPIC_DENIAL, TradingState: TOPIC_TRADING,
}  # fmt: skip
LOOPBACK = "tcp://127.0.0.1:"
HIGH_WATER_MARK = 10_000  # messages queued per peer; beyond it a publisher drops, and the gap is counted
MAX_MESSAGE_BYTES = 64 * 1024  # a peer that sends a longer frame is disconnected by libzmq
LOOK_FOR_REFUSED_EVERY = 64  # calls of receive: an unread notice must never fill the queue that libzmq writes it to
_REFUSED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_NUMBERS = struct.Struct("<QI")
_EVENTS, _POLLIN, _NOBLOCK = int(zmq.EVENTS), int(zmq.POLLIN), int(zmq.NOBLOCK)  # enums are slow to calculate with


class PortTaken(OSError):
    """A publisher's port is in use; the message names it and what to do."""


def _nothing() -> None:
    """Nobody wants to know."""


def _check_loopback(endpoint: str) -> None:
    if not endpoint.startswith(LOOPBACK):
        raise ValueError(f"bus endpoint {endpoint!r} is not on the loopback; it must start with {LOOPBACK}")


class Publisher:
    """Sends messages of one stage. Never waits: a slow subscriber loses messages and counts them."""

    def __init__(self, endpoint: str, keys: PublisherKeys, epoch: int = 0) -> None:
        """endpoint: `tcp://127.0.0.1:PORT`, port 0 for any free one; epoch: incarnation of the stage.

        Raises PortTaken when another process holds the port, ValueError for an endpoint beyond the loopback.
        """
        _check_loopback(endpoint)
        self.epoch = epoch
        self._numbers = dict.fromkeys(TOPICS.values(), 0)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        # before the bind: a CURVE server that binds without a doorkeeper lets everybody in
        self._doorkeeper = Doorkeeper(self._context, keys.allowed)
        self._socket = self._context.socket(zmq.PUB)
        self._socket.linger = 0
        self._socket.sndhwm = HIGH_WATER_MARK
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self._socket.curve_server = True
        self._socket.curve_publickey = keys.own.public
        self._socket.curve_secretkey = keys.own.secret
        self._socket.zap_domain = DOMAIN
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            if error.errno not in (zmq.EADDRINUSE, errno.EACCES):
                raise
            port = endpoint.removeprefix(LOOPBACK)
            raise PortTaken(
                f"port {port} of 127.0.0.1 is taken; end the program that holds it, or start again to get another port"
            ) from error

    @property
    def endpoint(self) -> str:
        """Where subscribers connect, with the real port."""
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    @property
    def refused(self) -> int:
        """Connections that were refused for their key so far."""
        return self._doorkeeper.refused

    def publish(self, message: Message) -> int:
        """Send it and return its number within its topic."""
        topic = TOPICS[type(message)]
        number = self._numbers[topic]
        self._numbers[topic] = number + 1
        self._socket.send_multipart((topic, _NUMBERS.pack(number, self.epoch), encode(message)), zmq.NOBLOCK)
        return number

    def close(self) -> None:
        """Drop what is unsent and free the port. Harmless when called twice."""
        if self._context.closed:
            return
        self._socket.close(0)
        self._context.term()
        self._doorkeeper.close()


@dataclass
class SourceCount:
    """What a subscriber knows of one source: whole counts since it began to listen."""

    received: int = 0
    lost: int = 0  # numbers that never came, restarts included
    restarts: int = 0  # higher epochs seen
    stale: int = 0  # dropped: repeated numbers, or of an older incarnation
    bad: int = 0  # dropped: not a message, or not this source's
    _next: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # topic -> (epoch, next number)

    def expected(self, topic: bytes) -> tuple[int, int]:
        """(epoch, number) below which a message is stale; before the first nothing is."""
        return self._next.get(topic, (0, 0))

    def take(self, topic: bytes, epoch: int, number: int) -> bool:
        """Account for one message; False when it must be dropped as stale."""
        seen_epoch, expected = self._next.get(topic, (epoch, number))  # the first heard is where counting starts
        if epoch < seen_epoch or (epoch == seen_epoch and number < expected):
            self.stale += 1
            return False
        if epoch > seen_epoch:
            self.restarts += 1
            expected = 0
        self.lost += number - expected
        self.received += 1
        self._next[topic] = (epoch, number + 1)
        return True


class Heard(NamedTuple):
    """A message as it came: three whole frames of a topic that was asked for, its body not looked at."""

    source: str
    topic: bytes
    number: int
    epoch: int
    body: bytes


class Subscriber:
    """Hears the chosen topics of several sources. One socket per source: its key proves who speaks."""

    def __init__(self, endpoints: Mapping[str, str], topics: Sequence[bytes], keys: SubscriberKeys) -> None:
        """endpoints: source -> `tcp://127.0.0.1:PORT`; the source need not be up yet.

        Raises ValueError for an endpoint beyond the loopback, KeyError for a source without a key.
        """
        self.counts = {source: SourceCount() for source in endpoints}
        self.received: Callable[[], None] = _nothing  # called when a message has come, before it is looked at
        self._topics = frozenset(topics)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sources: dict[zmq.Socket[bytes], str] = {}
        self._monitors: list[zmq.Socket[bytes]] = []
        self._refused = 0
        self._calls = 0
        self._poller = zmq.Poller()
        for source, endpoint in endpoints.items():
            _check_loopback(endpoint)
            socket = self._context.socket(zmq.SUB)
            self._sources[socket] = source
            socket.linger = 0
            socket.rcvhwm = HIGH_WATER_MARK
            socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
            socket.curve_publickey = keys.own.public
            socket.curve_secretkey = keys.own.secret
            socket.curve_serverkey = keys.servers[source]
            for topic in topics:
                socket.subscribe(topic)
            self._monitors.append(socket.get_monitor_socket(_REFUSED))
            socket.connect(endpoint)
            self._poller.register(socket, zmq.POLLIN)

    @property
    def sockets(self) -> tuple[zmq.Socket[bytes], ...]:
        """For the one poller of a stage that waits for more than the bus."""
        return tuple(self._sources)

    @property
    def refused(self) -> int:
        """Connections that failed so far because who answers does not hold the source's key."""
        for monitor in self._monitors:
            while monitor.poll(0):
                monitor.recv_multipart()
                self._refused += 1
        return self._refused

    def poll(self, timeout_ms: int) -> bool:
        """Wait for a message from any source; True when there is one."""
        return bool(self._poller.poll(timeout_ms))

    def receive(self, limit: int = 1024) -> Iterator[tuple[str, Message]]:
        """The waiting messages as (source, message), oldest first within a source. Never waits.

        limit: of messages per source, so that one that floods cannot silence the others.
        """
        for heard in self.collect(limit):
            message = self.accept(heard)
            if message is not None:
                yield heard.source, message

    def collect(self, limit: int = 1024) -> list[Heard]:
        """The first half of `receive`: what waits, for `accept` to look at."""
        self._calls += 1
        if self._calls % LOOK_FOR_REFUSED_EVERY == 0:
            _ = self.refused
        found: list[Heard] = []
        for socket, _ in self._poller.poll(0):  # one question for all is cheaper than one for each
            source = self._sources[socket]
            for _ in range(limit):
                try:
                    frames = socket.recv_multipart(_NOBLOCK)
                except zmq.Again:
                    break
                self.received()
                if len(frames) == 3 and len(frames[1]) == _NUMBERS.size and frames[0] in self._topics:
                    number, epoch = _NUMBERS.unpack(frames[1])
                    found.append(Heard(source, frames[0], number, epoch, frames[2]))
                else:
                    self.counts[source].bad += 1
                if not socket.getsockopt(_EVENTS) & _POLLIN:  # cheaper than being refused
                    break
        return found

    def accept(self, heard: Heard) -> Message | None:
        """Its message; None for one that is dropped, and counted, because it is none, another's, or stale."""
        counts = self.counts[heard.source]
        try:
            message = decode(heard.body)
        except BadMessage:
            counts.bad += 1
            return None
        speaks_for_another = isinstance(message, Signal) and (message.source, message.epoch) != (
            heard.source,
            heard.epoch,
        )
        if TOPICS[type(message)] != heard.topic or speaks_for_another:
            counts.bad += 1
            return None
        return message if counts.take(heard.topic, heard.epoch, heard.number) else None

    def are_fresh(self, waiting: Sequence[Heard]) -> bool:
        """Whether none of them, in this order, will be dropped as stale."""
        newest: dict[tuple[str, bytes], tuple[int, int]] = {}
        for source, topic, number, epoch, _ in waiting:
            expected = newest.get((source, topic)) or self.counts[source].expected(topic)
            if (epoch, number) < expected:
                return False
            newest[source, topic] = epoch, number + 1
        return True

    def close(self) -> None:
        """Drop what is unread. Harmless when called twice."""
        for socket in self._sources:
            if not socket.closed:
                socket.disable_monitor()
            socket.close(0)
        for monitor in self._monitors:
            monitor.close(0)
        self._context.term()
