"""What a run amounts to, read from the shared counters: the object that `up --json` prints and `status` shows.

Reading only. A figure that nobody measured is null, never zero.
"""

from __future__ import annotations

from typing import Any

from config.schema import Config
from runtime.topology import STAGES, StageSpec, stages_of
from shm import counters as words
from shm.counters import RunCounters, StageCounters

PERCENTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}


def stage_table(run: RunCounters, config: Config) -> dict[str, dict[str, Any]]:
    """Stage name -> state, pid, incarnation, restarts, every counter."""
    table = {}
    for spec in stages_of(config):
        block = run.stage(spec.number)
        table[spec.name] = {
            "state": words.STATES[int(block.words[words.STAGE_STATE])],
            "pid": int(block.words[words.STAGE_PID]),
            "epoch": int(block.words[words.STAGE_EPOCH]),
            "restarts": int(block.words[words.STAGE_RESTARTS]),
            "counts": dict(block.items()),
        }
    return table


def latency_table(run: RunCounters, config: Config) -> dict[str, dict[str, float | int] | None]:
    """Hop -> p50, p99, p99.9 in microseconds and the number of samples; null for a hop without samples."""
    present = {spec.name for spec in stages_of(config)}
    table: dict[str, dict[str, float | int] | None] = {}
    for spec in STAGES:
        if spec.name in present:
            _add_hops(table, run.stage(spec.number), spec)
    return table


def _add_hops(table: dict[str, Any], block: StageCounters, spec: StageSpec) -> None:
    for name in block.histogram_names():
        histogram = block.histogram(name)
        hop = name if spec.name in ("ingest", "execution") else f"{spec.name}.{name}"
        if histogram.samples == 0:
            table[hop] = None
            continue
        row: dict[str, float | int] = {"samples": histogram.samples}
        for label, percent in PERCENTILES.items():
            value = histogram.percentile(percent)
            assert value is not None
            row[label] = round(value / 1000, 3)
        table[hop] = row


def counter(run: RunCounters, spec_number: int, name: str) -> int | None:
    """One counter of a stage; None when the stage never declared it."""
    return dict(run.stage(spec_number).items()).get(name)


def summary(run: RunCounters, config: Config) -> dict[str, Any]:
    """The figures of a run. Positions are per instrument symbol."""
    table = stage_table(run, config)
    counts = {name: row["counts"] for name, row in table.items()}
    execution, exchange, ingest = counts["execution"], counts.get("exchange"), counts["ingest"]
    symbols = [instrument.symbol for instrument in config.instruments]
    profit = execution.get("realised_profit_cents")
    return {
        "lost": sum(value for row in counts.values() for name, value in row.items() if name == "lost"),
        "feed_gap_events": _feed_gap(exchange, ingest),
        "restarts": sum(row["restarts"] for row in table.values()),
        "stages": {name: _stage_summary(name, row) for name, row in table.items()},
        "position": {s: execution.get(f"position_{i}") for i, s in enumerate(symbols)},
        "exchange_position": {
            s: exchange.get(f"net_position_{i}") if exchange else None for i, s in enumerate(symbols)
        },
        "profit": None if profit is None else profit / 100,
        "latency_us": latency_table(run, config),
    }


def _feed_gap(exchange: dict[str, int] | None, ingest: dict[str, int]) -> int | None:
    """Market events that the exchange played and ingest's callbacks never got; null with a real DLL, which does not say."""
    if exchange is None:
        return None
    played = exchange.get("trades", 0) + exchange.get("books", 0)
    return played - ingest.get("trade_callbacks", 0) - ingest.get("book_groups", 0)


def _stage_summary(name: str, row: dict[str, Any]) -> dict[str, Any]:
    kept = {"state": row["state"], "pid": row["pid"], "epoch": row["epoch"], "restarts": row["restarts"]}
    return kept | {key: value for key, value in row["counts"].items() if value}
