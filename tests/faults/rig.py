"""The market side of a pipeline in this process: exchange, library, ingest and features, each stage on a thread of its own.

Everything is what a run has (rings, run folder, contexts, the box of faults) but for processes and bus. Market time runs
SPEED times as fast as real time, so that windows of half a minute are over soon.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agents.vector import why_silent
from config.schema import Config, Dll, Exchange, Instrument, Risk
from exchange.faults.box import leave_fault
from exchange.profitsim import build
from exchange.stage import ExchangeStage
from execution.contracts import contracts_of
from execution.events import ENTRY, LIMIT
from execution.market_watch import MarketWatch
from execution.risk.gate import CHECKS
from execution.risk.request import Facts, Request
from execution.risk.states import Trading
from execution.sizing import BUY
from features.checkpoint import private_segments
from features.stage import FeatureStage
from ingest.stage import IngestStage
from runtime.clock import SharedClock, monotonic_ns
from runtime.context import CHECKPOINT_HASH, StageContext
from runtime.run_info import RunInfo
from runtime.stage import Stage, run_until_stopped, start
from shm import counters as words
from shm.counters import RunCounters
from shm.doorbell import Doorbells
from shm.layouts import KIND_GAP, KIND_TRADE, RINGS
from shm.ring import RingReader, attach_ring, create_ring
from shm.segment import Segment, run_prefix

SPEED = 30.0
SILENT_AFTER_S = 0.6
PATIENCE_S = 30.0
SPECIALIST_NEEDS = ("order_flow",)
OF_THE_DATA = ("pipeline_age", "exchange_age", "price_collar", "spread")  # the gate's checks that rest on market data
_numbers = itertools.count()


def config_of(**exchange: Any) -> Config:
    """A market of some hundred events a real second."""
    settings: dict[str, Any] = {"speed": SPEED, "trades_per_s": 15.0, "start_price": 5400.0, "ack_latency_ms": 0.0}
    return Config(
        instruments=(Instrument(symbol="WDOFUT", tick=0.5, point_value=10.0),),
        exchange=Exchange(**(settings | exchange)),
        dll=Dll(history_bars=20, history_timeout_s=0.7, silent_after_s=SILENT_AFTER_S),
        risk=Risk(max_spread_ticks=1_000),  # the market is made up: how wide it is says nothing
    )


class _OnThread:
    """A stage that works on a thread until it is told to stop; what ended it badly is kept."""

    def __init__(self, stage: Stage, context: StageContext) -> None:
        self.stage, self.context = stage, context
        self.error: BaseException | None = None
        start(stage, context)
        self._thread = threading.Thread(target=self._work, name=context.name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            run_until_stopped(self.stage, self.context)
        except BaseException as error:  # noqa: BLE001 - told to the test by `stop`
            self.error = error

    def stop(self) -> None:
        self.context.counters.words[words.STAGE_COMMAND] = words.COMMAND_STOP
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"{self.context.name} does not stop"
        self.stage.on_close()
        self.context.close()
        if self.error is not None:
            raise self.error


class Pipeline:
    """`open` it, and `close` it at the end. Ring contents are collected by `look`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = Path(tempfile.mkdtemp(prefix="faults-"))
        self.prefix = f"{run_prefix(os.getpid())}faults{next(_numbers)}"
        build.build_if_stale()
        self.info = RunInfo(
            folder=str(self.folder), prefix=self.prefix, supervisor_pid=os.getpid(), config=config, bus_ports={},
            dll_path=str(build.output_path(build.host_target())),
        )  # fmt: skip
        self.run = RunCounters.create(self.prefix + "counters")
        self.doorbells = Doorbells.create(self.prefix + "bells")
        self.segments: list[Segment] = [self.run.segment, self.doorbells.segment]
        for ring, (dtype, _) in RINGS.items():
            self.segments.append(create_ring(self.prefix + ring, dtype, self.info.ring_capacity(ring)))
        for part, size in private_segments(config).items():
            self.segments.append(Segment.create(self.prefix + part, size, 64, size, CHECKPOINT_HASH))
        self.clock = SharedClock(self.run)
        self.stages: dict[str, _OnThread] = {}
        self.rows: dict[str, Any] = {ring: np.zeros(0, RINGS[ring][0]) for ring in ("trades", "book", "features")}
        self._readers = {ring: self._reader(ring) for ring in self.rows}
        self._watch = MarketWatch(self._reader("trades"), self._reader("book"), 1)
        self._contract = contracts_of(config)[0]

    def _reader(self, ring: str) -> RingReader:
        return RingReader(attach_ring(self.prefix + ring, RINGS[ring][0], self.info.ring_capacity(ring)), RINGS[ring][0])

    # -- life

    def start_stage(self, name: str) -> None:
        stage: Any = {"exchange": ExchangeStage, "ingest": IngestStage, "features": FeatureStage}[name]()
        context = StageContext(name, self.info, self.run, self.doorbells)
        try:
            self.stages[name] = _OnThread(stage, context)
        except BaseException:
            stage.on_close()
            context.close()
            raise

    def open(self) -> Pipeline:
        for name in ("exchange", "features", "ingest"):
            self.start_stage(name)
        self.run.words[words.RUN_MARKET_START] = words.MARKET_START
        return self

    def close(self) -> None:
        try:
            for name in ("ingest", "features", "exchange"):
                if name in self.stages:
                    self.stages.pop(name).stop()
        finally:
            for segment in self.segments:
                segment.remove()
                segment.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def fault(self, name: str, **numbers: Any) -> None:
        """Switch a fault on the way a person does in a run."""
        leave_fault(self.folder, {"name": name, **numbers})

    @contextlib.contextmanager
    def standing_market(self) -> Iterator[None]:
        """The market stands still inside the block, and everything that was played has been sent."""
        self.run.words[words.RUN_MARKET_START] = words.MARKET_STOP
        time.sleep(0.15)  # more than one turn of the exchange
        try:
            yield
        finally:
            self.run.words[words.RUN_MARKET_START] = words.MARKET_START

    # -- what there is to see

    def count(self, name: str, stage: str = "ingest") -> int:
        return int(self.stages[stage].context.counters.get(name))

    def look(self) -> None:
        """Read what the rings have got since the last look."""
        out = {ring: np.zeros(4096, RINGS[ring][0]) for ring in self.rows}
        for ring, reader in self._readers.items():
            parts = [self.rows[ring]]
            while count := reader.read(out[ring]):
                parts.append(out[ring][:count].copy())
            self.rows[ring] = np.concatenate(parts)
        self._watch.refresh()

    def gaps(self) -> Any:
        """Gap records so far."""
        self.look()
        return self.rows["trades"][self.rows["trades"]["kind"] == KIND_GAP]

    def numbers(self) -> list[int]:
        """Numbers of all trades that were published."""
        self.look()
        trades = self.rows["trades"]
        return trades["trade_number"][trades["kind"] == KIND_TRADE].tolist()

    def missing(self, from_ns: int = 0) -> set[int]:
        """Numbers of trades that the exchange played since `from_ns` (or the first published one) and nobody got."""
        mine = self.numbers()
        market = self.stages["exchange"].stage.market  # type: ignore[attr-defined]
        trades = self.rows["trades"][self.rows["trades"]["kind"] == KIND_TRADE]
        with self.standing_market():
            played = market.history(0, from_ns or int(trades["ts_ns"].min()), int(trades["ts_ns"].max()))["number"].tolist()
        return {number for number in played if mine[0] <= number <= max(mine)} - set(mine)

    def vectors(self) -> int:
        """How many feature vectors have come so far."""
        self.look()
        return len(self.rows["features"])

    def ready(self) -> int:
        """The ready mask of the newest vector; 0 before the first."""
        return int(self.rows["features"]["ready"][-1]) if self.vectors() else 0

    def until_silenced(self, reason: str, since: int) -> None:
        """Wait for a vector, behind the first `since`, that silences a specialist for that reason."""

        def silenced() -> bool:
            self.look()
            masks = np.unique(self.rows["features"]["ready"][since:]).tolist()
            return reason in {why_silent(mask, SPECIALIST_NEEDS) for mask in masks}

        self.until(silenced, f"a vector that says {reason}")

    def against_entry(self) -> dict[str, str]:
        """Why no entry goes out now: what silences a specialist, and what the gate refuses for its data. Empty: one could."""
        self.look()
        quote, vectors = self._watch.look(0)[1], self.rows["features"]
        found = {"signals": why_silent(int(vectors["ready"][-1]), SPECIALIST_NEEDS) if len(vectors) else "no vector yet"}
        facts = Facts(
            now_ns=monotonic_ns(), market_now_ns=self.clock.market_ns(), trading=Trading.ACTIVE, position=0,
            working_entries=0, open_orders=0, notional=0.0, margin=0.0, own_bid=-math.inf, own_ask=math.inf, twin="",
            trades_today=0, messages_today=0, fills_today=0, day_profit=0.0, day_peak=0.0, losses_in_row=0,
            market_lost_ns=0, market_entered_ns=0, last=quote.last, bid=quote.bid, ask=quote.ask,
            market_ts_ns=quote.ts_ns, base_recv_ns=int(vectors["recv_ns"][-1]) if len(vectors) else 0,
            reference_bid=quote.bid, reference_ask=quote.ask, reference_ns=monotonic_ns(), unready="",
            upstream_problem="", broker_problem="",
        )  # fmt: skip
        price = quote.ask if math.isfinite(quote.ask) else 5400.0
        request = Request(ENTRY, self._contract, BUY, 1, LIMIT, price, -1.0, price)
        found |= {name: CHECKS[name](request, facts, self.config.risk) for name in OF_THE_DATA}
        return {name: reason for name, reason in found.items() if reason}

    # -- waiting

    def until(self, condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
        give_up = time.monotonic() + patience_s
        while not (answer := condition()):
            failed = [each.error for each in self.stages.values() if each.error is not None]
            assert not failed, f"while waiting for {what}: {failed}"
            assert time.monotonic() < give_up, f"waited {patience_s:g} s for {what}; {self.against_entry()}"
            time.sleep(0.01)
        return answer

    def until_healthy(self) -> None:
        """Wait until an entry could go out, and for some vectors more."""
        self.until(lambda: not self.against_entry(), "a pipeline in which an entry could go out")

    def until_refused(self, *names: str) -> dict[str, str]:
        """Wait until at least these refuse an entry; everything that does."""
        return self.until(
            lambda: found if set(names) <= (found := self.against_entry()).keys() else None, f"refusals {names}"
        )
