"""Five kills of each stage in the default run, fifty with `-m slow`: nothing lost, nothing twice, positions agree."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.kills.campaign import VICTIMS, Campaign, arguments_of

pytestmark = [
    pytest.mark.xdist_group("spine"),
    pytest.mark.skipif(sys.platform == "win32", reason="kills by signals; Windows has its own run with a kill"),
]


@pytest.mark.timeout(900)
def test_five_kills_of_each_stage(tmp_path: Path) -> None:
    outcome = Campaign(tmp_path, 20261122, arguments_of(tmp_path, None, None, "1")).run(5)
    assert outcome.problems == []
    assert sum(outcome.kills.values()) == 5 * len(VICTIMS)


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_fifty_kills_of_each_stage(tmp_path: Path) -> None:
    outcome = Campaign(tmp_path, 7, arguments_of(tmp_path, None, None, "1")).run(50)
    assert outcome.problems == []
    assert sum(outcome.kills.values()) == 50 * len(VICTIMS)
