"""What every stage tells about itself, in shared memory: state, heartbeat, commands, named counters, histograms.

Monitoring is one more reader: the names stand beside the values, so a reader needs no schema. Each block has one
writer, its stage; only `command` and `request` are written by others. All words are 64 bit.

    segment: 0 ring header | 64 run block (4 KiB) | stage blocks from 4160 on
    run block:   words RUN_*
    stage block: 0    words STAGE_*
                 64   name (32 bytes)
                 128  counter names, COUNTERS x 32 bytes | counter values, COUNTERS x i64
                 then HISTOGRAMS x (name 64 bytes, histogram)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from shm.histogram import HISTOGRAM_SIZE, Histogram
from shm.segment import Segment

STAGES = 16
COUNTERS = 96
HISTOGRAMS = 8
NAME_BYTES = 32

# run block: one word each
RUN_OFFSET = 64
RUN_BYTES = 4096
RUN_CLOCK_OFFSET_NS = 0  # market_ns = monotonic_ns x speed + this; written by ingest
RUN_CLOCK_SPEED = 1  # float64
RUN_CLOCK_READY = 2
RUN_MARKET_START = 3  # the supervisor to the simulated market: MARKET_*
RUN_STOP_REQUEST = 4  # anyone: stop the run
RUN_SUPERVISOR_PID = 5
RUN_SUPERVISOR_HEARTBEAT_NS = 6
RUN_STARTED_NS = 7  # monotonic

# stage block: one word each
STAGE_STATE = 0
STAGE_PID = 1
STAGE_EPOCH = 2  # incarnation: 0, 1, 2 ...
STAGE_HEARTBEAT_NS = 3
STAGE_PROGRESS = 4  # things done
STAGE_COMMAND = 5  # the supervisor to the stage
STAGE_REQUEST = 6  # a person to the supervisor
STAGE_RESTARTS = 7

STATES = ("empty", "starting", "running", "stopping", "stopped", "failed")
EMPTY, STARTING, RUNNING, STOPPING, STOPPED, FAILED = range(6)
COMMAND_NONE, COMMAND_STOP = 0, 1
REQUEST_NONE, REQUEST_RESTART = 0, 1
MARKET_WAIT, MARKET_START, MARKET_STOP = 0, 1, 2

_NAMES = 128
_VALUES = _NAMES + COUNTERS * NAME_BYTES
_HISTOGRAMS = _VALUES + COUNTERS * 8
_HISTOGRAM_BLOCK = 64 + HISTOGRAM_SIZE
STAGE_BYTES = -(-(_HISTOGRAMS + HISTOGRAMS * _HISTOGRAM_BLOCK) // 64) * 64
STAGES_OFFSET = RUN_OFFSET + RUN_BYTES
SIZE = STAGES_OFFSET + STAGES * STAGE_BYTES
COUNTERS_HASH = 0xC0_0001 + COUNTERS * 1_000_003 + HISTOGRAMS * 10_007 + HISTOGRAM_SIZE


class StageCounters:
    """One stage's block. Values are int64; `declare` before use, so that a misspelt name is an error."""

    def __init__(self, block: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        self._block = block
        self.address = int(block.ctypes.data)
        self.words = block[:64].view("<i8")
        # a view that gives Python's own numbers: every event counts
        self._values = block[_VALUES:_HISTOGRAMS].view("<i8").data
        self._index = {name: i for i, name in enumerate(self._stored_names())}
        self._before = {name: self.get(name) for name in self._index}
        self._histograms: dict[str, Histogram] = {}

    @classmethod
    def private(cls) -> StageCounters:
        """A block in this process's own memory, for tests and replay."""
        return cls(np.zeros(STAGE_BYTES, np.uint8))

    def _stored_names(self) -> list[str]:
        names = []
        for i in range(COUNTERS):
            start = _NAMES + i * NAME_BYTES
            raw = bytes(self._block[start : start + NAME_BYTES]).rstrip(b"\0")
            if not raw:
                break
            names.append(raw.decode("ascii"))
        return names

    @property
    def stage(self) -> str:
        return bytes(self._block[64:96]).rstrip(b"\0").decode("ascii")

    @stage.setter
    def stage(self, name: str) -> None:
        self._write_name(64, name)

    def _write_name(self, start: int, name: str) -> None:
        raw = name.encode("ascii")
        if not 0 < len(raw) <= NAME_BYTES:
            raise ValueError(f"name {name!r} has no or more than {NAME_BYTES} letters")
        self._block[start : start + NAME_BYTES] = np.frombuffer(raw.ljust(NAME_BYTES, b"\0"), np.uint8)

    def declare(self, *names: str) -> None:
        """Make counters known; those that stand already (an earlier incarnation) keep their value."""
        for name in names:
            if name in self._index:
                continue
            slot = len(self._index)
            if slot == COUNTERS:
                raise ValueError(f"more than {COUNTERS} counters; {name!r} has no room")
            self._write_name(_NAMES + slot * NAME_BYTES, name)
            self._index[name] = slot

    def add(self, name: str, count: int = 1) -> None:
        self._values[self._index[name]] += count

    def set(self, name: str, value: int) -> None:
        self._values[self._index[name]] = value

    def set_own(self, name: str, value: int) -> None:
        """What this incarnation counted by itself; what earlier ones counted stays in the sum."""
        self.set(name, self._before.get(name, 0) + value)

    def get(self, name: str) -> int:
        value: int = self._values[self._index[name]]
        return value

    def value_address(self, name: str) -> int:
        """Address of a counter's int64, for kernels."""
        return self.address + _VALUES + 8 * self._index[name]

    def refresh(self) -> None:
        """For readers: look again which names there are."""
        self._index = {name: i for i, name in enumerate(self._stored_names())}

    def items(self) -> Iterator[tuple[str, int]]:
        for name, slot in self._index.items():
            yield name, self._values[slot]

    def histogram(self, name: str) -> Histogram:
        """The histogram of that name, made when it is new. Raises ValueError when all are taken."""
        if name in self._histograms:
            return self._histograms[name]
        for i in range(HISTOGRAMS):
            start = _HISTOGRAMS + i * _HISTOGRAM_BLOCK
            raw = bytes(self._block[start : start + NAME_BYTES]).rstrip(b"\0").decode("ascii")
            if raw in ("", name):
                if not raw:
                    self._write_name(start, name)
                words = self._block[start + 64 : start + 64 + HISTOGRAM_SIZE].view("<u8")
                self._histograms[name] = Histogram(words)
                return self._histograms[name]
        raise ValueError(f"more than {HISTOGRAMS} histograms; {name!r} has no room")

    def histogram_names(self) -> list[str]:
        names = []
        for i in range(HISTOGRAMS):
            start = _HISTOGRAMS + i * _HISTOGRAM_BLOCK
            raw = bytes(self._block[start : start + NAME_BYTES]).rstrip(b"\0").decode("ascii")
            if raw:
                names.append(raw)
        return names

    def word_address(self, word: int) -> int:
        return self.address + 8 * word


class RunCounters:
    """The whole segment: the run block and every stage's block."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.words = segment.buffer[RUN_OFFSET : RUN_OFFSET + RUN_BYTES].view("<i8")
        self.floats = segment.buffer[RUN_OFFSET : RUN_OFFSET + RUN_BYTES].view("<f8")
        self.run_address = segment.address + RUN_OFFSET

    @classmethod
    def create(cls, name: str) -> RunCounters:
        return cls(Segment.create(name, SIZE, STAGE_BYTES, STAGES, COUNTERS_HASH))

    @classmethod
    def attach(cls, name: str) -> RunCounters:
        return cls(Segment.attach(name, SIZE, STAGE_BYTES, COUNTERS_HASH))

    def stage(self, number: int) -> StageCounters:
        return StageCounters(self._block(number))

    def stage_words(self, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The fixed words of a stage's block (STAGE_STATE ...), int64 of shape (8,), without reading its names."""
        return self._block(number)[:64].view("<i8")

    def _block(self, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        start = STAGES_OFFSET + number * STAGE_BYTES
        return self.segment.buffer[start : start + STAGE_BYTES]
