"""`up`: one run from start to end, in the foreground.

Compile, start, wait until all stages are ready, start the market, watch until the time is over, the tape is played out, a
person says stop, or a stage refuses; then stop everything and report. Whatever happens, no stage, socket or segment is
left behind.
"""

from __future__ import annotations

import datetime
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.schema import Config
from profitdll.errors import MissingExport, ProfitDllError
from profitdll.library import load, simulator_path
from runtime import report
from runtime.clock import monotonic_ns, sleep_s, wall_ns
from runtime.launcher import POLL_S, Launcher, LaunchError
from runtime.topology import BY_NAME
from shm import counters as words

STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM]
if sys.platform == "win32":
    STOP_SIGNALS.append(signal.SIGBREAK)
MARKET_TAIL_S = 0.3  # after the market stands still: what is in the sockets arrives
TAPE_TAIL_S = 2.0  # after the last event: orders and signals in flight come to rest


@dataclass
class Outcome:
    """How a run ended. `error` is empty when nothing refused."""

    summary: dict[str, Any]
    clean: bool
    error: str
    reason: str  # duration, tape ended, asked to stop, refused


def new_run_folder(root: Path) -> Path:
    """A fresh folder named by the time of the start. Raises LaunchError when it cannot be made."""
    stamp = datetime.datetime.fromtimestamp(wall_ns() / 1e9, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    for attempt in range(100):
        folder = root / (stamp if attempt == 0 else f"{stamp}-{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder.resolve()
        except FileExistsError:
            continue
        except OSError as error:
            raise LaunchError(
                f"the run's folder {folder} cannot be made: {error.strerror}; set runtime.folder"
            ) from error
    raise LaunchError(f"there are already 100 runs of this second in {root}")


def check_library(config: Config) -> Path:
    """The library of this configuration, loaded once here so that a wrong one is told before anything starts."""
    path = Path(config.dll.path) if config.dll.path else simulator_path()
    try:
        load(path)
    except MissingExport as error:
        if config.dll.path:
            raise LaunchError(str(error)) from error
        raise LaunchError(
            f"the simulator {path} is older than this project (it has no function {error.name}): "
            "build it again with `python -m exchange.profitsim.build`"
        ) from error
    except ProfitDllError as error:
        raise LaunchError(str(error)) from error
    return path


class Run:
    """One run. `watch` is called about ten times a second with the launcher, for a view."""

    def __init__(
        self,
        config: Config,
        duration_s: float | None,
        private_segments: dict[str, int],
        tell: Callable[[str], None],
        watch: Callable[[Launcher], None] | None = None,
    ) -> None:
        self.config = config
        self.duration_s = duration_s
        self.tell = tell
        self.watch = watch
        self.folder = new_run_folder(Path(config.runtime.folder))
        self._private_segments = private_segments
        self._stop = ""

    def execute(self) -> Outcome:
        """Run to the end. Raises LaunchError when the run could not start."""
        previous = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        launcher = Launcher(self.config, self.folder, check_library(self.config), self._private_segments, self.tell)
        try:
            self.tell(f"run {self.folder}")
            self.tell("starting the stages")
            launcher.start()
            self.tell("all stages ready")
            reason, error = self._go(launcher)
            self._end_market(launcher)
            launcher.stop()
            summary = {"run": str(self.folder), **report.summary(launcher.run, self.config)}
            error = error or _disagreement(summary)
            return Outcome(summary, launcher.clean() and not error, error, reason)
        finally:
            launcher.close()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _end_market(self, launcher: Launcher) -> None:
        """Let the simulated market stand still, and give its last events the time to come through."""
        if "exchange" not in launcher.children:
            return
        launcher.run.words[words.RUN_MARKET_START] = words.MARKET_STOP
        launcher.doorbells.ring(BY_NAME["exchange"].number)
        sleep_s(MARKET_TAIL_S)

    def _on_signal(self, number: int, frame: object) -> None:
        if self._stop:  # a second time: the person is in a hurry
            raise KeyboardInterrupt
        self._stop = f"signal {signal.Signals(number).name}"

    def _go(self, launcher: Launcher) -> tuple[str, str]:
        launcher.run.words[words.RUN_MARKET_START] = words.MARKET_START
        if "exchange" in launcher.children:
            launcher.doorbells.ring(BY_NAME["exchange"].number)
        started_ns = monotonic_ns()
        next_view_ns = 0
        ended_ns: int | None = None
        while True:
            now_ns = monotonic_ns()
            try:
                launcher.step()
            except LaunchError as error:
                return "refused", str(error)
            if self.watch is not None and now_ns >= next_view_ns:
                self.watch(launcher)
                next_view_ns = now_ns + 100_000_000
            if self.duration_s is not None and now_ns - started_ns >= self.duration_s * 1e9:
                return "duration", ""
            if self._stop or launcher.run.words[words.RUN_STOP_REQUEST]:
                return self._stop or "asked to stop", ""
            if ended_ns is None and report.counter(launcher.run, BY_NAME["exchange"].number, "tape_ended"):
                ended_ns = now_ns
            if ended_ns is not None and now_ns - ended_ns >= TAPE_TAIL_S * 1e9:
                return "tape ended", ""
            sleep_s(POLL_S)


def _disagreement(summary: dict[str, Any]) -> str:
    """What is wrong when execution and the simulated exchange do not end with the same position; empty if nothing."""
    ours, theirs = summary["position"], summary["exchange_position"]
    wrong = [f"{s}: {ours[s]} here, {theirs[s]} there" for s in ours if theirs[s] is not None and ours[s] != theirs[s]]
    return f"the position differs from the exchange's ({'; '.join(wrong)})" if wrong else ""
