"""A generated market on real order books: seeded background traders, and our orders among them with equal rights.

The same seed and configuration, and the same client orders at the same market times, give the same market to the
byte. No clock, no files. One `Stream` per instrument; they are played in the order of their events' time.
"""

from __future__ import annotations

from collections.abc import Sequence

from config.schema import Instrument
from exchange import order_flow
from exchange.book import book_available, book_queue_ahead
from exchange.generated_stream import Stream
from exchange.market import Array, Batch, Fill


class GeneratedMarket:
    """See `exchange.market.MarketSource` for the contract of each method.

    start_ns: the first event's market time; close_ns: when each instrument's session ends, its last event.
    start_price in points for every instrument, 0: 10,000 ticks. trades_per_s: mean rate of each instrument.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        start_ns: int,
        close_ns: Sequence[int],
        seed: int,
        start_price: float,
        trades_per_s: float,
    ) -> None:
        self.instruments = instruments
        self._start_ns = start_ns
        self.streams = [
            Stream(spec, index, seed, start_ns, close_ns[index], start_price, trades_per_s)
            for index, spec in enumerate(instruments)
        ]

    @property
    def first_ns(self) -> int:
        return self._start_ns

    def _due(self) -> list[tuple[int, int]]:
        """(time, instrument) of each stream's next event, earliest first."""
        return sorted((stream.next_ns, stream.index) for stream in self.streams if stream.next_ns is not None)

    def next_due_ns(self) -> int | None:
        due = self._due()
        return due[0][0] if due else None

    def advance(self, to_ns: int, limit: int) -> Batch | None:
        while due := self._due():
            first_ns, index = due[0]
            if first_ns > to_ns:
                return None
            # up to where another instrument's event comes first
            until_ns = min([to_ns, *(other_ns for other_ns, _ in due[1:])])
            batch = self.streams[index].run(until_ns, limit)
            if batch is not None:
                return batch
        return None

    def watch(self, instrument: int, low_ticks: int, high_ticks: int) -> None:
        words = self.streams[instrument].words
        words[order_flow.W_LOW], words[order_flow.W_HIGH] = low_ticks, high_ticks

    def last_ticks(self, instrument: int) -> int:
        return self.streams[instrument].last_ticks

    def in_range(self, instrument: int, price_ticks: int) -> bool:
        return self.streams[instrument].book.holds(price_ticks)

    def available(self, instrument: int, side: int, limit_ticks: int | None, wanted: int) -> int:
        stream = self.streams[instrument]
        row = stream.limit_row(side, limit_ticks)
        return int(book_available(stream.book.levels, stream.book.state, side, row, wanted))

    def take(
        self, instrument: int, owner: int, side: int, limit_ticks: int | None, quantity: int, broker: int, now_ns: int
    ) -> list[Fill]:
        return self.streams[instrument].take(side, limit_ticks, quantity, broker, now_ns)

    def rest(
        self, instrument: int, owner: int, side: int, price_ticks: int, quantity: int, broker: int, now_ns: int
    ) -> None:
        self.streams[instrument].rest(owner, side, price_ticks, quantity, broker, now_ns)

    def withdraw(self, instrument: int, owner: int, now_ns: int) -> None:
        self.streams[instrument].withdraw(owner, now_ns)

    def reduce(self, instrument: int, owner: int, leaves: int, now_ns: int) -> None:
        self.streams[instrument].reduce(owner, leaves, now_ns)

    def queue_ahead(self, instrument: int, owner: int) -> int:
        stream = self.streams[instrument]
        return int(book_queue_ahead(stream.book.orders, stream.slots[owner]))

    def history(self, instrument: int, from_ns: int, to_ns: int) -> Array:
        return self.streams[instrument].history(from_ns, to_ns)
