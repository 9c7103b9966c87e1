"""Which program to start so that the process started is the stage itself.

In a virtual environment of Windows `python.exe` is a small starter that runs the real interpreter as its child: the
process that the launcher holds, and ends, would not be the one that writes the rings. So the real interpreter is
started, and told by the variable that the starter itself uses which environment it belongs to.
"""

from __future__ import annotations

import sys


def python_command() -> tuple[str, dict[str, str]]:
    """(path of the interpreter, variables that its environment needs besides the usual ones)."""
    base = str(getattr(sys, "_base_executable", sys.executable))
    if sys.platform == "win32" and base != sys.executable:
        return base, {"__PYVENV_LAUNCHER__": sys.executable}
    return sys.executable, {}
