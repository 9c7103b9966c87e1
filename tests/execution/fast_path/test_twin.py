"""The fast path against the machine, its slow and obvious twin: the same signals to both, in random markets and limits.

What the fast path sends the machine must say, field for field; and what the machine enters the fast path must send, unless
a number is too near to a bound, a set of voters is new, or no permit stood.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bus.messages import TOPIC_SIGNAL, Decision, Signal, encode
from bus.sockets import Heard
from config.schema import Config, Consensus, Execution, Instrument, NoTrade, Risk, Sessions
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
from execution.fast_path.permit import VOTERS
from execution.fast_path.verdict import EDGE
from execution.journal_format import MAGIC, records
from execution.ledger import Ledger
from execution.machine import Machine
from execution.newest import NEWEST
from execution.risk.gate import RiskGate
from tests.execution.rig import MARKET_NS, MS

TICK = 0.5
SECOND_NS = 1_000_000_000


class Twins:
    """A machine in a world in which all is well, and the fast path over it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        contracts = contracts_of(config)
        self.ledger = Ledger(contracts)
        self.machine = Machine(config, self.ledger, RiskGate(config.risk), start_weights(config.consensus))
        self.newest = np.zeros(len(contracts), NEWEST)
        self.path = FastPath(config, self.machine, self.newest)
        self.now_ns, self.market_ns = 5 * SECOND_NS, MARKET_NS + 60 * SECOND_NS
        self.numbers = dict.fromkeys(SOURCES, 0)
        self.sent = self.missed = 0
        self.why_missed = ""
        self.take(Started(*self.stamps, 0, "paper"))
        self.take(BrokerView(*self.stamps, ""))
        self.take(UpstreamSeen(*self.stamps, ""))
        for contract in contracts:
            self.see(contract.symbol)

    def warm(self) -> None:
        """Every set of voters was asked for before."""
        table, _ = self.machine.council.bearing(0)
        for voters in range(VOTERS):
            table.of(voters)

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

    def go_on(self, ms: int) -> None:
        self.now_ns += ms * MS
        self.market_ns += ms * MS
        self.take(Tick(*self.stamps))

    def show(self, symbol: int, last: float, bid: float, ask: float, age_ms: int) -> None:
        row = self.newest[symbol]
        row["last"], row["bid"], row["ask"] = last, bid, ask
        row["ingest_seq"] += 1
        row["ts_ns"] = row["book_ts_ns"] = self.market_ns - age_ms * MS
        row["recv_ns"] = self.now_ns - age_ms * MS

    def say(self, batch: list[tuple[str, float, float, str, int]], symbol: int, age_ms: int) -> None:
        """(source, direction, confidence, why it abstains, ms for which it holds) of each signal that comes now."""
        heard, messages = [], []
        for source, direction, confidence, abstains, holds_ms in batch:
            self.numbers[source] += 1
            signal = Signal(
                1, source, self.numbers[source], 0, symbol, int(self.newest[symbol]["ingest_seq"]), self.market_ns,
                self.now_ns - age_ms * MS, 0, self.now_ns, direction, confidence, 1_000, self.market_ns + holds_ms * MS,
                (), abstains,
            )  # fmt: skip
            messages.append(signal)
            heard.append(Heard(source, TOPIC_SIGNAL, self.numbers[source], 0, encode(signal)))
        self.path.arm(*self.stamps)
        stood = bool(self.path._permits.rows["armed"][symbol])
        known = self.path._permits.rows["known"][symbol].copy()
        ahead = self.path.answer(heard, *self.stamps)
        outputs: list[Output] = []
        if ahead is not None:
            inputs = ahead.inputs(messages)
            written = list(records(MAGIC + ahead.records))
            assert repr(written) == repr([*inputs, ahead.intent]), "a NaN is not equal to itself"
            for each in inputs:
                outputs += self.take(each)
            ahead.confirm(outputs)
            self.sent += 1
        else:
            row = self.newest[symbol]
            self.take(
                MarketSeen(
                    *self.stamps, symbol, *(int(row[name]) for name in ("ingest_seq", "ts_ns", "recv_ns")),
                    *(float(row[name]) for name in ("last", "bid", "ask")),
                )
            )  # fmt: skip
            for number, signal in enumerate(messages):
                outputs += self.take(SignalSeen(*self.stamps, signal, number < len(messages) - 1))
            if stood and any(isinstance(output, SendOrder) for output in outputs):
                self._look_why(outputs, known)
        for output in outputs:
            if isinstance(output, SendOrder):  # the broker refuses, so that we are flat again
                self.take(SendResult(*self.stamps, output.order, 0, self.now_ns, "refused"))
                self.go_on(1)

    def _look_why(self, outputs: list[Output], known: Any) -> None:
        self.missed += 1
        decision = next(o.message for o in outputs if isinstance(o, Publish) and isinstance(o.message, Decision))
        voters = sum(1 << SOURCES.index(source) for source, *_ in decision.votes)
        steps = {
            "a bound of the total": min(
                abs(abs(decision.total) - bound) for bound in (decision.threshold, 0.6, 0.4, 0.0)
            ),
            "a whole quantity": near_a_step(decision, self.config),
        }
        near = [name for name, distance in steps.items() if distance <= 2 * EDGE]
        assert near or not known[voters], f"not sent ahead: {decision}"
        self.why_missed = near[0] if near else "new voters"


