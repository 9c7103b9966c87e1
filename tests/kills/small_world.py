"""The world around execution, and nothing more: the exchange, ingest, the real launcher, and sources that never hold back.

The sources are publishers of this process with the run's own keys: what they say is authenticated, based on the newest
trade, and changes its side every second or two, so that execution enters, protects, leaves and cancels all the time.
Features does not run; its place in shared memory is kept alive here, for without it no entry may go out.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np

from bus.keys import load_publisher_keys
from bus.messages import MESSAGE_VERSION, Signal
from bus.sockets import LOOPBACK, Publisher
from config.schema import Config
from runtime.clock import SharedClock
from runtime.launcher import Launcher
from runtime.run_info import read_run
from runtime.topology import BY_NAME, SIGNAL_SOURCES
from runtime.up import check_library
from shm import counters as words
from shm.layouts import RINGS
from shm.ring import RingReader
from tests.kills.exchange_record import Spy
from tests.kills.mortal import VARIABLE, Death

STAGES = ("exchange", "ingest", "execution")
APART = ("exchange", "ingest", "gateway", "execution")  # with a gateway of its own
SIGNAL_EVERY_S = 0.05
STANDS_NS = 1_000_000_000


class Sources(threading.Thread):
    """All five sources agree; the side turns. `pause` silences them."""

    def __init__(self, launcher: Launcher, seed: int) -> None:
        super().__init__(name="sources", daemon=True)
        info = read_run(launcher.folder)
        self._publishers = {
            name: Publisher(f"{LOOPBACK}{info.bus_ports[name]}", load_publisher_keys(launcher.folder / "keys", name))
            for name in SIGNAL_SOURCES
        }
        self._clock = SharedClock(launcher.run)
        self._features = launcher.run.stage(BY_NAME["features"].number)
        self._trades = RingReader(launcher.rings["trades"], RINGS["trades"][0])
        self._out = np.zeros(1024, RINGS["trades"][0])
        self._random = random.Random(seed)
        self._sequence = 0
        self._ended = threading.Event()
        self.pause = threading.Event()

    def run(self) -> None:
        self._features.declare("unready_0")  # 0: all families whole
        self._features.words[words.STAGE_STATE] = words.RUNNING
        direction, turn_at, newest = 1.0, 0.0, None
        while not self._ended.wait(SIGNAL_EVERY_S):
            self._features.words[words.STAGE_HEARTBEAT_NS] = self._clock.monotonic_ns()
            while count := self._trades.read(self._out):
                newest = self._out[count - 1].copy()
            if newest is None or self.pause.is_set():
                continue
            if time.monotonic() >= turn_at:
                direction, turn_at = -direction, time.monotonic() + self._random.uniform(0.4, 1.6)
            for name in SIGNAL_SOURCES:
                self._publishers[name].publish(self._signal(name, newest, direction))
            self._sequence += 1

    def _signal(self, name: str, trade: Any, direction: float) -> Signal:
        return Signal(
            version=MESSAGE_VERSION, source=name, sequence=self._sequence, epoch=0, symbol=0,
            ingest_seq=int(trade["ingest_seq"]), ts_ns=int(trade["ts_ns"]), recv_ns=int(trade["recv_ns"]),
            features_publish_ns=self._clock.monotonic_ns(), publish_ns=self._clock.monotonic_ns(), direction=direction,
            confidence=1.0, horizon_ms=1000, valid_until_ns=self._clock.market_ns() + STANDS_NS,
        )  # fmt: skip

    def close(self) -> None:
        self._ended.set()
        self.join(10.0)
        for publisher in self._publishers.values():
            publisher.close()


class SmallWorld:
    """Started by `with`. Whoever waits in it calls `until`, which lets the launcher look after its stages."""

    def __init__(self, config: Config, folder: Path, seed: int) -> None:
        self.config = config
        self._seed = seed
        self.told: list[str] = []
        self.launcher = Launcher(config, folder, check_library(config), {}, self.told.append)
        self.lives: list[list[int]] = []  # running since, dead since (0: lives), monotonic
        apart = config.execution.gateway == "process"
        self.mortals = ("execution", "gateway") if apart else ("execution",)  # a life is of all of them

    def __enter__(self) -> SmallWorld:
        specs = tuple(BY_NAME[name] for name in (APART if len(self.mortals) > 1 else STAGES))
        self._patches = [
            mock.patch("runtime.launcher.stages_of", lambda config: specs),
            mock.patch("runtime.launcher.CHILD", "tests.kills.child"),
        ]
        for patch in self._patches:
            patch.start()
        try:
            self.launcher.start()
            self.execution = self.launcher.block(BY_NAME["execution"])
            self.exchange = self.launcher.block(BY_NAME["exchange"])
            self.spy = Spy(self.exchange_counter("port"))
            self.sources = Sources(self.launcher, self._seed)
            self.launcher.run.words[words.RUN_MARKET_START] = words.MARKET_START
            self.launcher.doorbells.ring(BY_NAME["exchange"].number)
            self.sources.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.let_exchange_go_on()
        for name in ("sources", "spy"):
            if hasattr(self, name):
                getattr(self, name).close()
        self.launcher.close()
        for patch in self._patches:
            patch.stop()

    # --- execution's lives

    @property
    def epoch(self) -> int:
        return sum(self.launcher.children[name].epoch for name in self.mortals)

    @property
    def running(self) -> bool:
        return all(self.launcher.state(name) == words.RUNNING for name in self.mortals)

    def note_life(self) -> None:
        """Execution is running now."""
        self.lives.append([time.perf_counter_ns(), 0])

    def note_death(self, ns: int) -> None:
        """Of the life that was noted last, if that is still going on: it may have died before it ran."""
        if self.lives:
            self.lives[-1][1] = self.lives[-1][1] or ns

    def kill(self, name: str = "execution") -> None:
        process = self.launcher.children[name].process
        if process is None:
            return  # it has just died by itself
        self.note_death(time.perf_counter_ns())
        process.kill()

    def let_exchange_go_on(self) -> None:
        """It may have been held still by the dying process."""
        child = self.launcher.children.get("exchange")
        if sys.platform != "win32" and child is not None and child.running:
            assert child.process is not None
            os.kill(child.process.pid, signal.SIGCONT)

    @staticmethod
    def sentence(death: Death | None) -> None:
        """How the next incarnation dies."""
        os.environ[VARIABLE] = "" if death is None else msgspec.json.encode(death).decode()

    # --- questions

    def counter(self, name: str) -> int:
        return dict(self.execution.items()).get(name, 0)

    def exchange_counter(self, name: str) -> int:
        return dict(self.exchange.items()).get(name, 0)

    def agrees(self) -> bool:
        """Entries are open, and execution holds what the exchange says that it holds."""
        return (
            self.running
            and self.counter("entries_closed") == 0
            and self.counter("position_0") == self.spy.position == self.exchange_counter("net_position_0")
        )

    def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Step the launcher until it holds; False when the time is over."""
        give_up = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= give_up:
                return False
            self.launcher.step()
            time.sleep(0.005)
        return True
