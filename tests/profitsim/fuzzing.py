"""Builds and runs the fuzzers of the library's socket input: libFuzzer where clang has it, and our own driver.

Seeds are what a real exchange says, made from the protocol itself; inputs that once were findings stand in
fuzz_inputs/ for good. Every run is bounded and has its seed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import protocol as wire
from exchange.profitsim import build
from tests.profitsim import sanitizers
from tests.profitsim.scripted import ACCOUNT, INSTRUMENT, NOON_NS

HERE = Path(__file__).parent
REGRESSIONS = HERE / "fuzz_inputs"
FLAGS = [flag for flag in build.FLAGS if flag not in ("-shared", "-fvisibility=hidden")]
FLAGS.append("-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION=1")  # what libFuzzer's clang says by itself
CLANGS = ("clang", *(f"clang-{version}" for version in range(22, 12, -1)))
RAW, FULL = 1, 2
FIRST_KIND = wire.LOGIN_REPLY


@dataclass(frozen=True)
class Outcome:
    """A finished run: the exit code, how many inputs it executed, and what it printed."""

    code: int
    executions: int
    text: str


def session() -> list[tuple[int, dict[str, Any]]]:
    """What an exchange tells a client with routing, from the login on."""
    mine: dict[str, Any] = {"account": ACCOUNT["account"], "broker": 7, "ticker": b"WDOFUT", "exchange": b"F"}
    levels = {"bid_price": np.arange(5400, 5395, -0.5), "ask_price": np.arange(5400.5, 5405.5, 0.5)}
    sizes = {f"{side}_{what}": np.arange(1, 11) for side in ("bid", "ask") for what in ("quantity", "count")}
    order = {
        **mine,
        "cl_order_id": b"O1",
        "quantity": 5,
        "leaves_quantity": 5,
        "price": 5399.0,
        "own": 1,
        "local_id": 1,
    }
    return [
        (wire.LOGIN_REPLY, {"code": 0}),
        (wire.INSTRUMENT, {**INSTRUMENT, "index": 0}),
        (wire.INSTRUMENT, {**INSTRUMENT, "index": 1, "ticker": b"WINFUT"}),
        (wire.CLOCK, {"market_ns": NOON_NS, "speed": 1.0, "running": 1}),
        (wire.ACCOUNT, dict(ACCOUNT)),
        (wire.ORDER, {**order, "date_ns": NOON_NS, "text": "não".encode()}),
        (wire.POSITION, {**mine, "open_quantity": 2, "open_side": 1}),
        (wire.LOGIN_DONE, {"orders": 1, "positions": 1}),
        (wire.BOOK, {"index": 0, "ts_ns": NOON_NS, **levels, **sizes}),
        (wire.TRADE, {"index": 0, "ts_ns": NOON_NS, "price": 5400.0, "quantity": 2, "trade_type": 2, "number": 1}),
        (wire.BOOK, {"index": 0, "ts_ns": NOON_NS, "flags": 1, "theoretical_price": 5400.0}),
        (wire.ORDER, {**order, "status": 2, "traded_quantity": 5, "leaves_quantity": 0, "event_id": 2}),
        (wire.POSITION, {**mine, "open_quantity": 7, "open_side": 1, "event_id": 1}),
        (wire.HISTORY_TRADE, {"index": 0, "request": 1, "ts_ns": NOON_NS, "price": 5400.0, "quantity": 1}),
        (wire.HISTORY_END, {"request": 1, "trades": 1}),
        (wire.TICKER_STATE, {"index": 0, "state": 6, "ts_ns": NOON_NS}),
        (wire.STATE, {"type": 2, "value": 5}),
        (wire.DAILY, {"index": 0, "ts_ns": NOON_NS, "close": 5400.0, "quantity": 10}),
    ]


def edges() -> list[tuple[int, dict[str, Any]]]:
    """Messages whose numbers are at the edge of what their type holds: a mutation rarely makes these."""
    prices = [9e11, -9e11, 1e308, -1e308, np.inf, -np.inf, np.nan, -0.0, 5e-324, 4.6e18]
    whole = [2**63 - 1, -(2**63), -1, 0, 1, 2**62, -(2**62), 2**31, 2**53, 10**18]
    counts = [2**32 - 1, 0, 1, 2**31, 5, 10**9, 7, 2**16, 3, 2]
    one = {side: {f"{side}_price": prices, f"{side}_quantity": whole, f"{side}_count": counts} for side in ("bid", "ask")}
    out: list[tuple[int, dict[str, Any]]] = []
    for price, number in zip(prices, whole, strict=True):
        out.append((wire.BOOK, {"ts_ns": number, **one["bid"], **one["ask"], "flags": 1, "theoretical_price": price}))
        out.append((wire.BOOK, {"ts_ns": number, **one["ask"], "bid_price": [price] * 10, "bid_quantity": [number] * 10}))
        out.append((wire.TRADE, {"ts_ns": number, "price": price, "quantity": number, "flags": 2**32 - 1}))
        out.append((wire.HISTORY_TRADE, {"ts_ns": number, "request": 1, "price": price, "quantity": number}))
        out.append((wire.DAILY, {"ts_ns": number, "close": price}))
        out.append((wire.TICKER_STATE, {"ts_ns": number, "state": -(2**31)}))
    return out


def seeds() -> list[bytes]:
    """Inputs for the harness: a whole session raw and framed, in pieces of several sizes, each message twice, edges."""
    frames = [wire.frame(kind, **fields) for kind, fields in session()]
    framed = [bytes([(kind - FIRST_KIND) % 32]) + frame[8:] for (kind, _), frame in zip(session(), frames, strict=True)]
    whole = [bytes([RAW | FULL | piece << 2]) + b"".join(frames) for piece in (0, 1, 63)]
    whole += [bytes([FULL | 4]) + b"".join(framed), bytes([4]) + b"".join(framed)]
    login = b"".join(framed[:8])
    for kind, fields in edges():
        whole.append(bytes([FULL | 4]) + login + bytes([(kind - FIRST_KIND) % 32]) + wire.frame(kind, **fields)[8:])
    return whole + [bytes([FULL | 4]) + login + each + each for each in framed[8:]]


def libfuzzer() -> list[str]:
    """A clang that links libFuzzer. Skips the test where there is none."""
    for name in CLANGS:
        if shutil.which(name):
            probe = [name, "-fsanitize=fuzzer,address", "-x", "c", "-", "-o", "/dev/null"]
            program = "#include <stddef.h>\nint LLVMFuzzerTestOneInput(const char *d, size_t n) { return !d && n; }\n"
            if subprocess.run(probe, input=program.encode(), capture_output=True, check=False).returncode == 0:
                return [name]
    pytest.skip("there is no clang with libFuzzer (Debian: apt-get install clang libclang-rt-dev)")


def compile_fuzzer(folder: Path, compiler: list[str], *sources: str, engine: str = "") -> Path:
    """A program of the harness, the library's sources with poison, and `sources`, with both sanitizers."""
    program = folder / "fuzz"
    checks = [flag.replace("-fsanitize=", f"-fsanitize={engine}") for flag in build.SANITIZE_FLAGS]
    command = [
        *compiler, *FLAGS, *build.POISON_FLAGS, *checks, "-I", str(build.FOLDER), *map(str, build.sources()),
        str(HERE / "fuzz_socket.c"), *(str(HERE / name) for name in sources), "-o", str(program), "-pthread",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode != 0 and "sanitize" in done.stderr:
        pytest.skip(f"the compiler has no sanitizers: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return program


def write_seeds(folder: Path) -> Path:
    """A corpus folder: seeds and regressions."""
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(seeds()):
        (corpus / f"seed-{number:03}").write_bytes(data)
    for path in REGRESSIONS.glob("*.bin"):
        shutil.copy(path, corpus / path.name)
    return corpus


def run_libfuzzer(program: Path, corpus: Path, *, seed: int, runs: int = -1, seconds: int = 0) -> Outcome:
    command = [
        str(program), str(corpus), f"-seed={seed}", f"-runs={runs}", f"-max_total_time={seconds}", "-max_len=8192",
        "-timeout=20", "-print_final_stats=1", "-verbosity=0",
    ]  # fmt: skip
    return _run(command, program.parent, seconds, r"number_of_executed_units: *(\d+)")


def run_driver(program: Path, files: list[Path], *, seed: int, runs: int = 0, seconds: int = 0) -> Outcome:
    command = [str(program), str(seed), str(runs), str(seconds), *map(str, files)]
    return _run(command, program.parent, seconds, r"executions (\d+)")


def _run(command: list[str], folder: Path, seconds: int, pattern: str) -> Outcome:
    environment = sanitizers.environment(leaks=True)
    environment["ASAN_OPTIONS"] += ":abort_on_error=1:handle_abort=0"
    environment["UBSAN_OPTIONS"] += ":abort_on_error=1"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace",
        timeout=seconds + 240, check=False,
    )  # fmt: skip
    text = done.stdout + done.stderr
    found = re.search(pattern, text)
    return Outcome(done.returncode, int(found.group(1)) if found else 0, text)
