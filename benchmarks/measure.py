"""What the benchmarks share: percentiles, the machine they ran on, and the form of a result.

A benchmark is a function that returns rows. A row's `ratio` is between two things measured in the same run on the same
machine, because machines are shared and noisy; absolute figures are there for orientation only.
"""

from __future__ import annotations

import datetime
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

import numpy as np


@dataclass
class Row:
    """One measured thing. p50 and so on in nanoseconds; NaN where it has no meaning."""

    name: str
    p50_ns: float = float("nan")
    p99_ns: float = float("nan")
    per_second: float = float("nan")
    note: str = ""


@dataclass
class Result:
    """What one benchmark found."""

    benchmark: str
    what: str
    rows: list[Row]
    ratio: float | None = None
    ratio_of: str = ""
    target: str = ""
    met: bool | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def row(name: str, samples_ns: Any, per_second: float = float("nan"), note: str = "") -> Row:
    """A row from samples in nanoseconds."""
    samples = np.asarray(samples_ns, np.float64)
    return Row(name, float(np.percentile(samples, 50)), float(np.percentile(samples, 99)), per_second, note)


def machine() -> dict[str, str]:
    """Where and with what it was measured; no name of the machine."""
    cpu = platform.processor()
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:  # not Linux
        pass
    return {
        "date": datetime.datetime.fromtimestamp(time.time(), datetime.UTC).strftime("%Y-%m-%d"),
        "cpu": f"{os.cpu_count()} x {cpu}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "numba", "llvmlite", "pyzmq")},
    }
