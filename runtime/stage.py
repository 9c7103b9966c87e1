"""What a stage is, and the one loop that runs it.

A stage starts, does bounded pieces of work, and closes. The loop owns waiting, heartbeats, the stop command, counters of
progress and logging; replay and tests step the same object by hand instead. A stage never sleeps by itself and never
looks at the system's clocks.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from runtime.garbage import OwnTime
from shm import counters as words
from shm.doorbell import MAX_SLEEP_NS

if TYPE_CHECKING:
    from runtime.context import StageContext

DRAIN_NS = 5_000_000_000

EXIT_CLEAN = 0
EXIT_FAILED = 1
EXIT_REFUSED = 3


class Refusal(RuntimeError):
    """Something that no restart mends: a wrong path, a refused login, a full disk. The run ends with this message."""


class Stage:
    """The contract. `drains`: when told to stop, work goes on until there is none left."""

    name = "stage"
    drains = False

    def on_start(self, context: StageContext) -> None:
        """Attach, subscribe, recover. When it returns the stage is ready."""

    def do_work(self) -> int:
        """One bounded piece of work; how many things were done. 0 lets the loop wait."""
        raise NotImplementedError

    def wait(self, timeout_ns: int) -> None:
        """The one blocking wait. A stage with sockets overrides it with its poller."""
        self._context.wait(timeout_ns)

    def on_close(self) -> None:
        """Give everything back. Called once, after the last do_work, also after a failure of on_start or do_work."""

    _context: StageContext


def start(stage: Stage, context: StageContext) -> None:
    """Bring a stage to running."""
    stage._context = context
    context.set_state(words.STARTING)
    context.beat()
    stage.on_start(context)
    context.set_state(words.RUNNING)
    context.beat()


def run_until_stopped(stage: Stage, context: StageContext) -> None:
    """Work and wait until the stop command, or until the supervisor is gone; then drain."""
    with OwnTime(mine=not context.is_guest) as garbage:
        while not context.stop_requested():
            done = stage.do_work()
            context.beat(done)
            garbage.look(idle=done == 0)
            if done == 0:
                stage.wait(MAX_SLEEP_NS)
    context.set_state(words.STOPPING)
    if stage.drains:
        give_up_ns = context.clock.monotonic_ns() + DRAIN_NS
        while (done := stage.do_work()) and context.clock.monotonic_ns() < give_up_ns:
            context.beat(done)


def run(stage: Stage, context: StageContext) -> int:
    """The life of one incarnation; returns the exit code of its process."""
    try:
        try:
            start(stage, context)
            run_until_stopped(stage, context)
        finally:
            stage.on_close()
    except Refusal as error:
        return _ended_badly(context, str(error), EXIT_REFUSED)
    except Exception as error:  # noqa: BLE001 - the last line of defence: reported, and the process ends with it
        running = int(context.counters.words[words.STAGE_STATE]) in (words.RUNNING, words.STOPPING)
        context.log.error("failed: %s", error, extra={"fields": {"traceback": traceback.format_exc()}})
        # What fails at the first start, before anything ran, will fail again: say so instead of trying ten times.
        first_start = not running and context.epoch == 0
        return _ended_badly(context, f"{type(error).__name__}: {error}", EXIT_REFUSED if first_start else EXIT_FAILED)
    context.set_state(words.STOPPED)
    return EXIT_CLEAN


def _ended_badly(context: StageContext, reason: str, code: int) -> int:
    context.write_last_words(reason)
    context.set_state(words.FAILED)
    return code
