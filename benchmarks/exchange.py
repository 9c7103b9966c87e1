"""The simulated exchange: market events to two clients, order round trips, engine commands, and other people's replay.

The server is the `exchange` verb in a process of its own, playing a made tape of several symbols; its clients are two
more processes that read every byte and count every frame. Offered is what the tape's speed asks for; the first row is
the target, the second how fast it goes when everything is due at once.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import exchange_clients
from benchmarks.exchange_reference import replay_rows
from benchmarks.market import block
from benchmarks.measure import Result, Row, row
from config.schema import Instrument
from exchange.book_market import BookMarket
from exchange.engine import Engine
from exchange.orders import NewOrder
from shm.kernel_cache import PROJECT
from tape.format import TapeHeader, TapeInstrument
from tape.writer import TapeWriter

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
EVENTS = 1_200_000  # of all symbols together
GAP_NS = 1_000_000  # of market time between two events of a symbol, on average
TARGET = 200_000  # events per second to each of two clients
ROUNDS = 2_000
COMMANDS = 40_000
PATIENCE_S = 120.0

CONFIG = """
mode = "paper"
[exchange]
ack_latency_ms = 0.0
""" + "".join(
    f"""
[[instruments]]
symbol = "{symbol}"
tick = 0.5
point_value = 10.0
session_open = "00:00"
session_close = "24:00"
timezone = "UTC"
"""
    for symbol in SYMBOLS
)


def made_tape(folder: Path) -> Path:
    """A tape of EVENTS events, one fifth of them trades, spread evenly over SYMBOLS."""
    each = EVENTS // len(SYMBOLS)
    parts = [block(each, seed, GAP_NS) for seed in range(len(SYMBOLS))]
    merged = []
    for kind in (0, 1):
        for symbol, part in enumerate(parts):
            part[kind]["symbol"] = symbol
        joined = np.concatenate([part[kind] for part in parts])
        rows = np.zeros(len(joined), parts[0][kind].dtype)  # numpy forgets the padding of what it concatenates
        rows[:] = joined[np.argsort(joined["ts_ns"], kind="stable")]
        merged.append(rows)
    times = np.concatenate([rows["ts_ns"] for rows in merged])
    place = np.empty(len(times), np.int64)
    place[np.argsort(times, kind="stable")] = np.arange(1, len(times) + 1)
    header = TapeHeader(
        instruments=tuple(TapeInstrument(symbol=symbol, tick=0.5) for symbol in SYMBOLS), origin={"source": "made"}
    )
    with TapeWriter.create(folder / "tape", header) as writer:
        for name, rows, start in (("trades", merged[0], 0), ("book", merged[1], len(merged[0]))):
            rows["ingest_seq"] = place[start : start + len(rows)]
            if name == "trades":
                rows["trade_number"] = np.arange(1, len(rows) + 1)
            for cut in range(0, len(rows), 1 << 16):
                writer.append(name, rows[cut : cut + (1 << 16)])
    return folder / "tape"


@contextmanager
def server(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """The exchange in a process of its own; what it says of itself."""
    config = folder / "bench.toml"
    config.write_text(CONFIG, encoding="utf-8")
    command = [
        sys.executable,
        str(PROJECT / "supervisor.py"),
        "exchange",
        "--config",
        str(config),
        "--json",
        *arguments,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise OSError("the exchange did not start")
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@contextmanager
def partner(target: Any, *arguments: Any) -> Iterator[Any]:
    """A spawned client process that has said that it is ready; its pipe."""
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    process = spawn.Process(target=target, args=(theirs, *arguments))
    process.start()
    theirs.close()
    try:
        _received(mine)
        yield mine
    finally:
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


def _received(pipe: Any) -> Any:
    if not pipe.poll(PATIENCE_S):
        raise OSError("a benchmark client does not answer")
    return pipe.recv()


def delivered(folder: Path, tape: Path, offered: float | None) -> tuple[float, str]:
    """Events per second that the slower of two clients got, and what there is to say. None: everything due at once."""
    speed = 1e6 if offered is None else offered * GAP_NS / 1e9 / len(SYMBOLS)
    with (
        partner(exchange_clients.listen, "one", EVENTS) as one,
        partner(exchange_clients.listen, "two", EVENTS) as two,
        server(folder, "--tape", str(tape), "--speed", str(speed), "--wait") as facts,
    ):
        for pipe in (one, two):
            pipe.send((facts["port"], facts["password"], SYMBOLS))
        found = [_received(pipe) for pipe in (one, two)]
    rates = [seen / ((last - first) / 1e9) for first, last, seen, _ in found]
    missing = max(EVENTS - seen for _, _, seen, _ in found)
    megabytes = sum(size for *_, size in found) / 1e6 / max((last - first) / 1e9 for first, last, *_ in found)
    lost = f", {missing:,} not delivered (a client was dropped as too slow)" if missing else ""
    return min(rates), f"{megabytes:,.0f} MB/s in all{lost}"


def round_trips(folder: Path, *arguments: str) -> tuple[list[int], list[int]]:
    """ns from sending an order to its NEW, and from sending a cancel to CANCELED."""
    with partner(exchange_clients.trade, ROUNDS) as pipe, server(folder, *arguments) as facts:
        pipe.send((facts["port"], facts["password"], facts["account"], SYMBOLS[0], 1000.0))
        placed, canceled = _received(pipe)
    return placed, canceled


def engine_commands() -> Row:
    """New orders, changes and cancels of clients on a real book: half of the orders meet another."""
    spec = Instrument(symbol="AAA", tick=0.5, point_value=10.0)
    market = BookMarket.of_clients([spec], 0)
    engine = Engine(market, [1, 2], "B-")
    draws = np.random.default_rng(1).integers(0, 1 << 30, (COMMANDS, 4)).tolist()
    opened: list[int] = []
    samples = []
    for now, (what, side, offset, quantity) in enumerate(draws):
        began = time.perf_counter_ns()
        if what % 4 < 2 or not opened:
            order = NewOrder(
                account=what % 2, instrument=0, ticker="AAA", side=1 + side % 2, order_type=2, validity=0,
                quantity=1 + quantity % 9, price=5000.0 + (offset % 16 - 8) * 0.5, stop_price=-1.0,
            )  # fmt: skip
            number, _ = engine.receive(order, now)
            engine.place(number, now)
            opened.append(number)
        elif what % 4 == 2:
            number = opened.pop(offset % len(opened))
            engine.request_cancel(engine.orders[number], now)
            engine.cancel(number, now)
        else:
            number = opened[offset % len(opened)]
            engine.request_change(engine.orders[number], now)
            engine.change(number, 1 + quantity % 9, engine.orders[number].price, -1.0, now)
        while market.advance(1 << 62, 1) is not None:
            pass
        samples.append(time.perf_counter_ns() - began)
    return row("engine: one client command, its notices made", samples, COMMANDS / (sum(samples) / 1e9))


def run() -> Result:
    """The target is the first row's; the replay rows stand in one ratio in the notes."""
    rows = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        tape = made_tape(folder)
        rate, note = delivered(folder, tape, TARGET)
        rows.append(Row(f"to each of two clients, {TARGET:,} /s offered", per_second=rate, note=note))
        most, note = delivered(folder, tape, None)
        rows.append(Row("the same, everything due at once", per_second=most, note=note))
        for label, arguments in (("quiet market", ("--tape", str(tape), "--wait", "--speed", "0.001")),):
            placed, canceled = round_trips(folder, *arguments)
            rows.append(row(f"order to its NEW, {label}", placed))
            rows.append(row(f"cancel to CANCELED, {label}", canceled))
    rows.append(engine_commands())
    rows += replay_rows()
    return Result(
        "exchange",
        f"the simulated exchange, {len(SYMBOLS)} symbols",
        rows,
        rate / TARGET,
        "delivered to the slower of two clients / offered",
        "delivered as offered (>= 0.98)",
        rate / TARGET >= 0.98,
    )
