"""One specialist as a process: the feature ring and the raw rings it reads in, signals out.

Vectors are the clock. The features worker publishes vector n after ingest has published event n, so when a vector is
seen every raw record up to it is there: they are applied first, and the opinion rests on exactly the events up to n.
Every vector passes the detector; only the newest of a batch is spoken about, because an opinion on the past is worth
nothing. A lap makes the detector start cold. A restart is the normal start: cold, and silent until warm.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from agents.detector import EVIDENCE, Detector, market_records
from agents.offline import thought
from agents.policy import Opinion, Speaker
from bus.messages import MESSAGE_VERSION, Signal
from runtime.context import StageContext
from runtime.stage import Stage
from shm.layouts import BOOK, FEATURE, TRADE

BATCH = 256
RAW = {"trades": TRADE, "book": BOOK}
RAW_PLACES = {"trades": 0, "book": 1}  # of their counts in `taken`
RAW_ROOM = 4096  # raw records in hand at first; it doubles when one batch of vectors spans more
LAPPED = "lapped: records were lost"
UPSTREAM = "features"
COUNTERS = ("vectors", "signals", "abstentions", "lost")
MODULES = {name: f"agents.{name}" for name in ("order_flow", "liquidity", "tape_reading", "footprint")}


class Vector(NamedTuple):
    """What a word needs of a feature vector: fields of FEATURE, in this order."""

    ingest_seq: int
    ts_ns: int
    recv_ns: int
    publish_ns: int
    ready: int


class RawFeed:
    """Raw records of one ring that no vector has reached yet."""

    def __init__(self, reader: Any, dtype: np.dtype[Any]) -> None:
        self._reader = reader
        self._kept = np.zeros(RAW_ROOM, dtype)
        self._count = 0

    @property
    def lost(self) -> int:
        return int(self._reader.lost)

    def up_to(self, ingest_seq: int) -> np.ndarray[Any, Any]:
        """What is there, read on until a record is newer than `ingest_seq` or there is none."""
        while self._count == 0 or self._kept["ingest_seq"][self._count - 1] <= ingest_seq:
            if self._count == len(self._kept):
                self._kept = np.concatenate([self._kept, np.zeros_like(self._kept)]).astype(self._kept.dtype)
            count = self._reader.read(self._kept[self._count :])
            if count == 0:
                break
            self._count += count
        return self._kept[: self._count]

    def used(self, count: int) -> None:
        """The first `count` records have been applied."""
        rest = self._count - count
        self._kept[:rest] = self._kept[count : self._count].copy()
        self._count = rest

    def forget(self) -> None:
        self._count = 0


class AgentStage(Stage):
    """One of the four specialists. Counters: vectors, signals (votes), abstentions, lost (to laps); histogram `judge`:
    from the vector in hand to its signal sent."""

    def __init__(self, source: str) -> None:
        if source not in MODULES:
            raise ValueError(f"there is no specialist {source!r}; there are {', '.join(MODULES)}")
        self.name = source

    def on_start(self, context: StageContext) -> None:
        """Attach at the newest records; the detector begins cold."""
        self._context = context
        self._detector: Detector = import_module(MODULES[self.name]).DETECTOR
        config, detector = context.config, self._detector
        context.counters.declare(*COUNTERS)
        self._latency = context.histogram("judge")
        # raw rings first: a vector that is seen later must not be older than the raw records
        self._raw = {ring: RawFeed(context.reader(ring, wake=False), RAW[ring]) for ring in detector.rings}
        self._none = {ring: np.zeros(0, dtype) for ring, dtype in RAW.items()}
        self._reader = context.reader("features")
        self._publisher = context.publisher()
        symbols = len(config.instruments)
        self._states = np.zeros(symbols, detector.state)
        self._markets = market_records(config.instruments)
        self._vectors, self._evidence = np.zeros(BATCH, FEATURE), np.zeros(BATCH, EVIDENCE)
        # views made once: with the few vectors of one turn, picking numbers is many times quicker than records
        self._symbols, self._columns = self._vectors["symbol"], [self._vectors[name] for name in Vector._fields]
        self._warm, self._strengths = self._evidence["warm"], self._evidence["strength"]
        self._newest: dict[int, Vector] = {}
        self._taken_ns = 0  # monotonic, of the batch in hand
        self._taken = np.zeros(2, np.int64)
        every_ns, horizon_ns = config.agents.signal_every_ms * 1_000_000, config.agents.horizon_ms * 1_000_000
        self._speakers = [Speaker(every_ns, horizon_ns) for _ in range(symbols)]
        self._max_age_ns = config.risk.max_data_age_ms * 1_000_000
        self._lost = 0
        self._lapped = [False] * symbols
        self._sequence = 0

    def do_work(self) -> int:
        """One batch of vectors through the detector, and a word on the newest of each symbol if it is due."""
        count = int(self._reader.read(self._vectors))
        self._notice_laps()
        if count == 0:
            self._say_when_upstream_fails()
            return 0
        self._taken_ns = self._context.clock.monotonic_ns()
        self._observe(count)
        self._notice_laps()
        self._context.counters.add("vectors", count)
        if count == BATCH:
            return count  # more wait: only the newest is worth a word
        problem = self._context.upstream_problem(UPSTREAM)
        for symbol, row in self._newest_rows(count):
            newest = self._newest[symbol] = Vector(*(column.item(row) for column in self._columns))
            self._attend(symbol, newest, row, LAPPED if self._lapped[symbol] else problem)
            self._lapped[symbol] = False
        return count

    def _newest_rows(self, count: int) -> list[tuple[int, int]]:
        """(symbol, row of its newest vector) of the batch, by symbol."""
        symbols = self._symbols[:count].tolist()
        return sorted({symbol: row for row, symbol in enumerate(symbols)}.items())

    def _say_when_upstream_fails(self) -> None:
        """Without vectors nothing is judged, but a vote must not go on counting while its source of data is down."""
        problem = self._context.upstream_problem(UPSTREAM)
        if problem:
            self._taken_ns = self._context.clock.monotonic_ns()
            for symbol, newest in self._newest.items():
                self._attend(symbol, newest, 0, problem)

    def _observe(self, count: int) -> None:
        newest = self._columns[0].item(count - 1)
        raw = {ring: feed.up_to(newest) for ring, feed in self._raw.items()}
        self._detector.observe(
            self._states, self._markets, self._vectors[:count], raw.get("trades", self._none["trades"]),
            raw.get("book", self._none["book"]), self._taken, self._evidence[:count],
        )  # fmt: skip
        for ring, feed in self._raw.items():
            feed.used(self._taken.item(RAW_PLACES[ring]))

    def _notice_laps(self) -> None:
        """When records were lost since the last look, everything heard so far is forgotten, and the next word says so."""
        lost = int(self._reader.lost) + sum(feed.lost for feed in self._raw.values())
        if lost == self._lost:
            return
        self._context.counters.add("lost", lost - self._lost)
        self._lost = lost
        self._states[:] = np.zeros(1, self._detector.state)
        for feed in self._raw.values():
            feed.forget()
        self._lapped = [True] * len(self._speakers)

    def _attend(self, symbol: int, vector: Vector, row: int, problem: str) -> None:
        what = self._judge(vector, row, problem)
        if self._speakers[symbol].says(vector.ts_ns, what):
            self._context.counters.add("abstentions" if what.abstains else "signals")
            self._send(symbol, vector, what)
            self._latency.record(self._context.clock.monotonic_ns() - self._taken_ns)

    def _judge(self, vector: Vector, row: int, problem: str) -> Opinion:
        if problem:
            return Opinion(abstains=problem)
        if vector.recv_ns and self._taken_ns - vector.recv_ns > self._max_age_ns:
            return Opinion(abstains=f"data is older than {self._max_age_ns // 1_000_000} ms")
        return thought(self._detector, vector.ready, bool(self._warm[row]), self._strengths[row].tolist())

    def _send(self, symbol: int, vector: Vector, what: Opinion) -> None:
        ts_ns, horizon_ms = vector.ts_ns, self._context.config.agents.horizon_ms
        self._publisher.publish(
            Signal(
                version=MESSAGE_VERSION, source=self.name, sequence=self._sequence, epoch=self._context.epoch,
                symbol=symbol, ingest_seq=vector.ingest_seq, ts_ns=ts_ns, recv_ns=vector.recv_ns,
                features_publish_ns=vector.publish_ns, publish_ns=self._context.clock.monotonic_ns(),
                direction=what.direction, confidence=what.confidence, horizon_ms=horizon_ms,
                valid_until_ns=ts_ns + horizon_ms * 1_000_000, patterns=what.patterns, abstains=what.abstains,
            )
        )  # fmt: skip
        self._sequence += 1

    def on_close(self) -> None:
        """Nothing of its own is open: the context closes rings and sockets."""
