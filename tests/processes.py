"""Starts real processes for tests, and ends them whatever happens."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


@contextmanager
def program(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m MODULE ARGUMENTS` from the project's folder, killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=PROJECT, stdout=subprocess.PIPE, stderr=None, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def await_ready(process: subprocess.Popen[str]) -> None:
    """Until the program has printed its line `ready`."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", f"the program ended with {process.wait(30)} before it was ready"


def eventually(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait until `condition`; a test that would hang fails with `what` instead. No statement about speed."""
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, f"never happened: {what}"
        time.sleep(0.002)
