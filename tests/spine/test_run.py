"""The whole pipeline, each stage its own process: a generated market, restarts and kills, and what the end says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from execution.events import SendOrder
from execution.journal import read_records
from runtime import report
from runtime.current import request_restart, request_stop
from runtime.topology import BY_NAME, stages_of
from shm import counters as words
from tape.reader import Tape
from tests import captures
from tests.kills.campaign import LOUD
from tests.kills.trading import trading_config
from tests.processes import PROJECT, eventually
from tests.spine.rig import PATIENCE_S, Up, VectorWatch, leftovers, refused, write_config

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


@dataclass
class Restarts:
    """What a run with restarts left, and what was seen of it meanwhile."""

    up: Up
    numbers: list[int]  # ingest_seq of every vector
    before_the_gap: int  # of these came before ingest was killed
    lost: int


@pytest.fixture(scope="module")
def restarts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarts]:
    """One run for several tests: features restarted and killed, execution killed while it trades, ingest killed."""
    folder = tmp_path_factory.mktemp("restarts")
    config = trading_config(folder, history_bars=50)
    with Up(folder, "--config", str(config), program=LOUD) as up:
        info, run = up.attach()
        watch = VectorWatch(info)

        def kill(stage: str, epoch: int) -> None:
            block = run.stage(BY_NAME[stage].number)
            os.kill(int(block.words[words.STAGE_PID]), signal.SIGKILL)
            eventually(
                lambda: (
                    int(block.words[words.STAGE_EPOCH]) == epoch
                    and int(block.words[words.STAGE_STATE]) == words.RUNNING
                ),
                f"{stage} is back",
                PATIENCE_S,
            )

        watch.until(200)
        assert request_restart(folder / "runs", "features", PATIENCE_S) == 1
        watch.until(len(watch.numbers) + 200)
        kill("features", 2)
        watch.until(len(watch.numbers) + 200)
        exchange = run.stage(BY_NAME["exchange"].number)
        eventually(lambda: dict(exchange.items())["fills"] > 2, "fills", PATIENCE_S)
        kill("execution", 1)
        orders = dict(exchange.items())["orders"]
        eventually(lambda: dict(exchange.items())["orders"] > orders + 2, "orders after the kill", PATIENCE_S)
        eventually(lambda: report.summary(run, info.config)["feed_gap_events"] == 0, "ingest has got everything")
        watch.look()
        before = len(watch.numbers)
        kill("ingest", 1)
        watch.until(len(watch.numbers) + 300)
        request_stop(folder / "runs")
        code = up.finish()
        watch.look()
        settled(up, code, info.prefix)
    yield Restarts(up, watch.numbers, before, watch.reader.lost)


def test_features_publishes_each_event_once_over_a_restart_and_a_kill(restarts: Restarts) -> None:
    numbers, result = restarts.numbers, restarts.up.result
    assert restarts.lost == 0
    first = numbers[: restarts.before_the_gap]
    assert first == list(range(1, first[-1] + 1)), "vectors are contiguous, none twice"
    assert result["restarts"] == 4 and result["stages"]["features"]["restarts"] == 2
    assert result["stages"]["features"]["vectors"] == len(numbers)
    assert result["stages"]["ingest"]["history_bars"] > 0
    tape = Tape.open(Path(result["run"]) / "tape")
    trades = tape.trades()
    real = trades[trades["kind"] == 1]
    assert sorted([*real["ingest_seq"].tolist(), *tape.book()["ingest_seq"].tolist()]) == numbers
    assert Path(result["run"]).parent == restarts.up.folder / "runs"


def test_a_killed_ingest_writes_a_gap_and_goes_on(restarts: Restarts) -> None:
    result = restarts.up.result
    assert result["stages"]["ingest"]["gaps"] == 1
    assert result["feed_gap_events"] > 0
    trades = Tape.open(Path(result["run"]) / "tape").trades()
    gaps = trades[trades["kind"] == 3]
    assert len(gaps) == 1 and gaps["cause"][0] == 1 and gaps["gap_trades_missing"][0] == 0
    numbers = trades["trade_number"][trades["kind"] == 1]
    assert (numbers[1:] > numbers[:-1]).all(), "history gave the missing trades back, in their place, once"
    assert len(numbers) == numbers[-1] - numbers[0] + 1, "and none is missing"


def test_vectors_decisions_and_orders_of_the_run_are_recomputed(restarts: Restarts) -> None:
    folder = Path(restarts.up.result["run"])
    assert Tape.open(folder / "tape").vectors()["ingest_seq"].tolist() == restarts.numbers
    command = [sys.executable, str(PROJECT / "supervisor.py"), "replay", str(folder), "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"{len(restarts.numbers)} published, each equal to the recomputed one bit for bit" in done.stdout
    assert "at the end" not in done.stdout
    sent = sum(isinstance(record, SendOrder) for record in read_records(folder / "execution" / "orders.journal"))
    assert sent >= restarts.up.result["stages"]["exchange"]["orders"] > 0
    assert f" {sent} orders, " in done.stdout and "2 incarnations of execution" in done.stdout


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


def test_a_hung_stage_is_brought_back_and_ctrl_c_stops_everything(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text("utf-8").replace("hung_after_s = 30.0", "hung_after_s = 3.0"), encoding="utf-8")
    with Up(tmp_path, "--config", str(config)) as up:
        info, run = up.attach()
        block = run.stage(BY_NAME["liquidity"].number)
        os.kill(int(block.words[words.STAGE_PID]), signal.SIGSTOP)
        message = refused(tmp_path, "--config", str(config))
        assert f"supervisor process {up.process.pid}" in message and "runtime.folder" in message, (
            "no second run beside it"
        )
        eventually(
            lambda: int(block.words[words.STAGE_EPOCH]) > 0 and int(block.words[words.STAGE_STATE]) == words.RUNNING,
            "liquidity is back",
            PATIENCE_S,
        )
        up.process.send_signal(signal.SIGINT)
        code = up.finish()
        settled(up, code, info.prefix)
    assert "liquidity has not beaten" in up.errors()
    assert up.result["ended"] == "signal SIGINT"


def test_stages_stop_when_the_supervisor_is_killed_and_a_run_ends_with_its_exchange(tmp_path: Path) -> None:
    config = write_config(tmp_path, history_bars=0)
    with Up(tmp_path, "--config", str(config)) as up:
        info, run = up.attach()
        pids = [int(run.stage(spec.number).words[words.STAGE_PID]) for spec in stages_of(info.config)]
        up.process.kill()
        up.process.wait(30)
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), "all stages stop by themselves", 120)
    with Up(tmp_path, "--config", str(config)) as up:
        second, run = up.attach()
        assert leftovers(info.prefix) == [], "the next run removes what the dead one left"
        with pytest.raises(KeyError, match="cannot be restarted"):
            request_restart(tmp_path / "runs", "exchange")
        os.kill(int(run.stage(BY_NAME["exchange"].number).words[words.STAGE_PID]), signal.SIGKILL)
        assert up.finish() == 3
        assert "the simulated exchange ended" in up.result["error"]
        assert leftovers(second.prefix) == []
