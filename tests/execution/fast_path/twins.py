"""The machine and the fast path over it, fed with the same: what a test of both begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bus.messages import TOPIC_SIGNAL, Decision, Signal, encode
from bus.sockets import Heard
from config.schema import Config, Consensus, Execution, Instrument, Risk
from consensus.weights import SOURCES, start_weights
from execution.contracts import contracts_of
from execution.events import (
    BrokerView,
    Input,
    InstrumentSeen,
    MarketSeen,
    Output,
    Publish,
    SendOrder,
    SendResult,
    SignalSeen,
    Started,
    Tick,
    UpstreamSeen,
)
from execution.fast_path.fast_path import FastPath
from execution.fast_path.verdict import EDGE
from execution.journal_format import MAGIC, records
from execution.ledger import Ledger
from execution.machine import Machine
from execution.market_watch import MarketWatch
from execution.newest import unknown
from execution.risk.gate import RiskGate
from tests.execution.rig import MARKET_NS, MS, HandReader

from shm.layouts import BOOK, TRADE  # isort: skip

TICK = 0.5
SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS


def plain_config(**sections: Any) -> Config:
    """Two contracts without another name for orders, every limit far away."""
    return Config(
        instruments=sections.get(
            "instruments",
            (
                Instrument(symbol="WDOFUT", tick=TICK, point_value=10.0, last_trading_day="2025-11-28"),
                Instrument(symbol="WINFUT", tick=5.0, point_value=0.2, last_trading_day="2025-11-28"),
            ),
        ),
        consensus=Consensus(**{"decide_on": "signal", **sections.get("consensus", {})}),
        risk=Risk(
            **{
                "max_orders_per_s": 50, "max_orders_per_min": 1_000, "max_cancels_per_s": 50, "duplicate_ms": 0,
                "max_cancels_per_min": 1_000, "message_ratio_after": 10_000, "min_entry_interval_ms": 0,
                "max_trades_per_day": 10_000, **sections.get("risk", {}),
            }
        ),
        execution=Execution(
            **{"stop_ticks": 4, "target_ticks": 6, "stop_limit_offset_ticks": 2, **sections.get("execution", {})}
        ),
        **{name: sections[name] for name in ("sessions", "agents") if name in sections},
    )  # fmt: skip


class Twins:
    """A machine in a world in which all is well, and the fast path over it. `sent`, `long`: entries by either way."""

    def __init__(self, config: Config, warm: bool = True) -> None:
        """warm: every set of voters was asked for before."""
        self.config = config
        contracts = contracts_of(config)
        self.ledger = Ledger(contracts)
        self.machine = Machine(config, self.ledger, RiskGate(config.risk), start_weights(config.consensus))
        readers: Any = HandReader(TRADE), HandReader(BOOK)
        self.watch = MarketWatch(*readers, len(contracts))
        self.newest = self.watch.newest
        assert self.newest.dtype == unknown(1).dtype
        self.path = FastPath(config, self.machine, self.newest)
        if warm:
            self.path.prepare()
        self.now_ns, self.market_ns = 5 * SECOND_NS, MARKET_NS + 60 * SECOND_NS
        self.numbers = dict.fromkeys(SOURCES, 0)
        self.epochs = dict.fromkeys(SOURCES, 0)
        self.sent = self.long = 0
        self.take(Started(*self.stamps, 0, "paper"))
        self.take(BrokerView(*self.stamps, ""))
        self.take(UpstreamSeen(*self.stamps, ""))
        for contract in contracts:
            self.see(contract.symbol)
            self.show(contract.symbol, 100.0, 100.0, 100.0 + contract.tick)

    # --- the world

    @property
    def stamps(self) -> tuple[int, int]:
        return self.now_ns, self.market_ns

    def take(self, event: Input) -> list[Output]:
        outputs = self.machine.handle(event)
        self.path.after(event, outputs)
        return outputs

    def see(self, symbol: int, unready: str = "", apart: float = 0.0) -> None:
        bid = 100.0 + apart
        self.take(InstrumentSeen(*self.stamps, symbol, unready, bid, bid + TICK, self.now_ns))

    def go_on(self, ms: int, tick: bool = True) -> None:
        self.now_ns += ms * MS
        self.market_ns += ms * MS
        if tick:
            self.take(Tick(*self.stamps))

    def show(self, symbol: int, last: float, bid: float, ask: float, age_ms: int = 0, book_behind_ns: int = 0) -> None:
        row = self.newest[symbol]
        row["last"], row["bid"], row["ask"] = last, bid, ask
        row["ingest_seq"] += 1
        row["ts_ns"] = self.market_ns - age_ms * MS
        row["book_ts_ns"] = row["ts_ns"] - book_behind_ns
        row["recv_ns"] = self.now_ns - age_ms * MS

    def arm(self) -> bool:
        self.path.arm(*self.stamps)
        return self.path.armed

    # --- signals

    def signal(self, source: str, direction: float = 1.0, confidence: float = 1.0, **changes: Any) -> Signal:
        """The next of that source, or with other fields."""
        self.numbers[source] += changes.pop("step", 1)
        symbol = changes.get("symbol", 0)
        fields = {
            "version": 1, "source": source, "sequence": max(0, self.numbers[source]), "epoch": self.epochs[source],
            "symbol": 0, "ingest_seq": int(self.newest[min(max(symbol, 0), len(self.newest) - 1)]["ingest_seq"]),
            "ts_ns": self.market_ns, "recv_ns": self.now_ns, "features_publish_ns": 0, "publish_ns": self.now_ns,
            "direction": direction, "confidence": confidence, "horizon_ms": 1_000,
            "valid_until_ns": self.market_ns + 5 * SECOND_NS,
        }  # fmt: skip
        return Signal(**{**fields, **changes})

    def everybody(self, direction: float = 1.0, **changes: Any) -> list[Signal]:
        return [self.signal(source, direction, **changes) for source in SOURCES]

    def answer(self, signals: Sequence[Signal]) -> list[Output]:
        """The short way if it goes, else the long one, as the stage does; what the machine said of either."""
        heard = [Heard(each.source, TOPIC_SIGNAL, each.sequence, each.epoch, encode(each)) for each in signals]
        ahead = self.path.answer(heard, *self.stamps)
        outputs: list[Output] = []
        if ahead is not None:
            ahead.check_market(*self.watch.look(ahead.symbol))
            inputs = ahead.inputs(signals)
            assert list(records(MAGIC + ahead.records)) == [*inputs, ahead.intent]
            for each in inputs:
                outputs += self.take(each)
            ahead.confirm(outputs)
            self.sent += 1
        else:
            for symbol in range(len(self.newest)):
                newest, quote = self.watch.look(symbol)
                self.take(
                    MarketSeen(
                        *self.stamps, symbol, newest, quote.ts_ns, quote.recv_ns, quote.last, quote.bid, quote.ask
                    )
                )
            last = {signal.symbol: number for number, signal in enumerate(signals)}
            for number, signal in enumerate(signals):
                outputs += self.take(SignalSeen(*self.stamps, signal, number != last[signal.symbol]))
            self.long += any(isinstance(output, SendOrder) for output in outputs)
        self._check_votes()
        return outputs

    def are_new(self, signals: Sequence[Signal]) -> bool:
        """Whether each is newer than what is held of its source about the contract."""
        newest: dict[tuple[str, int], tuple[int, int]] = {}
        for signal in signals:
            key = signal.source, signal.symbol
            held = None
            if 0 <= signal.symbol < len(self.newest):
                held = self.machine.council.latest(signal.symbol, SOURCES.index(signal.source))
            known = newest.get(key, (held.epoch, held.sequence) if held is not None else (-1, -1))
            if (signal.epoch, signal.sequence) <= known:
                return False
            newest[key] = signal.epoch, signal.sequence
        return True

    def refuse(self, outputs: Sequence[Output]) -> None:
        """The broker takes none of these orders, so that we are flat again."""
        for output in outputs:
            if isinstance(output, SendOrder):
                self.take(SendResult(*self.stamps, output.order, 0, self.now_ns, "refused"))
                self.go_on(1)

    def _check_votes(self) -> None:
        """Both ways hold the same signals."""
        for symbol in range(len(self.newest)):
            for number in range(len(SOURCES)):
                held, row = self.machine.council.latest(symbol, number), self.path._votes[symbol, number]
                expected = (0, 0) if held is None else (held.epoch, held.sequence)
                assert (row["epoch"], row["sequence"]) == expected and (held is None) == (row["state"] == 0)


def decision_of(outputs: Sequence[Output]) -> Decision:
    return next(o.message for o in outputs if isinstance(o, Publish) and isinstance(o.message, Decision))


def is_near_a_bound(decision: Decision, config: Config) -> bool:
    """Whether the fast path may leave it to the machine: the last bits of a sum could matter."""
    bounds = (decision.threshold, 0.6, 0.4, 0.0)
    if min(abs(abs(decision.total) - bound) for bound in bounds) <= 2 * EDGE:
        return True
    floor, sure = config.risk.liquidity_floor, decision.confidence
    shares = [max(floor, 1.0 - mine) for source, _, _, mine in decision.votes if source == "liquidity"]
    steps = [sure * top * size * share + 0.5 for top in range(1, config.execution.max_quantity + 1)
             for size in {1.0, decision.size} for share in (1.0, floor, *shares)]  # fmt: skip
    return any(abs(step - round(step)) <= 2 * EDGE for step in steps)
