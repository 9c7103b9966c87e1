"""The stage `gateway`: the order session in a process without ZeroMQ, when `execution.gateway = "process"`.

It owns the broker, carries out what execution puts into the ring of commands, and tells what came of it through the
ring of reports (`gateway_service`). It holds no position, no journal and no opinion: with execution dead it sends
nothing, but for what execution had put into the ring before it died.

When it is told to stop it still takes the commands that stand in the ring: execution stops before it.
"""

from __future__ import annotations

from execution.broker import Broker
from execution.connect import connect
from execution.gateway import GatewayCore
from execution.gateway_choice import Connect, open_here
from execution.gateway_link import SESSION_AWAY, SESSION_LOSSES
from execution.gateway_service import GatewayService
from runtime.context import StageContext
from runtime.stage import Stage

LOOK_EVERY_NS = 10_000_000  # at the session
ROOM_NS = 1_000_000  # wait for execution to take reports, which rings no bell here


class GatewayStage(Stage):
    """`connect` opens the order session (tests bring their own)."""

    name = "gateway"
    drains = True

    def __init__(self, connect: Connect = connect) -> None:
        self._connect = connect
        self._broker: Broker | None = None
        self._core: GatewayCore | None = None

    def on_start(self, context: StageContext) -> None:
        """Log in, then take commands."""
        self._context = context
        counters, now_ns = context.counters, context.clock.monotonic_ns
        counters.declare(SESSION_AWAY, SESSION_LOSSES)
        commands, reports = context.reader("commands"), context.writer("reports")
        self._look_at_ns = 0
        self._problem = ""
        self._core, self._broker = open_here(context, self._connect)
        settings = context.config.execution
        self._service = GatewayService(
            self._core, commands, reports, counters, context.block_of("execution"), context.epoch,
            settings.entry_ttl_ms, settings.confirm_ms, now_ns,
        )  # fmt: skip
        self._look_at_session()
        self._service.open()

    def do_work(self) -> int:
        """Commands and reports, as many as are there; what can wait comes after."""
        done = self._service.work()
        self._look_at_session()
        return done

    def wait(self, timeout_ns: int) -> None:
        """Until a command, a callback of the DLL, or what has to be repeated."""
        assert self._core is not None
        if self._service.holds_back:
            timeout_ns = min(timeout_ns, ROOM_NS)
        if (retry_ns := self._core.next_retry_ns()) is not None:
            timeout_ns = min(timeout_ns, max(0, retry_ns - self._context.clock.monotonic_ns()))
        self._context.wait(timeout_ns)

    def on_close(self) -> None:
        if self._broker is not None:
            self._broker.close()

    def _look_at_session(self) -> None:
        """Show execution how the session is: the losses first, so that one which is over is seen as a loss."""
        assert self._broker is not None
        now_ns = self._context.clock.monotonic_ns()
        if now_ns < self._look_at_ns:
            return
        self._look_at_ns = now_ns + LOOK_EVERY_NS
        problem = self._broker.problem()
        self._context.counters.set_own(SESSION_LOSSES, self._broker.session_losses)
        self._context.counters.set(SESSION_AWAY, int(bool(problem)))
        if problem != self._problem:
            self._problem = problem
            if problem:
                self._context.log.error("%s", problem)
            else:
                self._context.log.info("the order session is back")
