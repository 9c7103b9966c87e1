"""The whole pipeline on Windows, as a person starts it: a minute on paper with killed stages, and what is left behind.

Windows has no SIGKILL; `psutil` ends a process by TerminateProcess, which no stage can see coming either.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from runtime.current import NoRun, attach_current, request_restart
from runtime.topology import BY_NAME, stages_of
from shm import counters as words
from shm.counters import RunCounters
from tape.reader import Tape
from tests.processes import PROJECT, eventually
from tests.spine.rig import FAR_LIMITS, PATIENCE_S, Up, VectorWatch, write_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.windows,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "win32", reason="tests/windows/run.sh runs it"),
]

BUSY = f"""
[consensus]
decide_on = "signal"
threshold = 0.02
minimum_sources = 1
[execution]
entry_ttl_ms = 1000
stop_ticks = 4
target_ticks = 4
[risk]
{FAR_LIMITS}"""  # so that a minute has orders and fills in it


def kill(run: RunCounters, stage: str) -> None:
    """End a stage by force, and wait until its next incarnation runs."""
    block = run.stage(BY_NAME[stage].number)
    epoch = int(block.words[words.STAGE_EPOCH])
    psutil.Process(int(block.words[words.STAGE_PID])).kill()
    eventually(
        lambda: int(block.words[words.STAGE_EPOCH]) > epoch and int(block.words[words.STAGE_STATE]) == words.RUNNING,
        f"{stage} is back",
        PATIENCE_S,
    )


def test_a_minute_on_paper_with_killed_stages(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    config = write_config(tmp_path, more=BUSY)
    with Up(tmp_path, "--config", str(config)) as up:
        _, run = up.attach()
        ends_at = time.monotonic() + 60.0  # at least: on a busy machine the restarts take longer than that
        watch = VectorWatch(attach_current(tmp_path / "runs")[0])
        watch.until(300)
        kill(run, "features")
        watch.until(len(watch.numbers) + 300)
        kill(run, "order_flow")  # a publisher: its successor needs the same port
        assert request_restart(tmp_path / "runs", "execution", PATIENCE_S) == 1
        kill(run, "execution")  # which holds the journal and its lock
        while time.monotonic() < ends_at:
            watch.look()
            time.sleep(0.05)
        supervisor = [sys.executable, str(PROJECT / "supervisor.py")]
        stop = subprocess.Popen([*supervisor, "stop"], cwd=tmp_path)
        while up.process.poll() is None:
            watch.look()
            time.sleep(0.05)
        assert stop.wait(120) == 0
        assert up.finish() == 0, up.errors()
        watch.look()
    result, numbers = up.result, watch.numbers
    for name in ("lost", "feed_gap_events", "restarts", "position", "exchange_position", "wall_s"):
        record_property(name, result[name])
    for stage, counter in (("features", "vectors"), ("execution", "decisions"), ("execution", "orders"),
                           ("exchange", "fills"), ("recorder", "rows"), ("order_flow", "signals")):  # fmt: skip
        record_property(f"{stage}.{counter}", result["stages"][stage].get(counter, 0))
    for hop, latency in result["latency_us"].items():
        record_property(f"latency_us.{hop}", latency)
    assert result["error"] == "" and result["ended"] == "asked to stop"
    assert result["lost"] == 0 and watch.reader.lost == 0
    assert result["position"] == result["exchange_position"]
    assert result["feed_gap_events"] == 0
    assert result["stages"]["exchange"]["fills"] > 0, "positions that are equal say something"
    assert result["restarts"] == 4
    assert {row["state"] for row in result["stages"].values()} == {"stopped"}
    assert numbers == list(range(1, numbers[-1] + 1)), "vectors are contiguous, none twice"
    events = result["stages"]["ingest"]["trades"] + result["stages"]["ingest"]["books"]
    assert result["stages"]["features"]["vectors"] == events == numbers[-1]
    assert len(Tape.open(Path(result["run"]) / "tape").merged().ingest_seq) == events
    pids = [row["pid"] for row in result["stages"].values()]
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), "all stages are gone")


def test_the_stop_command_ends_a_run(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with Up(tmp_path, "--config", str(config)) as up:
        up.attach()
        supervisor = [sys.executable, str(PROJECT / "supervisor.py")]
        status = subprocess.run([*supervisor, "status", "--json"], cwd=tmp_path, capture_output=True, timeout=120)
        assert status.returncode == 0, status.stderr
        subprocess.run([*supervisor, "stop"], cwd=tmp_path, check=True, timeout=120)
        assert up.finish() == 0, up.errors()
    assert up.result["ended"] == "asked to stop"
    assert up.result["lost"] == 0 and up.result["position"] == up.result["exchange_position"]


def test_stages_stop_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with Up(tmp_path, "--config", str(config)) as up:
        info, run = up.attach()
        pids = [int(run.stage(spec.number).words[words.STAGE_PID]) for spec in stages_of(info.config)]
        up.process.kill()
        up.process.wait(30)
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), "all stages stop by themselves", 120)
    with pytest.raises(NoRun):
        attach_current(tmp_path / "runs")
