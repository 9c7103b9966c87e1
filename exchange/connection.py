"""One non-blocking TCP connection that speaks whole frames: bytes in to checked messages, frames out to bytes.

It never blocks and never interprets a message. What cannot be a frame raises `BadFrame`; a receiver that is so slow
that `OUT_LIMIT` bytes wait for it raises `TooSlow`. Either ends this connection only.
"""

from __future__ import annotations

import socket
from typing import Any

import numpy as np

from exchange import protocol

OUT_LIMIT = 64 << 20
RECEIVE_BYTES = 1 << 16
SEND_BYTES = 1 << 20
CLIENT_MESSAGES = range(protocol.LOGIN, protocol.ZERO_POSITION + 1)


class ConnectionOver(Exception):
    """This connection is at its end; the message says why."""


class Closed(ConnectionOver):
    """The other side closed it."""


class BadFrame(ConnectionOver):
    """Bytes that are no frame of this protocol."""


class TooSlow(ConnectionOver):
    """More than OUT_LIMIT bytes wait for the receiver."""


class Connection:
    """A connected, non-blocking socket with its two buffers."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self._in = bytearray()
        self._out = bytearray()

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._out)

    def receive(self) -> list[tuple[int, np.void]]:
        """(message type, body) of every whole frame that has come. Raises Closed or BadFrame."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            raise Closed(f"connection lost: {error}") from error
        if not data:
            raise Closed("closed by the client")
        self._in += data
        out = []
        start = 0
        while (found := self._frame_at(start)) is not None:
            out.append(found[:2])
            start += found[2]
        del self._in[:start]
        return out

    def _frame_at(self, start: int) -> tuple[int, np.void, int] | None:
        head = protocol.HEADER.itemsize
        if len(self._in) - start < head:
            return None
        header = np.frombuffer(bytes(self._in[start : start + head]), protocol.HEADER)[0]
        length, message, version = int(header["length"]), int(header["type"]), int(header["version"])
        if version != protocol.WIRE_VERSION:
            raise BadFrame(f"wire version {version}, this exchange speaks {protocol.WIRE_VERSION}")
        if message not in CLIENT_MESSAGES:
            raise BadFrame(f"message type {message} is none that a client sends")
        body = protocol.BODIES[message]
        if length != head + body.itemsize:
            raise BadFrame(f"message type {message} has {length} bytes, it must have {head + body.itemsize}")
        if len(self._in) - start < length:
            return None
        record: Any = np.frombuffer(bytes(self._in[start + head : start + length]), body)[0]
        return message, record, length

    def send(self, data: bytes | memoryview) -> None:
        """Queue bytes and send what the system takes at once. Raises Closed or TooSlow."""
        self._out += data
        self.flush()
        if len(self._out) > OUT_LIMIT:
            raise TooSlow(f"{len(self._out) >> 20} MiB wait for this client, the limit is {OUT_LIMIT >> 20} MiB")

    def flush(self) -> None:
        """Send what the system takes. Raises Closed."""
        while self._out:
            try:
                with memoryview(self._out) as waiting:  # released before the buffer is cut
                    sent = self.socket.send(waiting[:SEND_BYTES])
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                raise Closed(f"connection lost: {error}") from error
            del self._out[:sent]

    def close(self) -> None:
        self.socket.close()
