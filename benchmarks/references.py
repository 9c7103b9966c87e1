"""Reference rows: what else carries a 128-byte record between two Python processes, beside our ring used from Python.

Both ends are plain Python and poll; half of a round trip is a hop. `iceoryx2` is measured where it is installed.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import zmq

from benchmarks.measure import Result, Row, row
from benchmarks.scene import Scene
from shm.layouts import TRADE
from shm.ring import RingReader, RingWriter, attach_ring

ROUNDS = 3_000
CAPACITY = 1024
PATIENCE_S = 60.0
SIZE = TRADE.itemsize

Send = Callable[[], None]
Receive = Callable[[], bool]


class Payload(ctypes.Structure):
    """128 bytes for iceoryx2, which wants a ctypes struct."""

    _fields_ = (("words", ctypes.c_uint64 * (SIZE // 8)),)

    @staticmethod
    def type_name() -> str:
        return "Payload"


def _rounds(send: Send, receive: Receive) -> list[float]:
    samples, give_up = [], time.perf_counter() + PATIENCE_S
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        send()
        while not receive():
            if time.perf_counter() > give_up:
                raise OSError("the partner of a reference measurement does not answer")
        samples.append((time.perf_counter_ns() - began) / 2)
    return samples


def _answer(send: Send, receive: Receive) -> None:
    give_up, answered = time.perf_counter() + PATIENCE_S, 0
    while answered < ROUNDS and time.perf_counter() < give_up:
        if receive():
            send()
            answered += 1


# --- the ends of each kind: (send, receive) of one side; `there` is the way from the measuring process


def ring_ends(prefix: str, first: bool) -> tuple[Send, Receive]:
    from shm.doorbell import Doorbells

    doorbells = Doorbells.attach(prefix + "bells")
    out, back = ("there", "back") if first else ("back", "there")
    writer = RingWriter(attach_ring(prefix + out, TRADE, CAPACITY), TRADE, doorbells)
    reader = RingReader(attach_ring(prefix + back, TRADE, CAPACITY), TRADE, start="oldest")
    record, taken = np.zeros(1, TRADE), np.zeros(1, TRADE)
    return lambda: _drop(writer.publish(record)), lambda: bool(reader.read(taken))


def zeromq_ends(port: int, first: bool) -> tuple[Send, Receive]:
    socket = zmq.Context.instance().socket(zmq.PAIR)
    socket.linger = 0
    if first:
        socket.bind(f"tcp://127.0.0.1:{port}")
    else:
        socket.connect(f"tcp://127.0.0.1:{port}")
    body = bytes(SIZE)
    return lambda: _drop(socket.send(body)), lambda: bool(socket.poll(0)) and bool(socket.recv())


def queue_ends(there: Any, back: Any) -> tuple[Send, Receive]:
    body = bytes(SIZE)
    return lambda: there.put(body), lambda: back.get(timeout=PATIENCE_S) is not None


def iceoryx_ends(name: str, first: bool) -> tuple[Send, Receive]:
    import iceoryx2 as iox

    node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
    ways = ("there", "back") if first else ("back", "there")
    services = [
        node.service_builder(iox.ServiceName.new(f"{name}/{way}")).publish_subscribe(Payload).open_or_create()
        for way in ways
    ]
    publisher = services[0].publisher_builder().create()
    subscriber = services[1].subscriber_builder().create()
    payload = Payload()

    def send() -> None:
        publisher.loan_uninit().write_payload(payload).send()

    def receive() -> bool:
        assert node is not None  # it must outlive its ports
        return subscriber.receive() is not None

    return send, receive


def _drop(value: object) -> None:
    """Turns an expression into a statement."""


def _child(kind: str, arguments: tuple[Any, ...], ready: Any) -> None:
    ends = {"ring": ring_ends, "zeromq": zeromq_ends, "queue": queue_ends, "iceoryx2": iceoryx_ends}[kind]
    send, receive = ends(*arguments)  # type: ignore[operator]
    ready.set()
    _answer(send, receive)


def _measured(kind: str, mine: tuple[Send, Receive], theirs: tuple[Any, ...], label: str) -> Row:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=_child, args=(kind, theirs, ready))
    process.start()
    try:
        if not ready.wait(PATIENCE_S):
            raise OSError(f"the partner of {kind} did not start")
        time.sleep(0.3)  # connections are made in the background
        return row(label, _rounds(*mine))
    finally:
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


def run() -> Result:
    """One row each; no target: these are for orientation."""
    spawn = multiprocessing.get_context("spawn")
    rows = []
    with Scene({"there": (TRADE, CAPACITY), "back": (TRADE, CAPACITY)}) as scene:
        ends = ring_ends(scene.prefix, True)
        rows.append(_measured("ring", ends, (scene.prefix, False), "our ring, from Python on both ends"))
    there, back = spawn.Queue(), spawn.Queue()
    rows.append(_measured("queue", queue_ends(there, back), (back, there), "multiprocessing.Queue"))
    holder = zmq.Context.instance().socket(zmq.PAIR)
    port = holder.bind_to_random_port("tcp://127.0.0.1")
    holder.close(0)
    time.sleep(0.1)
    rows.append(_measured("zeromq", zeromq_ends(port, True), (port, False), "ZeroMQ PAIR over loopback TCP"))
    if find_spec("iceoryx2") is not None:
        name = f"qt-{scene.prefix}"
        rows.append(_measured("iceoryx2", iceoryx_ends(name, True), (name, False), "iceoryx2, ctypes payload"))
    else:
        rows.append(Row("iceoryx2", note="not installed"))
    return Result("references", "a 128-byte record between two Python processes", rows)
