"""Which library a run may use, and what is said about one that does not fit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from config.load import load
from runtime import up
from runtime.launcher import LaunchError
from tests import compilers


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """A library of this system with one function."""
    source = tmp_path / "partial.c"
    source.write_text("int DLLFinalize(void) { return 0; }\n", encoding="utf-8")
    output = tmp_path / "partial.so"
    command = [*compilers.of_this_system(), "-shared", "-fPIC", str(source), "-o", str(output)]
    subprocess.run(command, check=True, timeout=120)
    return output


def test_an_old_simulator_says_how_it_is_built_again(partial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "simulator_path", lambda: partial)
    with pytest.raises(LaunchError, match=r"older than this project.*python -m exchange\.profitsim\.build"):
        up.check_library(load())


def test_an_old_library_of_the_users_is_named(partial: Path) -> None:
    config = msgspec.structs.replace(load(), dll=msgspec.structs.replace(load().dll, path=str(partial)))
    with pytest.raises(LaunchError, match="install ProfitDLL"):
        up.check_library(config)
