"""The feature worker: trades and books in, one vector per valid event out, and exactly once whatever kills it.

A restart is the normal start. The states come from the newest good checkpoint, the records behind it are still in the
rings; they are applied again, and vectors that an earlier incarnation has published are not published twice. When the
rings no longer reach back, what is missing is a loss like any lap: counted, and said in every vector (cause `lapped`)
until the windows are whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from features.checkpoint import PART, Checkpoint, size
from features.events import COUNT_NAMES
from features.families import BY_NAME
from features.loop import LOOP, RINGS, run_batch
from features.sessions import INSTRUMENT, instrument_record
from features.state import new_states
from features.tell import Teller
from runtime.context import StageContext
from runtime.native_clock import NativeClock
from runtime.stage import Refusal, Stage
from shm.layouts import FEATURE
from shm.merge import MergedReader

BATCH = 512
COUNTERS = ("vectors", "laps", "lost", "lost_candles", "unknown_symbol", "checkpoints", "replayed", "resumed", "behind")


class FeatureStage(Stage):
    """Counters: COUNTERS, features.events.COUNT_NAMES summed over symbols, and for each symbol `unready_<i>`: 0 when its
    newest vector may be traded on (`tell.not_to_be_traded_on`), -1 before the first. Histograms `hop` and `work`."""

    name = "features"

    def __init__(self) -> None:
        self._reader: MergedReader | None = None

    def on_start(self, context: StageContext) -> None:
        """Attach, load the newest checkpoint, and take the place in the rings that belongs to it."""
        self._context = context
        instruments = context.config.instruments
        required = context.config.risk.required_features
        if unknown := set(required) - set(BY_NAME):
            raise Refusal(
                f"$.risk.required_features: no family is called {', '.join(sorted(unknown))}: {', '.join(BY_NAME)}"
            )
        context.counters.declare(*COUNTERS, *COUNT_NAMES, *(f"unready_{symbol}" for symbol in range(len(instruments))))
        for symbol in range(len(instruments)):
            context.counters.set(f"unready_{symbol}", -1)  # nobody knows before the first vector
        self._teller = Teller(context.counters, len(instruments), required)
        self._instruments = np.zeros(len(instruments), INSTRUMENT)
        for i, instrument in enumerate(instruments):
            self._instruments[i] = instrument_record(instrument)[0]
        self._writer = context.writer("features")
        self._reader = context.merged_reader(*RINGS, start="oldest")
        self._clock = NativeClock(context.clock)
        self._outs = np.zeros(len(instruments), FEATURE)
        self._pending = np.zeros(len(instruments), np.int64)
        segment = context.segment(PART, size(len(instruments)))
        self._checkpoint = Checkpoint(segment.buffer, self._instruments)
        self._resume()
        self._loop = self._new_loop(context)
        self._next_checkpoint = self._taken + context.config.features.checkpoint_events
        self._run(0)  # the first call of a kernel takes milliseconds, which no event is to wait

    def _resume(self) -> None:
        assert self._reader is not None
        self._taken = 0
        self._applied = 0
        last = self._writer.last_record()
        self._published = int(last["ingest_seq"][0]) if last is not None else 0
        found = self._checkpoint.load()
        if found is None:
            self._checkpoint.forget()
            self._states = new_states(len(self._instruments))
            for reader in self._reader.readers.values():
                reader.seek(0)  # what is overwritten counts as lost, so a late start says so itself
            self._context.log.info("no checkpoint: starting with what the rings hold")
            return
        self._states, self._applied, positions = found
        for reader, position in zip(self._reader.readers.values(), positions, strict=False):
            reader.seek(position)
        self._context.counters.add("resumed")
        self._context.log.info(
            "resuming behind event %d; vectors are out up to %d", self._applied, self._published,
            extra={"fields": {"ingest_seq": self._applied, "published": self._published}},
        )  # fmt: skip

    def _new_loop(self, context: StageContext) -> np.ndarray[Any, Any]:
        assert self._reader is not None
        loop = np.zeros(1, LOOP)
        values: dict[str, Any] = {
            "merge": self._reader.address,
            "reader": [reader.address for reader in self._reader.readers.values()],
            "out_ring": self._writer.address,
            "wake": self._writer.wake,
            "clock": self._clock.address,
            "hop_histogram": context.histogram("hop").address,
            "work_histogram": context.histogram("work").address,
            "newest_only": context.config.features.publish == "newest",
            "applied": self._applied,
            "published": self._published,
        }
        for name, value in values.items():
            loop[name] = value
        return loop

    def do_work(self) -> int:
        """One batch of records; afterwards, every checkpoint_events records, a checkpoint."""
        self._clock.refresh()
        catching_up = int(self._loop["applied"][0]) < self._published
        taken = self._run(BATCH)
        if taken == 0:
            return 0
        self._taken += taken
        if catching_up:
            self._context.counters.add("replayed", taken)
        self._teller.tell(self._loop[0], self._states, self._outs)
        if self._taken >= self._next_checkpoint:
            self._next_checkpoint = self._taken + self._context.config.features.checkpoint_events
            self._checkpoint.save(self._states, int(self._loop["applied"][0]), self._reader.positions())
            self._context.counters.add("checkpoints")
        return taken

    def _run(self, limit: int) -> int:
        return int(run_batch(self._loop[0], self._states, self._instruments, self._outs, self._pending, limit))

    def on_close(self) -> None:
        """The context closes the rings; the next incarnation goes on from the checkpoint there is."""
