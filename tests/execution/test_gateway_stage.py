"""The stage that owns the session: what it shows of it, when it wakes up, and that it starts where its predecessor ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from execution.contracts import contracts_of
from execution.gateway import RETRY_NS
from execution.gateway_link import SESSION_AWAY, SESSION_LOSSES
from execution.gateway_stage import LOOK_EVERY_NS, ROOM_NS, GatewayStage
from execution.translate import list_command
from runtime.clock import ManualClock
from runtime.stage import start
from shm import counters as words
from shm.counters import StageCounters
from tests.execution.broker_twin import BrokerTwin
from tests.execution.linked_rig import Ends
from tests.execution.rig import MARKET_NS, START_NS, make_config

TURN_NS = 50_000_000


class Context:
    """What the stage needs of a StageContext, over the rings of `Ends`."""

    name = "gateway"

    def __init__(self, ends: Ends, epoch: int, counters: StageCounters) -> None:
        self.config = make_config(execution={"gateway": "process"})
        self.clock = ends.clock
        self.epoch = epoch
        self.counters = counters
        self.counters.words[words.STAGE_EPOCH] = epoch
        self.log = logging.getLogger(f"tests.gateway.{epoch}")
        self.rung: list[int] = []
        self.watched: list[tuple[int, int]] = []
        self.waited: list[int] = []
        self.reader, self.writer = ends.reader, ends.writer
        self.bell = SimpleNamespace(
            number=10,
            doorbells=SimpleNamespace(ring=self.rung.append),
            watch=lambda shared, own, keep: self.watched.append((shared, own)),
        )
        self._ends = ends

    def block_of(self, stage: str) -> StageCounters:
        assert stage == "execution"
        return self._ends.execution

    def set_state(self, state: int) -> None:
        self.counters.words[words.STAGE_STATE] = state

    def beat(self, done: int = 0) -> None:
        self.counters.words[words.STAGE_HEARTBEAT_NS] = self.clock.monotonic_ns()

    def wait(self, timeout_ns: int) -> None:
        self.waited.append(timeout_ns)


class Bench:
    def __init__(self) -> None:
        self.ends = Ends(ManualClock(START_NS, MARKET_NS))
        self.broker = BrokerTwin(contracts_of(make_config())[0], self.ends.clock.market_ns)
        self.own = StageCounters.private()
        self.link = self.ends.link(self.own, 0)
        self.start(0)
        self.link.work()
        self.link.drain()  # that it serves

    def start(self, epoch: int) -> None:
        self.context = Context(self.ends, epoch, self.ends.gateway)
        self.stage = GatewayStage(self._connect)
        start(self.stage, self.context)  # type: ignore[arg-type]

    def _connect(self, context: Any, changed: Callable[[int, str], None]) -> BrokerTwin:
        changed(1, "too early")
        self.broker.changed = changed
        return self.broker

    def turn(self) -> int:
        self.ends.clock.advance(LOOK_EVERY_NS)
        self.context.beat()
        return self.stage.do_work()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    with made.ends:
        yield made


def test_a_started_stage_serves_its_link(bench: Bench) -> None:
    assert bench.link.problem() == ""
    bench.link.execute(list_command())
    assert bench.turn() == 1
    assert bench.link.work() == 1
    bench.broker.changed(7, "CL7")
    assert bench.context.rung == [10] and len(bench.context.watched) == 1


def test_the_session_is_shown_and_each_change_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.broker.session_problem, bench.broker.session_losses = "routing is away", 1
    for _ in range(3):
        bench.turn()
    assert bench.ends.gateway.get(SESSION_AWAY) == 1 and "order session" in bench.link.problem()
    bench.broker.session_problem = ""
    for _ in range(3):
        bench.turn()
    assert bench.ends.gateway.get(SESSION_AWAY) == 0 and bench.link.problem() == ""
    assert bench.link.session_losses == 1
    assert [record.message for record in caplog.records] == ["routing is away", "the order session is back"]


def test_losses_add_up_over_incarnations(bench: Bench) -> None:
    bench.broker.session_losses = 2
    bench.turn()
    bench.broker.session_losses = 0
    bench.ends.gateway = StageCounters(bench.ends.gateway._block)  # as a new process sees it
    bench.start(1)
    bench.broker.session_losses = 1
    bench.turn()
    assert bench.ends.gateway.get(SESSION_LOSSES) == 3


def test_it_wakes_for_what_has_to_be_repeated(bench: Bench) -> None:
    bench.stage.wait(TURN_NS)
    bench.broker.changed(99, "unknown")
    bench.turn()
    bench.stage.wait(TURN_NS)
    for number in range(bench.ends.capacity + 1):
        bench.own.set("reports_taken", 0)
        bench.link.execute(list_command(number))
        bench.turn()
    bench.stage.wait(TURN_NS)
    assert bench.context.waited[:2] == [TURN_NS, RETRY_NS]
    assert bench.context.waited[2] <= ROOM_NS


def test_closing_ends_the_session(bench: Bench) -> None:
    closed: list[int] = []
    bench.broker.close = lambda: closed.append(1)  # type: ignore[method-assign]
    bench.stage.on_close()
    assert closed == [1]
    GatewayStage().on_close()
