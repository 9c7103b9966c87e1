"""The recorder: what ingest and features publish, appended to the run's tape in synced batches.

It reads trades, books, candles and (recorder.vectors) feature vectors each from its own ring and writes each to its own
segments; `ingest_seq` joins them again when the tape is read. It does not subscribe to the rings: that would wake it
for every event and cost ingest a system call each time. It looks at them when it wakes by itself, at least every 50 ms.

After a restart it finds in the tape what is recorded and goes on behind it, in new segments, with what the rings still
hold: nothing twice, and nothing lost while its downtime x rate stays below the rings' capacity. A full disk ends the
run with an error that names the file; what was written before stays readable.

It must stay light (nanoarrow, never pyarrow), and ingest must never wait for it.
"""

from __future__ import annotations

import os

from ingest.recorder_lane import Lane
from runtime.context import StageContext
from runtime.stage import Refusal, Stage
from shm.layouts import RINGS
from shm.ring import RingReader
from tape.format import HEADER_FILE, KINDS, TapeError, TapeHeader, TapeInstrument
from tape.tail import recorded_up_to
from tape.writer import TapeWriter

TAPE_FOLDER = "tape"  # in the run's folder
VECTORS = "features"  # the kind that can be left out
COUNTERS = ("rows", "batches", "bytes", "lost", "may_miss", "sync_us_max", "errors")


class RecorderStage(Stage):
    """Rings to tape. Counters: rows, batches, bytes, lost (to laps), sync_us_max, errors."""

    name = "recorder"
    drains = True

    def __init__(self) -> None:
        self._lanes: list[Lane] = []
        self._writer: TapeWriter | None = None

    def on_start(self, context: StageContext) -> None:
        """Open the tape, or go on with it. Raises Refusal if its folder cannot be used."""
        self._context = context
        self._clock = context.clock
        self._counters = context.counters
        self._counters.declare(*COUNTERS)
        self._sync_times = context.histogram("sync")
        self._batch_ns = context.config.recorder.batch_ms * 1_000_000
        self._folder = context.run_folder / TAPE_FOLDER
        try:
            self._writer = self._open_writer(context)
            for kind in KINDS:
                if kind == VECTORS and not context.config.recorder.vectors:
                    continue
                # no bell: the recorder looks by itself, so that ingest need not wake it
                reader = RingReader(context.ring_segment(kind), RINGS[kind][0], None, "oldest")
                self._lanes.append(Lane(kind, reader, recorded_up_to(self._folder, kind)))
        except TapeError as error:
            raise self._refusal(error) from error
        self._due_ns = self._clock.monotonic_ns() + self._batch_ns

    def _open_writer(self, context: StageContext) -> TapeWriter:
        config = context.config
        header = TapeHeader(
            instruments=tuple(
                TapeInstrument(
                    symbol=item.symbol, tick=item.tick, lot=item.lot, timezone=item.timezone, exchange=item.exchange
                )
                for item in config.instruments
            ),
            origin={"source": "recorded", "mode": config.mode, "market": "dll" if config.dll.path else "simulator"},
        )
        known = (self._folder / HEADER_FILE).exists()
        opener = TapeWriter.resume if known else TapeWriter.create
        return opener(self._folder, header, config.recorder.segment_rows, self._timed_sync)

    def do_work(self) -> int:
        """Take what the rings have; write the batches that are due or full."""
        taken = sum(lane.take() for lane in self._lanes)
        now_ns = self._clock.monotonic_ns()
        due = now_ns >= self._due_ns
        for lane in self._lanes:
            if due or lane.full:
                self._write(lane)
        if due:
            self._due_ns = now_ns + self._batch_ns
        return taken

    def wait(self, timeout_ns: int) -> None:
        """Asleep at the bell whatever the wait policy: nobody waits for the recorder."""
        self._context.bell.wait(max(0, min(timeout_ns, self._due_ns - self._clock.monotonic_ns())))

    def on_close(self) -> None:
        """Write what is buffered and the end marks; after an error only close the files."""
        if self._writer is None:
            return
        for lane in self._lanes:
            self._write(lane)
        try:
            self._writer.close()
        except TapeError as error:
            raise self._refusal(error) from error

    def _write(self, lane: Lane) -> None:
        if lost := lane.lost():
            self._counters.add("lost", lost)
            self._context.log.error("%s: %d records lost to a lap of the ring", lane.kind, lost)
        if lane.may_miss:
            lane.may_miss = False
            self._counters.add("may_miss")
            self._context.log.error("%s: the ring no longer holds what followed the last recorded row", lane.kind)
        rows = lane.rows()
        if not len(rows) or self._writer is None:
            return
        try:
            written = self._writer.append(lane.kind, rows)
        except TapeError as error:
            raise self._refusal(error) from error
        self._counters.add("rows", len(rows))
        self._counters.add("batches")
        self._counters.add("bytes", written)
        lane.clear()

    def _refusal(self, error: TapeError) -> Refusal:
        """Give up writing; the caller raises what this returns."""
        self._counters.add("errors")
        self._context.log.error("recording ends: %s", error)
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
        return Refusal(f"recording ends: {error}")

    def _timed_sync(self, descriptor: int) -> None:
        start_ns = self._clock.monotonic_ns()
        os.fsync(descriptor)
        took_ns = self._clock.monotonic_ns() - start_ns
        self._sync_times.record(took_ns)
        if took_ns // 1000 > self._counters.get("sync_us_max"):
            self._counters.set("sync_us_max", took_ns // 1000)
