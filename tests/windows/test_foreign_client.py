"""A client that nobody here wrote logs in, listens and trades: `profitdll-wrapper` against our ProfitDLL64.dll.

tests/windows/run.sh downloads the package (foreign_client.txt says which) and names its wheel in PROFITSIM_FOREIGN_CLIENT.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.profitsim import build
from tests.exchange.alone import Alone, exchange_alone
from tests.processes import PROJECT

WHEEL = os.environ.get("PROFITSIM_FOREIGN_CLIENT", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.windows,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "win32" or not WHEEL, reason="tests/windows/run.sh runs it"),
]


@pytest.fixture(scope="module")
def exchange() -> Iterator[Alone]:
    with exchange_alone("--speed", "5") as running:
        yield running


@pytest.fixture(scope="module")
def report(exchange: Alone) -> dict[str, Any]:
    program = Path(__file__).with_name("foreign_client.py")
    done = subprocess.run(
        [sys.executable, str(program), str(build.output_path("windows")), str(exchange.port)],
        env={**os.environ, "PYTHONPATH": WHEEL}, cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_it_logs_in_and_finds_its_account(report: dict[str, Any]) -> None:
    assert report["connected"]
    assert report["accounts"] == [["paper", 0, "Paper broker", "Paper account"]]


def test_it_receives_trades_and_the_book(report: dict[str, Any]) -> None:
    assert all(trade["ticker"] == "WDOFUT" and trade["price"] % 0.5 == 0 for trade in report["trades"])
    assert all(trade["quantity"] > 0 and trade["year"] >= 2025 for trade in report["trades"])
    bids, asks = report["book"]["bids"], report["book"]["asks"]
    assert bids == sorted(bids, reverse=True) and asks == sorted(asks) and len(bids) == len(asks) == 10
    assert report["best"][0] < report["best"][1]
    assert all(level["quantity"] > 0 and level["count"] > 0 for level in report["levels"])


def test_it_sends_changes_and_cancels_an_order(report: dict[str, Any]) -> None:
    resting, changed, canceled = report["resting"], report["changed"], report["canceled"]
    assert (resting["side"], resting["type"], resting["quantity"]) == ("BUY", "LIMIT", 3)
    assert (resting["ticker"], resting["exchange"], resting["account"]) == ("WDOFUT", "F", "paper")
    assert resting["permanent"]
    assert (changed["price"], changed["quantity"], changed["leaves"]) == (resting["price"] - 5.0, 2, 2)
    assert canceled["status"] == "CANCELED" and canceled["traded"] == 0
    assert report["all_canceled"] == ["CANCELED", "CANCELED"]


def test_it_is_filled_and_reads_its_position(report: dict[str, Any]) -> None:
    filled = report["filled"]
    assert (filled["traded"], filled["leaves"]) == (2, 0) and filled["average"] > 0
    assert report["position"] == [2, filled["average"], 2, 0]
    assert report["after_zero"] == [0, 2, 2]
    assert report["orders_of_the_day"] == ["CANCELED"] * 3 + ["FILLED"] * 2


def test_it_gets_history(report: dict[str, Any]) -> None:
    assert report["history"] > 0


def test_it_asks_for_orders_by_time_and_for_names(report: dict[str, Any]) -> None:
    assert report["orders_by_interval"] == [5, 0]
    assert report["agent"] == ["M3", "Member 3"]
    assert report["asset_info"] == "ASSET_NO_DATA"


def test_it_has_nothing_to_complain_about(
    report: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    record_property("profitdll-wrapper", report["package"])
    record_property("events", json.dumps(report["events"]))
    assert report["warnings"] == []
