"""A live run in which features is restarted and killed, and ingest killed; then its vectors are computed again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.current import request_restart, request_stop
from runtime.topology import BY_NAME
from shm import counters as words
from tape.reader import Tape
from tests.processes import PROJECT, eventually
from tests.spine.rig import PATIENCE_S, Up, VectorWatch, write_config

pytestmark = [
    pytest.mark.xdist_group("spine"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has its own whole run in tests/windows"),
]


def test_every_vector_of_a_run_with_restarts_is_recomputed(tmp_path: Path) -> None:
    with Up(tmp_path, "--config", str(write_config(tmp_path))) as up:
        info, run = up.attach()
        watch = VectorWatch(info)
        watch.until(200)
        request_restart(tmp_path / "runs", "features", PATIENCE_S)
        watch.until(len(watch.numbers) + 200)
        for epoch, stage in ((2, "features"), (1, "ingest")):
            block = run.stage(BY_NAME[stage].number)
            os.kill(int(block.words[words.STAGE_PID]), signal.SIGKILL)
            eventually(
                lambda block=block, epoch=epoch: (  # type: ignore[misc]
                    int(block.words[words.STAGE_EPOCH]) == epoch
                    and int(block.words[words.STAGE_STATE]) == words.RUNNING
                ),
                f"{stage} is back",
                PATIENCE_S,
            )
            watch.until(len(watch.numbers) + 200)
        request_stop(tmp_path / "runs")
        assert up.finish() == 0, up.errors()
        watch.look()
    folder = Path(up.result["run"])
    assert Tape.open(folder / "tape").vectors()["ingest_seq"].tolist() == watch.numbers
    command = [sys.executable, str(PROJECT / "supervisor.py"), "replay", str(folder), "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"{len(watch.numbers)} published, each equal to the recomputed one bit for bit" in done.stdout
    assert "at the end" not in done.stdout
