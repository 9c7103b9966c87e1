"""Runs `supervisor.py` as a person does, from a folder of its own, and looks at its shared memory from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from runtime.current import NoRun, attach_current
from runtime.run_info import RunInfo
from shm import counters as words
from shm.counters import RunCounters
from shm.layouts import RINGS
from shm.ring import RingReader, attach_ring
from shm.segment import POSIX_FOLDER
from tests.processes import PROJECT, eventually

FAR_LIMITS = """max_trades_per_day = 100000
max_daily_loss = 1e9
max_orders_per_s = 100
max_orders_per_min = 6000
max_cancels_per_s = 100
max_cancels_per_min = 6000
max_drawdown = 1e9
max_losses_in_row = 1000000
min_entry_interval_ms = 0
duplicate_ms = 0
max_message_ratio = 1e9
capital = 1e6
"""  # of [risk]: nothing but the market stands in the way of a trade
PATIENCE_S = 240.0  # a cold kernel cache on a busy machine
CONFIG = """
mode = "paper"
[[instruments]]
symbol = "WDOFUT"
exchange = "F"
tick = 0.5
point_value = 10.0
bar_seconds = 60
session_open = "09:00"
session_close = "18:30"
[exchange]
start_time = "10:00"
start_price = 5400.0
trades_per_s = {trades_per_s}
[runtime]
hung_after_s = 30.0
ring_capacity_shift = {shift}
[dll]
history_bars = {history_bars}
"""


def write_config(
    folder: Path, trades_per_s: float = 60.0, shift: int = 0, history_bars: int = 50, more: str = ""
) -> Path:
    path = folder / "test.toml"
    text = CONFIG.format(trades_per_s=trades_per_s, shift=shift, history_bars=history_bars)
    path.write_text(text + more, encoding="utf-8")
    return path


class Up:
    """`supervisor.py up --json ARGUMENTS` in `folder`; stopped by force at the end of the block if it still runs."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: dict[str, str] | None = None,
        program: Path = PROJECT / "supervisor.py",
    ) -> None:
        self.folder = folder
        command = [sys.executable, str(program), "up", "--json", *arguments]
        self._errors = open(folder / "stderr.txt", "w+", encoding="utf-8")  # noqa: SIM115 - closed in __exit__
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self.result: dict[str, Any] = {}

    def __enter__(self) -> Up:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()

    def errors(self) -> str:
        return (self.folder / "stderr.txt").read_text(encoding="utf-8")

    def attach(self) -> tuple[RunInfo, RunCounters]:
        """The run, once all its stages are ready."""
        found: list[tuple[RunInfo, RunCounters]] = []

        def ready() -> bool:
            assert self.process.poll() is None, f"up ended: {self.errors()}"
            try:
                info, run = attach_current(self.folder / "runs")
            except NoRun:
                return False
            if int(run.words[words.RUN_MARKET_START]) != words.MARKET_START:
                return False
            found.append((info, run))
            return True

        eventually(ready, "all stages ready", PATIENCE_S)
        return found[0]

    def finish(self) -> int:
        """Wait for the end; returns the exit code and keeps the JSON in `result`."""
        assert self.process.stdout is not None
        output = self.process.stdout.read()
        code = self.process.wait(PATIENCE_S)
        if output.strip():
            self.result = json.loads(output.strip().splitlines()[-1])
        return code


class VectorWatch:
    """Reads every published vector of a run from outside."""

    def __init__(self, info: RunInfo) -> None:
        segment = attach_ring(info.prefix + "features", RINGS["features"][0], info.ring_capacity("features"))
        self.reader = RingReader(segment, RINGS["features"][0], start="oldest")
        self.numbers: list[int] = []
        self._out = np.zeros(4096, RINGS["features"][0])

    def look(self) -> None:
        while count := self.reader.read(self._out):
            self.numbers += self._out["ingest_seq"][:count].tolist()

    def until(self, count: int) -> None:
        """Look until that many vectors were seen."""
        give_up = time.monotonic() + PATIENCE_S
        while len(self.numbers) < count:
            assert time.monotonic() < give_up, f"only {len(self.numbers)} vectors"
            self.look()
            time.sleep(0.01)


def leftovers(info_prefix: str) -> list[str]:
    """Shared segments of a run that are still there."""
    return [path.name for path in POSIX_FOLDER.glob(info_prefix + "*")] if POSIX_FOLDER.is_dir() else []


def refused(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run `up`, which must refuse; returns its message after looking for anything left behind."""
    before = set(POSIX_FOLDER.glob("qt-*"))
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "supervisor.py"), "up", "--duration", "2", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 3, output + errors
    assert "Traceback" not in output + errors
    assert [path for path in set(POSIX_FOLDER.glob("qt-*")) - before if f"qt-{process.pid}-" in path.name] == []
    ours = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in ours.splitlines() if "runtime.child" in line and str(folder) in line]
    messages = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1, errors
    return messages[0]
