"""A small shared-memory market for tests of stages: its rings, its writers, and contexts for stages that live in this
process one after the other or side by side. Signals that a stage publishes are kept in a list."""

from __future__ import annotations

import itertools
import logging
import os
from types import SimpleNamespace
from typing import Any

import numpy as np

from config.schema import Config
from runtime.clock import ManualClock
from runtime.context import CHECKPOINT_HASH
from shm.counters import StageCounters
from shm.doorbell import Bell, Doorbells
from shm.layouts import RINGS
from shm.merge import MergedReader
from shm.ring import RingReader, RingWriter, attach_ring, create_ring
from shm.segment import Segment, run_prefix
from tests.streams import Stream

_numbers = itertools.count()


class KeptMessages:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def publish(self, message: Any) -> int:
        self.messages.append(message)
        return len(self.messages) - 1

    def close(self) -> None:
        pass


class MarketRings:
    """capacity: records of each ring, a power of two. Close it at the end, or use it as a context manager."""

    def __init__(
        self, config: Config, capacity: int = 4096, private: dict[str, int] | None = None, prefix: str = ""
    ) -> None:
        self.config = config
        self.owner = not prefix
        self.prefix = prefix or run_prefix(os.getpid()) + f"test{next(_numbers)}"
        self.capacity = capacity
        self.private = private or {}
        self.clock = ManualClock(monotonic_ns=1_000)
        self.made: list[Segment] = []
        self._opened: list[Any] = []
        if self.owner:
            self.made = [create_ring(self.prefix + ring, RINGS[ring][0], capacity) for ring in RINGS]
            self.doorbells = Doorbells.create(self.prefix + "bells")
            self.made.append(self.doorbells.segment)
            for part, size in self.private.items():
                self.made.append(Segment.create(self.prefix + part, size, 64, size, CHECKPOINT_HASH))
        else:
            self.doorbells = Doorbells.attach(self.prefix + "bells")

    def __enter__(self) -> MarketRings:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        for thing in reversed(self._opened):
            thing.close()
        for segment in self.made:
            segment.remove()
            segment.close()

    def _segment(self, ring: str) -> Segment:
        return attach_ring(self.prefix + ring, RINGS[ring][0], self.capacity)

    def writer(self, ring: str) -> RingWriter:
        writer = RingWriter(self._segment(ring), RINGS[ring][0], self.doorbells)
        self._opened.append(writer)
        return writer

    def reader(self, ring: str, start: str | int = "next", bell: Bell | None = None, wake: bool = True) -> RingReader:
        return RingReader(self._segment(ring), RINGS[ring][0], bell if wake else None, start)

    def context(self, name: str, counters: StageCounters | None = None, epoch: int = 0) -> Any:
        """What a stage of that name is given; upstream problems are what `problems` says."""
        counters = counters or StageCounters.private()
        publisher = KeptMessages()
        problems: dict[str, str] = {}

        def private_segment(part: str, size: int) -> Segment:
            segment = Segment.attach(self.prefix + part, size, 64, CHECKPOINT_HASH)
            self._opened.append(segment)
            return segment

        return SimpleNamespace(
            name=name, config=self.config, epoch=epoch, clock=self.clock, counters=counters,
            log=logging.getLogger(f"test.{name}"), problems=problems, published=publisher.messages,
            writer=self.writer, reader=self.reader, segment=private_segment, histogram=counters.histogram,
            merged_reader=lambda *rings, start="next": MergedReader({ring: self.reader(ring, start) for ring in rings}),
            publisher=lambda: publisher, upstream_problem=lambda stage: problems.get(stage, ""),
        )  # fmt: skip


class Feed:
    """Ingest's part: publishes a stream's records in order, with one writer per ring."""

    def __init__(self, rings: MarketRings, stream: Stream) -> None:
        self._writers = {ring: rings.writer(ring) for ring in ("candles", "trades", "book")}
        self._records = iter(
            sorted(
                [("trades", stream.trades[i : i + 1]) for i in range(len(stream.trades))]
                + [("book", stream.book[i : i + 1]) for i in range(len(stream.book))],
                key=lambda pair: int(pair[1]["ingest_seq"][0]),
            )
        )
        self.done = False

    def candle(self, record: np.ndarray[Any, Any]) -> None:
        self._writers["candles"].publish(record)

    def publish(self, count: int) -> int:
        """The next `count` records; returns how many there were."""
        sent = 0
        for ring, record in itertools.islice(self._records, count):
            whole = np.zeros(1, RINGS[ring][0])
            for field in whole.dtype.names or ():
                whole[field] = record[field]
            self._writers[ring].publish(whole)
            sent += 1
        self.done = sent < count
        return sent


def read_all(reader: RingReader) -> np.ndarray[Any, Any]:
    """Everything that a reader can read now."""
    parts = []
    out = np.zeros(256, reader.dtype)
    while count := reader.read(out):
        parts.append(out[:count].copy())
    return np.concatenate(parts) if parts else out[:0].copy()
