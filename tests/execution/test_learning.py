"""What consensus learns stands in the journal: a restart goes on with it, and recomputing gives every decision again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bus.messages import WeightsChanged
from config.schema import Consensus
from consensus.weights import SOURCES, start_weights
from execution.events import Learned, Note, Publish, Started
from execution.recompute import recompute
from tests.execution.rig import Rig

LEARNS = Consensus(decide_every_ms=100, adaptive=True, learning_rate=0.5, volatility_fast_s=5.0, volatility_slow_s=60.0)


def trade(rig: Rig, seconds: int, seed: int) -> None:
    """A market that moves, and sources of which one is better than the others."""
    generator = np.random.default_rng(seed)
    ticks = 10_000 + np.cumsum(generator.integers(-2, 3, seconds + 2))
    for second in range(seconds):
        rig.show(float(ticks[second]) / 2, float(ticks[second]) / 2 + 0.5)
        ahead = float(np.sign(ticks[second + 1] - ticks[second]))
        words = {source: float(generator.uniform(-1, 1)) for source in SOURCES} | {"order_flow": ahead}
        for _ in range(5):  # a signal of the rig counts for 200 ms
            for source, direction in words.items():
                rig.signal(direction, 0.6, (source,))
            rig.run(200, step_ms=50)


def states(rig: Rig) -> list[Any]:
    return [record.state for record in rig.journal() if isinstance(record, Learned)]


@pytest.mark.parametrize("decide_on", ["timer", "signal"])
def test_a_restart_goes_on_with_what_was_learned_and_recomputes(tmp_path: Path, decide_on: str) -> None:
    rig = Rig(tmp_path, consensus=Consensus(**{**as_dict(LEARNS), "decide_on": decide_on})).start()
    trade(rig, 30, 1)
    before = states(rig)
    assert len(before) >= 8 and before[-1].rounds == len(before)
    rig.kill()
    rig.start()
    trade(rig, 30, 2)
    after = states(rig)
    assert [state.rounds for state in after] == list(range(1, len(after) + 1)), "it went on counting"
    assert len(after) > len(before)
    start = dict(start_weights(LEARNS).nominal())
    weights = dict(zip(SOURCES, after[-1].weights[1], strict=True))
    assert weights["order_flow"] > start["order_flow"]

    records = rig.journal()
    assert sum(isinstance(record, Started) for record in records) == 2
    assert any(decision.votes and decision.rule for decision in rig.decisions())
    assert recompute(rig.config, start_weights(rig.config.consensus), records) == []
    told = [record.message for record in records if isinstance(record, Publish)]
    changes = [message for message in told if isinstance(message, WeightsChanged)]
    assert len(changes) == len(after) and all(message.applied for message in changes)
    published = rig.published(WeightsChanged)
    assert published == changes[-len(published) :]

    forged = [record for record in records if record is not next(r for r in records if isinstance(r, Learned))]
    assert recompute(rig.config, start_weights(rig.config.consensus), forged) != []


def test_other_start_weights_begin_anew_and_say_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path, consensus=LEARNS).start()
    trade(rig, 20, 3)
    assert states(rig)
    rig.kill()
    rig.config = type(rig.config)(
        **{**as_dict(rig.config), "consensus": Consensus(**{**as_dict(LEARNS), "order_flow": 0.2, "liquidity": 0.3})}
    )
    rig.start()
    notes = [record.text for record in rig.journal() if isinstance(record, Note)]
    assert any("is not used" in text and "start weights are others now" in text for text in notes)


def test_nothing_is_learned_while_a_stage_before_us_is_down(tmp_path: Path) -> None:
    rig = Rig(tmp_path, consensus=LEARNS).start()
    trade(rig, 15, 4)
    learned = len(states(rig))
    assert learned
    rig.context.upstream["features"] = "features is down"
    trade(rig, 3, 5)
    settled = len(states(rig))
    trade(rig, 10, 6)
    assert len(states(rig)) == settled


def as_dict(section: Any) -> dict[str, Any]:
    return {name: getattr(section, name) for name in section.__struct_fields__}
