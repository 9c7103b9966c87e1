"""The ml stage: judges the newest vectors with the two forests and tells the bus what it thinks, or why it does not.

It looks at the newest vector of each symbol, every `models.predict_every_ms` of market time; older vectors are passed
over, for an opinion on the past is worth nothing. Without a bundle, with a cold or incomplete vector, after a lap, with
stale data or with features down it abstains and says so. It must never import the training libraries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bus.messages import MESSAGE_VERSION, Signal
from models.bundle import Bundle, BundleError, open_bundle
from models.cadence import Cadence
from models.predictor import Opinion, Predictor
from runtime.context import StageContext
from runtime.stage import Refusal, Stage
from shm.layouts import FEATURE

SOURCE = "ml"
BATCH = 256
NO_BUNDLE = "no model bundle"
NOTHING_YET = "no feature vector yet"
UPSTREAM = "features"
COUNTERS = ("vectors", "predictions", "signals", "abstentions", "lost")


class ModelStage(Stage):
    """Feature ring to ml signals. Counters: vectors, predictions, signals, abstentions, lost (to laps)."""

    name = SOURCE

    def on_start(self, context: StageContext) -> None:
        """Open the bundle. Raises Refusal if it is damaged or for another instrument."""
        self._context = context
        self._clock = context.clock
        self._counters = context.counters
        self._counters.declare(*COUNTERS)
        self._latency = context.histogram("predict")
        config = context.config
        self._max_age_ns = config.risk.max_data_age_ms * 1_000_000
        self._symbols = [instrument.symbol for instrument in config.instruments]
        self._predictors: dict[int, Predictor] = {}
        self._horizon_ms = 0
        try:
            if config.models.bundle:
                self._use(open_bundle(Path(config.models.bundle)))
            else:
                context.log.warning("no model bundle (models.bundle, or up --model): this source abstains")
        except BundleError as error:
            raise Refusal(str(error)) from error
        every_ns = config.models.predict_every_ms * 1_000_000
        self._cadences = [Cadence(every_ns) for _ in self._symbols]
        self._reader = context.reader("features")
        self._lost_seen = 0
        self._batch = np.zeros(BATCH, FEATURE)
        self._newest = np.zeros(len(self._symbols), FEATURE)
        self._lapped = [False] * len(self._symbols)
        self._sequence = 0
        self._publisher = context.publisher()

    def _use(self, bundle: Bundle) -> None:
        trained = bundle.header.instrument.symbol
        if trained not in self._symbols:
            raise BundleError(f"{bundle.folder}: trained for {trained}; this run trades {', '.join(self._symbols)}")
        number = self._symbols.index(trained)
        bundle.check_instrument(self._context.config.instruments[number])
        self._predictors[number] = Predictor(bundle)
        self._horizon_ms = bundle.header.horizon_ms
        fields = {"bundle": str(bundle.folder), "symbol": trained, "horizon_ms": self._horizon_ms}
        self._context.log.info("model bundle loaded", extra={"fields": fields})
        if not bundle.header.skill:
            self._context.log.warning("the bundle was no better than the base rate out of sample; see its bundle.json")

    def do_work(self) -> int:
        """Take what the feature ring has; judge the newest vectors that are due."""
        count = self._take()
        if count == len(self._batch):
            return count  # more may wait, and only the newest is worth judging
        problem = self._context.upstream_problem(UPSTREAM)
        for symbol in range(len(self._symbols)):
            self._attend(symbol, problem)
        return count

    def wait(self, timeout_ns: int) -> None:
        """Vectors wake it only when a prediction is due; without a model they never do."""
        due = [self._clock.ns_until(self._cadences[symbol].due_ts_ns) for symbol in self._predictors]
        idle_ns = min(due, default=timeout_ns)
        self._reader.listen(idle_ns <= 0)
        super().wait(min(timeout_ns, idle_ns) if idle_ns > 0 else timeout_ns)

    def _take(self) -> int:
        """Read one batch and keep the newest vector of each symbol."""
        count = self._reader.read(self._batch)
        lost = self._reader.lost - self._lost_seen
        if lost:
            self._lost_seen += lost
            self._counters.add("lost", lost)
            self._lapped = [True] * len(self._symbols)
        if count:
            self._counters.add("vectors", count)
            symbols = self._batch["symbol"][:count]
            for symbol in np.unique(symbols).tolist():
                self._newest[symbol] = self._batch[int(np.flatnonzero(symbols == symbol)[-1])]
        return count

    def _attend(self, symbol: int, problem: str) -> None:
        vector = self._newest[symbol]
        reason = self._why_silent(symbol, vector, problem)
        if reason:
            self._abstain(symbol, vector, reason)
        elif self._cadences[symbol].prediction_due(int(vector["ts_ns"])):
            opinion = self._judge(symbol, vector)
            if opinion.abstains:
                self._abstain(symbol, vector, opinion.abstains)
            else:
                self._cadences[symbol].voted()
                self._counters.add("signals")
                self._send(symbol, vector, opinion)

    def _judge(self, symbol: int, vector: Any) -> Opinion:
        start_ns = self._clock.monotonic_ns()
        age_ns = start_ns - int(vector["recv_ns"])
        if vector["recv_ns"] and age_ns > self._max_age_ns:
            return Opinion(abstains=f"data is older than {self._max_age_ns // 1_000_000} ms")
        opinion = self._predictors[symbol].judge(vector)
        if not opinion.abstains:
            self._latency.record(self._clock.monotonic_ns() - start_ns)
            self._counters.add("predictions")
        return opinion

    def _why_silent(self, symbol: int, vector: Any, problem: str) -> str:
        """The reason that needs no model to be known; empty when the model may be asked."""
        if symbol not in self._predictors:
            return NO_BUNDLE
        if problem:
            return problem
        if not vector["ts_ns"]:
            return NOTHING_YET
        if self._lapped[symbol]:
            self._lapped[symbol] = False
            return "lapped: feature vectors were lost"
        return ""

    def _abstain(self, symbol: int, vector: Any, reason: str) -> None:
        if self._cadences[symbol].abstention_due(reason, self._clock.monotonic_ns()):
            self._counters.add("abstentions")
            self._send(symbol, vector, Opinion(abstains=reason))

    def _send(self, symbol: int, vector: Any, opinion: Opinion) -> None:
        based = bool(vector["ts_ns"])  # on an event, or on none
        ts_ns = int(vector["ts_ns"]) if based else self._clock.market_ns()
        self._publisher.publish(
            Signal(
                version=MESSAGE_VERSION,
                source=SOURCE,
                sequence=self._sequence,
                epoch=self._context.epoch,
                symbol=symbol,
                ingest_seq=int(vector["ingest_seq"]) if based else -1,
                ts_ns=ts_ns,
                recv_ns=int(vector["recv_ns"]),
                features_publish_ns=int(vector["publish_ns"]),
                publish_ns=self._clock.monotonic_ns(),
                direction=opinion.direction,
                confidence=opinion.confidence,
                horizon_ms=self._horizon_ms,
                valid_until_ns=ts_ns + self._horizon_ms * 1_000_000,
                abstains=opinion.abstains,
            )
        )
        self._sequence += 1

    def on_close(self) -> None:
        """Nothing of its own is open: the context closes rings and sockets."""