def near_a_step(decision: Decision, config: Config) -> float:
    """How far the confidence is from where another quantity begins."""
    most = config.execution.max_quantity
    floor = config.risk.liquidity_floor
    shares = [max(floor, 1.0 - sure) for source, _, _, sure in decision.votes if source == "liquidity"]
    distances = [1.0]
    for count in range(1, most + 1):
        for share in (1.0, floor, *shares):
            for top in range(most + 1):
                distances.append(abs(decision.confidence * top * decision.size * share + 0.5 - count))
                distances.append(abs(decision.confidence * top + 0.5 - count))
    return min(distances)


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """A world in which everything is unusual sends nothing."""
    return st.integers(0, 5).flatmap(lambda dice: st.sampled_from(others) if dice == 0 else st.just(usual))


directions = st.one_of(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), st.floats(-1.0, 1.0))
confidences = st.one_of(st.sampled_from([0.0, 0.5, 0.85, 1.0]), st.floats(0.0, 1.0))
abstains = st.sampled_from([*[""] * 8, "no pattern", "patterns disagree", "cold"])
signals = st.tuples(st.sampled_from(SOURCES), directions, confidences, abstains, st.sampled_from([-1, 0, 50, 5_000]))
batches = st.one_of(
    st.lists(signals, min_size=1, max_size=5),
    st.sampled_from([1.0, -1.0, 0.7, -0.4]).map(lambda side: [(source, side, 1.0, "", 5_000) for source in SOURCES]),
)
prices = st.sampled_from([*[100.0] * 12, 99.5, 100.5, 103.0, 112.0, 100.2, math.nan])
spreads = st.sampled_from([*[TICK] * 12, 0.0, -TICK, 2.0, 6.0, math.nan])
steps = st.one_of(
    *[st.tuples(st.just("signals"), st.tuples(batches, st.sampled_from([0, 0, 0, 5, 400, 2_000])))] * 4,
    st.tuples(st.just("market"), st.tuples(prices, prices, spreads, st.sampled_from([*[0] * 9, 9_000, 20_000, -20_000]))),
    st.tuples(st.just("time"), st.sampled_from([1, 20, 300, 2_000])),
    st.tuples(st.just("instrument"), st.tuples(mostly("", "not whole"), mostly(0.0, 3.0, 20.0))),
    st.tuples(st.just("upstream"), mostly("", "features are down")),
)  # fmt: skip


