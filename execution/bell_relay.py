"""Turns rings of the stage's doorbell into messages, so that the stage can wait in one ZeroMQ poller for everything.

One thread sleeps at the bell in native code, without the GIL. It sleeps only while armed, which the stage does just
before it polls. What comes between the stage's last look and that moment rings at nobody: it is not lost because the
bell looks at every watched word (rings, command, `GatewayCore.changed_address`) before it sleeps, so whatever may ring
must have a watched word. The message is empty; it only says "look".
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import zmq

ENDPOINT = "inproc://bell"
IDLE_S = 0.1


class BellRelay:
    """`socket` goes into the stage's poller; `arm` before polling, `clear` after."""

    def __init__(self, sleep: Callable[[], object]) -> None:
        """sleep: sleeps at the bell for a bounded time (Bell.wait)."""
        self._sleep = sleep
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self._context.socket(zmq.PAIR)
        self.socket.linger = 0
        self.socket.bind(ENDPOINT)
        self._armed = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bell-relay", daemon=True)
        self._thread.start()

    def arm(self) -> None:
        """From now on the next ring sends a message."""
        self._armed.set()

    def clear(self) -> None:
        """Take the waiting messages away."""
        while True:
            try:
                self.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return

    def close(self) -> None:
        """End the thread. Harmless when called twice."""
        if self._context.closed:
            return
        self._closing.set()
        self._armed.set()
        self._thread.join(timeout=5.0)
        self.socket.close(0)
        self._context.term()

    def _run(self) -> None:
        out = self._context.socket(zmq.PAIR)
        out.linger = 0
        out.connect(ENDPOINT)
        try:
            while not self._closing.is_set():
                if not self._armed.wait(IDLE_S) or self._closing.is_set():
                    continue
                self._sleep()
                self._armed.clear()
                if not self._closing.is_set():
                    out.send(b"", zmq.NOBLOCK)
        except zmq.Again:
            return  # the other end is gone
        finally:
            out.close(0)
