"""What the tests of the stage begin with, here where signals decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.schema import Consensus
from tests.execution.rig import Rig, builder


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Builds rigs that have decided on four agents before (sets of voters that are new go the long way)."""
    made: list[Rig] = []
    build = builder(tmp_path, made)

    def known(**sections: Any) -> Rig:
        rig = build(**{"consensus": Consensus(decide_on="signal"), **sections})
        rig.signal(0.0)
        rig.run(300)
        assert rig.broker.sent == [] and [decision.action for decision in rig.decisions()] == ["HOLD"]
        rig.context.publishes.messages.clear()
        return rig

    yield known
    for rig in made:
        rig.stage.on_close()
