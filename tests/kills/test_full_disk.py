"""A full disk under the journal while execution trades and dies: no entry, what is held stays protected, and it recovers.

The journal's folder is a small file system of its own that is filled and freed; where that may not be mounted, the test is
skipped: `test_journal` then still has the refusals of single writes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.load import load
from execution.events import LIMIT
from tests.kills.execution_campaign import ExecutionCampaign
from tests.kills.small_world import SmallWorld
from tests.kills.trading import WITHOUT_RECORDER, trading_config

ROOM = "8m"
SETTLED_S = 1.5  # orders on their way when the disk became full have reached the exchange by then

pytestmark = [
    pytest.mark.xdist_group("spine"),
    pytest.mark.skipif(sys.platform == "win32", reason="mounts a small file system"),
]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """Folder of a run whose journal stands on a file system of ROOM."""
    folder = tmp_path / "runs" / "run"
    small = folder / "execution"
    small.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(small)], capture_output=True, text=True, timeout=30
    )
    if done.returncode != 0:
        pytest.skip(f"a small file system may not be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(small)], capture_output=True, check=True, timeout=30)


def fill(folder: Path) -> None:
    with open(folder / "filler", "wb", buffering=0) as filler:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while filler.write(bytes(size)):
                    pass
            except OSError:
                continue


def refusals(run: Path) -> int:
    """How often execution has said that its journal lets no entry go out."""
    return sum(
        path.read_text("utf-8", "replace").count("no entries: journal") for path in (run / "logs").glob("execution*")
    )


def entries(world: SmallWorld) -> int:
    """Entries that the exchange has seen."""
    return sum(order.order_type == LIMIT for order in world.spy.orders.values())


@pytest.mark.timeout(300)
def test_a_full_disk_stops_entries_and_nothing_else(run: Path, tmp_path: Path) -> None:
    campaign = ExecutionCampaign(load(trading_config(tmp_path, shift=4, more=WITHOUT_RECORDER)), run, 3)
    SmallWorld.sentence(None)
    with SmallWorld(campaign.config, run, 3) as world:
        campaign.world = world
        world.until(lambda: world.running, 20.0)
        world.note_life()
        for dies_on_the_full_disk in (False, True, True):
            assert world.until(world.agrees, 20.0), "it recovers before the disk is full"
            before = entries(world)
            assert world.until(lambda before=before: entries(world) > before + 1, 20.0), "it trades"
            told = refusals(run)
            fill(run / "execution")
            assert world.until(lambda told=told: refusals(run) > told, 60.0), "what was reserved is used up"
            wait = time.monotonic() + SETTLED_S
            world.until(lambda wait=wait: time.monotonic() > wait, 10.0)
            at_full = entries(world)
            world.until(lambda: False, 1.0)
            assert entries(world) == at_full, "no entry while the journal has no room"
            if dies_on_the_full_disk:
                epoch = world.epoch
                world.kill()
                assert world.until(lambda epoch=epoch: world.epoch > epoch and world.running, 20.0), (
                    "it starts on a full disk"
                )
                world.note_life()
                world.until(lambda: False, 1.0)
                assert entries(world) == at_full, "no entry after the restart either"
            os.unlink(run / "execution" / "filler")
        assert world.until(world.agrees, 20.0)
        campaign.finish()
    assert campaign.outcome.problems == []
