"""The whole pipeline with the gateway as a process of its own: it trades, the gateway is killed, execution is killed.

The exchange's own record, told to a client that only listens, is held against the journal.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from execution.contracts import contracts_of
from execution.events import SendOrder, SessionBegan
from execution.journal import read_ledger, read_records
from execution.ledger import Ledger
from execution.recovery import restore
from replay.orders import verify_orders
from runtime.current import request_restart, request_stop
from runtime.topology import BY_NAME
from shm import counters as words
from tests.kills.campaign import LOUD
from tests.kills.exchange_record import Spy
from tests.kills.trading import WITHOUT_RECORDER, trading_config
from tests.processes import eventually
from tests.spine.rig import PATIENCE_S, Up, leftovers

pytestmark = [
    pytest.mark.xdist_group("spine"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="kills by signals"),
]


class World:
    """What is seen of the run from outside."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.exchange = run.stage(BY_NAME["exchange"].number)
        self.execution = run.stage(BY_NAME["execution"].number)

    def count(self, block: Any, name: str) -> int:
        return dict(block.items()).get(name, 0)

    def trades_on(self) -> None:
        """Until entries are open and more of ours has been filled."""
        before = self.count(self.exchange, "fills")
        eventually(
            lambda: (
                self.count(self.exchange, "fills") > before + 1 and self.count(self.execution, "entries_closed") == 0
            ),
            "fills",
            PATIENCE_S,
        )

    def kill(self, stage: str) -> None:
        block = self.run.stage(BY_NAME[stage].number)
        epoch = int(block.words[words.STAGE_EPOCH])
        os.kill(int(block.words[words.STAGE_PID]), signal.SIGKILL)
        eventually(
            lambda: int(block.words[words.STAGE_EPOCH]) > epoch and int(block.words[words.STAGE_STATE]) == words.RUNNING,
            f"{stage} is back",
            PATIENCE_S,
        )


def test_it_trades_over_a_kill_of_the_gateway_and_one_of_execution(tmp_path: Path) -> None:
    config = trading_config(tmp_path, more=WITHOUT_RECORDER, apart=True)
    with Up(tmp_path, "--config", str(config), program=LOUD) as up:
        info, run = up.attach()
        world = World(run)
        spy = Spy(world.count(world.exchange, "port"))
        world.trades_on()
        world.kill("gateway")
        world.trades_on()
        world.kill("execution")
        world.trades_on()
        assert request_restart(tmp_path / "runs", "gateway", PATIENCE_S) == 2
        request_stop(tmp_path / "runs")
        code = up.finish()
        spy.close()
    assert code == 0, up.errors()
    result = up.result
    assert (result["error"], result["lost"], result["restarts"]) == ("", 0, 3)
    assert result["position"] == result["exchange_position"]
    assert {row["state"] for row in result["stages"].values()} == {"stopped"}
    assert result["stages"]["gateway"]["commands"] > 0 and leftovers(info.prefix) == []
    assert result["latency_us"]["tick_to_order"]["samples"] > 0

    journal = Path(result["run"]) / "execution" / "orders.journal"
    records = list(read_records(journal))
    intents = [
        (each.side, each.order_type, each.quantity, each.price, each.stop_price)
        for each in records
        if isinstance(each, SendOrder)
    ]
    rest = iter(intents)
    assert all(any(each == order.key for each in rest) for order in spy.orders.values()), "each order has its own intent"
    ledger = Ledger(contracts_of(info.config))
    restore(ledger, read_ledger(journal))
    known = [order.cl_order_id for order in ledger.orders.values() if order.cl_order_id]
    assert len(known) == len(set(known)) and set(spy.orders) <= set(known)
    assert ledger.positions[0].quantity == spy.position
    assert sum(isinstance(each, SessionBegan) for each in records) >= 1
    verified = verify_orders(Path(result["run"]))
    assert verified.difference == "" and verified.incarnations == 2
