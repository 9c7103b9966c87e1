"""From a signal on the socket to the entry of `SendOrder`, in the real execution stage of a real run.

Exchange, ingest, features and execution run as they do in `up`; an agent's part is played from here, on its port and with
its key: after an uneven pause it answers the next feature vector with a signal, as agents do. So a few decisions a second
come, each after a tick, and the stage has slept and done other things between them. A sample begins when the bytes have
been taken off the socket and ends just before the DLL's function is called: it holds decoding, the look at the market,
consensus, risk, the journal and the order's record. Only decisions that send an entry count.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import Result, Row
from bus.keys import load_publisher_keys
from bus.messages import MESSAGE_VERSION, Signal
from bus.sockets import Publisher
from config.load import load
from config.schema import Config
from features.checkpoint import private_segments
from runtime.clock import SharedClock
from runtime.compile import compile_all
from runtime.launcher import Launcher
from runtime.run_info import read_run
from runtime.topology import BY_NAME
from runtime.up import check_library
from shm import counters as words
from shm.histogram import Histogram
from shm.layouts import FEATURE
from shm.ring import RingReader

STAGES = frozenset({"exchange", "ingest", "features", "execution"})
SPEAKER = "order_flow"
ENTRIES = 120
PATIENCE_S = 240.0
LOOK_S = 0.0001
PAUSE_S = (0.08, 0.25)  # between two signals
SEED = 7
BOUND_US = 150.0
SECTIONS: dict[str, Any] = {
    "mode": "paper",
    "exchange": {"start_price": 5400.0, "ack_latency_ms": 0.1},
    "consensus": {"decide_on": "signal", "threshold": 0.02, "minimum_sources": 1, "minimum_weight": 0.1},
    "execution": {"entry_ttl_ms": 200, "stop_ticks": 50, "target_ticks": 50},
    "risk": {
        "max_trades_per_day": 1_000_000, "max_daily_loss": 1e9, "max_orders_per_s": 500, "max_orders_per_min": 30_000,
        "max_cancels_per_s": 500, "max_cancels_per_min": 30_000, "max_drawdown": 1e9, "max_losses_in_row": 1_000_000,
        "min_entry_interval_ms": 0, "duplicate_ms": 0, "max_message_ratio": 1e9, "capital": 1e6,
    },
    "recorder": {"enabled": False},
}  # fmt: skip


def configuration(wait: str = "block") -> Config:
    """wait: how execution waits; the other stages always sleep."""
    return load(None, {**SECTIONS, "execution": {**SECTIONS["execution"], "wait": wait}})


def run() -> Result:
    """p50 and p99 of every hop between the signal and the order; met when the p50 of the whole is within the bound.

    Twice: asleep until the signal comes, as configured by default, and with a core of its own (`execution.wait = "spin"`).
    """
    compile_all(lambda line: None)
    asleep, spinning = _run("block"), _run("spin")
    whole_us = asleep.rows[0].p50_ns / 1000
    spinning_us = spinning.rows[0].p50_ns / 1000
    return Result(
        "decision",
        "signal received to SendOrder entered, in the running stage, some decisions a second",
        [*asleep.rows, *spinning.rows],
        whole_us / BOUND_US,
        f"p50 / {BOUND_US:g} us",
        "<= 1",
        whole_us <= BOUND_US,
        {"spinning_to_bound": round(spinning_us / BOUND_US, 3), "asleep": asleep.counts, "spinning": spinning.counts},
    )


class _Measured(NamedTuple):
    """Rows of one run, and what it counted."""

    rows: list[Row]
    counts: dict[str, Any]


def _run(wait: str) -> _Measured:
    folder = Path(tempfile.mkdtemp(prefix="qt-bench-"))
    try:
        config = configuration(wait)
        told: list[str] = []
        launcher = Launcher(
            config, folder / "run", check_library(config), private_segments(config), told.append, only=STAGES
        )
        launcher.folder.mkdir()
        try:
            launcher.start()
            launcher.run.words[words.RUN_MARKET_START] = words.MARKET_START
            launcher.doorbells.ring(BY_NAME["exchange"].number)
            _speak(launcher)
            launcher.stop()
            return _measured(launcher, {"block": "asleep", "spin": "spinning"}[wait])
        finally:
            launcher.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _speak(launcher: Launcher) -> None:
    """Signals in turns of direction, until enough entries went out. Raises OSError when they do not come."""
    info = read_run(launcher.folder)
    publisher = Publisher(
        f"tcp://127.0.0.1:{info.bus_ports[SPEAKER]}", load_publisher_keys(launcher.folder / "keys", SPEAKER), 0
    )
    clock = SharedClock(launcher.run)
    features = RingReader(launcher.rings["features"], FEATURE, None, "next")
    rows = np.zeros(256, FEATURE)
    dice = random.Random(SEED)
    began = time.perf_counter()
    sequence, direction = 0, 1.0
    try:
        while _histogram(launcher, "signal_to_send").samples < ENTRIES:
            launcher.step()
            time.sleep(dice.uniform(*PAUSE_S))
            while features.read(rows):
                pass  # what came in the pause
            while not (count := features.read(rows)):
                time.sleep(LOOK_S)
                if time.perf_counter() - began > PATIENCE_S:
                    raise OSError(f"only {_histogram(launcher, 'signal_to_send').samples} entries in {PATIENCE_S:g} s")
            newest = rows[count - 1]
            publisher.publish(_signal(newest, sequence, direction, clock))
            sequence += 1
            direction = -direction if sequence % 2 else direction  # one leaves, the next enters
    finally:
        publisher.close()


def _signal(vector: Any, sequence: int, direction: float, clock: SharedClock) -> Signal:
    return Signal(
        MESSAGE_VERSION, SPEAKER, sequence, 0, 0, int(vector["ingest_seq"]), int(vector["ts_ns"]), int(vector["recv_ns"]),
        int(vector["recv_ns"]), clock.monotonic_ns(), direction, 0.9, 1_000, clock.market_ns() + 1_000_000_000,
        ("measured",),
    )  # fmt: skip


def _histogram(launcher: Launcher, name: str) -> Histogram:
    return launcher.block(BY_NAME["execution"]).histogram(name)


def _measured(launcher: Launcher, how: str) -> _Measured:
    counts = dict(launcher.block(BY_NAME["execution"]).items())
    rows = []
    for name, what in (
        ("signal_to_send", "signal on the socket to SendOrder entered"),
        ("decision_to_send", "of it: decided to SendOrder entered"),
        ("journal_sync", "journal brought to the disk (another thread)"),
    ):
        histogram = _histogram(launcher, name)
        p50_ns, p99_ns = histogram.percentile(50.0), histogram.percentile(99.0)
        if p50_ns is not None and p99_ns is not None:
            rows.append(Row(f"{how}: {what}", p50_ns, p99_ns, note=f"{histogram.samples} samples"))
    denied = {name: count for name, count in counts.items() if name.startswith("denied_") and count}
    told = {name: counts[name] for name in ("orders", "orders_ahead", "decisions")}
    return _Measured(rows, {**told, "denied": denied})
