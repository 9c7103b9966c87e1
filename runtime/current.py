"""Finds the run that is going on from another terminal, and leaves requests for its supervisor."""

from __future__ import annotations

from pathlib import Path

from runtime.clock import monotonic_ns, sleep_s
from runtime.run_info import CURRENT, RunInfo, read_run
from runtime.topology import BY_NAME, companions_of
from shm import counters as words
from shm.counters import RunCounters
from shm.segment import SegmentError, supervisor_lives


class NoRun(RuntimeError):
    """There is no run to talk to; the message says where it was looked for."""


def attach_current(folder: Path) -> tuple[RunInfo, RunCounters]:
    """The running run whose folders stand under `folder`. Raises NoRun."""
    pointer = folder / CURRENT
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise NoRun(
            f"nothing runs under {folder.resolve()}: no run was started there; change to the folder where `up` was started,"
            " or name its folder of runs with --runs"
        ) from None
    except PermissionError as error:  # Windows: just being replaced
        raise NoRun(f"nothing runs under {folder.resolve()}: {error}") from error
    try:
        info = read_run(folder / name)
        if not supervisor_lives(info.prefix):
            raise NoRun(f"nothing runs under {folder.resolve()}: the last run there, {name}, is over")
        return info, RunCounters.attach(info.prefix + "counters")
    except (FileNotFoundError, PermissionError, SegmentError) as error:
        raise NoRun(f"nothing runs under {folder.resolve()}: {error}") from error


def request_restart(folder: Path, stage: str, timeout_s: float = 60.0) -> int:
    """Ask for a restart and wait until the stage runs in a new incarnation; returns that incarnation's number.

    Stages that share its process (`topology.companions_of`) restart with it, and are waited for too. Raises NoRun,
    KeyError for an unknown stage, TimeoutError.
    """
    if stage not in BY_NAME:
        raise KeyError(f"there is no stage {stage!r}; there are {', '.join(BY_NAME)}")
    if stage == "exchange":
        raise KeyError("the simulated exchange cannot be restarted: its orders and its market would be gone")
    info, run = attach_current(folder)
    block = run.stage(BY_NAME[stage].number)
    if int(block.words[words.STAGE_STATE]) == words.EMPTY:
        raise KeyError(f"stage {stage!r} is not part of this run")
    before = int(block.words[words.STAGE_EPOCH])
    blocks = [run.stage_words(BY_NAME[name].number) for name in companions_of(stage, info.config)]
    block.words[words.STAGE_REQUEST] = words.REQUEST_RESTART
    give_up_ns = monotonic_ns() + int(timeout_s * 1e9)
    while monotonic_ns() < give_up_ns:
        if all(each[words.STAGE_EPOCH] > before and each[words.STAGE_STATE] == words.RUNNING for each in blocks):
            return int(block.words[words.STAGE_EPOCH])
        sleep_s(0.02)
    raise TimeoutError(f"{stage} was not running again after {timeout_s:g} s; see the supervisor's terminal")


def request_stop(folder: Path) -> None:
    """Ask the run to stop. Raises NoRun."""
    _, run = attach_current(folder)
    run.words[words.RUN_STOP_REQUEST] = 1
