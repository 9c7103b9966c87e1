"""The real execution stage on manual clocks, between a broker twin and rings that a test fills by hand."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from bus.messages import TOPIC_SIGNAL, Decision, Fill, Message, OrderEvent, Signal, decode, encode
from bus.sockets import Heard
from config.schema import Config, Consensus, Execution, Instrument, Risk, Sessions
from consensus.weights import AGENTS
from execution.contracts import contracts_of
from execution.journal import read_records
from execution.journal_keeper import journal_path
from execution.stage import ExecutionStage
from runtime.clock import ManualClock
from shm.counters import StageCounters
from shm.histogram import Histogram
from shm.layouts import BOOK, KIND_BOOK, KIND_GAP, KIND_TRADE, TRADE
from tests.execution.broker_twin import BrokerTwin

MS = 1_000_000
START_NS = 5_000_000_000
MARKET_NS = 1_763_035_200_000_000_000  # 2025-11-13 12:00 UTC, 09:00 in Sao Paulo
TICK = 0.5


def make_config(**sections: Any) -> Config:
    """A config of one contract: 4-tick stop, 6-tick target, two contracts at most."""
    execution = {
        "stop_ticks": 4, "target_ticks": 6, "stop_limit_offset_ticks": 2, "max_quantity": 2, "entry_ttl_ms": 500,
        "confirm_ms": 300, "account": "A", "sqlite": False,
    }  # fmt: skip
    return Config(
        mode=sections.get("mode", "paper"),
        instruments=(
            Instrument(
                symbol="WDOFUT", order_symbol="WDOZ25", tick=TICK, point_value=10.0, fee_per_contract=1.0,
                last_trading_day="2025-11-28",
            ),
        ),
        consensus=sections.get("consensus", Consensus(decide_every_ms=100)),
        sessions=sections.get("sessions", Sessions()),
        risk=Risk(
            **{
                "max_position": 4, "max_orders_per_s": 50, "max_orders_per_min": 1000, "max_cancels_per_s": 50,
                "max_cancels_per_min": 1000, "min_entry_interval_ms": 0, "duplicate_ms": 0, **sections.get("risk", {}),
            }
        ),
        execution=Execution(**{**execution, **sections.get("execution", {})}),
    )


class HandReader:
    """A ring reader over records that the test appends."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.waiting: deque[np.ndarray[Any, Any]] = deque()
        self.lost = 0
        self.published = 0
        self.segment = SimpleNamespace(capacity=64)
        self._dtype = dtype

    def behind(self) -> int:
        return len(self.waiting)

    def seek(self, number: int) -> None:
        assert number >= 0

    def listen(self, on: bool) -> None:
        self.listens = on

    def read(self, out: np.ndarray[Any, Any]) -> int:
        count = 0
        while self.waiting and count < len(out):
            out[count] = self.waiting.popleft()[0]
            count += 1
        return count


class HandSubscriber:
    def __init__(self) -> None:
        self.waiting: deque[tuple[str, Message]] = deque()
        self.counts: dict[str, Any] = {}
        self.refused = 0
        self.sockets: tuple[Any, ...] = ()

    def collect(self) -> list[Heard]:
        found = []
        while self.waiting:
            source, message = self.waiting.popleft()
            found.append(Heard(source, TOPIC_SIGNAL, message.sequence, getattr(message, "epoch", 0), encode(message)))
        return found

    def accept(self, heard: Heard) -> Message:
        return decode(heard.body)

    def are_fresh(self, waiting: list[Heard]) -> bool:
        return True


class HandPublisher:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    def publish(self, message: Message) -> None:
        self.messages.append(message)


class HandContext:
    """What the stage needs of a StageContext."""

    name = "execution"

    def __init__(self, config: Config, run_folder: Path, clock: ManualClock, epoch: int) -> None:
        self.config = config
        self.run_folder = run_folder
        self.clock = clock
        self.epoch = epoch
        self.counters = StageCounters.private()
        self.log = logging.getLogger(f"tests.execution.{epoch}")
        self.histograms: dict[str, Histogram] = {}
        self.publishes = HandPublisher()
        self.subscribes = HandSubscriber()
        self.readers = {"trades": HandReader(TRADE), "book": HandReader(BOOK)}
        self.upstream: dict[str, str] = {}
        self.others = {"features.unready_0": 0}  # counters of other stages
        self.waits = "block"
        self.waited: list[int] = []
        self.wait = self.waited.append
        self.bell = SimpleNamespace(
            wait=lambda: None,
            watch=lambda shared, own, keep: None,
            number=9,
            doorbells=SimpleNamespace(ring=lambda number: None),
        )

    def publisher(self) -> HandPublisher:
        return self.publishes

    def subscriber(self, topics: tuple[bytes, ...], sources: tuple[str, ...]) -> HandSubscriber:
        return self.subscribes

    def reader(self, ring: str, start: str = "next") -> HandReader:
        return self.readers[ring]

    def histogram(self, name: str) -> Histogram:
        return self.histograms.setdefault(name, Histogram.private())

    def upstream_problem(self, stage: str) -> str:
        return self.upstream.get(stage, "")

    def counter_of(self, stage: str, name: str) -> int | None:
        return self.others.get(f"{stage}.{name}")

    def beat(self, done: int = 0) -> None:
        self.clock.advance(50 * MS)  # the stop's waiting loop sees time go by


def builder(folder: Path, made: list[Rig]) -> Callable[..., Rig]:
    """What starts a rig with a market and a routine behind it; `made` gets each, for whoever ends them."""

    def build(**sections: Any) -> Rig:
        rig = Rig(folder, **sections).start()
        rig.show(100.0, 100.5)
        rig.run(100)
        made.append(rig)
        return rig

    return build


