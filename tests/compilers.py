"""The C compiler of this machine, for tests that compile something themselves."""

from __future__ import annotations

import pytest

from exchange.profitsim import build


def of_this_system() -> list[str]:
    """Its command; skips the test where there is none (a Windows that was given its library ready-made)."""
    try:
        return build.compiler(build.host_target())
    except build.BuildError as error:
        pytest.skip(str(error))
