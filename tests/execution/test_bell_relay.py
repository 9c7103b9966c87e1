"""The relay: rings become messages, none is lost between looking and waiting, and it sleeps only while armed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from execution.bell_relay import BellRelay
from execution.gateway import GatewayCore
from shm.doorbell import Bell, Doorbells
from shm.layouts import TRADE
from shm.ring import RingReader, RingWriter, create_ring
from shm.segment import run_prefix
from tests.execution.broker_twin import BrokerTwin
from tests.execution.test_gateway import CONTRACT

PATIENCE_MS = 10_000


class HandBell:
    """A bell whose ring stays until somebody wakes by it."""

    def __init__(self) -> None:
        self.rung = threading.Event()
        self.sleeps = 0
        self.asleep = threading.Event()

    def wait(self) -> None:
        self.sleeps += 1
        self.asleep.set()
        self.rung.wait(30.0)
        self.rung.clear()
        self.asleep.clear()


@pytest.fixture
def bell() -> HandBell:
    return HandBell()


@pytest.fixture
def relay(bell: HandBell) -> Iterator[BellRelay]:
    made = BellRelay(bell.wait)
    yield made
    bell.rung.set()
    made.close()


def test_a_ring_wakes_the_poller(bell: HandBell, relay: BellRelay) -> None:
    for _ in range(20):
        relay.arm()
        assert bell.asleep.wait(10.0)
        bell.rung.set()
        assert relay.socket.poll(PATIENCE_MS)
        relay.clear()
        assert not relay.socket.poll(0)


def test_it_does_not_sleep_until_it_is_armed(bell: HandBell, relay: BellRelay) -> None:
    assert not bell.asleep.wait(0.15)
    assert bell.sleeps == 0
    relay.arm()
    assert bell.asleep.wait(10.0)


def test_a_ring_before_the_poll_is_not_lost(bell: HandBell, relay: BellRelay) -> None:
    bell.rung.set()
    relay.arm()
    assert relay.socket.poll(PATIENCE_MS)


def test_a_real_ring_record_and_a_real_bell() -> None:
    """What the stage waits on: a record published by another thread ends the poll; what was read does not."""
    name = run_prefix(os.getpid()) + "relay"
    doorbells, segment = Doorbells.create(name + "bells"), create_ring(name + "trades", TRADE, 64)
    writer = RingWriter(segment, TRADE, doorbells)
    bell = Bell(doorbells, 3)
    reader = RingReader(segment, TRADE, bell)
    relay = BellRelay(bell.wait)
    rows = np.zeros(8, TRADE)
    try:
        for _ in range(50):
            relay.arm()
            thread = threading.Thread(target=lambda: writer.publish(np.zeros(1, TRADE)))
            thread.start()
            while reader.read(rows) == 0:  # the relay also speaks when the bell's own time is over
                relay.arm()
                assert relay.socket.poll(PATIENCE_MS)
                relay.clear()
            thread.join(10.0)
        assert writer.cursor == 50 and reader.lost == 0
    finally:
        relay.close()
        reader.close()
        doorbells.close()
        for part in (segment, doorbells.segment):
            part.remove()


def test_a_change_of_an_order_before_the_relay_is_armed_is_not_slept_over() -> None:
    """Its ring reached nobody; the bell sees the count and does not fall asleep."""
    name = run_prefix(os.getpid()) + "changed"
    doorbells = Doorbells.create(name)
    bell = Bell(doorbells, 3)
    broker = BrokerTwin(CONTRACT, lambda: 5_000_000)
    core = GatewayCore(broker, lambda: 1_000, lambda: doorbells.ring(3))
    bell.watch(core.changed_address, core.taken_address, core)
    try:
        assert not bell.wait(1), "nothing came: it sleeps"
        for _ in range(3):
            core.changed(1, "CL1")
            core.changed(1, "CL1")
            assert bell.wait(50_000_000), "it did not sleep"
            core.work()
            assert not bell.wait(1), "all was taken"
        for number in range(300):  # more than one turn fetches
            core.changed(number, "")
        core.work()
        assert bell.wait(50_000_000)
        core.work()
        assert not bell.wait(1)
    finally:
        doorbells.close()
        doorbells.segment.remove()


def test_close_is_quick_and_harmless_twice(bell: HandBell) -> None:
    relay = BellRelay(bell.wait)
    relay.close()
    relay.close()
    assert not relay._thread.is_alive()
