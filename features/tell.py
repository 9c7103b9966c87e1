"""The counters of the features stage, written in one compiled call after each batch: they are due with every event."""

from __future__ import annotations

from typing import Any

import numpy as np

from features.engine import State
from features.events import COUNT_NAMES
from features.families import ABSENT_BOOK, BY_NAME, CAUSE_AUCTION, CAUSE_STALE, FAMILIES
from features.loop import BOOKS, CANDLES, TRADES, Feature, Loop
from shm.atomics import at, load_relaxed, store_relaxed
from shm.counters import StageCounters
from shm.jit import inline, kernel
from shm.layouts import OFFSET_CURSOR
from shm.ring import reader_behind, reader_lost

from numba import carray, from_dtype, types  # isort: skip

Array = np.ndarray[Any, Any]

OWN = ("laps", "unknown_symbol", "lost", "lost_candles")
"""Counted by this incarnation: what earlier ones counted is added."""

WHOLE = sum(family.ready for family in FAMILIES)
NO_BOOK = CAUSE_AUCTION | CAUSE_STALE | ABSENT_BOOK

PLACES = np.dtype(
    [
        ("vectors", "<u8"),  # addresses of the counters
        ("behind", "<u8"),
        ("own", "<u8", (len(OWN),)),
        ("before", "<i8", (len(OWN),)),  # what earlier incarnations counted
        ("counts", "<u8", (len(COUNT_NAMES),)),
        ("unready", "<u8"),  # address of the addresses, one a symbol
        ("required", "<i8"),  # ready bits
    ],
    align=True,
)
"""Where each figure goes."""


@kernel("int64(int64, int64)")
def not_to_be_traded_on(ready, required):
    """Bits of a ready mask that forbid entries: required families (bits) that are not whole, and a book that is absent,
    stale or an auction's. Without required families at least one must be whole, else the bits of all are set. 0: nothing
    forbids."""
    lacking = required & ~ready
    if required == 0 and ready & WHOLE == 0:
        lacking = WHOLE
    return lacking | (ready & NO_BOOK)


@inline
def _put(address, value):
    store_relaxed(np.uint64(address), np.uint64(value))


@kernel(
    types.void(Loop, types.Array(State, 1, "C"), types.Array(Feature, 1, "C"), types.Array(from_dtype(PLACES), 1, "C"))
)
def tell(loop, states, outs, all_places):
    """loop: LOOP scalar; states, outs: of the batch; all_places: PLACES (1,), of which everything is written."""
    places = all_places[0]
    _put(places.vectors, np.int64(load_relaxed(np.uint64(loop.out_ring) + np.uint64(OFFSET_CURSOR))))
    candles, trades, books = (
        np.uint64(loop.reader[CANDLES]), np.uint64(loop.reader[TRADES]), np.uint64(loop.reader[BOOKS]),
    )  # fmt: skip
    _put(places.behind, reader_behind(candles) + reader_behind(trades) + reader_behind(books))
    lost = np.int64(reader_lost(trades)) + np.int64(reader_lost(books))
    own = (loop.laps, loop.unknown_symbol, lost, np.int64(reader_lost(candles)))
    for i in range(len(own)):
        _put(places.own[i], places.before[i] + own[i])
    for i in range(len(COUNT_NAMES)):
        total = np.int64(0)
        for symbol in range(len(states)):
            total += states[symbol].small.counts[i]
        _put(places.counts[i], total)
    unready = carray(at(np.uint64(places.unready)), len(outs), np.uint64)
    for symbol in range(len(outs)):
        if outs[symbol].ingest_seq != 0:  # nobody knows before the first vector
            _put(unready[symbol], not_to_be_traded_on(outs[symbol].ready, places.required))


def bits_of(families: tuple[str, ...]) -> int:
    """Their bits of the ready mask."""
    return sum(BY_NAME[name].ready for name in families)


class Teller:
    """Knows where the counters of one incarnation stand. They must be declared."""

    def __init__(self, counters: StageCounters, symbols: int, required: tuple[str, ...]) -> None:
        address = counters.value_address
        self._unready = np.array([address(f"unready_{symbol}") for symbol in range(symbols)], np.uint64)
        self._places = np.zeros(1, PLACES)
        place = self._places[0]
        place["vectors"], place["behind"] = address("vectors"), address("behind")
        place["own"] = [address(name) for name in OWN]
        place["before"] = [counters.get(name) for name in OWN]
        place["counts"] = [address(name) for name in COUNT_NAMES]
        place["unready"] = self._unready.ctypes.data
        place["required"] = bits_of(required)

    def tell(self, loop: np.void, states: Array, outs: Array) -> None:
        """Bring all counters up to date with the batch that was done."""
        tell(loop, states, outs, self._places)
