"""The rehearsal walks a decision's whole way, again and again, and touches nothing of the real machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.schema import Consensus
from consensus.weights import start_weights
from execution.rehearsal import RENEW_AFTER, Rehearsal
from tests.execution.rig import MARKET_NS, Rig, make_config


@pytest.mark.parametrize("decide_on", ["timer", "signal", "ml_signal"])
def test_each_rehearsal_comes_as_far_as_the_broker(decide_on: str) -> None:
    config = make_config(consensus=Consensus(decide_on=decide_on))  # type: ignore[arg-type]
    rehearsal = Rehearsal(config, start_weights(config.consensus))
    before = 0
    for _ in range(RENEW_AFTER + 2):
        rehearsal.play(MARKET_NS)
        assert rehearsal.sent > before
        before = rehearsal.sent
    short = rehearsal.sent_ahead
    assert short == 0 if decide_on == "timer" else short >= RENEW_AFTER - 1


def test_a_waiting_stage_rehearses_and_nothing_of_it_comes_out(tmp_path: Path) -> None:
    rig = Rig(tmp_path, execution={"rehearse_every_ms": 1}).start()
    rig.show(100.0, 100.5)
    rig.run(100)
    written, told = len(rig.journal()), len(rig.context.publishes.messages)
    orders = dict(rig.machine.ledger.orders)
    for _ in range(5):
        rig.stage._rehearse()
        rig.clock.advance(2_000_000)
    assert rig.stage._rehearsal.sent > 0
    assert len(rig.journal()) == written and len(rig.context.publishes.messages) == told
    assert rig.machine.ledger.orders == orders and rig.broker.sent == []
    rig.stage.on_close()
