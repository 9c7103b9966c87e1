"""What most tests of the stage begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.execution.rig import Rig, builder


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Builds rigs; each is closed at the end. A file whose rigs have more to show at the end has a `make` of its own."""
    made: list[Rig] = []
    yield builder(tmp_path, made)
    for rig in made:
        rig.stage.on_close()
