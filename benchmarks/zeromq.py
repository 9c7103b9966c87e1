"""One hop over the bus as the stages use it: PUB/SUB on loopback TCP with CURVE, a Signal packed and unpacked."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import zmq

from benchmarks.measure import Result, row
from benchmarks.scene import Scene
from bus.keys import load_publisher_keys, load_subscriber_keys, make_run_keys
from bus.messages import MESSAGE_VERSION, TOPIC_SIGNAL, Signal
from bus.sockets import Publisher, Subscriber

ROUNDS = 2_000
PUBLISHERS = ("there", "back")
WARM_UP = 100
SEED = 7


def signal(source: str, number: int) -> Signal:
    return Signal(MESSAGE_VERSION, source, number, 0, 0, 1, 2, 3, 4, 5, 0.5, 0.6, 5000, 6, ("sweep",))


def hops(rounds: int = ROUNDS, pause_s: float = 0.0, awake_every_s: float = 0.0) -> list[float]:
    """Half round trips in ns between two processes.

    pause_s: mean pause before each. Without one both sides are found awake and warm, as no signal finds them.
    awake_every_s: meanwhile both wake up so often, as agents and execution do for the market.
    """
    dice = random.Random(SEED)
    with Scene({}) as scene, tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        make_run_keys(keys, PUBLISHERS)
        publisher = Publisher("tcp://127.0.0.1:0", load_publisher_keys(keys, "there"))
        process = scene.partner("bus", str(keys), publisher.endpoint, str(awake_every_s))
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        subscriber = Subscriber({"back": endpoint}, (TOPIC_SIGNAL,), load_subscriber_keys(keys, ("back",)))
        poller = zmq.Poller()
        for socket in subscriber.sockets:
            poller.register(socket, zmq.POLLIN)
        samples: list[float] = []
        give_up = time.perf_counter() + 120
        while len(samples) < rounds + WARM_UP and time.perf_counter() < give_up:
            if pause_s and len(samples) >= WARM_UP:
                _sleep(dice.uniform(0.5, 1.5) * pause_s, awake_every_s)
            began = time.perf_counter_ns()
            publisher.publish(signal("there", len(samples)))
            if _answered(subscriber, poller):
                samples.append((time.perf_counter_ns() - began) / 2)
        publisher.close()
        subscriber.close()
    if len(samples) < rounds:
        raise OSError(f"only {len(samples)} of {rounds} messages came back")
    return samples[WARM_UP:]


def _sleep(seconds: float, awake_every_s: float) -> None:
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        time.sleep(min(left, awake_every_s or left))


def _answered(subscriber: Subscriber, poller: Any) -> bool:
    """Whether the answer came; while the sockets are still connecting it does not."""
    give_up = time.perf_counter() + 0.2
    while time.perf_counter() < give_up:
        poller.poll(50)
        if list(subscriber.receive()):
            return True
    return False


def partner(keys: str, endpoint: str, awake_every_s: str) -> None:
    """The other process: answers each Signal by another, and wakes up between them when it is to."""
    folder = Path(keys)
    publisher = Publisher("tcp://127.0.0.1:0", load_publisher_keys(folder, "back"))
    subscriber = Subscriber({"there": endpoint}, (TOPIC_SIGNAL,), load_subscriber_keys(folder, ("there",)))
    sys.stdout.write(f"ready\n{publisher.endpoint}\n")
    sys.stdout.flush()
    poller = zmq.Poller()
    for socket in subscriber.sockets:
        poller.register(socket, zmq.POLLIN)
    give_up = time.monotonic() + 200
    while time.monotonic() < give_up:
        poller.poll(float(awake_every_s) * 1000 or 1000)
        for number, _ in enumerate(list(subscriber.receive())):
            publisher.publish(signal("back", number))


def run() -> Result:
    return Result("zeromq", "one bus hop", [row("PUB/SUB, CURVE, msgpack Signal", hops())])
