"""Words of a person to the running stage (`machine.WORDS`), as files in the run's folder.

The kill switch has a file of its own, `KILL`, so that it needs no tool: whoever makes it in the run's folder (`touch`, a
file manager, another program) says `kill`. Any other way in, such as a page, calls `leave_word(run_folder, "kill")`.

A file is taken away only after its word was carried out and journaled, so that a death in between repeats the word;
each of them does no harm twice. Who may write there may also stop the process: the folder is the person's own.
"""

from __future__ import annotations

import os
from pathlib import Path

from execution.events import KILL
from runtime.clock import wall_ns
from runtime.files import wait_until_taken

FOLDER = "operator"
SUFFIX = ".word"
KILL_FILE = "KILL"


class NoAnswer(RuntimeError):
    """The stage did not take the word in time; it takes it as soon as it works again."""


class OperatorBox:
    """The stage's side."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._kill = run_folder / KILL_FILE
        self._stuck: set[Path] = set()  # carried out, but somebody holds the file open (Windows)

    def waiting(self) -> list[tuple[Path, str]]:
        """(file, word): the kill switch before all, then the oldest first."""
        killed = [(self._kill, KILL)] if self._kill.exists() else []
        names = sorted(name for name in os.listdir(self._folder) if name.endswith(SUFFIX))
        words = killed + [(self._folder / name, name.removesuffix(SUFFIX).partition("-")[2]) for name in names]
        return [(file, word) for file, word in words if not self._is_stuck(file)]

    def done(self, file: Path) -> None:
        """Its word was carried out and journaled: take it away."""
        try:
            file.unlink(missing_ok=True)
        except PermissionError:
            self._stuck.add(file)

    def _is_stuck(self, file: Path) -> bool:
        """Whether its word was carried out before; if so it is taken away as soon as that can be."""
        if file not in self._stuck:
            return False
        self._stuck.remove(file)
        self.done(file)
        return True


def leave_word(run_folder: Path, word: str, timeout_s: float = 10.0) -> None:
    """A person's side: leave the word and wait until it was carried out. Raises NoAnswer."""
    path = run_folder / FOLDER / f"{wall_ns():020d}-{word}{SUFFIX}"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    if not wait_until_taken(path, timeout_s):
        raise NoAnswer(f"execution has not taken the word {word!r} for {timeout_s:g} s; it will when it works again")
