"""The relay: rings become messages, none is lost between looking and waiting, and it sleeps only while armed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from execution.bell_relay import BellRelay

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


def test_close_is_quick_and_harmless_twice(bell: HandBell) -> None:
    relay = BellRelay(bell.wait)
    relay.close()
    relay.close()
    assert not relay._thread.is_alive()
