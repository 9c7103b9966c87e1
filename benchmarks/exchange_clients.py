"""The other ends of the exchange's benchmark: processes that log in by the wire, count frames, and time order round trips.

They are spawned and told the port when they are ready; they never judge what they measure.
"""

from __future__ import annotations

import socket
import time
from typing import Any

import numpy as np

from exchange import protocol
from shm.jit import kernel

BUFFER = 1 << 22
PATIENCE_S = 60.0
HEADER = protocol.HEADER.itemsize


@kernel("int64(uint8[::1], int64, int64[::1])")
def count_frames(buffer, filled, counts):  # type: ignore[no-untyped-def]
    """Whole frames in the first `filled` bytes: adds to counts[type]; returns the bytes they take."""
    at = np.int64(0)
    while filled - at >= 8:
        length = np.int64(buffer[at]) | np.int64(buffer[at + 1]) << 8 | np.int64(buffer[at + 2]) << 16
        if filled - at < length:
            break
        counts[buffer[at + 4]] += 1
        at += length
    return at


class Wire:
    """One logged-in connection. password, key: as the exchange wants them."""

    def __init__(self, port: int, key: str, password: str, full: bool) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = np.zeros(BUFFER, np.uint8)
        self.view = memoryview(self.buffer)
        self.filled = 0
        self.counts = np.zeros(256, np.int64)
        self.socket.sendall(protocol.frame(protocol.LOGIN, key=key, user="bench", password=password, full=full))
        while not self.counts[protocol.LOGIN_DONE]:
            self.read()

    def read(self) -> int:
        """Wait for bytes and count their frames. Returns the bytes; raises OSError when the exchange hung up."""
        got = self.socket.recv_into(self.view[self.filled :])
        if not got:
            raise OSError("the exchange hung up on a benchmark client")
        used = int(count_frames(self.buffer, self.filled + got, self.counts))
        rest = self.filled + got - used
        self.buffer[:rest] = self.buffer[used : used + rest].copy()
        self.filled = rest
        return got


def listen(pipe: Any, key: str, events: int) -> None:
    """Count `events` market events of every instrument; sends back (first ns, last ns, events, bytes)."""
    count_frames(np.zeros(16, np.uint8), 0, np.zeros(256, np.int64))
    pipe.send("ready")
    port, password, tickers = pipe.recv()
    wire = Wire(port, key, password, full=False)
    for ticker in tickers:
        wire.socket.sendall(protocol.frame(protocol.SUBSCRIBE, ticker=ticker, exchange="F", trades=1, depth=1, on=1))
    wire.counts[:] = 0
    first_ns = last_ns = seen = size = 0
    try:
        while seen < events:
            size += wire.read()
            seen = int(wire.counts[protocol.TRADE] + wire.counts[protocol.BOOK])
            if seen:
                last_ns = time.perf_counter_ns()
                first_ns = first_ns or last_ns
    except OSError:  # it was too slow and was dropped: what came counts
        pass
    pipe.send((first_ns, last_ns, seen, size))


def trade(pipe: Any, rounds: int) -> None:
    """Send an order that rests and cancel it, `rounds` times; sends back ns until NEW for each, and until CANCELED."""
    pipe.send("ready")
    port, password, account, ticker, price = pipe.recv()
    wire = Wire(port, "orders", password, full=True)
    wire.socket.setblocking(False)
    placed, canceled = [], []
    for local_id in range(1, rounds + 1):
        order = protocol.frame(
            protocol.SEND_ORDER, local_id=local_id, side=1, order_type=2, price=price, stop_price=-1.0, quantity=1,
            account=account, password=password, ticker=ticker, exchange="F",
        )  # fmt: skip
        began = time.perf_counter_ns()
        wire.socket.sendall(order)
        body = _order_with(wire, 0)
        placed.append(time.perf_counter_ns() - began)
        cancel = protocol.frame(protocol.CANCEL_ORDER, cl_order_id=body["cl_order_id"], password=password)
        began = time.perf_counter_ns()
        wire.socket.sendall(cancel)
        _order_with(wire, 4)
        canceled.append(time.perf_counter_ns() - began)
    pipe.send((placed, canceled))


def _order_with(wire: Wire, status: int) -> np.void:
    """Poll until an order message with that status has come."""
    give_up = time.perf_counter() + PATIENCE_S
    body = protocol.BODIES[protocol.ORDER]
    frame = HEADER + body.itemsize
    found = None
    while found is None:
        try:
            wire.filled += wire.socket.recv_into(wire.view[wire.filled :])
        except BlockingIOError:
            if time.perf_counter() > give_up:
                raise OSError("the exchange does not answer an order") from None
            continue
        at = 0
        while wire.filled - at >= HEADER:
            length = int(wire.buffer[at : at + 4].view("<u4")[0])
            if wire.filled - at < length:
                break
            if length == frame and wire.buffer[at + 4] == protocol.ORDER:
                record = np.frombuffer(wire.buffer[at + HEADER : at + length].tobytes(), body)[0]
                found = record if record["status"] == status else found
            at += length
        rest = wire.filled - at
        wire.buffer[:rest] = wire.buffer[at : at + rest].copy()
        wire.filled = rest
    return found
