"""Execution dies twenty times in the default run, three hundred times with `-m slow`, while it trades all the time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.kills.execution_campaign import ExecutionCampaign, Outcome, campaign_config

pytestmark = [
    pytest.mark.xdist_group("spine"),
    pytest.mark.skipif(sys.platform == "win32", reason="kills by signals; Windows has its own run with a kill"),
]


def campaign(
    folder: Path,
    seed: int,
    kills: int,
    faults: bool = False,
    target: Literal["local", "resting"] = "local",
    apart: bool = False,
    shared: bool = False,
) -> Outcome:
    run = folder / "runs" / "run"
    run.mkdir(parents=True)
    outcome = ExecutionCampaign(campaign_config(folder, target, apart, shared), run, seed, faults).run(kills)
    assert outcome.problems == []
    assert sum(outcome.kills.values()) == kills
    assert (outcome.twice, outcome.unknown) == (0, 0)
    assert outcome.orders >= kills and outcome.contracts >= kills // 2, "it traded"
    return outcome


@pytest.mark.timeout(300)
def test_twenty_deaths_of_execution(tmp_path: Path) -> None:
    campaign(tmp_path, 20261122, 20)


@pytest.mark.timeout(300)
def test_deaths_while_the_exchange_misleads_us_about_orders(tmp_path: Path) -> None:
    assert sum(campaign(tmp_path, 4, 8, faults=True).faults.values()) >= 4


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_deaths_while_the_exchange_misleads_us_about_orders(tmp_path: Path) -> None:
    campaign(tmp_path, 7, 100, faults=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_deaths_with_resting_targets(tmp_path: Path) -> None:
    assert campaign(tmp_path, 7, 100, target="resting").targets_traded > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_deaths_with_market_data_in_the_same_session(tmp_path: Path) -> None:
    campaign(tmp_path, 11, 50, shared=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_three_hundred_deaths_of_execution(tmp_path: Path) -> None:
    campaign(tmp_path, 7, 300)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_deaths_of_execution_and_its_gateway(tmp_path: Path) -> None:
    campaign(tmp_path, 7, 100, apart=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_deaths_of_both_while_the_exchange_misleads_us_about_orders(tmp_path: Path) -> None:
    campaign(tmp_path, 5, 40, faults=True, apart=True)
