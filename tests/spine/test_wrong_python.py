"""The command under an interpreter that lacks what it needs."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import PROJECT


def test_a_python_without_the_installation_is_named() -> None:
    """`-S` leaves the installed packages away, as the system's own Python would."""
    command = [sys.executable, "-I", "-S", str(PROJECT / "supervisor.py"), "status"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 3
    assert "is missing in" in result.stderr and "virtual environment" in result.stderr
    assert "Traceback" not in result.stderr
