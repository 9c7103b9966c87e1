"""The bus over real loopback sockets: delivery, numbering, restarts, and everything that must change nothing."""

from __future__ import annotations

import socket as plain_socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from bus import keys, messages
from bus.sockets import LOOPBACK, Heard, PortTaken, Publisher, SourceCount, Subscriber

ANY_PORT = LOOPBACK + "0"
STEP_MS = 20
PATIENCE_STEPS = 500  # 10 s in all


def signal(source: str = "ml", sequence: int = 0, **changes: Any) -> messages.Signal:
    fields: dict[str, Any] = {
        "version": 1, "source": source, "sequence": sequence, "epoch": 0, "symbol": 0, "ingest_seq": 7, "ts_ns": 1,
        "recv_ns": 2, "features_publish_ns": 3, "publish_ns": 4, "direction": 0.5, "confidence": 0.5,
        "horizon_ms": 1000, "valid_until_ns": 10**10,
    }  # fmt: skip
    return messages.Signal(**{**fields, **changes})


class Bus:
    """Key material, and everything opened in a test is closed after it."""

    def __init__(self) -> None:
        self.client = keys.new_pair()
        self.servers = {"ml": keys.new_pair(), "footprint": keys.new_pair()}
        self._open: list[Any] = []

    def publisher(self, source: str = "ml", endpoint: str = ANY_PORT, epoch: int = 0) -> Publisher:
        own = keys.PublisherKeys(self.servers[source], frozenset({self.client.public}))
        return self._kept(Publisher(endpoint, own, epoch))

    def subscriber(self, endpoints: dict[str, str], topics: tuple[bytes, ...] = (messages.TOPIC_SIGNAL,)) -> Subscriber:
        servers = {name: pair.public for name, pair in self.servers.items()}
        return self._kept(Subscriber(endpoints, topics, keys.SubscriberKeys(self.client, servers)))

    def raw(self, kind: int) -> zmq.Socket[bytes]:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._open.append(_Destroyed(context))
        made = context.socket(kind)
        made.linger = 0
        return made

    def _kept(self, thing: Any) -> Any:
        self._open.append(thing)
        return thing

    def close(self) -> None:
        for thing in reversed(self._open):
            thing.close()


class _Destroyed:
    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def bus() -> Iterator[Bus]:
    made = Bus()
    yield made
    made.close()


def hear(subscriber: Subscriber, publish: Callable[[], object], enough: Callable[[list[Any]], bool]) -> list[Any]:
    """Publish again and again until `enough` was heard: a subscription takes a moment to reach its publisher."""
    heard: list[Any] = []
    for _ in range(PATIENCE_STEPS):
        publish()
        subscriber.poll(STEP_MS)
        heard += subscriber.receive()
        if enough(heard):
            return heard
    raise AssertionError(f"patience ran out; heard {len(heard)}")


def test_a_signal_arrives_as_it_was_sent(bus: Bus) -> None:
    publisher = bus.publisher()
    subscriber = bus.subscriber({"ml": publisher.endpoint})
    sent = signal(patterns=("absorption",))
    heard = hear(subscriber, lambda: publisher.publish(sent), lambda heard: len(heard) > 0)
    assert heard[0] == ("ml", sent)
    assert subscriber.counts["ml"].lost == 0
    assert len(subscriber.sockets) == 1


def test_only_the_chosen_topics_arrive(bus: Bus) -> None:
    publisher = bus.publisher()
    subscriber = bus.subscriber({"ml": publisher.endpoint}, (messages.TOPIC_FILL,))
    fill = messages.Fill(1, 0, 1, 0, 1, 1, 100.0, 5, 1, -0.5)

    def both() -> None:
        publisher.publish(signal())
        publisher.publish(fill)

    heard = hear(subscriber, both, lambda heard: len(heard) >= 3)
    assert {type(message) for _, message in heard} == {messages.Fill}
    assert subscriber.counts["ml"].bad == 0


def test_sources_keep_apart_and_one_cannot_speak_for_another(bus: Bus) -> None:
    ml, footprint = bus.publisher("ml"), bus.publisher("footprint")
    subscriber = bus.subscriber({"ml": ml.endpoint, "footprint": footprint.endpoint})

    def publish() -> None:
        ml.publish(signal("ml"))
        footprint.publish(signal("ml", direction=-1.0))  # forged
        footprint.publish(signal("footprint"))

    heard = hear(subscriber, publish, lambda heard: {"ml", "footprint"} <= {source for source, _ in heard})
    assert all(message.source == source and message.direction == 0.5 for source, message in heard)
    assert subscriber.counts["footprint"].bad > 0
    assert subscriber.counts["ml"].bad == 0


def test_a_restart_is_seen_by_its_epoch(bus: Bus) -> None:
    first = bus.publisher()
    endpoint = first.endpoint
    subscriber = bus.subscriber({"ml": endpoint})
    hear(subscriber, lambda: first.publish(signal()), lambda heard: len(heard) >= 2)
    first.close()
    second = bus.publisher("ml", endpoint, epoch=1)
    hear(subscriber, lambda: second.publish(signal(epoch=1)), lambda heard: any(m.epoch == 1 for _, m in heard))
    assert subscriber.counts["ml"].restarts == 1


