"""Words of a person to the running stage (`machine.WORDS`), as files in the run's folder.

A file is taken away only after its word was carried out and journaled, so that a death in between repeats the word;
each of them does no harm twice. Who may write there may also stop the process: the folder is the person's own.
"""

from __future__ import annotations

import os
from pathlib import Path

from runtime.clock import monotonic_ns, sleep_s, wall_ns

FOLDER = "operator"
SUFFIX = ".word"


class NoAnswer(RuntimeError):
    """The stage did not take the word in time; it takes it as soon as it works again."""


class OperatorBox:
    """The stage's side."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)

    def waiting(self) -> list[tuple[Path, str]]:
        """(file, word), oldest first."""
        names = sorted(name for name in os.listdir(self._folder) if name.endswith(SUFFIX))
        return [(self._folder / name, name.removesuffix(SUFFIX).partition("-")[2]) for name in names]


def leave_word(run_folder: Path, word: str, timeout_s: float = 10.0) -> None:
    """A person's side: leave the word and wait until it was carried out. Raises NoAnswer."""
    path = run_folder / FOLDER / f"{wall_ns():020d}-{word}{SUFFIX}"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    give_up_ns = monotonic_ns() + int(timeout_s * 1e9)
    while path.exists():
        if monotonic_ns() > give_up_ns:
            raise NoAnswer(
                f"execution has not taken the word {word!r} for {timeout_s:g} s; it will when it works again"
            )
        sleep_s(0.01)
