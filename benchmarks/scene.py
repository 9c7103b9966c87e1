"""Shared memory for a benchmark: rings and bells under one prefix, removed at the end; and partner processes."""

from __future__ import annotations

import os
import subprocess
import sys
from types import TracebackType
from typing import Any

import numpy as np

from shm.doorbell import Doorbells
from shm.ring import create_ring
from shm.segment import Segment, run_prefix


class Scene:
    """rings: name -> (dtype, capacity). Use as a context manager."""

    def __init__(self, rings: dict[str, tuple[np.dtype[Any], int]]) -> None:
        self.prefix = run_prefix(os.getpid()) + "bench"
        self.dtypes = {name: dtype for name, (dtype, _) in rings.items()}
        self._wanted = rings
        self._segments: list[Segment] = []
        self._partners: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Scene:
        self.doorbells = Doorbells.create(self.prefix + "bells")
        self.keep(self.doorbells.segment)
        self.rings = {}
        for name, (dtype, capacity) in self._wanted.items():
            self.rings[name] = create_ring(self.prefix + name, dtype, capacity)
            self.keep(self.rings[name])
        return self

    def keep(self, segment: Segment) -> None:
        """Remove this segment too at the end."""
        self._segments.append(segment)

    def partner(self, *arguments: str) -> subprocess.Popen[str]:
        """`python -m benchmarks.partners ARGUMENTS`, ready when this returns."""
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.partners", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._partners.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if line != "ready\n":
            raise RuntimeError(f"the partner {arguments[0]} ended with {process.wait(30)} before it was ready")
        return process

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._partners:
            if process.poll() is None:
                process.kill()
            process.wait(30)
        for segment in self._segments:
            segment.remove()
