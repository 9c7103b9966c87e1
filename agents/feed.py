"""What a specialist is given each turn: a batch of vectors, and the raw records up to the newest of them.

Vectors are the clock. The features worker publishes vector n after ingest has published event n, so when a vector is
seen every raw record up to it is there, and is taken too. Raw records behind the newest vector stay in hand for the next.

One compiled call reads all of it: a specialist is woken by nearly every event of the market, mostly to find one vector
and one record, and the interpreter's steps would be most of its work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shm.atomics import at
from shm.jit import inline, kernel
from shm.layouts import BOOK, FEATURE, TRADE
from shm.ring import RingReader, reader_lost, reader_next

from numba import carray  # isort: skip  (after shm.jit, which places the cache)

BATCH = 256
FEATURE_SIZE = FEATURE.itemsize
RAW = ("trades", "book")  # in the order of their counts in `used`
RAW_ROOM = 4096  # raw records in hand at first; it doubles when one batch of vectors spans more
_DTYPES = {"trades": TRADE, "book": BOOK}

Array = np.ndarray[Any, Any]

HAND = np.dtype(
    [
        ("vectors", "<u8"),  # reader; addresses of this process
        ("place", "<u8"),  # where vectors are read to
        ("rows", "<u8"),  # int64 of each symbol: the row of its newest vector in hand, -1 none
        ("symbols", "<i8"),
        ("reader", "<u8", (2,)),  # of each raw ring; 0: it is not read
        ("kept", "<u8", (2,)),  # where its records in hand lie, oldest first
        ("size", "<i8", (2,)),  # bytes of one
        ("room", "<i8", (2,)),
        ("count", "<i8", (2,)),
        ("used", "<i8", (2,)),  # of them, by the caller since the last look
        ("newest", "<i8"),  # ingest_seq of the newest vector in hand
        ("full", "<i8"),  # 1: the room of a raw ring did not suffice
        ("lost", "<i8"),  # records lost to laps, of all rings
        ("stranger", "<i8"),  # 1: a vector is of no instrument
    ],
    align=True,
)
"""What is in hand, and from where it comes."""


@inline
def _ingest_seq(hand, which, index):  # type: ignore[no-untyped-def]
    address = np.uint64(hand.kept[which]) + np.uint64(index * hand.size[which]) + np.uint64(8)
    return carray(at(address), 1, np.int64)[0]


@inline
def _drop_used(hand):  # type: ignore[no-untyped-def]
    for which in range(2):
        shift = hand.used[which] * hand.size[which]
        if shift == 0:
            continue
        all_bytes = hand.count[which] * hand.size[which]
        kept = carray(at(np.uint64(hand.kept[which])), all_bytes, np.uint8)
        for byte in range(all_bytes - shift):
            kept[byte] = kept[byte + shift]
        hand.count[which] -= hand.used[which]
        hand.used[which] = 0


@inline
def _read_vectors(hand):  # type: ignore[no-untyped-def]
    rows = carray(at(np.uint64(hand.rows)), hand.symbols, np.int64)
    for symbol in range(len(rows)):
        rows[symbol] = -1
    count = 0
    while count < BATCH:
        place = np.uint64(hand.place) + np.uint64(count * FEATURE_SIZE)
        if not reader_next(np.uint64(hand.vectors), place):
            break
        vector = carray(at(place), 1, FEATURE)[0]
        if vector.symbol < 0 or vector.symbol >= len(rows):
            hand.stranger = 1  # a kernel that took it for an index would write anywhere
            break
        rows[vector.symbol] = count
        hand.newest = vector.ingest_seq
        count += 1
    return count


@inline
def _read_raw(hand):  # type: ignore[no-untyped-def]
    hand.full = 0
    for which in range(2):
        reader = np.uint64(hand.reader[which])
        if reader == np.uint64(0):
            continue
        while hand.count[which] == 0 or _ingest_seq(hand, which, hand.count[which] - 1) <= hand.newest:
            if hand.count[which] == hand.room[which]:
                hand.full = 1
                break
            place = np.uint64(hand.kept[which]) + np.uint64(hand.count[which] * hand.size[which])
            if not reader_next(reader, place):
                break
            hand.count[which] += 1


@inline
def _count_lost(hand):  # type: ignore[no-untyped-def]
    lost = reader_lost(np.uint64(hand.vectors))
    for which in range(2):
        if hand.reader[which] != 0:
            lost += reader_lost(np.uint64(hand.reader[which]))
    hand.lost = np.int64(lost)


@kernel("int64(uintp)")
def _hear(place):  # type: ignore[no-untyped-def]
    """Of the HAND at address `place`: drop what was used, read vectors and what belongs to them; returns the vectors."""
    hand = carray(at(place), 1, HAND)[0]
    _drop_used(hand)
    count = _read_vectors(hand)
    if count:
        _read_raw(hand)
    _count_lost(hand)
    return count


@kernel("void(uintp)")
def _hear_on(place):  # type: ignore[no-untyped-def]
    """Go on with the raw records, after room was made."""
    hand = carray(at(place), 1, HAND)[0]
    _read_raw(hand)
    _count_lost(hand)


class Feed:
    """The rings of one specialist. Its caller writes into `used` how many raw records in hand it has applied.

    vectors: FEATURE (BATCH,), of which `hear` fills the front; rows: int64 (symbols,); used: int64 (2,), by RAW.
    """

    def __init__(self, vectors: RingReader, raw: dict[str, RingReader], symbols: int) -> None:
        self.vectors = np.zeros(BATCH, FEATURE)
        self._rows = np.zeros(symbols, np.int64)
        self._readers = vectors, raw  # kept alive: their addresses are in the hand
        self._table = np.zeros(1, HAND)
        self._address = int(self._table.ctypes.data)
        hand = self._table[0]
        hand["vectors"], hand["place"] = vectors.address, self.vectors.ctypes.data
        hand["rows"], hand["symbols"] = self._rows.ctypes.data, symbols
        for which, ring in enumerate(RAW):
            hand["reader"][which] = raw[ring].address if ring in raw else 0
            hand["size"][which] = _DTYPES[ring].itemsize
        self.used, self._counts = hand["used"], hand["count"]
        self._full, self._lost, self._stranger = (self._table[name] for name in ("full", "lost", "stranger"))
        self._kept = [np.zeros(RAW_ROOM if ring in raw else 0, _DTYPES[ring]) for ring in RAW]
        self._place_raw()

    def hear(self) -> int:
        """Read the next vectors, at most BATCH, and the raw records up to the newest; returns how many vectors.

        Raises ValueError for a vector of no instrument: features and this run are not of one configuration.
        """
        count = int(_hear(self._address))
        if self._stranger[0]:
            symbol = int(self.vectors["symbol"][count])
            raise ValueError(f"a vector is of instrument {symbol}, and there are {len(self._rows)}; restart the run")
        while self._full[0]:
            self._kept = [_doubled(kept) for kept in self._kept]
            self._place_raw()
            _hear_on(self._address)
        return count

    def newest_rows(self) -> list[tuple[int, int]]:
        """(symbol, row of its newest vector) of the batch, by symbol."""
        return [(symbol, row) for symbol, row in enumerate(self._rows.tolist()) if row >= 0]

    def raw(self, which: int) -> Array:
        """The raw records in hand of RAW[which], oldest first: all up to the newest vector, and maybe one behind it."""
        return self._kept[which][: self._counts[which]]

    @property
    def lost(self) -> int:
        """Records lost to laps, of all rings together."""
        return int(self._lost[0])

    def forget(self) -> None:
        """Drop the raw records in hand."""
        self._counts[:] = 0
        self.used[:] = 0

    def _place_raw(self) -> None:
        for which, kept in enumerate(self._kept):
            self._table["kept"][0, which], self._table["room"][0, which] = kept.ctypes.data, len(kept)


def _doubled(kept: Array) -> Array:
    more = np.zeros(2 * len(kept), kept.dtype)  # np.concatenate would pack the records
    more[: len(kept)] = kept
    return more
