"""The main program of a stage in the campaigns: the real stage, but for what makes it trade often or die at an instant.

Agents speak loudly: everything of the stage is real (rings, laps, staleness, keys, numbering), only what they think is
replaced by a side that turns every TURN_NS of market time. Execution gets a broker and a journal that can die.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from agents.policy import Opinion
from agents.stage import AgentStage
from execution.connect import connect
from execution.gateway_stage import GatewayStage
from execution.stage import ExecutionStage
from runtime.child import main, make_stage
from runtime.context import StageContext
from runtime.stage import Stage
from runtime.topology import BY_NAME
from shm import counters as words
from tests.kills.mortal import (
    UNREAD,
    MortalBroker,
    Reaper,
    SharedReaper,
    mortal_callback,
    mortal_puts,
    mortal_writes,
)

TURN_NS = 1_500_000_000


class LoudAgent(AgentStage):
    """Sure of a side as soon as there is a vector, and of the other one a moment later."""

    def _judge(self, vector: Any, row: int, problem: str) -> Opinion:
        sober = super()._judge(vector, row, problem)
        if problem or sober.abstains.startswith("data is older"):
            return sober
        return Opinion(1.0 if vector.ts_ns // TURN_NS % 2 else -1.0, 1.0, ("loud",))


def apart(context: StageContext) -> bool:
    return context.config.execution.gateway == "process"


def reaper_of(context: StageContext) -> Reaper:
    if not apart(context):
        return Reaper(context.run_folder, context.epoch)
    both = [context.run.stage_words(BY_NAME[name].number) for name in ("execution", "gateway")]
    return SharedReaper(context.run_folder, lambda: sum(int(block[words.STAGE_EPOCH]) for block in both))


class MortalExecution(ExecutionStage):
    """With a gateway of its own it dies at its journal and at the ring; else its broker is mortal too."""

    def on_start(self, context: StageContext) -> None:
        if apart(context):
            reaper = reaper_of(context)
            mortal_writes(reaper)
            mortal_puts(reaper)
        super().on_start(context)


class MortalGateway(GatewayStage):
    def on_start(self, context: StageContext) -> None:
        self._reaper = reaper_of(context)
        super().on_start(context)

    def do_work(self) -> int:
        if self._service._commands.behind():
            self._reaper.reached(UNREAD)
        return super().do_work()


def mortal_connect(context: StageContext, changed: Callable[[int, str], None]) -> Any:
    reaper = reaper_of(context)
    if not apart(context):
        mortal_writes(reaper)
    exchange = context.run.stage(BY_NAME["exchange"].number)
    broker = connect(context, mortal_callback(changed, reaper))
    return MortalBroker(broker, reaper, int(exchange.words[words.STAGE_PID]))


def make(name: str) -> Stage:
    if name == "execution":
        return MortalExecution(mortal_connect)
    if name == "gateway":
        return MortalGateway(mortal_connect)
    stage = make_stage(name)
    return LoudAgent(name) if isinstance(stage, AgentStage) else stage


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], make))
