"""The whole pipeline, each stage its own process: a generated market, restarts and kills, and what the end says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from runtime.current import request_restart, request_stop
from runtime.topology import BY_NAME, STAGES
from shm import counters as words
from tape.reader import Tape
from tests import captures
from tests.processes import PROJECT, eventually
from tests.spine.rig import PATIENCE_S, Up, VectorWatch, leftovers, write_config

pytestmark = [
    pytest.mark.xdist_group("spine"),  # eleven processes: one such test at a time
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has its own whole run in tests/windows"),
]


def settled(up: Up, code: int, prefix: str) -> None:
    """What every healthy run must show at its end."""
    assert code == 0, up.errors()
    result = up.result
    assert result["error"] == ""
    assert result["lost"] == 0
    assert result["position"] == result["exchange_position"]
    assert {row["state"] for row in result["stages"].values()} == {"stopped"}
    assert leftovers(prefix) == []
    pids = [row["pid"] for row in result["stages"].values()]
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), "all stages are gone")


def test_a_generated_market_with_a_restart_and_a_kill_of_features(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with Up(tmp_path, "--config", str(config)) as up:
        info, run = up.attach()
        watch = VectorWatch(info)
        watch.until(300)
        assert request_restart(tmp_path / "runs", "features", PATIENCE_S) == 1
        watch.until(len(watch.numbers) + 300)
        block = run.stage(BY_NAME["features"].number)
        os.kill(int(block.words[words.STAGE_PID]), signal.SIGKILL)
        eventually(
            lambda: int(block.words[words.STAGE_EPOCH]) == 2 and int(block.words[words.STAGE_STATE]) == words.RUNNING,
            "features is back",
            PATIENCE_S,
        )
        watch.until(len(watch.numbers) + 300)
        request_stop(tmp_path / "runs")
        code = up.finish()
        watch.look()
        settled(up, code, info.prefix)
    numbers = watch.numbers
    assert watch.reader.lost == 0
    assert numbers == list(range(1, numbers[-1] + 1)), "vectors are contiguous, none twice"
    result = up.result
    assert result["restarts"] == 2 and result["stages"]["features"]["restarts"] == 2
    assert result["feed_gap_events"] == 0
    events = result["stages"]["ingest"]["trades"] + result["stages"]["ingest"]["books"]
    assert result["stages"]["features"]["vectors"] == events == numbers[-1]
    assert result["stages"]["ingest"]["history_bars"] == 50
    tape = Tape.open(Path(result["run"]) / "tape")
    assert len(tape.merged().ingest_seq) == events, "the recording holds every event"
    assert Path(result["run"]).parent == tmp_path / "runs"


def test_a_killed_ingest_writes_a_gap_and_goes_on(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with Up(tmp_path, "--config", str(config)) as up:
        info, run = up.attach()
        watch = VectorWatch(info)
        watch.until(200)
        block = run.stage(BY_NAME["ingest"].number)
        os.kill(int(block.words[words.STAGE_PID]), signal.SIGKILL)
        eventually(
            lambda: int(block.words[words.STAGE_EPOCH]) == 1 and int(block.words[words.STAGE_STATE]) == words.RUNNING,
            "ingest is back",
            PATIENCE_S,
        )
        watch.until(len(watch.numbers) + 300)
        request_stop(tmp_path / "runs")
        code = up.finish()
        settled(up, code, info.prefix)
    ingest = up.result["stages"]["ingest"]
    assert ingest["gaps"] == 1
    assert up.result["feed_gap_events"] > 0
    trades = Tape.open(Path(up.result["run"]) / "tape").trades()
    gaps = trades[trades["kind"] == 3]
    assert len(gaps) == 1 and gaps["cause"][0] == 1 and gaps["gap_trades_missing"][0] == 0
    numbers = trades["trade_number"][trades["kind"] == 1]
    assert (numbers[1:] > numbers[:-1]).all(), "history gave the missing trades back, in their place, once"
    assert len(numbers) == numbers[-1] - numbers[0] + 1, "and none is missing"


def test_a_recorded_hour_trades_and_positions_agree(tmp_path: Path) -> None:
    data = captures.folder("btcusdt_2024-08-08")
    supervisor = [sys.executable, str(PROJECT / "supervisor.py")]
    imported = subprocess.run(
        [*supervisor, "tape", "import", "--trades", data / "trades.parquet", "--book", data / "book.parquet",
         "--out", "tape", "--symbol", "BTCUSDT", "--tick", "0.1", "--lot", "0.001"],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert imported.returncode == 0, imported.stderr
    config = PROJECT / "config" / "btc.toml"
    trained = subprocess.run(
        [*supervisor, "train", "--tape", "tape", "--out", "bundle", "--config", config],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    tape, bundle = str(tmp_path / "tape"), str(tmp_path / "bundle")
    with Up(tmp_path, "--config", str(config), "--tape", tape, "--model", bundle, "--speed", "20") as up:
        info, _ = up.attach()
        code = up.finish()
        settled(up, code, info.prefix)
    result = up.result
    assert result["ended"] == "tape ended"
    assert result["feed_gap_events"] == 0
    assert result["stages"]["exchange"]["market_events"] == 21_313 + 6_545
    assert result["stages"]["features"]["vectors"] == 21_313 + 6_545
    assert result["stages"]["execution"]["orders"] > 0 and result["stages"]["execution"]["fills"] > 0
    assert result["stages"]["execution"]["signals_ml"] > 0
    for hop in ("callback", "features.work", "signal_to_decision", "decision_to_send", "tick_to_order"):
        assert result["latency_us"][hop]["samples"] > 0


def test_a_hung_stage_is_brought_back(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text("utf-8").replace("hung_after_s = 30.0", "hung_after_s = 3.0"), encoding="utf-8")
    with Up(tmp_path, "--config", str(config)) as up:
        info, run = up.attach()
        block = run.stage(BY_NAME["liquidity"].number)
        os.kill(int(block.words[words.STAGE_PID]), signal.SIGSTOP)
        eventually(
            lambda: int(block.words[words.STAGE_EPOCH]) > 0 and int(block.words[words.STAGE_STATE]) == words.RUNNING,
            "liquidity is back",
            PATIENCE_S,
        )
        request_stop(tmp_path / "runs")
        code = up.finish()
        settled(up, code, info.prefix)
    assert "liquidity has not beaten" in up.errors()


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with Up(tmp_path, "--config", str(config)) as up:
        info, _ = up.attach()
        up.process.send_signal(signal.SIGINT)
        code = up.finish()
        settled(up, code, info.prefix)
    assert up.result["ended"] == "signal SIGINT"


def test_stages_stop_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with Up(tmp_path, "--config", str(config)) as up:
        info, run = up.attach()
        pids = [int(run.stage(spec.number).words[words.STAGE_PID]) for spec in STAGES]
        up.process.kill()
        up.process.wait(30)
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), "all stages stop by themselves", 120)
    with Up(tmp_path, "--config", str(config), "--duration", "1") as up:
        second, _ = up.attach()
        assert leftovers(info.prefix) == [], "the next run removes what the dead one left"
        code = up.finish()
        settled(up, code, second.prefix)
