"""What reaches execution over the bus and is not a source's own word: no decision, no order, and it is counted.

The real stage over the real bus. Each source's place is its port, so a forger is whoever holds that port. The same words
from the right publishers make it enter, so the silence of the other tests means something.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from bus import keys
from bus.messages import TOPIC_DECISION, TOPIC_FILL, TOPIC_SIGNAL, Decision, Fill, Signal, encode
from bus.sockets import LOOPBACK, Publisher, Subscriber
from consensus.weights import SOURCES
from execution.events import SendOrder, SignalSeen
from tests.execution.rig import MS, Rig

ANY_PORT = LOOPBACK + "0"
TURNS = 2_000  # of 5 ms: the patience of each wait
LASTS_NS = 1 << 60  # a market time that never comes: these votes do not run out


class World:
    """One stage that listens to five ports; who speaks there is the test's choice."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client = keys.new_pair()
        self.pairs = {source: keys.new_pair() for source in SOURCES}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._publishers: list[Publisher] = []
        self._endpoints: dict[str, str] = {}
        self.forgers: dict[str, zmq.Socket[bytes]] = {}
        self._folder = folder
        self._patch = monkeypatch
        self._numbers = 0

    def forger(self, source: str, pair: keys.KeyPair | None) -> None:
        """A raw publisher at the place of a source, with that key or with none."""
        socket = self._context.socket(zmq.PUB)
        socket.linger = 0
        if pair is not None:
            socket.curve_server = True
            socket.curve_publickey, socket.curve_secretkey = pair.public, pair.secret
        socket.bind(ANY_PORT)
        self._endpoints[source] = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.forgers[source] = socket

    def start(self) -> None:
        servers = {source: pair.public for source, pair in self.pairs.items()}
        for source in SOURCES:
            if source not in self._endpoints:
                own = keys.PublisherKeys(self.pairs[source], frozenset({self.client.public}))
                publisher = Publisher(ANY_PORT, own)
                self._publishers.append(publisher)
                self._endpoints[source] = publisher.endpoint
        self.subscriber = Subscriber(self._endpoints, (TOPIC_SIGNAL,), keys.SubscriberKeys(self.client, servers))
        subscriber = self.subscriber
        self._patch.setattr("tests.execution.rig.HandContext.subscriber", lambda context, topics, sources: subscriber)
        self.rig = Rig(self._folder).start()
        self.rig.show(100.0, 100.5)
        self.rig.run(60)

    def signal(self, source: str, **changes: Any) -> Signal:
        self._numbers += 1
        signal = Signal(
            1, source, self._numbers, 0, 0, self.rig.ingest_seq, self.rig.clock.market_ns(),
            self.rig.clock.monotonic_ns(), 0, self.rig.clock.monotonic_ns(), 1.0, 1.0, 1000,
            self.rig.clock.market_ns() + LASTS_NS,
        )  # fmt: skip
        return msgspec.structs.replace(signal, **changes)

    def frames(self, signal: Signal, number: int | None = None, epoch: int = 0) -> list[bytes]:
        return [TOPIC_SIGNAL, struct.pack("<QI", signal.sequence if number is None else number, epoch), encode(signal)]

    def until(self, speak: Callable[[], object], enough: Callable[[], bool], what: str) -> None:
        """Speak and let the stage work until `enough`: a subscription takes a moment to reach its publisher."""
        for _ in range(TURNS):
            speak()
            self.subscriber.poll(5)
            self.rig.clock.advance(5 * MS)
            self.rig._ingest()
            self.rig.broker.step()
            self.rig.work()
            if enough():
                return
        raise AssertionError(f"patience ran out: {what}")

    @property
    def heard(self) -> list[Signal]:
        return [record.signal for record in self.rig.journal() if isinstance(record, SignalSeen)]

    @property
    def orders(self) -> int:
        return len(self.rig.broker.sent) + sum(isinstance(record, SendOrder) for record in self.rig.journal())

    def count(self, source: str) -> Any:
        return self.subscriber.counts[source]

    def assert_nothing_happened(self) -> None:
        assert self.heard == []
        assert self.orders == 0
        assert all(decision.action == "HOLD" and not decision.votes for decision in self.rig.decisions())

    def close(self) -> None:
        if hasattr(self, "rig"):
            self.rig.stage.on_close()
            self.subscriber.close()
        for publisher in self._publishers:
            publisher.close()
        self._context.destroy(linger=0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    yield made
    made.close()


def test_the_same_words_of_the_sources_themselves_make_it_enter(world: World) -> None:
    for source in SOURCES:
        world.forger(source, world.pairs[source])
    world.start()

    def speak() -> None:
        for source, socket in world.forgers.items():
            socket.send_multipart(world.frames(world.signal(source)))

    world.until(speak, lambda: world.rig.broker.position > 0, "an entry")
    assert any(decision.action == "BUY" for decision in world.rig.decisions())
    assert world.rig.counter("signals_bad") == world.rig.counter("signals_refused") == 0


@pytest.mark.parametrize("keyed", [False, True])
def test_a_publisher_without_the_right_key_is_not_heard(world: World, keyed: bool) -> None:
    for source in SOURCES:
        world.forger(source, keys.new_pair() if keyed else None)
    world.start()

    def speak() -> None:
        for source, socket in world.forgers.items():
            socket.send_multipart(world.frames(world.signal(source)))

    # once each: whether ZeroMQ tries again depends on which side notices first that the other speaks without a key
    world.until(speak, lambda: world.rig.counter("signals_refused") >= len(SOURCES), "refused connections")
    world.assert_nothing_happened()
    assert world.rig.counter("signals_bad") == 0, "not a byte of it was read"


FORGERIES: dict[str, Callable[[World], list[bytes]]] = {
    "another source": lambda w: w.frames(w.signal("ml")),
    "an unknown source": lambda w: w.frames(w.signal("nobody")),
    "another incarnation in the frame": lambda w: w.frames(w.signal("footprint"), epoch=7),
    "another incarnation in the body": lambda w: w.frames(w.signal("footprint", epoch=7)),
    "a version to come": lambda w: w.frames(w.signal("footprint", version=2)),
    "NaN direction": lambda w: w.frames(w.signal("footprint", direction=float("nan"))),
    "endless direction": lambda w: w.frames(w.signal("footprint", direction=float("inf"))),
    "direction beyond one": lambda w: w.frames(w.signal("footprint", direction=-1.01)),
    "NaN confidence": lambda w: w.frames(w.signal("footprint", confidence=float("nan"))),
    "endless confidence": lambda w: w.frames(w.signal("footprint", confidence=float("inf"))),
    "confidence below zero": lambda w: w.frames(w.signal("footprint", confidence=-0.5)),
    "a time beyond int64": lambda w: w.frames(w.signal("footprint", publish_ns=2**63)),
    "a time before all time": lambda w: w.frames(w.signal("footprint", publish_ns=-(2**63))),
    "a symbol below zero": lambda w: w.frames(w.signal("footprint", symbol=-2)),
    "a wrong type": lambda w: [TOPIC_SIGNAL, bytes(12), msgspec.msgpack.encode(["signal", "one"] + [0] * 12)],
    "a decision as a signal": lambda w: [TOPIC_SIGNAL, bytes(12), encode(decision())],
    "garbage": lambda w: [TOPIC_SIGNAL, bytes(12), b"\xff\x00garbage"],
    "nothing": lambda w: [TOPIC_SIGNAL, bytes(12), b""],
    "a map instead": lambda w: [TOPIC_SIGNAL, bytes(12), msgspec.msgpack.encode({"direction": 1.0})],
    "a bomb of brackets": lambda w: [TOPIC_SIGNAL, bytes(12), b"\x91" * 20_000],
    "no number": lambda w: [TOPIC_SIGNAL, b"", encode(w.signal("footprint"))],
    "two frames": lambda w: [TOPIC_SIGNAL, encode(w.signal("footprint"))],
    "four frames": lambda w: [*w.frames(w.signal("footprint")), b"more"],
    "a topic that begins alike": lambda w: [b"signals", *w.frames(w.signal("footprint"))[1:]],
}


def decision() -> Decision:
    return Decision(1, 0, 0, 1, 1, 1, 1, "BUY", 1.0, 1.0, 9, (), (), "")


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_message_with_the_right_key_changes_nothing(world: World, name: str) -> None:
    world.forger("footprint", world.pairs["footprint"])
    world.start()
    speak = FORGERIES[name]
    world.until(
        lambda: world.forgers["footprint"].send_multipart(speak(world)),
        lambda: world.count("footprint").bad >= 3,
        "bad messages",
    )
    world.assert_nothing_happened()
    assert world.rig.counter("signals_bad") >= 3


def test_a_message_cut_at_any_byte_changes_nothing(world: World) -> None:
    world.forger("footprint", world.pairs["footprint"])
    world.start()
    whole = world.frames(world.signal("footprint"))
    cuts = iter(range(1 << 30))

    def speak() -> None:
        body = whole[2][: next(cuts) % len(whole[2])]
        world.forgers["footprint"].send_multipart([*whole[:2], body])

    world.until(speak, lambda: world.count("footprint").bad >= len(whole[2]) + 20, "each cut once")
    world.assert_nothing_happened()


@pytest.mark.parametrize("topic", [TOPIC_DECISION, TOPIC_FILL, b""])
def test_other_topics_of_a_source_do_not_even_arrive(world: World, topic: bytes) -> None:
    world.forger("footprint", world.pairs["footprint"])
    world.start()
    body = encode(decision() if topic == TOPIC_DECISION else Fill(1, 0, 1, 0, 1, 1, 100.0, 5, 1, -0.5))

    def speak() -> None:
        world.forgers["footprint"].send_multipart([topic, bytes(12), body])
        world.forgers["footprint"].send_multipart([TOPIC_SIGNAL, bytes(12), b"a mark that is counted"])

    world.until(speak, lambda: world.count("footprint").bad >= 3, "the marks")
    world.assert_nothing_happened()


def test_old_messages_told_again_change_nothing(world: World) -> None:
    """Repeated, older numbers and older incarnations are dropped; to a new incarnation an old vote has run out."""
    world.forger("footprint", world.pairs["footprint"])
    world.start()
    signals = [
        world.signal("footprint", sequence=n, epoch=3, valid_until_ns=world.rig.clock.market_ns()) for n in (5, 6)
    ]
    fresh = [world.frames(signal, epoch=3) for signal in signals]
    older = world.frames(world.signal("footprint", epoch=2), 900, epoch=2)
    world.until(lambda: world.forgers["footprint"].send_multipart(fresh[1]), lambda: len(world.heard) > 0, "one word")
    stale = world.count("footprint").stale

    def speak() -> None:
        for frames in (*fresh, older):
            world.forgers["footprint"].send_multipart(frames)

    world.until(speak, lambda: world.count("footprint").stale >= stale + 9, "stale messages")
    assert world.heard == [signals[1]]
    assert world.orders == 0
    assert world.rig.counter("signals_bad") >= 9
    assert all(decision.action == "HOLD" for decision in world.rig.decisions())
