"""What is said where nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import supervisor
from config.load import load
from runtime.current import NoRun, attach_current
from runtime.run_info import CURRENT, RunInfo


def test_a_folder_where_nothing_was_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(NoRun, match="no run was started there; change to the folder where `up` was started"):
            attach_current(folder)
    assert supervisor.main(["status", "--runs", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_a_run_that_is_over(tmp_path: Path) -> None:
    folder = tmp_path / "yesterday"
    folder.mkdir()
    RunInfo(folder=str(folder), prefix="qt-nobody-", supervisor_pid=1, config=load(), bus_ports={}, dll_path="").write()
    (tmp_path / CURRENT).write_text("yesterday", encoding="utf-8")
    with pytest.raises(NoRun, match="the last run there, yesterday, is over"):
        attach_current(tmp_path)


def test_a_run_whose_folder_was_removed(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("removed", encoding="utf-8")
    with pytest.raises(NoRun, match="removed is not the folder of a run"):
        attach_current(tmp_path)
