"""What a stage is given: its configuration, clock, rings, bell, counters, histograms, sockets and log.

Everything a stage touches of the outside comes from here, so the same stage runs in a process of its own, in replay and
in a test. The context owns what it hands out and closes it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.clock import Clock, SharedClock
from runtime.logs import open_log
from runtime.run_info import RunInfo, read_run
from runtime.topology import BY_NAME, SIGNAL_SOURCES
from runtime.wait import wait_policy, waits_of
from shm import counters as words
from shm.counters import RunCounters, StageCounters
from shm.doorbell import Bell, Doorbells
from shm.histogram import Histogram
from shm.layouts import RINGS
from shm.merge import MergedReader
from shm.ring import RingReader, RingWriter, attach_ring
from shm.segment import Segment, supervisor_lives

if TYPE_CHECKING:
    from bus.sockets import Publisher, Subscriber
    from profitdll.sharing import SharedSession

PORT_PATIENCE_NS = 5_000_000_000
STALE_HEARTBEAT_NS = 1_000_000_000
CHECKPOINT_HASH = 0xC4EC_4901
LAST_WORDS = "last-words"


class StageContext:
    """A stage's view of the run. Made once per incarnation by `attach`."""

    def __init__(self, name: str, info: RunInfo, run: RunCounters, doorbells: Doorbells) -> None:
        self.name = name
        self.info = info
        self.config = info.config
        self.run_folder = Path(info.folder)
        self.run = run
        self.doorbells = doorbells
        self.spec = BY_NAME[name]
        self.counters: StageCounters = run.stage(self.spec.number)
        self.counters.stage = name
        self.epoch = int(self.counters.words[words.STAGE_EPOCH])
        self.clock: Clock = SharedClock(run)
        self.bell = Bell(doorbells, self.spec.number)
        self.log: logging.Logger = open_log(self.run_folder / "logs", name, self.epoch, self.config.runtime.log_level)
        self.waits = waits_of(self.config, name)
        self.wait = wait_policy(self.waits, self.bell)
        self.shared_session: SharedSession | None = None  # that of its process, when stages share one
        self.is_guest = False  # in the process of another stage
        self._no_command = np.zeros(1, np.uint64)
        self.bell.watch(
            self.counters.word_address(words.STAGE_COMMAND), int(self._no_command.ctypes.data), self._no_command
        )
        self._opened: list[Any] = []
        self._stage_words: dict[str, Any] = {}
        self._others: dict[str, StageCounters] = {}  # blocks of other stages that were looked at
        self._next_parent_check_ns = 0
        self._parent_alive = True

    @classmethod
    def attach(cls, name: str, run_folder: Path) -> StageContext:
        """Attach to the run of that folder. Raises SegmentError when it is gone or of another layout."""
        info = read_run(run_folder)
        run = RunCounters.attach(info.prefix + "counters")
        return cls(name, info, run, Doorbells.attach(info.prefix + "bells"))

    # --- rings and other shared memory

    def ring_segment(self, ring: str) -> Segment:
        segment = attach_ring(self.info.prefix + ring, RINGS[ring][0], self.info.ring_capacity(ring))
        self._opened.append(segment)
        return segment

    def writer(self, ring: str) -> RingWriter:
        """The one writer of a ring; a dead writer's place is taken over."""
        writer = RingWriter(self.ring_segment(ring), RINGS[ring][0], self.doorbells)
        self._opened.append(writer)
        return writer

    def reader(self, ring: str, start: str | int = "next", wake: bool = True) -> RingReader:
        """A reader whose new records wake this stage; `wake` False: it is looked at when something else has woken it."""
        return RingReader(self.ring_segment(ring), RINGS[ring][0], self.bell if wake else None, start)

    def merged_reader(self, *rings: str, start: str = "next") -> MergedReader:
        """Several rings in the order of ingest_seq; name candles first, then trades, then book."""
        return MergedReader({ring: self.reader(ring, start) for ring in rings})

    def segment(self, part: str, size: int) -> Segment:
        """A private shared segment of this stage that outlives its incarnations (checkpoints)."""
        segment = Segment.attach(self.info.prefix + part, size, 64, CHECKPOINT_HASH)
        self._opened.append(segment)
        return segment

    def histogram(self, name: str) -> Histogram:
        return self.counters.histogram(name)

    # --- bus

    def publisher(self) -> Publisher:
        """This stage's PUB socket."""
        from bus.keys import load_publisher_keys
        from bus.sockets import PortTaken, Publisher

        keys = load_publisher_keys(self.run_folder / "keys", self.name)
        give_up_ns = self.clock.monotonic_ns() + PORT_PATIENCE_NS
        while True:
            try:
                publisher = Publisher(f"tcp://127.0.0.1:{self.info.bus_ports[self.name]}", keys, self.epoch)
                break
            except PortTaken:  # Windows may give the port of a killed predecessor back late
                if self.epoch == 0 or self.clock.monotonic_ns() > give_up_ns:
                    raise
                self.bell.wait()
        self._opened.append(publisher)
        return publisher

    def subscriber(self, topics: tuple[bytes, ...], sources: tuple[str, ...] = SIGNAL_SOURCES) -> Subscriber:
        """A SUB socket on the publishers of those stages."""
        from bus.keys import load_subscriber_keys
        from bus.sockets import Subscriber

        endpoints = {source: f"tcp://127.0.0.1:{self.info.bus_ports[source]}" for source in sources}
        subscriber = Subscriber(endpoints, topics, load_subscriber_keys(self.run_folder / "keys", sources))
        self._opened.append(subscriber)
        return subscriber

    # --- commands and states

    def exchange_port(self) -> int:
        """Loopback port of the simulated exchange; 0 while it is not up."""
        block = self.run.stage(BY_NAME["exchange"].number)
        return dict(block.items()).get("port", 0)

    def stop_requested(self) -> bool:
        """Told to stop, or the supervisor is gone (checked once a second): then nobody watches over us."""
        if int(self.counters.words[words.STAGE_COMMAND]) == words.COMMAND_STOP:
            return True
        now_ns = self.clock.monotonic_ns()
        if now_ns >= self._next_parent_check_ns:
            self._next_parent_check_ns = now_ns + 1_000_000_000
            self._parent_alive = supervisor_lives(self.info.prefix)
            if not self._parent_alive:
                self.log.error("the supervisor (process %d) is gone; stopping", self.info.supervisor_pid)
        return not self._parent_alive

    def market_start_requested(self) -> bool:
        """The supervisor found all stages ready: the simulated market may start."""
        return int(self.run.words[words.RUN_MARKET_START]) == words.MARKET_START

    def market_stop_requested(self) -> bool:
        """The run is ending: the simulated market stands still, so that every stage can take in what was played."""
        return int(self.run.words[words.RUN_MARKET_START]) == words.MARKET_STOP

    def set_state(self, state: int) -> None:
        self.counters.words[words.STAGE_STATE] = state

    def beat(self, done: int = 0) -> None:
        """Heartbeat and progress; the loop's, and that of a stage in a long start."""
        self.counters.words[words.STAGE_HEARTBEAT_NS] = self.clock.monotonic_ns()
        if done:
            self.counters.words[words.STAGE_PROGRESS] += done

    def upstream_problem(self, stage: str) -> str:
        """Why no entry may rest on that stage now; empty when it runs and beats."""
        block = self._stage_words.get(stage)
        if block is None:  # asked for with every event: its place does not change
            block = self._stage_words[stage] = self.run.stage_words(BY_NAME[stage].number)
        state = int(block[words.STAGE_STATE])
        if state != words.RUNNING:
            return f"{stage} is {words.STATES[state]}"
        age_ns = self.clock.monotonic_ns() - int(block[words.STAGE_HEARTBEAT_NS])
        if age_ns > STALE_HEARTBEAT_NS:
            return f"{stage} has not beaten for {age_ns // 1_000_000} ms"
        return ""

    def block_of(self, stage: str) -> StageCounters:
        """Another stage's block, to look into."""
        block = self._others.get(stage)
        if block is None:
            block = self._others[stage] = self.run.stage(BY_NAME[stage].number)
        return block

    def counter_of(self, stage: str, name: str) -> int | None:
        """A counter of another stage; None while that stage has not declared it."""
        block = self.block_of(stage)
        try:
            return block.get(name)
        except KeyError:
            block.refresh()
            return dict(block.items()).get(name)

    def write_last_words(self, reason: str) -> None:
        """Leave for the supervisor why this incarnation ended. A full disk must not hide it: then it is only logged."""
        folder = self.run_folder / LAST_WORDS
        try:
            folder.mkdir(exist_ok=True)
            (folder / f"{self.name}-{self.epoch}.txt").write_text(reason, encoding="utf-8")
        except OSError as error:
            self.log.error("the last words could not be written (%s): %s", error, reason)

    def close(self) -> None:
        for thing in reversed(self._opened):
            thing.close()
        self._opened.clear()
