"""From the DLL's callback to the entry of `SendOrder`, with all stages up and about 1,000 market events a second.

The yardstick is measured in the same minute on the same busy machine: two wake-ups at a doorbell and one bus hop, which a
tick cannot do without. They come at the pace of the run, an event every millisecond and a signal every 20 ms, and between
signals both ends of the bus wake for the events, as agents and execution do: what a tight ping-pong measures, no tick
finds. The ping-pong's figures, and the ratio against them, stand beside. Added is the compute that the stages themselves
report: the callback, the vector, from the vector in an agent's hand to its signal sent, from the signal in execution's
hand to the library's door. Consensus decides on every vote here, so that no timer is waited for; entries rest behind the
touch and are taken back at once, so that most votes send one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import doorbell, zeromq
from benchmarks.measure import Result, Row, row
from benchmarks.startup import PATIENCE_S, _await_ready
from shm.kernel_cache import PROJECT

DURATION_S = 75
EVENT_EVERY_S, WAKES = 0.001, 3_000
SLACK = 2.5
SIGNAL_EVERY_S, HOPS = 0.020, 400  # that of the configuration below
AGENTS = ("order_flow", "liquidity", "tape_reading", "footprint")
CONFIG = """
mode = "paper"
[[instruments]]
symbol = "WDOFUT"
tick = 0.5
point_value = 10.0
bar_seconds = 60
session_open = "09:00"
session_close = "18:30"
[exchange]
start_time = "10:00"
start_price = 5400.0
trades_per_s = 175.0
ack_latency_ms = 0.1
[agents]
signal_every_ms = 20
horizon_ms = 1000
[consensus]
decide_on = "signal"
threshold = 0.02
minimum_sources = 1
[execution]
entry_ttl_ms = 20
entry_offset_ticks = -4
stop_ticks = 2
target_ticks = 2
[risk]
max_trades_per_day = 1000000
max_daily_loss = 1e9
max_orders_per_s = 500
max_orders_per_min = 30000
max_cancels_per_s = 500
max_cancels_per_min = 30000
max_drawdown = 1e9
max_losses_in_row = 1000000
min_entry_interval_ms = 0
duplicate_ms = 0
max_message_ratio = 1e9
capital = 1e6
"""


def run() -> Result:
    """Per hop p50 and p99; the ratio is tick to order against the yardstick."""
    folder = Path(tempfile.mkdtemp(prefix="qt-bench-"))
    try:
        (folder / "bench.toml").write_text(CONFIG, encoding="utf-8")
        command = [sys.executable, str(PROJECT / "supervisor.py"), "up", "--config", "bench.toml"]
        process = subprocess.Popen(
            [*command, "--duration", str(DURATION_S), "--json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            _await_ready(folder / "runs", process)
            yardstick = _measure_meanwhile()
            output, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if process.returncode != 0:
        raise OSError(f"the run ended with {process.returncode}")
    return _judge(json.loads(output.splitlines()[-1]), yardstick)


class Yardstick(NamedTuple):
    """What the hops cost two processes of their own beside the run: at the run's pace, and in a tight ping-pong."""

    wake: Row
    hop: Row
    tight_wake: Row
    tight_hop: Row


def _measure_meanwhile() -> Yardstick:
    return Yardstick(
        row("doorbell beside the run, at its pace", doorbell.paced(WAKES, EVENT_EVERY_S)),
        row("bus hop beside the run, at its pace", zeromq.hops(HOPS, SIGNAL_EVERY_S, EVENT_EVERY_S)),
        row("doorbell beside the run, ping-pong", doorbell.paced(WAKES, 0.0)),
        row("bus hop beside the run, ping-pong", zeromq.hops()),
    )


def _judge(figures: dict[str, Any], yardstick: Yardstick) -> Result:
    latency = figures["latency_us"]
    rows = list(yardstick)
    for name, measured in latency.items():
        if measured is not None:
            note = f"{measured['samples']} samples"
            rows.append(Row(name, measured["p50"] * 1000, measured["p99"] * 1000, note=note))
    if not latency.get("tick_to_order"):
        raise OSError("no order was sent in the run")
    judges = [latency[f"{agent}.judge"]["p50"] for agent in AGENTS if latency.get(f"{agent}.judge")]
    compute_ns = 1000 * (
        latency["callback"]["p50"] + latency["features.work"]["p50"] + max(judges) + latency["signal_to_send"]["p50"]
    )
    bound_ns = SLACK * (2 * yardstick.wake.p50_ns + yardstick.hop.p50_ns) + compute_ns
    tight_ns = SLACK * (2 * yardstick.tight_wake.p50_ns + yardstick.tight_hop.p50_ns) + compute_ns
    measured_ns = latency["tick_to_order"]["p50"] * 1000
    events = figures["stages"]["exchange"]["market_events"]
    extra = {
        "events_per_s": round(events / DURATION_S),
        "orders": figures["stages"]["execution"]["orders"],
        "bound_us": round(bound_ns / 1000, 1),
        "ratio_against_ping_pong": round(measured_ns / tight_ns, 3),
        "compute_us": round(compute_ns / 1000, 1),
        "lost": figures["lost"],
    }
    return Result(
        "tick_to_order",
        f"callback entry to SendOrder entry, {extra['events_per_s']} events/s, {extra['orders']} orders",
        rows,
        measured_ns / bound_ns,
        "tick to order p50 / (2.5 x (two doorbells + bus hop, at the run's pace) + compute)",
        "<= 1",
        measured_ns <= bound_ns,
        extra,
    )
