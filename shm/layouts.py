"""Every fixed-size record that crosses a process boundary through shared memory, and the map of a ring segment.

One place, because writer and reader must agree to the byte. The hash of a dtype stands in the segment's header:
attaching with another layout is an error that names both.

    ring segment
    0    magic u64 | layout_version u32 | record_size u32 | capacity u64 | dtype_hash u64
    64   writer_pid u64 | writer_epoch u64                    changed once per writer start
    128  cursor u64                                           alone on its cache line: records published so far
    192  subscribers u64                                      bit i: the stage with bell i wants to be woken
    256  slots: capacity x record_size

A slot starts with its `sequence`: 2n + 1 while record n is being written, 2n + 2 once it is whole.
Records are multiples of 64 bytes, so two slots never share a cache line.

Units: `_ns` int64 nanoseconds; `ts_ns` is market time (UTC), `recv_ns`, `publish_ns` and `read_ns` are monotonic.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

MAGIC = 0x474E_4952_5F54_5100  # "\0QT_RING"
LAYOUT_VERSION = 1

OFFSET_MAGIC = 0
OFFSET_VERSION = 8
OFFSET_RECORD_SIZE = 12
OFFSET_CAPACITY = 16
OFFSET_DTYPE_HASH = 24
OFFSET_WRITER_PID = 64
OFFSET_WRITER_EPOCH = 72
OFFSET_CURSOR = 128
OFFSET_SUBSCRIBERS = 192
OFFSET_SLOTS = 256

BOOK_LEVELS = 10
FEATURE_COUNT = 65

KIND_TRADE = 1
KIND_BOOK = 2
KIND_GAP = 3
KIND_CANDLE = 4

# `flags` of a record
FLAG_REFILLED = 1  # a trade that came through history after a gap, in its place by number
FLAG_AUCTION = 2  # a book notice in an auction: theoretical levels are left out, so a side may be empty
FLAG_HISTORY = 4  # a candle made from history, before the first live event
FLAG_EMPTY = 8  # a candle of a minute without a trade

# `cause` of a gap record: why market data is missing
GAP_CAUSES = {1: "ingest restarted", 2: "connection lost", 3: "feed silent", 4: "source jumped"}
GAP_INGEST_RESTART = 1
GAP_CONNECTION_LOST = 2
GAP_FEED_SILENT = 3
GAP_SOURCE_JUMPED = 4


def _aligned(name: str, fields: list[tuple[Any, ...]]) -> np.dtype[Any]:
    """A dtype of natural alignment whose size is the next multiple of 64 bytes."""
    plain = np.dtype(fields, align=True)
    size = -(-plain.itemsize // 64) * 64
    offsets = [plain.fields[field][1] for field in plain.names]  # type: ignore[index, union-attr]
    formats = [plain.fields[field][0] for field in plain.names]  # type: ignore[index, union-attr]
    return np.dtype(
        {"names": list(plain.names or ()), "formats": formats, "offsets": offsets, "itemsize": size},
        align=True,
        metadata={"name": name},
    )


STAMPS: list[tuple[Any, ...]] = [
    ("sequence", "<u8"),  # the slot's own seqlock word; 0 in a record that is not in a ring
    ("ingest_seq", "<i8"),  # THE order of all events of all symbols
    ("ts_ns", "<i8"),  # event time, market clock
    ("recv_ns", "<i8"),  # when the DLL's callback was entered, monotonic clock
    ("publish_ns", "<i8"),  # when this record was published, monotonic clock
    ("symbol", "<i4"),  # index into the run's list of instruments
    ("kind", "u1"),  # KIND_*
    ("aggressor", "i1"),  # trades: +1 buy, -1 sell, 0 none
    ("trade_type", "u1"),  # trades: the DLL's number
    ("flags", "u1"),  # FLAG_*
]

TRADE = _aligned(
    "trade",
    [
        *STAMPS,
        ("price", "<f8"),
        ("quantity", "<i8"),
        ("trade_number", "<i8"),  # unique with trade_date, given by the exchange
        ("buyer", "<i4"),  # broker code, <= 0 unknown
        ("seller", "<i4"),
        ("trade_date", "<i4"),  # yyyymmdd, exchange's local date
        ("cause", "<i4"),  # gap records: key of GAP_CAUSES
        ("gap_from_ns", "<i8"),  # gap records: market time of the last event before, 0 unknown
        ("gap_to_ns", "<i8"),  # gap records: market time of the first event after
        ("gap_trades_missing", "<i8"),  # gap records: trades that history did not give back, -1 unknown
    ],
)

BOOK = _aligned(
    "book",
    [
        *STAMPS,
        ("bid_price", "<f8", (BOOK_LEVELS,)),  # best first; a level that is not there is 0, 0
        ("bid_quantity", "<i8", (BOOK_LEVELS,)),
        ("ask_price", "<f8", (BOOK_LEVELS,)),
        ("ask_quantity", "<i8", (BOOK_LEVELS,)),
    ],
)

CANDLE = _aligned(
    "candle",
    [
        *STAMPS,  # ts_ns: when the bar completed
        ("start_ns", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<i8"),
        ("trades", "<i8"),
        ("buy_volume", "<i8"),
        ("sell_volume", "<i8"),
    ],
)

FEATURE = _aligned(
    "feature",
    [
        *STAMPS,  # kind: of the event that caused the vector; recv_ns: of that event
        ("ready", "<u8"),  # bits 0-6 families whole, 16+ why not, 32+ inputs absent
        ("input_publish_ns", "<i8"),  # when ingest published the event
        ("read_ns", "<i8"),  # when the worker took it from the ring
        ("values", "<f8", (FEATURE_COUNT,)),
    ],
)

COMMAND = _aligned(
    "command",
    [
        ("sequence", "<u8"),
        ("kind", "u1"),  # execution.gateway: SEND, CANCEL, LIST
        ("side", "u1"),  # the DLL's numbers
        ("order_type", "u1"),
        ("ages", "u1"),  # execution.gateway: AGES_AS_ENTRY, AGES_AS_STOP; 0: it closes what we hold, however old it is
        ("symbol", "<i4"),
        ("order", "<i8"),  # our number; LIST: the newest that was commanded before
        ("quantity", "<i8"),
        ("price", "<f8"),
        ("stop_price", "<f8"),
        ("cl_order_id", "S64"),  # cancels
        ("made_ns", "<i8"),  # sends: monotonic, of the event that brought it about
        ("gateway", "<i4"),  # incarnation of the gateway that it is meant for; no other may carry it out
        ("asker", "<i4"),  # incarnation of execution that it comes from
    ],
)
"""Execution to the gateway. No secret stands in it: the routing password is the gateway's own."""

