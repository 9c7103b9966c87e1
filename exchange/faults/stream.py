"""What the faults of market data do to a batch of market events before anybody is told.

Pure: a batch in, another one out. The market itself has happened already and does not change: fills, queues and
history know nothing of this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exchange.faults.running import Running
from exchange.faults.table import AuctionLevels, EditedTrades, FeedSilent, ZeroTrades
from exchange.frames import book_frames, trade_frames
from exchange.market import KIND_BOOK, KIND_TRADE, Array, Batch

EDIT = 1  # flag of a trade
THEORETICAL = 1  # flag of a book
SIDES = ("bid", "ask")


def heard(faults: Running) -> Array:
    """(2, 1) bool by kind: which events are sent at all."""
    out = np.ones((2, 1), bool)
    if silent := faults.active(FeedSilent):
        out[KIND_TRADE] = silent.what == "books"
        out[KIND_BOOK] = silent.what == "trades"
    return out


def struck(batch: Batch, faults: Running, ticks: Sequence[float]) -> Batch:
    """The batch as the faults that are on let it out. ticks: of each instrument, in points."""
    if not faults:
        return batch
    if faults.active(AuctionLevels) and len(batch.books):
        batch = batch._replace(books=_with_auction_levels(batch.books))
    if faults.active(ZeroTrades) and len(batch.trades):
        batch = batch._replace(trades=_with_zeros(batch.trades, faults))
    if faults.active(EditedTrades) and len(batch.trades):
        batch = _with_edits(batch, faults, ticks)
    return batch


def _with_auction_levels(books: Array) -> Array:
    """Each side moves down by one level, and minus infinity comes on top."""
    out = books.copy()
    body = out["body"]
    body["theoretical_price"] = (body["bid_price"][:, 0] + body["ask_price"][:, 0]) / 2
    body["theoretical_quantity"] = np.minimum(body["bid_quantity"][:, 0], body["ask_quantity"][:, 0])
    for side in SIDES:
        for column in ("price", "quantity", "count"):
            name = f"{side}_{column}"
            body[name][:, 1:] = books["body"][name][:, :-1]
        body[f"{side}_price"][:, 0] = -np.inf
    body["flags"] |= THEORETICAL
    return out


def _with_zeros(trades: Array, faults: Running) -> Array:
    out = trades.copy()
    for body in out["body"]:
        if fault := faults.strike(ZeroTrades):
            if fault.field != "price":
                body["ts_ns"] = 0
            if fault.field != "date":
                body["price"] = 0.0
    return out


def _with_edits(batch: Batch, faults: Running, ticks: Sequence[float]) -> Batch:
    edited = np.array([faults.strike(EditedTrades) is not None for _ in batch.trades])
    edits = batch.trades[edited].copy()
    body = edits["body"]
    body["flags"] |= EDIT
    body["quantity"] *= 2
    body["price"] += np.asarray(ticks)[body["index"]]
    of_trades = np.flatnonzero(edited) + 1  # behind the trade that each edits
    of_events = np.flatnonzero(batch.kinds == KIND_TRADE)[edited] + 1
    return batch._replace(
        kinds=np.insert(batch.kinds, of_events, KIND_TRADE),
        symbols=np.insert(batch.symbols, of_events, body["index"]),
        trades=np.insert(batch.trades, of_trades, edits),
    )


class Flicker:
    """Makes the events of a burst from the newest book of each instrument."""

    def __init__(self) -> None:
        self._newest: dict[int, Array] = {}
        self._made = 0

    def see(self, batch: Batch) -> None:
        """Remember the newest books."""
        bodies = batch.books["body"]
        _, from_the_end = np.unique(
            bodies["index"][::-1], return_index=True
        )  # one copy for each instrument, not each book
        for place in (len(bodies) - 1 - from_the_end).tolist():
            self._newest[int(bodies["index"][place])] = bodies[place].copy()

    def batch(self, count: int, market_ns: int) -> Batch | None:
        """`count` books, the instruments in turn; None before there is a book. Best quantities are 1 to 64 more."""
        if not self._newest or count <= 0:
            return None
        frames = book_frames(count)
        body, number = frames["body"], self._made + np.arange(count)
        for place, newest in enumerate(self._newest.values()):
            body[place :: len(self._newest)] = newest
        for side in SIDES:
            quantity = body[f"{side}_quantity"][:, 0]
            body[f"{side}_quantity"][:, 0] = np.where(quantity > 0, quantity + 1 + number % 64, 0)
        body["ts_ns"] = market_ns
        self._made += count
        kinds = np.full(count, KIND_BOOK, np.uint8)
        return Batch(kinds, body["index"].copy(), trade_frames(0), frames, (), market_ns)
