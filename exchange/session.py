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
from exchange.frames import trade_frames
from exchange.market import KIND_BOOK, KIND_TRADE, Array, Batch

HISTORY_CHUNK = 2048  # trades sent at once
HISTORY_BACKLOG = 1 << 20  # bytes: no more history while so much waits
LAST_OF_REQUEST = 2  # flag of a request's last trade


class Session:
    """One client. `number` is unique over the exchange's lifetime; `key` is empty before the login."""

    def __init__(self, number: int, connection: Connection, listings: int) -> None:
        self.number = number
        self.connection = connection
        self.key = ""
        self.full = False
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
    """The bytes of a batch, cut into frames once for all clients."""

    def __init__(self, batch: Batch) -> None:
        self.kinds, self.symbols = batch.kinds, batch.symbols
        trades, books = (memoryview(part.tobytes()) for part in (batch.trades, batch.books))
        trade, book = batch.trades.dtype.itemsize, batch.books.dtype.itemsize
        self.frames: list[memoryview] = []
        at_trade = at_book = 0
        for kind in batch.kinds.tolist():
            if kind == KIND_TRADE:
                self.frames.append(trades[at_trade : at_trade + trade])
                at_trade += trade
            else:
                self.frames.append(books[at_book : at_book + book])
                at_book += book
        self._whole: bytes | None = None

    def of(self, wanted: Array, name: int | None = None) -> bytes:
        """The frames of the events with wanted[kind, symbol] true, in their order; under another listing's index."""
        chosen = wanted[self.kinds, self.symbols]
        if name is not None:
            index = name.to_bytes(4, "little")
            return b"".join(_renamed(self.frames[i], index) for i in np.flatnonzero(chosen))
        if not chosen.all():
            return b"".join(self.frames[i] for i in np.flatnonzero(chosen))
        if self._whole is None:
            self._whole = b"".join(self.frames)
        return self._whole


def _renamed(frame: memoryview, index: bytes) -> bytes:
    """The frame with another `index`, the first field of both market bodies."""
    head = protocol.HEADER.itemsize
    return b"".join((frame[:head], index, frame[head + len(index) :]))