REPORT = _aligned(
    "report",
    [
        ("sequence", "<u8"),
        ("kind", "u1"),  # execution.gateway: SENT, CANCEL_SENT, ORDER, LISTED_ORDER, LISTED_POSITION, LISTED
        ("side", "u1"),
        ("order_type", "u1"),
        ("status", "u1"),
        ("asker", "<i4"),  # incarnation of execution that it answers; -1: for whoever listens
        ("order", "<i8"),  # our number, where the gateway knows it; LISTED: the newest that was commanded before
        ("local_id", "<i8"),  # this session's id, 0 unknown
        ("entered_ns", "<i8"),  # monotonic, just before the DLL was called; 0: it was not
        ("quantity", "<i8"),  # of a position: signed; LISTED: how many orders were listed
        ("traded_quantity", "<i8"),  # LISTED: how many positions were
        ("leaves_quantity", "<i8"),
        ("price", "<f8"),
        ("stop_price", "<f8"),
        ("average_price", "<f8"),
        ("created_ns", "<i8"),  # market time, 0 unknown
        ("event_id", "<i8"),
        ("cl_order_id", "S64"),
        ("ticker", "S16"),
        ("text", "S168"),  # of the broker; or what went wrong, empty: nothing
        ("listing", "<i8"),  # number of the listing that it belongs to
        ("gateway", "<i4"),  # incarnation of the gateway that says it
    ],
)
"""The gateway to execution."""

RINGS: dict[str, tuple[np.dtype[Any], int]] = {
    "trades": (TRADE, 1 << 18),
    "book": (BOOK, 1 << 17),
    "candles": (CANDLE, 1 << 10),
    "features": (FEATURE, 1 << 16),
    "commands": (COMMAND, 1 << 9),
    "reports": (REPORT, 1 << 12),
}
"""Name -> (record dtype, capacity in records). One set of rings carries all symbols."""


def dtype_hash(dtype: np.dtype[Any]) -> int:
    """64-bit hash of names, formats, offsets and size: what writer and reader must share."""
    parts = [str(dtype.itemsize)]
    for name in dtype.names or ():
        field, offset = dtype.fields[name][:2]  # type: ignore[index]
        parts.append(f"{name}:{field.str if field.shape == () else field}:{offset}")
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:8], "little")
