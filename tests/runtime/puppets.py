"""The main program of stages that do nothing but what a test tells them, by a file of one word in the run's folder.

They write their names into the file `closed` as they close, so that a test sees in which order they did.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from runtime.child import main
from runtime.context import StageContext
from runtime.stage import Refusal, Stage

CLOSED = "closed"


def tell(folder: Path, stage: str, word: str) -> None:
    """Let a puppet `hang`, `fail` or `refuse`; before its start: `refuse-to-start`."""
    scratch = folder / f"{stage}.new"
    scratch.write_text(word, encoding="ascii")
    scratch.rename(folder / f"{stage}.word")  # whole, or not there


class Puppet(Stage):
    def __init__(self, name: str) -> None:
        self.name = name

    def on_start(self, context: StageContext) -> None:
        self._folder = context.run_folder
        if self._word() == "refuse-to-start":
            raise Refusal(f"{self.name} does not want to")

    def do_work(self) -> int:
        word = self._word()
        if word == "hang":
            time.sleep(600)
        if word == "fail":
            raise ValueError(f"{self.name} is broken")
        if word == "refuse":
            raise Refusal(f"{self.name} has had enough")
        return 0

    def on_close(self) -> None:
        with open(self._folder / CLOSED, "a", encoding="ascii") as file:
            file.write(f"{self.name}\n")

    def _word(self) -> str:
        """Each is taken once."""
        path = self._folder / f"{self.name}.word"
        if not path.exists():
            return ""
        word = path.read_text(encoding="ascii")
        path.unlink()
        return word


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Puppet))
