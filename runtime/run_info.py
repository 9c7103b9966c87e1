"""What every process of a run has to know: one JSON file in the run's folder, written once before the first stage starts.

It holds no secret: the bus keys are files of their own with mode 0600, credentials stay in the environment.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from config.schema import Config
from shm.layouts import RINGS

FILE = "run.json"
CURRENT = "current-run"


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The run as its stages see it."""

    folder: str
    prefix: str  # of all segment names
    supervisor_pid: int
    config: Config
    bus_ports: dict[str, int]  # publishing stage -> loopback port
    dll_path: str  # the library that ingest and execution (or its gateway) load; absolute

    def write(self) -> None:
        (Path(self.folder) / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self)))

    @property
    def simulated(self) -> bool:
        """Whether the DLL is the simulator that ships with the project."""
        return not self.config.dll.path

    def ring_capacity(self, ring: str) -> int:
        return max(64, RINGS[ring][1] >> self.config.runtime.ring_capacity_shift)


def read_run(folder: Path) -> RunInfo:
    """The run of that folder. Raises FileNotFoundError with the folder's name when there is none."""
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not the folder of a run: it has no {FILE}")
    return msgspec.json.decode(path.read_bytes(), type=RunInfo)
