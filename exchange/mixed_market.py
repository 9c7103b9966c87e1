"""A recorded tape in real books: its flow is the background, clients' orders stand in its queues and change what happens.

Between `tape_market`, whose recording no order can touch, and the generated market: prices follow the recording, but
clients meet each other, their orders are seen in the book, take quantity from it and give recorded trades a better
price (`mixed_flow`). What the recording cannot know it does not answer: its traders go on as if clients were not there.
While a call lasts the recorded events are passed over. No clock, no files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from config.schema import Instrument
from exchange import frames
from exchange import mixed_flow as flow
from exchange.book_market import CAPACITY, SPAN, BookMarket
from exchange.market import QUEUE_TYPES, Array, Batch, Fill
from exchange.recording import Chunk, Recording
from exchange.venue import Venue

OUT_COLUMNS = (("ts_ns", 0), ("quantity", 2), ("buyer", 3), ("seller", 4), ("trade_type", 5), ("number", 6))
ROOM = 1024  # rows of output of one run
TAKES = np.isin(np.arange(256), QUEUE_TYPES)


class MixedVenue(Venue):
    """One instrument: its book and what the recording last showed of it. first_ticks: of its first trade or bid."""

    def __init__(self, spec: Instrument, index: int, first_ticks: int) -> None:
        self.words = np.zeros(8, np.int64)
        self.words[flow.W_LOW], self.words[flow.W_HIGH] = -1, 1 << 62
        base = max(1, first_ticks - SPAN // 2)
        super().__init__(spec, index, base_ticks=base, span=SPAN, capacity=CAPACITY, start_ticks=0)
        self._recorded = np.zeros((2, SPAN), np.int64)
        most = ROOM + 2 * CAPACITY
        self._told_kinds = np.zeros(2 * most, np.uint8)
        self._out_trades = np.zeros((most, 7), np.int64)
        self._out_books = np.zeros((ROOM + 8, 2, flow.LEVELS, 3), np.int64)
        self._times = np.zeros(ROOM + 8, np.int64)
        self._clients = np.zeros((CAPACITY, 4), np.int64)

    # the numbers that the kernel counts on

    @property
    def last_ticks(self) -> int:
        return int(self.words[flow.W_LAST_TICKS])

    @last_ticks.setter
    def last_ticks(self, ticks: int) -> None:
        self.words[flow.W_LAST_TICKS] = ticks

    @property
    def trade_number(self) -> int:
        return int(self.words[flow.W_TRADE_NUMBER])

    @trade_number.setter
    def trade_number(self, number: int) -> None:
        self.words[flow.W_TRADE_NUMBER] = number

    @property
    def order_number(self) -> int:
        return int(self.words[flow.W_ORDER_NUMBER])

    @order_number.setter
    def order_number(self, number: int) -> None:
        self.words[flow.W_ORDER_NUMBER] = number

    def play(self, kinds: Array, due_ns: Array, ticks: Array, quantity: Array, rows: Array) -> tuple[int, Batch | None]:
        """Apply recorded events of this instrument (see `mixed_flow.mixed_run`): how many were, and what came of them."""
        if self.calling:
            return len(kinds), None
        done = int(
            flow.mixed_run(
                *self.book.arrays, self.book.fills, self._recorded, self.words, kinds, due_ns, ticks, quantity, rows,
                self._told_kinds, self._out_trades, self._out_books, self._times, self._clients, self._shown, ROOM,
            )
        )  # fmt: skip
        trades, books, clients = (int(self.words[at]) for at in (flow.W_TRADES, flow.W_BOOKS, flow.W_CLIENTS))
        if trades + books == 0:
            return done, None
        last_ns = int(due_ns[done - 1])
        fills = []
        for owner, price, traded, ended in self._clients[:clients].tolist():
            fills.append(Fill(owner, price, traded, last_ns))
            if ended:
                self.forget(owner)
        return done, self._batch(trades, books, fills, last_ns)

    def _batch(self, trades: int, books: int, fills: list[Fill], last_ns: int) -> Batch:
        trade = frames.trade_frames(trades)
        body, rows = trade["body"], self._out_trades[:trades]
        for name, column in OUT_COLUMNS:
            body[name] = rows[:, column]
        body["price"] = np.round(rows[:, 1] * self.spec.tick, frames.PRICE_DIGITS)
        body["index"] = self.index
        if trades:
            self._played.append(body.copy())
        book = frames.book_frames(books)
        book["body"]["index"], book["body"]["ts_ns"] = self.index, self._times[:books]
        for at, side in enumerate(("bid", "ask")):
            frames.fill_side(book["body"], side, self._out_books[:books, at], self.spec.tick)
        kinds = self._told_kinds[: trades + books].copy()
        return Batch(kinds, np.full(len(kinds), self.index, np.int32), trade, book, fills, last_ns)


class MixedMarket(BookMarket):
    """Plays a `Recording` into books. See `exchange.market.MarketSource` for the contract of each method."""

    def __init__(self, instruments: Sequence[Instrument], tape: Recording) -> None:
        self._tape = tape
        self._next = 0
        self.mixed = [
            MixedVenue(spec, index, _first_ticks(tape, spec, index)) for index, spec in enumerate(instruments)
        ]
        super().__init__(instruments, self.mixed, int(tape.due_ns[0]))

    def next_due_ns(self) -> int | None:
        dues = [super().next_due_ns()]
        if self._next < len(self._tape.due_ns):
            dues.append(int(self._tape.due_ns[self._next]))
        return min((due for due in dues if due is not None), default=None)

    def advance(self, to_ns: int, limit: int) -> Batch | None:
        while (batch := self.told(to_ns)) is None:
            end = min(int(np.searchsorted(self._tape.due_ns, to_ns, side="right")), self._next + limit)
            if end <= self._next:
                return None
            batch = self._play(self._tape.chunk(self._next, end))
            if batch is not None:
                return batch
        return batch

    def _play(self, chunk: Chunk) -> Batch | None:
        """The chunk's first events, as far as they are of one instrument."""
        index = int(chunk.symbols[0])
        others = np.flatnonzero(chunk.symbols != index)
        trades, books = chunk.cut(int(others[0]) if others.size else chunk.events)
        count = trades + books
        row = self._tape.trades[chunk.first_trade : chunk.first_trade + trades]
        rows = np.empty((trades, 6), np.int64)
        rows[:, 0], rows[:, 1] = chunk.trade_ticks[:trades], row["quantity"]
        rows[:, 2], rows[:, 3] = chunk.trade_type[:trades], TAKES[chunk.trade_type[:trades]]
        rows[:, 4], rows[:, 5] = row["buyer"], row["seller"]
        done, batch = self.mixed[index].play(
            np.ascontiguousarray(chunk.kinds[:count]), np.ascontiguousarray(chunk.due_ns[:count]),
            np.ascontiguousarray(chunk.book_ticks[:books]), np.ascontiguousarray(chunk.book_quantity[:books]), rows,
        )  # fmt: skip
        self._next += done
        return batch

    def watch(self, instrument: int, low_ticks: int, high_ticks: int) -> None:
        words = self.mixed[instrument].words
        words[flow.W_LOW], words[flow.W_HIGH] = low_ticks, high_ticks


def _first_ticks(tape: Recording, spec: Instrument, index: int) -> int:
    trades, books = tape.trades[tape.trades["symbol"] == index][:1], tape.book[tape.book["symbol"] == index][:1]
    prices = [*trades["price"].tolist(), *books["bid_price"][:, 0].tolist()]
    return max((round(price / spec.tick) for price in prices), default=1)
