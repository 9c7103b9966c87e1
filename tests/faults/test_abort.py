"""The host of the library dies in the middle of a callback, in a whole run: the context's lock held, an event half read."""

from __future__ import annotations

from pathlib import Path

from exchange.faults.box import leave_fault
from runtime.current import request_stop
from runtime.topology import BY_NAME
from shm import counters as words
from shm.layouts import GAP_INGEST_RESTART, KIND_GAP, KIND_TRADE
from tape.reader import Tape
from tests.processes import eventually
from tests.spine.rig import PATIENCE_S, Up, VectorWatch, write_config

SCENARIO = """
[[fault]]
name = "abort_host"
after_events = 150

[[fault]]
name = "duplicate_orders"
"""


def test_a_host_that_dies_in_a_callback_is_started_again_and_misses_no_trade(tmp_path: Path) -> None:
    """Once by the scenario at a count of events, once by a fault that is left in the run's folder."""
    (tmp_path / "faults.toml").write_text(SCENARIO, encoding="utf-8")
    config = write_config(tmp_path, more='[recorder]\nvectors = false\n')
    text = config.read_text(encoding="utf-8").replace("[exchange]", '[exchange]\nscenario = "faults.toml"')
    config.write_text(text, encoding="utf-8")
    with Up(tmp_path, "--config", str(config)) as up:
        info, run = up.attach()
        block, watch = run.stage(BY_NAME["ingest"].number), VectorWatch(info)

        def back(epoch: int) -> bool:
            running = int(block.words[words.STAGE_STATE]) == words.RUNNING
            return int(block.words[words.STAGE_EPOCH]) == epoch and running

        eventually(lambda: back(1), "ingest is back after the scenario's abort", PATIENCE_S)
        watch.until(len(watch.numbers) + 200)
        leave_fault(Path(info.folder), {"name": "abort_host"})
        eventually(lambda: back(2), "ingest is back after the second abort", PATIENCE_S)
        watch.until(len(watch.numbers) + 200)
        request_stop(tmp_path / "runs")
        code = up.finish()
    assert code == 0, up.errors()
    assert up.result["stages"]["ingest"]["restarts"] == 2 and up.result["restarts"] == 2
    assert up.result["stages"]["exchange"]["faults"] == 3
    trades = Tape.open(Path(up.result["run"]) / "tape").trades()
    gaps = trades[trades["kind"] == KIND_GAP]
    assert gaps["cause"].tolist() == [GAP_INGEST_RESTART] * 2
    assert gaps["gap_trades_missing"].tolist() == [0, 0]
    numbers = trades["trade_number"][trades["kind"] == KIND_TRADE]
    assert len(numbers) == numbers[-1] - numbers[0] + 1 and len(set(numbers.tolist())) == len(numbers)
    assert watch.numbers == sorted(set(watch.numbers)), "no vector twice"
