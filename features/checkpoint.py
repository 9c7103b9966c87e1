"""Two alternating copies of all states in shared memory, so that a worker killed at any instruction leaves one good.

    segment: 256 bytes | copy 0 | copy 1
    copy:    HEADER | STATE x symbols

A copy's guard is odd while it is being written, and its number says which is newer. A copy is brought up to date, not
written anew: the rings of the windows only grow, so what was written since that copy was made is enough (about 100
KiB), plus the part whose squares were turned into sums. A copy that was torn is written whole.

Never on the publish path: the stage saves after a batch.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from config.schema import Config
from features.sessions import INSTRUMENT
from features.state import SMALL, STATE, new_states
from features.windows import CAPACITY, MASK, SPAN_60S
from shm.atomics import read_word, write_word
from shm.layouts import FEATURE, dtype_hash

Array = np.ndarray[Any, Any]

PART = "features_checkpoint"
OFFSET_COPIES = 256
POSITIONS = 4

HEADER = np.dtype(
    [
        ("guard", "<u8"),  # odd: being written
        ("number", "<i8"),  # of the checkpoint; 0: none was ever made
        ("ingest_seq", "<i8"),  # newest record that the states contain
        ("layout", "<u8"),  # hash of what the bytes mean
        ("position", "<i8", (POSITIONS,)),  # next record of each ring
        ("checksum", "<u8"),  # of the fields above and of the small parts
        ("spare", "<i8", (7,)),
    ],
    align=True,
)


def _copy_size(symbols: int) -> int:
    return -(-(HEADER.itemsize + symbols * STATE.itemsize) // 4096) * 4096


def size(symbols: int) -> int:
    """Bytes of the segment."""
    return OFFSET_COPIES + 2 * _copy_size(symbols)


def private_segments(config: Config) -> dict[str, int]:
    """Segments that the supervisor makes for this stage: part name -> bytes."""
    return {PART: size(len(config.instruments))}


def layout_of(instruments: Array) -> int:
    """Hash of the state's layout and of the instruments: another one makes a checkpoint useless."""
    parts = (
        f"{STATE.descr}{SMALL.itemsize}{dtype_hash(FEATURE)}{dtype_hash(INSTRUMENT)}".encode() + instruments.tobytes()
    )
    return zlib.crc32(parts) | len(instruments) << 32


def _copy_ring(target: Array, source: Array, fields: tuple[str, ...], first: int, end: int) -> None:
    """Entries [first, end) of a ring, by number."""
    first = max(first, end - CAPACITY)
    if first >= end:
        return
    start, stop = first & MASK, end & MASK
    slices = [slice(start, stop)] if start < stop else [slice(start, CAPACITY), slice(0, stop)]
    for field in fields:
        for part in slices:
            target[field][part] = source[field][part]


def _copy_window(target: Array, source: Array, rings: tuple[str, ...], known: int) -> None:
    """Everything of a window part; of its rings what is newer than entry `known`."""
    for name in source.dtype.names or ():
        if name not in rings:
            target[name] = source[name]
    _copy_ring(target, source, rings, max(known, int(source["first"])), int(source["next"]))


def copy_state(target: Array, source: Array, whole: bool) -> None:
    """One symbol's state (numpy void). whole: `target` is no earlier copy of the same symbol's same life."""
    snapshots, trades = source["snapshots"], source["trades"]
    known_snapshots = 0 if whole else int(target["snapshots"]["next"])
    known_trades = 0 if whole else int(target["trades"]["next"])
    flipped = whole or int(target["snapshots"]["flips"]) != int(snapshots["flips"])
    target["small"] = source["small"]
    _copy_window(target["snapshots"], snapshots, ("ts_ns", "mid", "e", "square"), known_snapshots)
    _copy_window(target["trades"], trades, ("ts_ns", "packed"), known_trades)
    if flipped:
        _copy_ring(
            target["snapshots"], snapshots, ("square",), int(snapshots["tail"][SPAN_60S]), int(snapshots["next"])
        )


class Checkpoint:
    """The two copies. buffer: uint8 array over the segment; instruments: INSTRUMENT (symbols,)."""

    def __init__(self, buffer: Array, instruments: Array) -> None:
        symbols = len(instruments)
        self._layout = layout_of(instruments)
        self._headers: list[Array] = []
        self._states: list[Array] = []
        for copy in range(2):
            start = OFFSET_COPIES + copy * _copy_size(symbols)
            self._headers.append(buffer[start : start + HEADER.itemsize].view(HEADER))
            body = buffer[start + HEADER.itemsize : start + HEADER.itemsize + symbols * STATE.itemsize]
            self._states.append(body.view(STATE))
        # looked at once: after that this process is the only one to write them
        self._good = [self._is_good(copy) for copy in range(2)]

    def _checksum(self, copy: int) -> int:
        header = self._headers[copy]
        total = zlib.crc32(header.tobytes()[8 : HEADER.fields["checksum"][1]])  # type: ignore[index]
        for state in self._states[copy]:
            total = zlib.crc32(state["small"].tobytes(), total)
        return total

    def _is_good(self, copy: int) -> bool:
        header = self._headers[copy][0]
        guard = int(read_word(self._headers[copy].ctypes.data))  # partner: the stores of save
        return (
            guard % 2 == 0
            and int(header["number"]) > 0
            and int(header["layout"]) == self._layout
            and int(header["checksum"]) == self._checksum(copy)
        )

    def _newest(self) -> int | None:
        good = [copy for copy in range(2) if self._good[copy]]
        return max(good, key=lambda copy: int(self._headers[copy][0]["number"])) if good else None

    def save(self, states: Array, ingest_seq: int, positions: tuple[int, ...]) -> None:
        """Bring the older copy up to date. positions: next record of each ring, at most POSITIONS."""
        newest = self._newest()
        copy = 0 if newest is None else 1 - newest
        number = 1 if newest is None else int(self._headers[newest][0]["number"]) + 1
        whole = not self._good[copy]
        header = self._headers[copy]
        guard = int(header["guard"][0]) | 1
        write_word(header.ctypes.data, guard)  # partner: the load in _is_good; odd before the first changed byte
        for target, source in zip(self._states[copy], states, strict=True):
            copy_state(target, source, whole)
        header["number"], header["ingest_seq"], header["layout"] = number, ingest_seq, self._layout
        header["position"][0, : len(positions)] = positions
        header["checksum"] = self._checksum(copy)
        write_word(header.ctypes.data, guard + 1)  # even after the last changed byte
        self._good[copy] = True

    def load(self) -> tuple[Array, int, tuple[int, ...]] | None:
        """(states, ingest_seq, positions) of the newest good copy, or None when there is none."""
        newest = self._newest()
        if newest is None:
            return None
        states = new_states(len(self._states[newest]))
        for target, source in zip(states, self._states[newest], strict=True):
            copy_state(target, source, True)
        header = self._headers[newest][0]
        return states, int(header["ingest_seq"]), tuple(int(number) for number in header["position"])

    def forget(self) -> None:
        """A worker that begins without a checkpoint begins another life: older copies are not earlier ones of it."""
        for header in self._headers:
            write_word(header.ctypes.data, int(header["guard"][0]) | 1)
            header["number"] = 0
        self._good = [False, False]
