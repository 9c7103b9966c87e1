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
from execution.stage import ExecutionStage
from runtime.child import main, make_stage
from runtime.context import StageContext
from runtime.stage import Stage
from runtime.topology import BY_NAME
from shm import counters as words
from tests.kills.mortal import MortalBroker, Reaper, mortal_callback, mortal_writes

TURN_NS = 1_500_000_000


class LoudAgent(AgentStage):
    """Sure of a side as soon as there is a vector, and of the other one a moment later."""

    def _judge(self, vector: Any, evidence: Any, problem: str, now_ns: int) -> Opinion:
        sober = super()._judge(vector, evidence, problem, now_ns)
        if problem or sober.abstains.startswith("data is older"):
            return sober
        return Opinion(1.0 if int(vector["ts_ns"]) // TURN_NS % 2 else -1.0, 1.0, ("loud",))


def mortal_connect(context: StageContext, changed: Callable[[int, str], None]) -> Any:
    reaper = Reaper(context.run_folder, context.epoch)
    mortal_writes(reaper)
    exchange = context.run.stage(BY_NAME["exchange"].number)
    broker = connect(context, mortal_callback(changed, reaper))
    return MortalBroker(broker, reaper, int(exchange.words[words.STAGE_PID]))


def make(name: str) -> Stage:
    if name == "execution":
        return ExecutionStage(mortal_connect)
    stage = make_stage(name)
    return LoudAgent(name) if isinstance(stage, AgentStage) else stage


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], make))
