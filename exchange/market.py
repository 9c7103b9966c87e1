"""What every source of market is to the exchange: something that plays events by market time and takes orders.

Sources that keep this contract: `tape_market` (a recording, which our orders do not change), and those with real
books, which they do (`book_market`): `generated_market` and `mixed_market`.
A source has no clock and no sockets: time comes in as an argument, frames go out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from config.schema import Instrument
from profitdll.constants import TradeType

BUY, SELL = 1, 2
BID, ASK = 0, 1

KIND_TRADE, KIND_BOOK = 0, 1

# of the kinds of trade, those that take quantity out of the book's queues
QUEUE_TYPES = (TradeType.BUY_AGGRESSOR, TradeType.SELL_AGGRESSOR, TradeType.AUCTION, TradeType.UNKNOWN)

Array = np.ndarray[Any, Any]


class Fill(NamedTuple):
    """One execution against an order of a client. `order` is the exchange's number, 0: the other side is no client."""

    order: int
    price_ticks: int
    quantity: int
    ts_ns: int


class Batch(NamedTuple):
    """Market events in their order, and the fills of resting client orders that they caused.

    kinds (n,) u1: KIND_TRADE or KIND_BOOK; the i-th trade of it is row i of `trades`, likewise `books`.
    symbols (n,) integers: the instrument of each event; the `index` in the bodies is the same.
    The fills happened at the batch's last event: a source ends a batch there, and where a watched price trades.
    """

    kinds: Array
    symbols: Array
    trades: Array  # (t,) frames.TRADE_FRAME
    books: Array  # (b,) frames.BOOK_FRAME
    fills: Sequence[Fill]
    last_ns: int


class MarketSource(Protocol):
    """A market. Prices are whole ticks; `owner` is the exchange's number of a client order, > 0."""

    instruments: Sequence[Instrument]
    has_book: bool  # client orders stand in a real book: they meet each other, and calls can be held

    @property
    def first_ns(self) -> int:
        """Market time of the first event."""

    def next_due_ns(self) -> int | None:
        """Market time of the next event, None when there is none left."""

    def advance(self, to_ns: int, limit: int) -> Batch | None:
        """Play on, up to and including `to_ns`, at most `limit` events; None when nothing was due."""

    def watch(self, instrument: int, low_ticks: int, high_ticks: int) -> None:
        """End a batch after a trade at or below `low_ticks`, or at or above `high_ticks`."""

    def last_ticks(self, instrument: int) -> int:
        """Price of the last trade, 0 before the first."""

    def in_range(self, instrument: int, price_ticks: int) -> bool:
        """Whether an order may have this price."""

    def set_state(self, instrument: int, state: int, now_ns: int) -> list[Fill]:
        """A trading state begins. Returns the executions of a call that it ends; both sides of one are two fills.

        What such a call leaves of orders at market is taken out of the book.
        """

    def available(self, instrument: int, side: int, limit_ticks: int | None, wanted: int) -> int:
        """What an incoming order could trade at once, counted up to `wanted`; None: at any price."""

    def take(
        self, instrument: int, owner: int, side: int, limit_ticks: int | None, quantity: int, broker: int, now_ns: int
    ) -> list[Fill]:
        """Trade an incoming order now. Returns its executions, each with the client order on the other side, or 0."""

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
        """Put what is left of an order into its queue. None: at market, while a call lasts."""

    def withdraw(self, instrument: int, owner: int, now_ns: int) -> None:
        """Take a resting order out."""

    def reduce(self, instrument: int, owner: int, leaves: int, now_ns: int) -> None:
        """Lower what a resting order has left; it keeps its place."""

    def queue_ahead(self, instrument: int, owner: int) -> int:
        """Quantity before a resting order in its queue; -1 while it is not known."""

    def history(self, instrument: int, from_ns: int, to_ns: int) -> Array:
        """Trades already played or before the start with from <= time <= to, oldest first: (n,) protocol.TRADE_BODY."""
