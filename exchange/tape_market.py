"""A recorded tape as a market: its rows become trade and book messages at their market time.

Our orders do not change the recording. A resting order keeps a queue position (`queue_position`) and is filled by the
tape's own trades; an incoming one takes the recorded depth of the latest snapshot, and what it took stays taken until
the next snapshot. No clock, no files: it is given arrays and the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from config.schema import Instrument
from exchange import frames, queue_position, recording
from exchange.market import ASK, BID, BUY, QUEUE_TYPES, Array, Batch, Fill
from exchange.recording import Recording

TAKES = np.isin(np.arange(256), QUEUE_TYPES)  # by the number of a trade's kind
MAX_RESTING = 4096  # of clients, per instrument


class _Depth:
    """The latest snapshot of one instrument, and what clients took from it."""

    def __init__(self) -> None:
        self.ticks = np.zeros((2, frames.BOOK_LEVELS), np.int64)
        self.quantity = np.zeros((2, frames.BOOK_LEVELS), np.int64)
        self.taken = np.zeros((2, frames.BOOK_LEVELS), np.int64)

    def set(self, ticks: Array, quantity: Array) -> None:
        self.ticks[:], self.quantity[:] = ticks, quantity
        self.taken[:] = 0

    def walk(self, side: int, limit_ticks: int | None, quantity: int) -> list[tuple[int, int, int]]:
        """(level, price ticks, quantity) that an incoming order of `side` would trade."""
        other = ASK if side == BUY else BID
        out = []
        for level in range(frames.BOOK_LEVELS):
            ticks = int(self.ticks[other, level])
            left = int(self.quantity[other, level] - self.taken[other, level])
            if limit_ticks is not None and (ticks > limit_ticks if side == BUY else ticks < limit_ticks):
                break
            if left > 0 and quantity > 0:
                traded = min(left, quantity)
                out.append((level, ticks, traded))
                quantity -= traded
        return out


class TapeMarket:
    """Plays a `Recording`. See `exchange.market.MarketSource` for the contract of each method."""

    has_book = False

    def __init__(self, instruments: Sequence[Instrument], tape: Recording) -> None:
        self.instruments = instruments
        self._tape = tape
        self._next = 0
        count = len(instruments)
        self._depth = [_Depth() for _ in range(count)]
        self._own = np.zeros((count, MAX_RESTING, 6), np.float64)
        self._resting = np.zeros(count, np.int64)
        self._last_ticks = [0] * count
        self._watch = np.tile(np.array([-1, 1 << 62], np.int64), (count, 1))
        self._watched: set[int] = set()
        self._fills = np.zeros((MAX_RESTING, 3), np.int64)
        self._played = np.zeros(2, np.int64)

    @property
    def first_ns(self) -> int:
        return int(self._tape.due_ns[0])

    def next_due_ns(self) -> int | None:
        return int(self._tape.due_ns[self._next]) if self._next < len(self._tape.due_ns) else None

    def advance(self, to_ns: int, limit: int) -> Batch | None:
        start = self._next
        end = min(int(np.searchsorted(self._tape.due_ns, to_ns, side="right")), start + limit)
        if end <= start:
            return None
        chunk = self._tape.chunk(start, end)
        fills: list[Fill] = []
        stop = chunk.events
        if self._watched or self._resting.any():
            stop, fills = self._play_with_orders(chunk)
        trades, books = chunk.cut(stop)
        for index in range(len(self.instruments)):
            of_trades = np.flatnonzero(chunk.trade_symbol[:trades] == index)
            if of_trades.size:
                self._last_ticks[index] = int(chunk.trade_ticks[of_trades[-1]])
            of_books = np.flatnonzero(chunk.book_symbol[:books] == index)
            if of_books.size:
                self._depth[index].set(chunk.book_ticks[of_books[-1]], chunk.book_quantity[of_books[-1]])
        self._next = start + stop
        return Batch(
            chunk.kinds[:stop],
            chunk.symbols[:stop],
            recording.encode_trades(self._tape, chunk, trades),
            recording.encode_books(self._tape, chunk, books),
            fills,
            int(self._tape.due_ns[self._next - 1]),
        )

    def _play_with_orders(self, chunk: recording.Chunk) -> tuple[int, list[Fill]]:
        """Apply the chunk's events to our queues one by one, up to the first fill or watched price."""
        stop = queue_position.queue_play(
            chunk.kinds, chunk.symbols, chunk.book_ticks, np.ascontiguousarray(chunk.book_quantity),
            chunk.trade_ticks, np.ascontiguousarray(chunk.trade_quantity), TAKES[chunk.trade_type],
            self._own, self._resting, self._watch, self._fills, self._played,
        )  # fmt: skip
        written, index = self._played.tolist()
        if not written:
            return stop, []
        ts_ns = int(chunk.due_ns[stop - 1])
        fills = [Fill(*row, ts_ns) for row in self._fills[:written].tolist()]
        own = self._own[index]
        left = own[: self._resting[index]][own[: self._resting[index], queue_position.LEAVES] > 0]
        own[: len(left)] = left
        self._resting[index] = len(left)
        return stop, fills

    def watch(self, instrument: int, low_ticks: int, high_ticks: int) -> None:
        self._watch[instrument] = low_ticks, high_ticks
        if low_ticks < 0 and high_ticks >= 1 << 62:
            self._watched.discard(instrument)
        else:
            self._watched.add(instrument)

    def last_ticks(self, instrument: int) -> int:
        return self._last_ticks[instrument]

    def in_range(self, instrument: int, price_ticks: int) -> bool:
        return price_ticks > 0

    def set_state(self, instrument: int, state: int, now_ns: int) -> list[Fill]:
        return []  # a recording brings its own auctions, as trades

    def available(self, instrument: int, side: int, limit_ticks: int | None, wanted: int) -> int:
        return sum(row[2] for row in self._depth[instrument].walk(side, limit_ticks, wanted))

    def take(
        self, instrument: int, owner: int, side: int, limit_ticks: int | None, quantity: int, broker: int, now_ns: int
    ) -> list[Fill]:
        depth = self._depth[instrument]
        fills = []
        for level, ticks, traded in depth.walk(side, limit_ticks, quantity):
            depth.taken[ASK if side == BUY else BID, level] += traded
            fills.append(Fill(0, ticks, traded, now_ns))
        return fills

    def rest(
        self,
        instrument: int,
        owner: int,
        side: int,
        price_ticks: int | None,
        quantity: int,
        broker: int,
        now_ns: int,
    ) -> None:
        if price_ticks is None:
            raise ValueError("an order at market cannot rest in a recorded market")
        count = int(self._resting[instrument])
        if count == MAX_RESTING:
            raise OverflowError(f"{MAX_RESTING} client orders rest in {self.instruments[instrument].symbol} already")
        depth, where = self._depth[instrument], BID if side == BUY else ASK
        ahead = queue_position.recorded_quantity(depth.ticks[where], depth.quantity[where], side == BUY, price_ticks)
        self._own[instrument][count] = (owner, side, price_ticks, quantity, ahead, max(ahead, 0))
        self._resting[instrument] = count + 1

    def _row(self, instrument: int, owner: int) -> int:
        rows = np.flatnonzero(self._own[instrument][: self._resting[instrument], queue_position.OWNER] == owner)
        return int(rows[0])

    def withdraw(self, instrument: int, owner: int, now_ns: int) -> None:
        own, count, row = self._own[instrument], self._resting[instrument], self._row(instrument, owner)
        own[row : count - 1] = own[row + 1 : count].copy()
        self._resting[instrument] = count - 1

    def reduce(self, instrument: int, owner: int, leaves: int, now_ns: int) -> None:
        self._own[instrument][self._row(instrument, owner), queue_position.LEAVES] = leaves

    def queue_ahead(self, instrument: int, owner: int) -> int:
        return int(self._own[instrument][self._row(instrument, owner), queue_position.AHEAD])

    def history(self, instrument: int, from_ns: int, to_ns: int) -> Array:
        return recording.history(self._tape, self._next, instrument, from_ns, to_ns)
