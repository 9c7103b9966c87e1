"""A small exchange server that does what a test tells it: it logs clients in, records what they send, sends frames."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from exchange import protocol as wire

NOON_NS = 1_763_996_400_000_000_000  # 2025-11-24 15:00:00 UTC, a Monday: 12:00 in Sao Paulo
INSTRUMENT = {"ticker": b"WDOFUT", "exchange": b"F", "tick": 0.5, "lot": 1.0, "point_value": 10.0}
ACCOUNT = {"account": b"12345", "broker": 7, "flags": 2, "broker_name": b"Broker", "owner_name": "João".encode()}


class ScriptedServer:
    """Accepts one client after the other. `received` holds (type, body) in order; `wait_for` blocks with a limit."""

    def __init__(self, port: int = 0) -> None:
        self.login_code = 0
        self.mute = False  # accepts and never answers
        self.instruments: list[dict[str, Any]] = [
            dict(INSTRUMENT, index=0),
            dict(INSTRUMENT, index=1, ticker=b"WINFUT"),
        ]
        self.accounts: list[dict[str, Any]] = [dict(ACCOUNT)]
        self.orders: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.clock: dict[str, Any] | None = {"market_ns": NOON_NS, "speed": 0.0, "running": 0}
        self.received: list[tuple[int, Any]] = []
        self.answer: Callable[[int, Any], None] | None = None  # called on the server's thread for each message
        self._news = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def send(self, message: int, **fields: Any) -> None:
        self.send_bytes(wire.frame(message, **fields))

    def send_bytes(self, data: bytes) -> None:
        assert self._client is not None
        self._client.sendall(data)

    def wait_for(self, message: int, count: int = 1, timeout_s: float = 10.0) -> list[Any]:
        """Bodies of the messages of one type, as soon as there are `count`. Fails after timeout_s."""

        def bodies() -> list[Any]:
            return [body for kind, body in self.received if kind == message]

        with self._news:
            assert self._news.wait_for(lambda: len(bodies()) >= count, timeout_s), f"got {self.received}"
            return bodies()

    def drop(self) -> None:
        """Cut the connection, as a dying exchange would."""
        assert self._client is not None
        self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed = True
        if self._client is not None:
            try:
                self._client.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._client = None  # the client was faster
        self._listener.close()
        with socket.socket() as wake:  # accept() does not notice close() everywhere
            wake.settimeout(0.2)
            wake.connect_ex(("127.0.0.1", self.port))
        self._thread.join(10)

    def _serve(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self._client = client
                try:
                    self._talk(client)
                except ConnectionError:
                    continue  # the client left in the middle of a message

    def _talk(self, client: socket.socket) -> None:
        while header := _exactly(client, wire.HEADER.itemsize):
            length, kind, version = np.frombuffer(header, wire.HEADER)[0].item()
            assert version == wire.WIRE_VERSION
            body = np.frombuffer(_exactly(client, length - wire.HEADER.itemsize), wire.BODIES[kind])[0]
            if kind == wire.LOGIN and not self.mute:
                self._log_in(bool(body["full"]))
            with self._news:
                self.received.append((kind, body))
                self._news.notify_all()
            if self.answer is not None:
                self.answer(kind, body)

    def _log_in(self, full: bool) -> None:
        self.send(wire.LOGIN_REPLY, code=self.login_code)
        if self.login_code:
            return
        for fields in self.instruments:
            self.send(wire.INSTRUMENT, **fields)
        if self.clock is not None:
            self.send(wire.CLOCK, **self.clock)
        if full:
            for message, rows in (
                (wire.ACCOUNT, self.accounts),
                (wire.ORDER, self.orders),
                (wire.POSITION, self.positions),
            ):
                for fields in rows:
                    self.send(message, **fields)
        self.send(wire.LOGIN_DONE, orders=len(self.orders), positions=len(self.positions))


def _exactly(client: socket.socket, size: int) -> bytes:
    """`size` bytes, or nothing when the client went away."""
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            return b""
        data += part
    return data
