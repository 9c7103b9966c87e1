"""The exchange without a pipeline: what it says, that a client finds it, when its market starts, and how it ends."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from config.load import load
from exchange import alone, protocol
from exchange.command_line import add_arguments
from exchange.faults.box import leave_fault
from runtime.compile import announce
from tests.exchange.alone import exchange_alone


def options(*arguments: str, duration_s: float = 0.3) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments, argparse.Namespace(duration=duration_s))


def test_a_client_finds_it_and_its_end_is_clean() -> None:
    with exchange_alone("--speed", "10") as exchange:
        assert exchange.facts["instruments"][0]["ticker"] == "WDOFUT"
        with socket.create_connection(("127.0.0.1", exchange.port), timeout=20) as client:
            client.sendall(protocol.frame(protocol.LOGIN, key="k", user="u", password=exchange.facts["password"]))
            client.sendall(protocol.frame(protocol.SUBSCRIBE, ticker="WDOFUT", exchange="F", trades=1, depth=1, on=1))
            kinds: set[int] = set()
            data = b""
            while protocol.BOOK not in kinds:
                part = client.recv(1 << 16)
                assert part, "the exchange hung up"
                data += part
                while len(data) >= 8 and len(data) >= (length := int(np.frombuffer(data, "<u4", 1)[0])):
                    kinds.add(int(np.frombuffer(data, "<u2", 1, 4)[0]))
                    data = data[length:]
        assert protocol.LOGIN_DONE in kinds
    if sys.platform != "win32":  # there terminate() ends a process without asking it
        assert exchange.process.returncode == 0


def test_the_introduction_says_what_a_client_needs() -> None:
    said: list[str] = []
    assert alone.run(load(), options(duration_s=1.5), said.append, said.append) == 0
    port = said[0].partition("PROFITSIM_PORT=")[2].split()[0]
    assert int(port) > 0
    for fact in ("password paper", "account paper, broker 0", "WDOFUT on F, tick 0.5", "generated, seed 1"):
        assert fact in said[0]
    assert "market_events" in said[1]


def test_a_password_that_somebody_set_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_DLL_ROUTING_PASSWORD", "hunter2")
    monkeypatch.setenv("QT_SIMULATED_PASSWORD", "hunter3")
    facts = alone.introduction(load(), 1)
    assert "hunter" not in str(facts)
    assert facts["routing_password"] == "as in QT_DLL_ROUTING_PASSWORD"


def test_only_the_first_start_says_that_it_compiles(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        with announce("exchange", tmp_path, said.append):
            pass
    assert len(said) == 1 and "compiling exchange" in said[0]


def test_a_fault_left_in_its_folder_is_taken(tmp_path: Path) -> None:
    with exchange_alone("--wait", folder=tmp_path):
        leave_fault(tmp_path, {"name": "duplicate_orders", "count": 3}, timeout_s=30)


def test_the_market_waits_for_a_client_when_told_to() -> None:
    context = alone.AloneContext(load(), True, alone.logging.getLogger("test"))
    context.counters.declare("clients")
    assert not context.market_start_requested()
    context.counters.set("clients", 1)
    assert context.market_start_requested()
    context.counters.set("clients", 0)
    assert context.market_start_requested(), "a market that has begun goes on"


def test_a_taken_port_is_refused_with_the_mend() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = load(None, {"exchange": {"port": port}})
        assert alone.run(config, options(), said.append, said.append) == 3
    assert f"port {port}" in said[0] and "exchange.port" in said[0]
