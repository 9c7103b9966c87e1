"""The main program of a stage's process: `python -m runtime.child STAGE RUN_FOLDER`, started by the launcher only.

The project's folder stands first on `sys.path`, so that no installed package of the name `models` or `bus` comes in
between. Ctrl-C is the supervisor's: it tells the stages to stop by their command word.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def main(name: str, run_folder: str) -> int:
    if sys.path[0] != str(PROJECT):
        sys.path.insert(0, str(PROJECT))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from runtime.context import StageContext
    from runtime.stage import run
    from runtime.topology import BY_NAME
    from shm import counters as words

    context = StageContext.attach(name, Path(run_folder))
    context.counters.words[words.STAGE_PID] = os.getpid()
    spec = BY_NAME[name]
    module, _, factory = spec.factory.partition(":")
    stage = getattr(import_module(module), factory)(*spec.arguments)
    try:
        return run(stage, context)
    finally:
        context.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