class Rig:
    """One stage incarnation after another over one broker and one journal."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        self.config = make_config(**sections)
        self.folder = folder / "run"
        self.clock = ManualClock(START_NS, MARKET_NS)
        self.contract = contracts_of(self.config)[0]
        self.broker = BrokerTwin(self.contract, self.clock.market_ns)
        self.epoch = -1
        self.ingest_seq = 0
        self.sequence = 0
        self.bid = self.ask = self.last = float("nan")
        self.persons: set[str] = set()  # orders that a test sent as a person's own
        self.after_step: Callable[[], None] = lambda: None

    # --- life

    def start(self) -> Rig:
        self.epoch += 1
        self.context = HandContext(self.config, self.folder, self.clock, self.epoch)
        self.stage = ExecutionStage(self._connect)
        self.stage.on_start(self.context)  # type: ignore[arg-type]
        self.stage.do_work()
        return self

    def kill(self) -> None:
        """As SIGKILL: nothing in memory survives, what was handed to the system does."""
        journal = self.stage._journal
        assert journal is not None
        journal._pending.clear()
        journal.close()
        self.broker.new_session()

    def _connect(self, context: Any, changed: Callable[[int, str], None]) -> BrokerTwin:
        self.broker.changed = changed
        return self.broker

    # --- the world

    def show(self, bid: float, ask: float, last: float | None = None) -> None:
        """A new market, also at the broker."""
        self.bid, self.ask = bid, ask
        self.last = last if last is not None else (bid + ask) / 2 // TICK * TICK
        self.broker.market(self.bid, self.ask, self.last)
        self._ingest()

    def gap(self) -> None:
        self._trade(KIND_GAP, 0.0)

    def signal(
        self, direction: float, confidence: float = 1.0, sources: tuple[str, ...] = AGENTS, abstains: str = ""
    ) -> None:
        """The agents say it, based on the newest event."""
        for source in sources:
            self.sequence += 1
            self.context.subscribes.waiting.append(
                (
                    source,
                    Signal(
                        1, source, self.sequence, 0, 0, self.ingest_seq, self.clock.market_ns(),
                        self.clock.monotonic_ns(), 0, self.clock.monotonic_ns(), direction, confidence, 1000,
                        self.clock.market_ns() + 200 * MS, abstains=abstains,
                    ),
                )
            )  # fmt: skip

    def run(self, duration_ms: int, step_ms: int = 10, exchange: bool = True) -> None:
        """Let time go by: the market repeats itself, the exchange acknowledges and matches, the stage works."""
        for _ in range(duration_ms // step_ms):
            self.clock.advance(step_ms * MS)
            self._ingest()
            if exchange:
                self.broker.step()
            self.work()
            self.after_step()

    def work(self) -> None:
        for _ in range(50):
            if self.stage.do_work() == 0:
                return
        raise AssertionError("the stage never comes to rest")

    def enter(self, direction: float = 1.0, confidence: float = 1.0) -> None:
        """From flat to a protected position, or as far as the broker lets it."""
        self.signal(direction, confidence)
        self.run(110)
        self.run(100)

    def enter_in_part(self) -> None:
        """One contract of an entry fills, and the market leaves the rest behind."""
        self.broker.fill_at_most = 1
        self.signal(1.0)
        self.run(100, exchange=False)
        self.broker.step()
        self.work()
        self.show(101.0, 101.5)

    def _ingest(self) -> None:
        if not np.isfinite(self.bid):
            return
        others = self.context.others  # the ordered contract itself, as ingest shows it
        others["ingest.reference_bid_e6_0"], others["ingest.reference_ask_e6_0"] = round(self.bid * 1e6), round(self.ask * 1e6)
        others["ingest.reference_ns_0"] = self.clock.monotonic_ns()
        self.ingest_seq += 1
        row = np.zeros(1, BOOK)
        row["ingest_seq"], row["kind"] = self.ingest_seq, KIND_BOOK
        row["ts_ns"], row["recv_ns"] = self.clock.market_ns(), self.clock.monotonic_ns()
        row["bid_price"][0, 0], row["bid_quantity"][0, 0] = self.bid, 5
        row["ask_price"][0, 0], row["ask_quantity"][0, 0] = self.ask, 5
        self.context.readers["book"].waiting.append(row)
        self._trade(KIND_TRADE, self.last)

    def _trade(self, kind: int, price: float) -> None:
        self.ingest_seq += 1
        row = np.zeros(1, TRADE)
        row["ingest_seq"], row["kind"], row["price"], row["trade_type"] = self.ingest_seq, kind, price, 2
        row["ts_ns"], row["recv_ns"] = self.clock.market_ns(), self.clock.monotonic_ns()
        self.context.readers["trades"].waiting.append(row)

    # --- what can be seen

    @property
    def machine(self) -> Any:
        return self.stage._machine

    @property
    def position(self) -> int:
        return self.machine.ledger.positions[0].quantity

    def counter(self, name: str) -> int:
        self.stage._meters._show_at_ns = 0
        self.stage._meters.show(self.clock.monotonic_ns())
        return self.context.counters.get(name)

    def published(self, kind: type) -> list[Any]:
        return [message for message in self.context.publishes.messages if isinstance(message, kind)]

    def decisions(self) -> list[Decision]:
        return self.published(Decision)

    def fills(self) -> list[Fill]:
        return self.published(Fill)

    def order_events(self) -> list[OrderEvent]:
        return self.published(OrderEvent)

    def journal(self) -> list[Any]:
        return list(read_records(journal_path(self.context)))  # type: ignore[arg-type]
