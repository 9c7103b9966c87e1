"""`up` until all stages are ready, with a cold and a warm kernel cache, and the restart of one stage while the rest runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Result, Row
from runtime.current import NoRun, attach_current, request_restart, request_stop
from shm import counters as words
from shm.kernel_cache import PROJECT

PATIENCE_S = 400.0
RESTARTED = "features"
RESTARTS = 3


def run() -> Result:
    """Seconds, as wall time of one run each; restarts are the median of three."""
    folder = Path(tempfile.mkdtemp(prefix="qt-bench-"))
    try:
        environment = {**os.environ, "QT_CACHE_DIR": str(folder / "kernels")}
        environment.pop("NUMBA_CACHE_DIR", None)
        cold_s, _ = _start(folder, environment, 0)
        warm_s, restarts_s = _start(folder, environment, RESTARTS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    restart_s = sorted(restarts_s)[len(restarts_s) // 2]
    rows = [
        Row("up, cold kernel cache", p50_ns=cold_s * 1e9, p99_ns=cold_s * 1e9),
        Row("up, warm kernel cache", p50_ns=warm_s * 1e9, p99_ns=warm_s * 1e9),
        Row(f"restart of {RESTARTED}", p50_ns=restart_s * 1e9, p99_ns=max(restarts_s) * 1e9),
    ]
    extra = {"cold_s": round(cold_s, 2), "warm_s": round(warm_s, 2), "restart_s": round(restart_s, 2)}
    what = "command to all stages ready; one stage's restart"
    return Result("startup", what, rows, None, "", "warm restart <= 1.5 s", restart_s <= 1.5, extra)


def _start(folder: Path, environment: dict[str, str], restarts: int) -> tuple[float, list[float]]:
    began = time.perf_counter()
    command = [sys.executable, str(PROJECT / "supervisor.py"), "up", "--duration", "120", "--json"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        _await_ready(folder / "runs", process)
        ready_s = time.perf_counter() - began
        took = []
        for _ in range(restarts):
            time.sleep(1.0)
            before = time.perf_counter()
            request_restart(folder / "runs", RESTARTED)
            took.append(time.perf_counter() - before)
        request_stop(folder / "runs")
        output, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait(30)
    if process.returncode != 0 or json.loads(output.splitlines()[-1])["lost"]:
        raise OSError(f"the run did not end cleanly: {errors[-400:]}")
    return ready_s, took


def _await_ready(runs: Path, process: subprocess.Popen[str]) -> None:
    give_up = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < give_up:
        if process.poll() is not None:
            raise OSError(f"up ended with {process.returncode}")
        try:
            _, run = attach_current(runs)
            if int(run.words[words.RUN_MARKET_START]) == words.MARKET_START:
                return
        except NoRun:
            pass
        time.sleep(0.01)
    raise OSError("up was not ready in time")
