"""The process that is started is the stage, not a starter of it."""

from __future__ import annotations

import os
import subprocess
import sys

from runtime.interpreter import python_command

PROGRAM = "import os, sys; print(os.getpid(), sys.prefix)"


def test_the_started_process_is_the_interpreter_of_this_environment() -> None:
    python, variables = python_command()
    process = subprocess.Popen(
        [python, "-c", PROGRAM], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    )
    said, _ = process.communicate(timeout=120)
    pid, _, prefix = said.strip().partition(" ")
    assert int(pid) == process.pid
    assert os.path.normcase(prefix) == os.path.normcase(sys.prefix)
