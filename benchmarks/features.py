"""All 65 features: one event from ring to ring, an hour offline, ten million events, memory, and against pandas.

The latency is that of the live worker's own compiled loop, called for one record at a time by a compiled caller: merged
read from three rings, engine, vector, publish, its stamps and histograms included. The caller's two clock readings are in
it too.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import msgspec
import numpy as np

from benchmarks import market
from benchmarks.measure import Result, Row, row
from benchmarks.scene import Scene
from features.engine import InstrumentRecord, State
from features.loop import LOOP, RINGS, Feature, Loop, run_batch
from features.offline import OfflineEngine, compute
from features.sessions import instrument_record
from features.state import STATE, new_states
from runtime.clock import SharedClock
from runtime.native_clock import NativeClock, native_now_ns
from shm.counters import StageCounters
from shm.jit import kernel
from shm.layouts import CANDLE
from shm.layouts import RINGS as LAYOUTS
from shm.merge import MergedReader
from shm.ring import RingReader, RingWriter

from numba import types  # isort: skip

Array = np.ndarray[Any, Any]

CAPACITY = 1 << 13
WARM_EVENTS = 60_000
EVENTS = 100_000
PIECE = 4_000
LONG_EVENTS = 10_000_000
LONG_BARS_S = 1  # so that a hundred bars are there after the first hundredth of the stream
BLOCK = 100_000
OFFLINE_ROUNDS = 5
NO_CANDLES = np.zeros(0, CANDLE)
TARGET = "p50 <= 1.5 us, p99 <= 5 us; hour >= 400,000/s; last tenth / first <= 1.1; <= 32 MB"


@kernel(
    types.int64(
        Loop, types.Array(State, 1, "C"), types.Array(InstrumentRecord, 1, "C"), types.Array(Feature, 1, "C"),
        types.Array(types.int64, 1, "C"), types.Array(types.int64, 1, "C"),
    )
)  # fmt: skip
def one_by_one(loop, states, instruments, outs, pending, took_ns):  # type: ignore[no-untyped-def]
    """Records until the rings are empty, each timed; returns how many."""
    done = 0
    while done < len(took_ns):
        began = native_now_ns(np.uint64(loop.clock))
        if run_batch(loop, states, instruments, outs, pending, 1) == 0:
            break
        took_ns[done] = native_now_ns(np.uint64(loop.clock)) - began
        done += 1
    return done


def run() -> Result:
    """One row each. The ratio is ours to pandas, when pandas is installed."""
    latency, taken = _ring_to_ring()
    rows = [row("ring to ring, one event, 65 features", latency, note=f"{taken} events, clock readings included")]
    hour = _offline_hour()
    tenths = _long_stream()
    growth = float(np.median(tenths[-1]) / np.median(tenths[0]))
    rows += [hour, row("10 million events, first tenth", tenths[0]), row("10 million events, last tenth", tenths[-1])]
    size = STATE.itemsize / 2**20
    rows.append(Row("memory of one symbol", note=f"{size:.1f} MiB"))
    pandas_row, ratio = _against_pandas()
    rows.append(pandas_row)
    fast = rows[0].p50_ns <= 1500 and rows[0].p99_ns <= 5000
    per_second_met = np.isnan(hour.per_second) or hour.per_second >= 400_000
    met = bool(fast and per_second_met and growth <= 1.1 and size <= 32)
    extra = {"last_tenth_to_first": growth, "mib_per_symbol": size}
    ratio_of = "pandas / ours, one vector" if ratio is not None else ""
    return Result("features", "all 65 features of one event", rows, ratio, ratio_of, TARGET, met, extra)


def _ring_to_ring() -> tuple[Array, int]:
    """ns of each event. The market is written to the rings in pieces, which are then taken one by one."""
    rings = {name: (LAYOUTS[name][0], CAPACITY) for name in (*RINGS, "features")}
    with Scene(rings) as scene:
        writers = {name: RingWriter(scene.rings[name], scene.dtypes[name], scene.doorbells) for name in rings}
        reader = MergedReader(
            {name: RingReader(scene.rings[name], scene.dtypes[name], None, "oldest") for name in RINGS}
        )
        counters = StageCounters.private()
        clock = NativeClock(SharedClock.__new__(SharedClock))
        loop = np.zeros(1, LOOP)
        loop["merge"] = reader.address
        loop["reader"] = [one.address for one in reader.readers.values()]
        loop["out_ring"], loop["wake"] = writers["features"].address, writers["features"].wake
        loop["clock"] = clock.address
        loop["hop_histogram"] = counters.histogram("hop").address
        loop["work_histogram"] = counters.histogram("work").address
        states, instruments = new_states(1), instrument_record(market.MADE)
        outs, pending = np.zeros(1, LAYOUTS["features"][0]), np.zeros(1, np.int64)
        trades, book = market.block(WARM_EVENTS + EVENTS, 1, mean_gap_ns=100_000_000)
        streams = {"trades": trades, "book": book}
        kept: list[Array] = []
        for first in range(1, WARM_EVENTS + EVENTS, PIECE):
            for name, rows in streams.items():
                piece = rows[(rows["ingest_seq"] >= first) & (rows["ingest_seq"] < first + PIECE)]
                for i in range(len(piece)):
                    writers[name].publish(piece[i : i + 1])
            took = np.zeros(PIECE + 1, np.int64)
            count = one_by_one(loop[0], states, instruments, outs, pending, took)
            if first > WARM_EVENTS:
                kept.append(took[:count])
        samples = np.concatenate(kept)
        if writers["features"].cursor != WARM_EVENTS + EVENTS:
            raise RuntimeError(f"{WARM_EVENTS + EVENTS} events gave {writers['features'].cursor} vectors")
        return samples, len(samples)


def _offline_hour() -> Row:
    hour = market.es_hour()
    if hour is None:
        return Row("ES hour offline", note=f"skipped: no {market.ES_FOLDER.name} beside the project")
    trades, book = hour
    best = float("inf")
    for _ in range(OFFLINE_ROUNDS):
        began = time.perf_counter()
        table = compute(trades, book, NO_CANDLES, market.ES)
        best = min(best, time.perf_counter() - began)
    return Row("ES hour offline", per_second=len(table) / best, note=f"{len(table)} vectors, best of {OFFLINE_ROUNDS}")


def _long_stream() -> list[Array]:
    """ns per event of each block, by tenth of the stream, in processor time of this thread."""
    engine = OfflineEngine(msgspec.structs.replace(market.MADE, bar_seconds=LONG_BARS_S))
    trades, book = market.block(BLOCK, 2)
    costs = []
    for _ in range(LONG_EVENTS // BLOCK):
        began = time.thread_time_ns()
        engine.take(trades, book, NO_CANDLES)
        costs.append((time.thread_time_ns() - began) / BLOCK)
        market.move_on(trades, book)
    return np.array_split(np.array(costs), 10)


def _against_pandas() -> tuple[Row, float | None]:
    if importlib.util.find_spec("pandas") is None:
        return Row(
            "one vector with pandas", note='skipped: pandas is not installed (pip install -e ".[test]")'
        ), None
    from benchmarks import pandas_vector

    return pandas_vector.compare()
