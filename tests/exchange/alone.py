"""Starts `supervisor.py exchange` as a person does, in a process of its own, for clients that are tested against it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import PROJECT


@dataclass(frozen=True)
class Alone:
    """A running exchange: what it said of itself, and its process."""

    facts: dict[str, Any]
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.facts["port"])


@contextmanager
def exchange_alone(*arguments: str, duration_s: float = 600.0, folder: Path = PROJECT) -> Iterator[Alone]:
    """The exchange with these options, started in `folder`; it ends with the block, at the latest after duration_s."""
    command = [
        sys.executable,
        str(PROJECT / "supervisor.py"),
        "exchange",
        "--json",
        "--duration",
        str(duration_s),
        *arguments,
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"the exchange ended with {process.wait(30)}"
            yield Alone(json.loads(line), process)
        finally:
            process.terminate()
            process.wait(30)
