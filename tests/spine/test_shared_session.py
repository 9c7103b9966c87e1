"""Under a licence of one session for each key: refused with the mend when split, a whole run when shared."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from config.load import load
from runtime.current import request_stop
from runtime.launcher import Launcher, LaunchError
from runtime.topology import BY_NAME
from runtime.up import check_library
from shm import counters as words
from shm.layouts import FLAG_REFILLED, GAP_INGEST_RESTART, KIND_GAP, KIND_TRADE, RINGS
from shm.ring import RingReader, attach_ring
from tests.kills.campaign import LOUD
from tests.kills.trading import WITHOUT_RECORDER, trading_config, under_a_strict_licence
from tests.processes import eventually
from tests.spine.rig import PATIENCE_S, Up, VectorWatch, leftovers

pytestmark = [
    pytest.mark.xdist_group("spine"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="kills by signal"),
]
PAIR = ("ingest", "execution")


def strict_config(folder: Path, session: str) -> Path:
    """A world that trades all the time, at an exchange that takes one session of a key."""
    return under_a_strict_licence(trading_config(folder, history_bars=5, more=WITHOUT_RECORDER), session)


def test_two_sessions_of_one_key_are_refused_with_the_mend(tmp_path: Path) -> None:
    config = load(strict_config(tmp_path, "split"))
    folder = tmp_path / "run"
    folder.mkdir()
    only = frozenset({"exchange", *PAIR})
    launcher = Launcher(config, folder, check_library(config), {}, lambda line: None, only=only)
    with pytest.raises(LaunchError, match=r"login refused \(200\).*set execution\.session = \"shared\"$"):
        launcher.start()
    assert not any(child.running for child in launcher.processes)


def test_a_whole_run_shares_one_session_and_outlives_the_death_of_its_process(tmp_path: Path) -> None:
    config = strict_config(tmp_path, "shared")
    with Up(tmp_path, "--config", str(config), program=LOUD) as up:
        info, run = up.attach()
        watch = VectorWatch(info)
        segment = attach_ring(info.prefix + "trades", RINGS["trades"][0], info.ring_capacity("trades"))
        trades = RingReader(segment, RINGS["trades"][0], start="oldest")
        blocks = [run.stage_words(BY_NAME[name].number) for name in PAIR]
        exchange = run.stage(BY_NAME["exchange"].number)
        assert dict(exchange.items())["faults"] == 1
        (pid,) = {int(block[words.STAGE_PID]) for block in blocks}

        watch.until(100)
        eventually(lambda: dict(exchange.items())["fills"] > 1, "fills", PATIENCE_S)
        os.kill(pid, signal.SIGKILL)
        eventually(
            lambda: all((block[words.STAGE_EPOCH], block[words.STAGE_STATE]) == (1, words.RUNNING) for block in blocks),
            "both are back",
            PATIENCE_S,
        )
        seen, fills = len(watch.numbers), dict(exchange.items())["fills"]
        watch.until(seen + 100)
        eventually(lambda: dict(exchange.items())["fills"] > fills + 1, "fills after the kill", PATIENCE_S)
        rows = np.zeros(1 << 14, RINGS["trades"][0])
        rows = rows[: trades.read(rows)]
        request_stop(tmp_path / "runs")
        code = up.finish()
        watch.look()

    assert code == 0, up.errors()
    result, stages = up.result, up.result["stages"]
    assert (result["error"], result["lost"], watch.reader.lost) == ("", 0, 0)
    assert result["position"] == result["exchange_position"]
    assert {row["state"] for row in stages.values()} == {"stopped"}
    assert leftovers(info.prefix) == []
    for name in PAIR:
        assert (stages[name]["epoch"], stages[name]["restarts"]) == (1, 1)
    assert stages["ingest"]["pid"] == stages["execution"]["pid"] != pid
    assert stages["execution"]["orders"] > 0 and stages["execution"]["fills"] > 0
    assert len(set(watch.numbers)) == len(watch.numbers) == stages["features"]["vectors"]

    (gap,) = rows[rows["kind"] == KIND_GAP]
    assert (gap["cause"], gap["gap_trades_missing"]) == (GAP_INGEST_RESTART, 0)
    played = rows[rows["kind"] == KIND_TRADE]
    assert (played["flags"] & FLAG_REFILLED).any()
    numbers = played["trade_number"]
    assert (numbers[1:] - numbers[:-1] == 1).all(), "history gave the missing trades back, in their place, once"
