"""No data race in the library: a client that asks from three threads while callbacks run, under ThreadSanitizer."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from exchange import protocol as wire
from exchange.profitsim import build
from tests import compilers
from tests.processes import eventually
from tests.profitsim.scripted import NOON_NS, ScriptedServer

ROUNDS = 60
MINE = {"account": b"12345", "broker": 7, "ticker": b"WDOFUT", "exchange": b"F"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux":
        pytest.skip("ThreadSanitizer is run on Linux; the sources are the same")
    made = tmp_path_factory.mktemp("races") / "race_client"
    flags = [flag for flag in build.FLAGS if flag not in ("-shared", "-fvisibility=hidden", "-O2")]
    client = Path(__file__).with_name("race_client.c")
    command = [
        *compilers.of_this_system(), *flags, "-O1", "-fsanitize=thread", "-I", str(build.FOLDER), str(client),
        *map(str, build.sources()), "-o", str(made), "-pthread",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0 and "tsan" in done.stderr:
        pytest.skip(f"the compiler has no ThreadSanitizer: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    made.clock = {"market_ns": NOON_NS, "speed": 1.0, "running": 1}
    made.orders = [{**MINE, "cl_order_id": f"CL{n}".encode(), "quantity": 1} for n in range(20)]
    made.positions = [{**MINE, "open_quantity": 1, "open_side": 1}]
    yield made
    made.close()


def flood(number: int) -> bytes:
    """One burst of everything that an exchange tells."""
    prices = np.arange(5400, 5395, -0.5) + number % 3
    levels = {"bid_price": prices, "bid_quantity": [1 + number] * 10, "bid_count": [2] * 10}
    levels |= {"ask_price": prices[::-1] + 10, "ask_quantity": [2] * 10, "ask_count": [1] * 10}
    status = {"status": number % 3, "event_id": number, "quantity": 3, "traded_quantity": number % 3}
    return b"".join((
        wire.frame(wire.CLOCK, market_ns=NOON_NS + number, speed=1.0, running=1),
        wire.frame(wire.BOOK, index=0, ts_ns=NOON_NS, flags=number % 2, theoretical_price=5400.0, **levels),
        wire.frame(wire.TRADE, index=0, ts_ns=NOON_NS, number=number, price=5400.0, quantity=1, trade_type=2),
        wire.frame(wire.ORDER, cl_order_id=f"CL{number % 25}".encode(), **MINE, **status),
        wire.frame(wire.ORDER, cl_order_id=f"N{number}".encode(), own=1, local_id=number + 1, **MINE, **status),
        wire.frame(wire.POSITION, **MINE, open_quantity=number, open_side=1, event_id=number),
        wire.frame(wire.ACCOUNT, account=b"12345", broker=7, flags=number, owner_name=f"owner {number}".encode()),
        wire.frame(wire.HISTORY_TRADE, index=0, request=1 + number, ts_ns=NOON_NS, price=5400.0, quantity=1),
        wire.frame(wire.HISTORY_END, request=1 + number, trades=1),
        wire.frame(wire.TICKER_STATE, index=0, state=4 * (number % 2), ts_ns=NOON_NS),
    ))  # fmt: skip


def play(server: ScriptedServer, client: subprocess.Popen[str]) -> None:
    """Let the exchange tell everything, with a lost connection in the middle. Ends early when the client has ended."""

    def has_come(message: int, more: int = 1) -> None:
        wanted = len([kind for kind, _ in server.received if kind == message]) + more
        eventually(
            lambda: (
                client.poll() is not None or len([kind for kind, _ in server.received if kind == message]) >= wanted
            ),
            "an answer of the client",
        )

    has_come(wire.SUBSCRIBE, 3)
    for number in range(ROUNDS):
        if client.poll() is not None:
            return
        server.send_bytes(flood(number))
        time.sleep(0.005)  # so that its threads come between
        if number == ROUNDS // 2:
            server.drop()
            has_come(wire.LOGIN)
            has_come(wire.SUBSCRIBE)
    server.send(wire.STATE, type=99, value=0)


def test_three_threads_that_ask_and_one_that_tells_do_not_race(program: Path, server: ScriptedServer) -> None:
    with subprocess.Popen(
        [str(program), str(server.port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TSAN_OPTIONS": "exitcode=66:halt_on_error=1"},
    ) as client:  # fmt: skip
        try:
            with contextlib.suppress(ConnectionError):  # it ended: what it says on stderr tells why
                play(server, client)
            out, errors = client.communicate(timeout=120)
        finally:
            client.kill()
    assert client.returncode == 0, errors[-8000:]
    assert "ThreadSanitizer" not in errors
    reached = {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", out)}
    assert all(reached[name] > 0 for name in ("trades", "groups", "details", "enumerated", "arrays")), out
