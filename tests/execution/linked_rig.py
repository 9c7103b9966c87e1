"""Both ends of the gateway's rings, over real rings and a broker twin, in one process and stepped by hand.

`Ends` is the rings and whoever stands at them; `LinkedRig` is the rig of the execution stage with them in between.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from execution.broker import Broker
from execution.gateway import GatewayCore
from execution.gateway_link import SESSION_AWAY, SESSION_LOSSES, GatewayLink
from execution.gateway_service import GatewayService
from execution.stage import ExecutionStage
from runtime.clock import ManualClock
from shm import counters as words
from shm.counters import StageCounters
from shm.doorbell import Doorbells
from shm.layouts import RINGS
from shm.ring import RingReader, RingWriter, attach_ring, create_ring
from shm.segment import run_prefix
from tests.execution.broker_twin import Died
from tests.execution.rig import HandContext, Rig, make_config

_numbers = itertools.count()


class Ends:
    """The two rings and the two blocks of counters. Use as a context manager."""

    def __init__(self, clock: ManualClock, capacity: int = 64, entry_ttl_ms: int = 500, confirm_ms: int = 300) -> None:
        self.clock = clock
        self.capacity = capacity
        self.entry_ttl_ms = entry_ttl_ms
        self.confirm_ms = confirm_ms
        self.prefix = f"{run_prefix(os.getpid())}linked{next(_numbers)}"
        self.doorbells = Doorbells.create(self.prefix + "bells")
        self.segments = [create_ring(self.prefix + ring, RINGS[ring][0], capacity) for ring in ("commands", "reports")]
        self.gateway = StageCounters.private()
        self.gateway.declare(SESSION_AWAY, SESSION_LOSSES)
        self.gateway.words[words.STAGE_EPOCH] = -1
        self.service: GatewayService | None = None
        self.core: GatewayCore | None = None

    def __enter__(self) -> Ends:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for segment in (*self.segments, self.doorbells.segment):
            segment.remove()

    def writer(self, ring: str) -> RingWriter:
        return RingWriter(
            attach_ring(self.prefix + ring, RINGS[ring][0], self.capacity), RINGS[ring][0], self.doorbells
        )

    def reader(self, ring: str, start: str | int = "next") -> RingReader:
        return RingReader(attach_ring(self.prefix + ring, RINGS[ring][0], self.capacity), RINGS[ring][0], None, start)

    def link(self, own: StageCounters, epoch: int) -> GatewayLink:
        """Execution's end, of a new incarnation."""
        self.execution = own
        return GatewayLink(
            self.writer("commands"), self.reader("reports"), own, self.gateway, epoch, self.clock.monotonic_ns
        )

    def start_gateway(self, broker: Any) -> GatewayService:
        """The next incarnation, as its stage starts it."""
        self.gateway.words[words.STAGE_EPOCH] += 1
        self.gateway.words[words.STAGE_STATE] = words.STARTING
        self.core = GatewayCore(broker, self.clock.monotonic_ns, lambda: None)
        broker.changed = self.core.changed
        self.service = GatewayService(
            self.core, self.reader("commands"), self.writer("reports"), self.gateway, self.execution,
            int(self.gateway.words[words.STAGE_EPOCH]), self.entry_ttl_ms, self.confirm_ms, self.clock.monotonic_ns,
        )  # fmt: skip
        self.service.open()
        self.gateway.words[words.STAGE_STATE] = words.RUNNING
        self.beat()
        return self.service

    def kill_gateway(self, broker: Any, noticed: bool = True) -> None:
        """As SIGKILL; `noticed`: the supervisor has seen it."""
        self.service = self.core = None
        broker.new_session()
        if noticed:
            self.gateway.words[words.STAGE_STATE] = words.FAILED

    def beat(self) -> None:
        self.gateway.words[words.STAGE_HEARTBEAT_NS] = self.clock.monotonic_ns()


class LinkedContext(HandContext):
    """With the rings of the gateway."""

    ends: Ends

    def writer(self, ring: str) -> RingWriter:
        return self.ends.writer(ring)

    def reader(self, ring: str, start: str = "next") -> Any:
        return self.ends.reader(ring) if ring == "reports" else super().reader(ring, start)

    def block_of(self, stage: str) -> StageCounters:
        assert stage == "gateway"
        return self.ends.gateway


class LinkedRig(Rig):
    """The rig of the stage, whose gateway is at the other end of the rings. `close` it."""

    def __init__(self, folder: Path, capacity: int = 64, **sections: Any) -> None:
        sections["execution"] = {"gateway": "process", **sections.get("execution", {})}
        super().__init__(folder, **sections)
        settings = make_config(**sections).execution
        self.ends = Ends(self.clock, capacity, settings.entry_ttl_ms, settings.confirm_ms)
        self.hung = False  # the gateway does nothing
        self.deaths_of_gateway = 0
        self.own = StageCounters.private()

    def start(self) -> LinkedRig:
        self.epoch += 1
        self.context = LinkedContext(self.config, self.folder, self.clock, self.epoch)
        self.context.ends = self.ends
        self.context.counters = self.own
        self.ends.execution = self.own
        if self.ends.service is None:
            self.ends.start_gateway(self.broker)
        self.stage = ExecutionStage(_nobody)
        self.stage.on_start(self.context)  # type: ignore[arg-type]
        self.work()
        return self

    def kill(self) -> None:
        """Execution alone: the session lives on."""
        journal = self.stage._journal
        assert journal is not None
        journal._pending.clear()
        journal.close()

    def kill_gateway(self, noticed: bool = True) -> None:
        self.deaths_of_gateway += 1
        self.ends.kill_gateway(self.broker, noticed)

    def revive_gateway(self) -> None:
        self.ends.start_gateway(self.broker)

    def work(self) -> None:
        """Both ends, until they come to rest."""
        for _ in range(200):
            if self.stage.do_work() + self._serve() == 0:
                return
        raise AssertionError("the two never come to rest")

    def _serve(self) -> int:
        if self.ends.service is None or self.hung:
            return 0
        self.ends.beat()
        try:
            return self.ends.service.work()
        except Died:
            self.kill_gateway()
            return 1

    def close(self) -> None:
        self.stage.on_close()
        self.ends.__exit__(None, None, None)


def _nobody(context: Any, changed: Callable[[int, str], None]) -> Broker:
    raise AssertionError("with a gateway of its own execution opens no session")
