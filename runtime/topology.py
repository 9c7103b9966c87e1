"""Which stages there are, what each is called, where it stands in shared memory, and in what order they stop.

A table, because launcher, monitor and stages must agree. The number of a stage is its bell and its block of counters.
Each stage has a process of its own, but for those that share one session with the DLL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from config.schema import Config
from shm.layouts import RINGS


@dataclass(frozen=True)
class StageSpec:
    """One stage of the pipeline."""

    name: str
    number: int  # bell and counter block
    factory: str  # "module:Class", called with `arguments`
    arguments: tuple[str, ...] = ()
    publishes: bool = False  # has a PUB socket
    stops: int = 0  # stages stop in the order of this number
    reads: tuple[str, ...] = ()  # rings: while they bring records the stage must get something done


STAGES: tuple[StageSpec, ...] = (
    StageSpec("exchange", 0, "exchange.stage:ExchangeStage", stops=6),
    StageSpec("ingest", 1, "ingest.stage:IngestStage", stops=3),
    StageSpec("recorder", 2, "ingest.recorder:RecorderStage", stops=5, reads=("trades", "book")),
    StageSpec("features", 3, "features.stage:FeatureStage", stops=4, reads=("trades", "book")),
    StageSpec("order_flow", 4, "agents.stage:AgentStage", ("order_flow",), True, 2, ("features",)),
    StageSpec("liquidity", 5, "agents.stage:AgentStage", ("liquidity",), True, 2, ("features",)),
    StageSpec("tape_reading", 6, "agents.stage:AgentStage", ("tape_reading",), True, 2, ("features",)),
    StageSpec("footprint", 7, "agents.stage:AgentStage", ("footprint",), True, 2, ("features",)),
    StageSpec("ml", 8, "models.stage:ModelStage", (), True, 2, ("features",)),
    StageSpec("gateway", 10, "execution.gateway_stage:GatewayStage", stops=2, reads=("commands",)),
    StageSpec("execution", 9, "execution.stage:ExecutionStage", (), True, 1, ("trades", "book")),
)
BY_NAME = {spec.name: spec for spec in STAGES}
SHARING = ("execution", "ingest")  # the users of a shared session; the first has its process's main thread
SIGNAL_SOURCES = ("order_flow", "liquidity", "tape_reading", "footprint", "ml")
GATEWAY_RINGS = ("commands", "reports")


def stages_of(config: Config) -> tuple[StageSpec, ...]:
    """The stages that a run of this configuration has, in the order in which they start."""
    left_out = set()
    if config.dll.path:
        left_out.add("exchange")  # a real DLL brings its own market
    if not config.recorder.enabled:
        left_out.add("recorder")
    if config.execution.gateway != "process":
        left_out.add("gateway")  # execution calls the DLL itself
    return tuple(spec for spec in STAGES if spec.name not in left_out)


def rings_of(config: Config) -> tuple[str, ...]:
    """The names of the rings (`shm.layouts.RINGS`) that a run of this configuration has."""
    left_out = () if config.execution.gateway == "process" else GATEWAY_RINGS
    return tuple(ring for ring in RINGS if ring not in left_out)


def processes_of(specs: Sequence[StageSpec], config: Config) -> tuple[tuple[StageSpec, ...], ...]:
    """Those stages as they stand in processes, in the order in which these start; the first of each is its host."""
    sharing = SHARING if config.execution.session == "shared" else ()
    together = tuple(BY_NAME[name] for name in sharing if BY_NAME[name] in specs)
    found: list[tuple[StageSpec, ...]] = []
    for spec in specs:
        process = together if spec in together else (spec,)
        if process not in found:
            found.append(process)
    return tuple(found)


def companions_of(name: str, config: Config) -> tuple[str, ...]:
    """All stages of the process of that stage, itself among them, in the order in which they stand there."""
    for process in processes_of(stages_of(config), config):
        if name in (names := tuple(spec.name for spec in process)):
            return names
    return (name,)