configs = st.fixed_dictionaries(
    {
        "strategies": st.permutations(["threshold", "strong", "qualified", "specialist"]).flatmap(
            lambda names: st.integers(1, 4).map(lambda count: tuple(names[:count]))
        ),
        "decide_on": mostly("signal", "ml_signal"),
        "threshold": st.sampled_from([0.0, 0.1, 0.3]),
        "threshold_dispersion": st.sampled_from([0.0, 1.0, 4.0]),
        "minimum_sources": st.integers(1, 3),
        "minimum_weight": st.sampled_from([0.1, 0.6]),
        "order_type": mostly("limit", "market"),
        "entry_offset_ticks": mostly(0, 1, -2, 30),
        "max_quantity": st.integers(1, 5),
        "target": mostly("local", "resting"),
        "max_position": mostly(4, 1, 2, 3),
        "max_order_quantity": mostly(4, 1, 2, 3),
        "liquidity_floor": st.sampled_from([0.0, 0.5, 1.0]),
        "max_notional": mostly(250_000.0, 1_500.0),
        "margin_per_contract": mostly(None, 150.0),
        "max_margin": mostly(250_000.0, 400.0),
        "capital": st.sampled_from([100_000.0, 10_000.0]),
        "duplicate_ms": mostly(0, 500),
        "min_entry_interval_ms": mostly(0, 1_000),
        "max_trades_per_day": mostly(200, 3),
        "max_orders_per_s": mostly(50, 2),
        "quantity_step": mostly(1, 2),
        "order_symbol": mostly("", "WDOZ25"),
        "no_trade": mostly(False, True),
        "session_close": mostly("18:00", "09:32"),
        "warm": mostly(True, False),
    }
)


def config_of(chosen: dict[str, Any]) -> Config:
    def only(section: Any, **more: Any) -> Any:
        names = section.__struct_fields__
        return section(**{**more, **{name: value for name, value in chosen.items() if name in names}})

    quiet = NoTrade(starts="09:02", ends="09:03")
    return Config(
        instruments=(
            only(Instrument, symbol="WDOFUT", tick=TICK, point_value=10.0, fee_per_contract=1.0,
                 last_trading_day="2025-11-28"),
            Instrument(symbol="WINFUT", tick=5.0, point_value=0.2, last_trading_day="2025-11-28"),
        ),
        consensus=only(Consensus),
        risk=only(Risk, max_orders_per_min=1_000, max_cancels_per_s=50, max_cancels_per_min=1_000, message_ratio_after=1_000),
        execution=only(Execution, stop_ticks=4, target_ticks=6, stop_limit_offset_ticks=2),
        sessions=Sessions(no_trade=(quiet,) if chosen["no_trade"] else ()),
    )  # fmt: skip


def live(twins: Twins, world: list[tuple[str, Any]]) -> None:
    twins.show(0, 100.0, 100.0, 100.5, 0)
    for name, value in world:
        match name:
            case "signals":
                twins.say(value[0], 0, value[1])
            case "market":
                last, bid, spread, age_ms = value
                twins.show(0, last, bid, bid + spread, age_ms)
            case "time":
                twins.go_on(value)
            case "instrument":
                twins.see(0, *value)
            case "upstream":
                twins.take(UpstreamSeen(*twins.stamps, value))


@settings(max_examples=1_500, deadline=None)
@given(configs, st.lists(steps, min_size=2, max_size=25))
def test_both_ways_say_the_same(chosen: dict[str, Any], world: list[tuple[str, Any]]) -> None:
    twins = Twins(config_of(chosen))
    if chosen["warm"]:
        twins.warm()
    live(twins, world)
    event(f"sent ahead: {min(twins.sent, 3)}")
    if twins.missed:
        event(f"not sent ahead because of {twins.why_missed}")


def test_most_entries_go_ahead() -> None:
    """A day of plain signals in a plain market: the property above would also hold of a path that never sends."""
    twins = Twins(config_of({"decide_on": "signal", "no_trade": False, "duplicate_ms": 0, "min_entry_interval_ms": 0}))
    dice = np.random.default_rng(7)
    for _ in range(200):
        bid = 100.0 + TICK * int(dice.integers(-3, 4))
        twins.show(0, bid, bid, bid + TICK, 0)
        side = float(dice.choice([-1.0, 1.0]))
        twins.say(
            [(source, side * dice.uniform(0.5, 1.0), dice.uniform(0.7, 1.0), "", 5_000) for source in SOURCES], 0, 0
        )
        twins.go_on(1_100)
    assert twins.sent > 190 and twins.missed <= 2
