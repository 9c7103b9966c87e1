"""The main program of a stage's process: `python -m runtime.child STAGE RUN_FOLDER`, started by the launcher only.

`STAGE+STAGE` are stages that share a process; the first of them is its host (`hosting`).

The project's folder stands first on `sys.path`, so that no installed package of the name `models` or `bus` comes in
between. Ctrl-C is the supervisor's: it tells the stages to stop by their command word.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.stage import Stage

JOIN = "+"  # between the names of stages that share a process
PROJECT = Path(__file__).resolve().parent.parent


def make_stage(name: str) -> Stage:
    """The stage of that name, as the topology has it."""
    from runtime.topology import BY_NAME

    spec = BY_NAME[name]
    module, _, factory = spec.factory.partition(":")
    stage: Stage = getattr(import_module(module), factory)(*spec.arguments)
    return stage


def main(names: str, run_folder: str, make: Callable[[str], Stage] = make_stage) -> int:
    """Be that stage, or those, until the end; returns the exit code. `make` gives a stage object."""
    if sys.path[0] != str(PROJECT):
        sys.path.insert(0, str(PROJECT))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from runtime.context import StageContext
    from runtime.stage import run
    from shm import counters as words

    contexts = [StageContext.attach(name, Path(run_folder)) for name in names.split(JOIN)]
    for context in contexts:
        context.counters.words[words.STAGE_PID] = os.getpid()
    try:
        if len(contexts) == 1:
            return run(make(names), contexts[0])
        from runtime.hosting import host

        return host([(make(context.name), context) for context in contexts])
    finally:
        for context in contexts:
            context.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
