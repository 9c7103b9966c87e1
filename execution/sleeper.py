"""The stage's one blocking wait: signals, and through the relay everything that rings its bell.

It is made at the first wait, for a stage that is stepped by hand never sleeps. It takes nothing out of any socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import zmq

from execution.bell_relay import BellRelay


class Sleeper:
    """sockets: those of the signals; sleep_at_bell: sleeps at the bell for a bounded time."""

    def __init__(self, sockets: Sequence[Any], sleep_at_bell: Callable[[], object]) -> None:
        self._sockets = tuple(sockets)
        self._sleep_at_bell = sleep_at_bell
        self._relay: BellRelay | None = None
        self._poller = zmq.Poller()

    def sleep(self, milliseconds: int) -> None:
        """Until a signal, a ring of the bell, or that long."""
        self._opened().arm()
        self._poller.poll(milliseconds)

    def poll(self, milliseconds: int) -> None:
        """As `sleep`, without the bell; then as `clear`."""
        relay = self._opened()
        self._poller.poll(milliseconds)
        relay.clear()

    def clear(self) -> None:
        """Take the bell's messages away."""
        if self._relay is not None:
            self._relay.clear()

    def close(self) -> None:
        """Harmless when called twice."""
        if self._relay is not None:
            self._relay.close()

    def _opened(self) -> BellRelay:
        if self._relay is None:
            self._relay = BellRelay(self._sleep_at_bell)
            for socket in (*self._sockets, self._relay.socket):
                self._poller.register(socket, zmq.POLLIN)
        return self._relay
