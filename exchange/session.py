"""What the exchange knows of one connected client: login, subscriptions, history that is still to be sent.

It decides nothing about orders; the server owns the sockets' readiness and calls in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from exchange import protocol
from exchange.connection import Connection
from exchange.faults.orders import OrderPost
from exchange.frames import join_frames, trade_frames
from exchange.market import KIND_BOOK, KIND_TRADE, Array, Batch

HISTORY_CHUNK = 2048  # trades sent at once
HISTORY_BACKLOG = 1 << 20  # bytes: no more history while so much waits
NO_NAME = -1  # frames keep the index that they have
LAST_OF_REQUEST = 2  # flag of a request's last trade


class Session:
    """One client. `number` is unique over the exchange's lifetime; `key` is empty before the login."""

    def __init__(self, number: int, connection: Connection, listings: int) -> None:
        self.number = number
        self.connection = connection
        self.key = ""
        self.full = False
        self.told_events = 0  # of orders and positions, by its login: the newest's id
        self.leaving = False  # refused: closes as soon as everything is sent
        self.wanted = np.zeros((2, listings), bool)  # [kind, listing]
        self.post = OrderPost()
        self._history: deque[Iterator[bytes]] = deque()

    @property
    def logged_in(self) -> bool:
        return bool(self.key)

    def send(self, message: int, **fields: object) -> None:
        """One frame."""
        self.connection.send(protocol.frame(message, **fields))

    def subscribe(self, listing: int, body: np.void) -> None:
        """Switch what the message names on or off; the rest stays as it is."""
        for kind, name in ((KIND_TRADE, "trades"), (KIND_BOOK, "depth")):
            if body[name]:
                self.wanted[kind, listing] = bool(body["on"])

    def add_history(self, request: int, listing: int, trades: Array, code: int = 0) -> None:
        """Answer a history request, piece by piece as the client takes it. trades (n,) TRADE_BODY.

        With a negative code the request fails behind them: no trade is marked as the last one.
        """
        self._history.append(_history_frames(request, listing, trades, code))

    def end_history(self, request: int, code: int) -> None:
        """Refuse a history request with a negative code."""
        self.send(protocol.HISTORY_END, request=request, code=code)

    def pump(self) -> int:
        """Send history while there is room. Returns the pieces sent."""
        done = 0
        while self._history and self.connection.backlog < HISTORY_BACKLOG:
            piece = next(self._history[0], None)
            if piece is None:
                self._history.popleft()
            else:
                self.connection.send(piece)
                done += 1
        return done

    @property
    def has_history(self) -> bool:
        return bool(self._history)


def _history_frames(request: int, listing: int, trades: Array, code: int) -> Iterator[bytes]:
    for start in range(0, len(trades), HISTORY_CHUNK):
        part = trades[start : start + HISTORY_CHUNK]
        out = trade_frames(len(part), protocol.HISTORY_TRADE)
        out["body"] = part
        out["body"]["index"] = listing
        out["body"]["request"] = request
        if start + len(part) == len(trades) and code == 0:
            out["body"]["flags"][-1] |= LAST_OF_REQUEST
        yield out.tobytes()
    yield protocol.frame(protocol.HISTORY_END, request=request, code=code, trades=len(trades))


class Pieces:
    """The bytes of a batch, cut once for all clients that want the same of it."""

    def __init__(self, batch: Batch) -> None:
        self.kinds, self.symbols = batch.kinds, np.ascontiguousarray(batch.symbols, np.int32)
        self._trades, self._books = _as_bytes(batch.trades), _as_bytes(batch.books)
        self._made: dict[tuple[bytes, int], memoryview] = {}

    def of(self, wanted: Array, name: int | None = None) -> memoryview:
        """The frames of the events with wanted[kind, symbol] true, in their order; under another listing's index.

        It is valid as long as this object.
        """
        key = wanted.tobytes(), NO_NAME if name is None else name
        if key not in self._made:
            out = np.empty(self._trades.size + self._books.size, np.uint8)
            wanted = np.ascontiguousarray(wanted)
            size = join_frames(
                self.kinds, self.symbols, wanted, self._trades, self._books,
                key[1], protocol.HEADER.itemsize, len(self.kinds), out,
            )  # fmt: skip
            self._made[key] = memoryview(out[:size])
        return self._made[key]


def _as_bytes(frames: Array) -> Array:
    """Records (n,) as bytes (n, size)."""
    return np.ascontiguousarray(frames).view(np.uint8).reshape(len(frames), frames.dtype.itemsize)
