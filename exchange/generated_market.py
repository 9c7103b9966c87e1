"""A generated market on real order books: seeded background traders, and our orders among them with equal rights.

The same seed and configuration, and the same client orders at the same market times, give the same market to the
byte. No clock, no files. One `Stream` per instrument; they are played in the order of their events' time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from config.schema import Instrument, PlantedEpisode
from exchange.book_market import BookMarket
from exchange.generated_stream import Stream, Traffic
from exchange.ground_truth import Episode
from exchange.market import Batch


class GeneratedMarket(BookMarket):
    """See `exchange.market.MarketSource` for the contract of each method.

    start_ns: the first event's market time; close_ns: when each instrument's session ends, its last event.
    start_price in points for every instrument, 0: 10,000 ticks. trades_per_s: mean rate of
    each instrument over its session; planted: episodes at fixed times, beside those of the seed; tell_truth: is told each
    episode when it is over. Raises BadSchedule when planted episodes overlap.
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
        episodes_per_hour: float = 0.0,
        planted: Sequence[PlantedEpisode] = (),
        tell_truth: Callable[[Episode], None] | None = None,
    ) -> None:
        traffic = Traffic(trades_per_s, episodes_per_hour, planted, tell_truth)
        self.streams = [
            Stream(spec, index, seed, start_ns, close_ns[index], start_price, traffic)
            for index, spec in enumerate(instruments)
        ]
        super().__init__(instruments, self.streams, start_ns)

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
        self.streams[instrument].watch(low_ticks, high_ticks)