@pytest.mark.parametrize(
    "frames",
    [
        [b"signal"],
        [b"signal", bytes(12), b"\xc1 not msgpack"],
        [b"signal", bytes(11), messages.encode(signal())],
        [b"signal", bytes(12), messages.encode(signal(version=99))],
        [b"signal", bytes(12), messages.encode(messages.Fill(1, 0, 1, 0, 1, 1, 100.0, 5, 1, -0.5))],
        [b"signal", bytes(12), messages.encode(signal()), b"one too many"],
        [b"signal-and-more", bytes(12), messages.encode(signal())],
    ],
)
def test_bad_bytes_of_a_keyed_publisher_are_counted_and_dropped(bus: Bus, frames: list[bytes]) -> None:
    forger = bus.raw(zmq.PUB)
    forger.curve_server = True
    forger.curve_publickey, forger.curve_secretkey = bus.servers["ml"].public, bus.servers["ml"].secret
    forger.bind(ANY_PORT)
    subscriber = bus.subscriber({"ml": forger.getsockopt_string(zmq.LAST_ENDPOINT)})
    good = [b"signal", struct.pack("<QI", 0, 0), messages.encode(signal())]

    def publish() -> None:
        forger.send_multipart(frames)
        good[1] = struct.pack("<QI", struct.unpack("<QI", good[1])[0] + 1, 0)
        forger.send_multipart(good)

    heard = hear(subscriber, publish, lambda heard: len(heard) >= 2)
    assert all(message == signal() for _, message in heard)
    assert subscriber.counts["ml"].bad >= 1


def test_an_unkeyed_or_wrong_key_subscriber_hears_nothing(bus: Bus) -> None:
    publisher = bus.publisher()
    right = bus.subscriber({"ml": publisher.endpoint})
    unkeyed = bus.raw(zmq.SUB)
    unkeyed.subscribe(b"")
    unkeyed.connect(publisher.endpoint)
    stranger_pair = keys.new_pair()  # knows the server's public key, but is not of this run
    stranger = bus.raw(zmq.SUB)
    stranger.curve_publickey, stranger.curve_secretkey = stranger_pair.public, stranger_pair.secret
    stranger.curve_serverkey = bus.servers["ml"].public
    stranger.subscribe(b"")
    stranger.connect(publisher.endpoint)

    heard = hear(right, lambda: publisher.publish(signal()), lambda heard: len(heard) >= 10 and publisher.refused >= 1)
    assert len(heard) >= 10
    assert not unkeyed.poll(50)
    assert not stranger.poll(50)


def test_a_subscriber_ignores_a_publisher_without_the_right_key(bus: Bus) -> None:
    forger = bus.raw(zmq.PUB)
    wrong = keys.new_pair()
    forger.curve_server = True
    forger.curve_publickey, forger.curve_secretkey = wrong.public, wrong.secret
    forger.bind(ANY_PORT)
    plain = bus.raw(zmq.PUB)
    plain.bind(ANY_PORT)
    real = bus.publisher("footprint")
    body = [b"signal", struct.pack("<QI", 0, 0), messages.encode(signal())]
    for forged in (forger, plain):
        subscriber = bus.subscriber({"ml": forged.getsockopt_string(zmq.LAST_ENDPOINT), "footprint": real.endpoint})

        def publish(forged: zmq.Socket[bytes] = forged) -> None:
            forged.send_multipart(body)
            real.publish(signal("footprint"))

        heard = hear(subscriber, publish, lambda heard: len(heard) >= 10)
        assert {source for source, _ in heard} == {"footprint"}
        assert subscriber.counts["ml"] == SourceCount()


def test_a_taken_port_is_named(bus: Bus) -> None:
    first = bus.publisher()
    port = first.endpoint.rsplit(":", 1)[1]
    with pytest.raises(PortTaken, match=port):
        bus.publisher("footprint", first.endpoint)


def test_the_port_is_free_after_close(bus: Bus) -> None:
    publisher = bus.publisher()
    port = int(publisher.endpoint.rsplit(":", 1)[1])
    publisher.close()
    publisher.close()
    with plain_socket.socket() as probe:
        probe.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:5555", "tcp://*:5555", "ipc:///x", "tcp://192.168.0.1:5"])
def test_endpoints_beyond_the_loopback_are_refused(bus: Bus, endpoint: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        bus.publisher("ml", endpoint)
    with pytest.raises(ValueError, match="loopback"):
        bus.subscriber({"ml": endpoint})


def test_counting_numbers() -> None:
    count = SourceCount()
    taken = [count.take(b"signal", epoch, number) for epoch, number in
             [(3, 5), (3, 6), (3, 9), (3, 9), (3, 8), (2, 100), (4, 1), (4, 2)]]  # fmt: skip
    assert taken == [True, True, True, False, False, False, True, True]
    assert (count.received, count.lost, count.restarts, count.stale) == (5, 3, 1, 3)
    assert count.take(b"fill", 3, 40), "topics are numbered apart"
    assert count.lost == 3


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["ml", "footprint"]), st.integers(0, 4), st.integers(0, 2)), max_size=12),
    st.integers(0, 12),
)
def test_what_is_called_fresh_is_taken(heard: list[tuple[str, int, int]], before: int) -> None:
    """Some were taken already; of the rest `are_fresh` says whether each of them will be."""
    subscriber = Subscriber({}, (b"signal",), keys.SubscriberKeys(keys.new_pair(), {}))
    try:
        subscriber.counts = {"ml": SourceCount(), "footprint": SourceCount()}
        messages = [Heard(source, b"signal", number, epoch, b"") for source, number, epoch in heard]
        for each in messages[:before]:
            subscriber.counts[each.source].take(each.topic, each.epoch, each.number)
        waiting = messages[before:]
        fresh = subscriber.are_fresh(waiting)
        assert fresh == all([subscriber.counts[w.source].take(w.topic, w.epoch, w.number) for w in waiting])
    finally:
        subscriber.close()
