"""Faults at run time: a person leaves one as a small file in the run's folder, the exchange takes it.

The file's text is the JSON table of the fault; it is written under another name first, so a half-written one is never
read. Who may write there may also stop the run: the folder is the person's own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from exchange.faults.table import BY_NAME, BadFault, Fault, fault_of
from runtime.clock import wall_ns
from runtime.files import wait_until_taken

FOLDER = "faults"
SUFFIX = ".fault"


class NotTaken(RuntimeError):
    """The exchange did not take the fault in time."""


class FaultBox:
    """The exchange's side. The folder is made by whoever leaves the first fault."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / FOLDER

    def take(self) -> tuple[list[Fault], list[str]]:
        """Faults left since the last call, oldest first, and what was wrong with those that are none."""
        faults: list[Fault] = []
        problems: list[str] = []
        if not self._folder.is_dir():
            return faults, problems
        for name in sorted(each for each in os.listdir(self._folder) if each.endswith(SUFFIX)):
            path = self._folder / name
            try:
                faults.append(fault_of(json.loads(path.read_text(encoding="utf-8"))))
            except (BadFault, ValueError) as error:
                problems.append(f"{name}: {error}")
            path.unlink()
        return faults, problems


def put_fault(run_folder: Path, table: dict[str, Any]) -> Path:
    """Leave a fault for the exchange; returns the file, which is gone once it was taken. Raises BadFault."""
    fault_of(table)
    folder = run_folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{wall_ns():020d}{SUFFIX}"
    written = path.with_suffix(".part")
    written.write_text(json.dumps(table), encoding="utf-8")
    os.replace(written, path)
    return path


def leave_fault(run_folder: Path, table: dict[str, Any], timeout_s: float = 10.0) -> None:
    """A person's side: leave a fault and wait until the exchange has taken it. Raises BadFault, NotTaken."""
    path = put_fault(run_folder, table)
    if not wait_until_taken(path, timeout_s):
        path.unlink(missing_ok=True)  # not at some later time, when nobody expects it any more
        raise NotTaken(f"the exchange has not taken the fault for {timeout_s:g} s")


def table_of(name: str, words: list[str]) -> dict[str, Any]:
    """The table of `NAME key=value ...` from a command line; numbers become numbers. Raises BadFault."""
    table: dict[str, Any] = {"name": name}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise BadFault(f"{word!r} is not KEY=VALUE")
        table[key] = _value(value)
    return table


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def describe() -> str:
    """The table of faults for a person: name, parameters with their defaults, what happens."""
    lines = []
    for name, kind in BY_NAME.items():
        starts = {field.name for field in msgspec.structs.fields(Fault)}
        own = [field for field in msgspec.structs.fields(kind) if field.name not in starts]
        numbers = " ".join(f"{field.name}={field.default}" for field in own)
        lines.append(f"{name:20} {numbers}\n    {(kind.__doc__ or '').strip().splitlines()[0]}")
    return "\n".join(lines)
