"""Two stages in one process: the launcher starts, watches, restarts and stops them as one, and each in its place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

import supervisor
from config.load import ConfigError, load
from config.schema import Config
from profitdll.errors import DllError, LoginRefused
from runtime.dll_session import refused_login
from runtime.launcher import Launcher, LaunchError
from runtime.topology import BY_NAME, companions_of, processes_of, stages_of
from shm import counters as words
from tests.runtime.puppets import CLOSED, tell

PAIR = ("execution", "ingest")
PATIENCE_S = 60.0


def config_of(session: str = "shared") -> Config:
    return load(None, {"execution": {"session": session}, "runtime": {"ring_capacity_shift": 8, "hung_after_s": 2.0}})


class World:
    """A launcher with two puppets in one process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.told = folder, list[str]()
        self.launcher = Launcher(config_of(), folder, Path("none"), {}, self.told.append, only=frozenset(PAIR))
        self.blocks = {}

    def start(self) -> World:
        with mock.patch("runtime.launcher.CHILD", "tests.runtime.puppets"):
            self.launcher.start()
        self.blocks = {name: self.launcher.run.stage_words(BY_NAME[name].number) for name in PAIR}
        return self

    def until(self, condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE_S
        with mock.patch("runtime.launcher.CHILD", "tests.runtime.puppets"):
            while not condition():
                assert time.monotonic() < give_up, self.told
                self.launcher.step()
                time.sleep(0.005)

    def values(self, word: int) -> set[int]:
        return {int(block[word]) for block in self.blocks.values()}

    def again(self, cause: Callable[[], None]) -> list[str]:
        """Both run in a next incarnation because of that; what was told meanwhile."""
        (epoch,), before = self.values(words.STAGE_EPOCH), len(self.told)
        closed = self.folder / CLOSED
        closed.unlink(missing_ok=True)
        cause()
        self.until(
            lambda: self.values(words.STAGE_EPOCH) == {epoch + 1} and self.values(words.STAGE_STATE) == {words.RUNNING}
        )
        assert len(self.values(words.STAGE_PID)) == 1
        assert self.values(words.STAGE_RESTARTS) == {epoch + 1}
        return self.told[before:]

    def closed(self) -> list[str]:
        path = self.folder / CLOSED
        return path.read_text("ascii").split() if path.exists() else []

    def kill(self) -> None:
        process = self.launcher.children["ingest"].process
        assert process is not None
        process.kill()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Both run."""
    made = World(tmp_path / "run")
    try:
        yield made.start()
    finally:
        made.launcher.close()


def test_which_stages_share_a_process() -> None:
    shared, split = config_of(), config_of("split")
    assert processes_of(stages_of(split), split) == tuple((spec,) for spec in stages_of(split))
    together = processes_of(stages_of(shared), shared)
    assert [tuple(spec.name for spec in process) for process in together if len(process) > 1] == [PAIR]
    assert sorted(spec.name for process in together for spec in process) == sorted(spec.name for spec in stages_of(shared))
    assert together[1] == (BY_NAME["execution"], BY_NAME["ingest"]), "started where ingest is"
    assert processes_of((BY_NAME["ingest"],), shared) == ((BY_NAME["ingest"],),)
    assert companions_of("ingest", shared) == companions_of("execution", shared) == PAIR
    assert companions_of("ml", shared) == ("ml",) and companions_of("ingest", split) == ("ingest",)


def test_what_restarts_one_restarts_both_and_the_stop_keeps_its_order(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(world.launcher.processes) == 1
    (pid,) = world.values(words.STAGE_PID)

    told = world.again(world.kill)
    assert world.values(words.STAGE_PID) != {pid}
    assert told[0].startswith("execution and ingest ended (exit code") and "started again (incarnation" in told[1]
    assert world.closed() == []

    asking = threading.Thread(
        target=supervisor.main, args=(["restart", "ingest", "--runs", str(world.folder.parent)],), daemon=True
    )
    told = world.again(asking.start)
    asking.join(PATIENCE_S)
    assert capsys.readouterr().out.splitlines() == [
        "execution and ingest share a process and its session, so both were restarted",
        "ingest runs again, incarnation 2",
    ]
    assert told[0] == "ingest: restart asked for; execution shares its process"
    assert world.closed() == ["execution", "ingest"], "no entries any more, then no market"

    told = world.again(lambda: tell(world.folder, "ingest", "hang"))
    assert told[0].startswith("ingest has not beaten for") and told[0].endswith("ended by force with its process")
    assert world.closed() == []

    world.launcher.stop()
    assert world.closed() == ["execution", "ingest"]
    assert world.values(words.STAGE_STATE) == {words.STOPPED} and world.launcher.clean()


def test_one_that_ends_badly_lets_the_other_close_and_a_refusal_ends_the_run(world: World) -> None:
    for stage, other in (PAIR, PAIR[::-1]):
        told = world.again(lambda stage=stage: tell(world.folder, stage, "fail"))  # type: ignore[misc]
        assert told[0] == f"execution and ingest ended ({stage}: ValueError: {stage} is broken); starting again"
        assert world.closed() == [stage, other]
    tell(world.folder, "ingest", "refuse")
    with pytest.raises(LaunchError, match=r"^ingest: ingest has had enough$"):
        world.until(lambda: False)
    assert world.closed()[-2:] == ["ingest", "execution"]


def test_a_refused_start_is_told_with_the_name_of_the_stage(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    tell(world.folder, "ingest", "refuse-to-start")
    with pytest.raises(LaunchError, match=r"^execution and ingest did not start: ingest: ingest does not want to$"):
        world.start()


def test_the_mend_is_named_where_a_second_session_may_be_what_was_refused() -> None:
    mend = 'execution.session = "shared"'
    twice = DllError("DLLInitializeLogin", -2147483622)
    assert twice.name == "NL_DUPLICATE_RESOURCE"
    for error in (LoginRefused(200), twice):
        assert mend in refused_login(error, config_of("split"))
        assert refused_login(error, config_of("shared")) == str(error)
    assert refused_login(LoginRefused(2), config_of("split")) == str(LoginRefused(2))


def test_a_shared_session_and_a_gateway_of_its_own_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"execution\.session = 'shared' and \$\.execution\.gateway = 'process'"):
        load(None, {"execution": {"session": "shared", "gateway": "process"}})
