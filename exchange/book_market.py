"""A market of real books: what generated and mixed markets share, and by itself one in which clients alone trade.

Pure delegation to one `Venue` per instrument; a source with events of its own overrides `next_due_ns` and `advance`.
"""

from __future__ import annotations

from collections.abc import Sequence

from config.schema import Instrument
from exchange.market import Array, Batch, Fill
from exchange.venue import Venue

SPAN = 1 << 16  # prices a book can hold
CAPACITY = 1 << 13  # resting orders of one book
DEFAULT_START_TICKS = 10_000


class BookMarket:
    """See `exchange.market.MarketSource` for the contract of each method.

    venues: one for each instrument, in their order. start_ns: market time of the first event.
    """

    has_book = True

    def __init__(self, instruments: Sequence[Instrument], venues: Sequence[Venue], start_ns: int) -> None:
        self.instruments = instruments
        self.venues = venues
        self._start_ns = start_ns

    @classmethod
    def of_clients(cls, instruments: Sequence[Instrument], start_ns: int, start_price: float = 0.0) -> BookMarket:
        """Empty books around `start_price` points (0: 10,000 ticks): nobody trades but clients."""
        venues = []
        for index, spec in enumerate(instruments):
            ticks = round(start_price / spec.tick) or DEFAULT_START_TICKS
            base = max(1, ticks - SPAN // 2)
            venues.append(Venue(spec, index, base_ticks=base, span=SPAN, capacity=CAPACITY, start_ticks=ticks))
        return cls(instruments, venues, start_ns)

    @property
    def first_ns(self) -> int:
        return self._start_ns

    def next_due_ns(self) -> int | None:
        return min((venue.pending[0].last_ns for venue in self.venues if venue.pending), default=None)

    def advance(self, to_ns: int, limit: int) -> Batch | None:
        return self.told(to_ns)

    def told(self, to_ns: int) -> Batch | None:
        """The earliest batch that clients or states caused, up to `to_ns`; None when there is none."""
        waiting = [(venue.pending[0].last_ns, venue.index) for venue in self.venues if venue.pending]
        if not waiting or min(waiting)[0] > to_ns:
            return None
        return self.venues[min(waiting)[1]].pending.pop(0)

    def watch(self, instrument: int, low_ticks: int, high_ticks: int) -> None:
        """Clients' own trades are looked at by the engine; there are no others here."""

    def last_ticks(self, instrument: int) -> int:
        return self.venues[instrument].last_ticks

    def in_range(self, instrument: int, price_ticks: int) -> bool:
        return self.venues[instrument].holds(price_ticks)

    def set_state(self, instrument: int, state: int, now_ns: int) -> list[Fill]:
        return self.venues[instrument].set_state(state, now_ns)

    def available(self, instrument: int, side: int, limit_ticks: int | None, wanted: int) -> int:
        return self.venues[instrument].available(side, limit_ticks, wanted)

    def take(
        self, instrument: int, owner: int, side: int, limit_ticks: int | None, quantity: int, broker: int, now_ns: int
    ) -> list[Fill]:
        return self.venues[instrument].take(side, limit_ticks, quantity, broker, now_ns)

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
        self.venues[instrument].rest(owner, side, price_ticks, quantity, broker, now_ns)

    def withdraw(self, instrument: int, owner: int, now_ns: int) -> None:
        self.venues[instrument].withdraw(owner, now_ns)

    def reduce(self, instrument: int, owner: int, leaves: int, now_ns: int) -> None:
        self.venues[instrument].reduce(owner, leaves, now_ns)

    def queue_ahead(self, instrument: int, owner: int) -> int:
        return self.venues[instrument].queue_ahead(owner)

    def history(self, instrument: int, from_ns: int, to_ns: int) -> Array:
        return self.venues[instrument].history(from_ns, to_ns)
