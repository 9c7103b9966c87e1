"""One specialist as a process: the feature ring and the raw rings it reads in, signals out.

Raw records are applied before the vector that includes them (`feed`), so an opinion rests on exactly the events up to its
vector. Every vector passes the detector; only the newest of a batch is spoken about, because an opinion on the past is worth
nothing. A lap makes the detector start cold. A restart is the normal start: cold, and silent until warm.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import numpy as np

from agents.detector import EVIDENCE, Detector, market_records
from agents.feed import BATCH, RAW, Feed
from agents.offline import thought
from agents.policy import Opinion, Speaker
from bus.messages import MESSAGE_VERSION, Signal
from runtime.context import StageContext
from runtime.stage import Stage

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
        raw = {ring: context.reader(ring, wake=False) for ring in RAW if ring in detector.rings}
        self._feed = Feed(context.reader("features"), raw, len(config.instruments))
        self._publisher = context.publisher()
        symbols = len(config.instruments)
        self._states = np.zeros(symbols, detector.state)
        self._markets = market_records(config.instruments)
        self._evidence = np.zeros(BATCH, EVIDENCE)
        # views made once: with the few vectors of one turn, picking numbers is many times quicker than records
        self._columns = [self._feed.vectors[name] for name in Vector._fields]
        self._warm, self._strengths = self._evidence["warm"], self._evidence["strength"]
        self._newest: dict[int, Vector] = {}
        self._taken_ns = 0  # monotonic, of the batch in hand
        every_ns, horizon_ns = config.agents.signal_every_ms * 1_000_000, config.agents.horizon_ms * 1_000_000
        self._speakers = [Speaker(every_ns, horizon_ns) for _ in range(symbols)]
        self._max_age_ns = config.risk.max_data_age_ms * 1_000_000
        self._lost = 0
        self._observe(0)  # the first call of a kernel takes milliseconds, which no event is to wait
        self._lapped = [False] * symbols
        self._sequence = 0

    def do_work(self) -> int:
        """One batch of vectors through the detector, and a word on the newest of each symbol if it is due."""
        count = self._feed.hear()
        if self._feed.lost != self._lost:
            self._begin_again()
        if count == 0:
            self._say_when_upstream_fails()
            return 0
        self._taken_ns = self._context.clock.monotonic_ns()
        self._observe(count)
        self._context.counters.add("vectors", count)
        if count == BATCH:
            return count  # more wait: only the newest is worth a word
        problem = self._context.upstream_problem(UPSTREAM)
        for symbol, row in self._feed.newest_rows():
            newest = self._newest[symbol] = Vector(*(column.item(row) for column in self._columns))
            self._attend(symbol, newest, row, LAPPED if self._lapped[symbol] else problem)
            self._lapped[symbol] = False
        return count

    def _say_when_upstream_fails(self) -> None:
        """Without vectors nothing is judged, but a vote must not go on counting while its source of data is down."""
        problem = self._context.upstream_problem(UPSTREAM)
        if problem:
            self._taken_ns = self._context.clock.monotonic_ns()
            for symbol, newest in self._newest.items():
                self._attend(symbol, newest, 0, problem)

    def _observe(self, count: int) -> None:
        feed = self._feed
        self._detector.observe(
            self._states,
            self._markets,
            feed.vectors[:count],
            feed.raw(0),
            feed.raw(1),
            feed.used,
            self._evidence[:count],
        )

    def _begin_again(self) -> None:
        """Records were lost since the last look: everything heard so far is forgotten, and the next word says so."""
        lost = self._feed.lost
        self._context.counters.add("lost", lost - self._lost)
        self._lost = lost
        self._states[:] = np.zeros(1, self._detector.state)
        self._feed.forget()
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
