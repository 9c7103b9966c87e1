"""Starts the stages in order, watches them, restarts them by the policy, and stops them in reverse.

It creates every shared segment and removes them at the end, however the end comes. A stage that cannot start ends the
run with that stage's own words. A stage that dies, or whose heartbeat stops, is started again; the others go on, and
the trade gate keeps entries back meanwhile. Stages are told to stop by a word in shared memory, never by a signal
alone.

Stages that share a process (`topology.processes_of`) live and die together: what ends or restarts one does it to all of
them, and each gets a new incarnation. They still stop one after the other, each in its place of the order.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bus.keys import make_run_keys
from config.schema import Config
from runtime.child import JOIN
from runtime.clock import monotonic_ns, sleep_s
from runtime.context import CHECKPOINT_HASH, LAST_WORDS
from runtime.files import replace_file
from runtime.interpreter import python_command
from runtime.ports import NoPort, free_ports
from runtime.restart_policy import RestartPolicy
from runtime.run_info import CURRENT, RunInfo, read_run
from runtime.stage import DRAIN_NS, EXIT_CLEAN, EXIT_REFUSED
from runtime.topology import BY_NAME, STAGES, StageSpec, processes_of, rings_of, stages_of
from runtime.watchdog import Watchdog
from shm import counters as words
from shm.atomics import read_word
from shm.counters import RunCounters, StageCounters
from shm.doorbell import Doorbells
from shm.kernel_cache import PROJECT
from shm.layouts import OFFSET_CURSOR, RINGS
from shm.ring import create_ring
from shm.segment import Segment, SegmentError, remove_dead_runs, run_prefix, supervisor_lives

START_TIMEOUT_NS = 120_000_000_000
STOP_TIMEOUT_NS = DRAIN_NS + 5_000_000_000
POLL_S = 0.02
ENDED = (words.STOPPED, words.FAILED)
CHILD = "runtime.child"  # the main program of a stage's process


class LaunchError(RuntimeError):
    """The run could not start or cannot go on; the message is for the user."""


@dataclass
class Child:
    """One process, the stages in it (nearly always one), and what is known of it."""

    specs: tuple[StageSpec, ...]  # the first is the host: its name is that of the file of output
    policy: RestartPolicy
    process: subprocess.Popen[bytes] | None = None
    epoch: int = -1
    restart_at_ns: int | None = None
    stopping: bool = False
    restart_requested: bool = False
    gave_up: bool = False
    watchdogs: dict[str, Watchdog] = field(default_factory=dict)  # of each stage
    exit_code: int | None = None

    @property
    def name(self) -> str:
        """For people."""
        return " and ".join(spec.name for spec in self.specs)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Launcher:
    """One run. `tell` gets a line for each thing that a person should know."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        dll_path: Path,
        private_segments: dict[str, int],
        tell: Callable[[str], None],
        only: frozenset[str] | None = None,
    ) -> None:
        """private_segments: part name -> bytes, for stages' checkpoints; `only` these stages (measurements), else all."""
        self.config = config
        self.folder = folder
        self.tell = tell
        self._dll_path = dll_path
        self._private_segments = private_segments
        self._only = only
        self._segments: list[Segment] = []
        self.rings: dict[str, Segment] = {}
        self.processes: list[Child] = []
        self.children: dict[str, Child] = {}  # stage -> its process
        self.run: RunCounters
        self.doorbells: Doorbells
        self.restarts = 0
        self.refusal = ""

    # --- start

    def start(self) -> None:
        """All stages running, or LaunchError and nothing left behind."""
        try:
            try:
                self._prepare()
            except (SegmentError, NoPort) as error:  # no memory, or no port: nothing to mend here
                raise LaunchError(str(error)) from error
            specs = [spec for spec in stages_of(self.config) if self._only is None or spec.name in self._only]
            for process in processes_of(specs, self.config):
                child = Child(
                    process, RestartPolicy(self.config.runtime.restart_limit, self.config.runtime.restart_window_s)
                )
                self.processes.append(child)
                self.children |= {spec.name: child for spec in process}
            for child in self.processes:
                self._spawn(child)
                if child.specs[0].name == "exchange":
                    self._wait_running(["exchange"])
            self._wait_running([spec.name for spec in specs])
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        for name in remove_dead_runs():
            self.tell(f"removed shared memory of a dead run: {name}")
        prefix = run_prefix(os.getpid())
        info = RunInfo(
            folder=str(self.folder),
            prefix=prefix,
            supervisor_pid=os.getpid(),
            config=self.config,
            bus_ports=free_ports([spec.name for spec in STAGES if spec.publishes]),
            dll_path=str(self._dll_path),
        )
        self.run = RunCounters.create(prefix + "counters")
        self._segments.append(self.run.segment)
        self.doorbells = Doorbells.create(prefix + "bells")
        self._segments.append(self.doorbells.segment)
        for ring in rings_of(self.config):
            self.rings[ring] = create_ring(prefix + ring, RINGS[ring][0], info.ring_capacity(ring))
            self._segments.append(self.rings[ring])
        for part, size in self._private_segments.items():
            self._segments.append(Segment.create(prefix + part, size, 64, size, CHECKPOINT_HASH))
        make_run_keys(self.folder / "keys", [spec.name for spec in STAGES if spec.publishes])
        info.write()
        self.run.words[words.RUN_SUPERVISOR_PID] = os.getpid()
        self.run.words[words.RUN_STARTED_NS] = monotonic_ns()
        pointer = self.folder.parent / CURRENT
        if (other := living_run(pointer)) is not None:
            raise LaunchError(
                f"a run is going on in {self.folder.parent} (supervisor process {other}): stop it first, "
                "or give this one another runtime.folder"
            )
        scratch = pointer.with_suffix(".new")
        scratch.write_text(self.folder.name, encoding="utf-8")
        replace_file(scratch, pointer)  # `status` may be reading it

    def _spawn(self, child: Child) -> None:
        child.epoch += 1
        for spec in child.specs:
            block = self.block(spec)
            block.words[words.STAGE_EPOCH] = child.epoch
            block.words[words.STAGE_STATE] = words.STARTING
            block.words[words.STAGE_COMMAND] = words.COMMAND_NONE
            block.words[words.STAGE_HEARTBEAT_NS] = monotonic_ns()
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        python, variables = python_command()
        command = [python, "-m", CHILD, JOIN.join(spec.name for spec in child.specs), str(self.folder)]
        # out of reach of the terminal's Ctrl-C, Ctrl-Break and close: stages are told by their word
        flags = {"process_group": 0}
        if sys.platform == "win32":
            flags = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        environment = {**os.environ, **variables, "PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"}
        with open(logs / f"{child.specs[0].name}.out", "ab") as output:
            child.process = subprocess.Popen(
                command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, **flags
            )  # type: ignore[call-overload]
        hung_ns = int(self.config.runtime.hung_after_s * 1e9)
        child.watchdogs = {spec.name: Watchdog(hung_ns, START_TIMEOUT_NS, STOP_TIMEOUT_NS) for spec in child.specs}
        child.restart_at_ns = None
        child.stopping = False
        child.exit_code = None

    def _wait_running(self, names: list[str]) -> None:
        give_up_ns = monotonic_ns() + START_TIMEOUT_NS
        while True:
            waiting = [name for name in names if self.state(name) != words.RUNNING]
            if not waiting:
                return
            for name in waiting:
                child = self.children[name]
                if child.process is not None and child.process.poll() is not None:
                    raise LaunchError(f"{child.name} did not start: {self.last_words(child)}")
            if monotonic_ns() > give_up_ns:
                raise LaunchError(
                    f"{', '.join(waiting)} not ready after {START_TIMEOUT_NS // 10**9} s; see {self.folder / 'logs'}"
                )
            sleep_s(POLL_S)

    # --- while running

    def step(self) -> None:
        """Look at every process once: deaths, silence, requests. Raises LaunchError when a stage refuses to go on."""
        self.run.words[words.RUN_SUPERVISOR_HEARTBEAT_NS] = monotonic_ns()
        for child in self.processes:
            self._take_requests(child)
            if child.process is not None and child.process.poll() is not None:
                self._ended(child)
            elif child.running:
                if child.stopping:
                    self._stop_next(child)
                self._watch(child)
            if child.restart_at_ns is not None and monotonic_ns() >= child.restart_at_ns:
                self.restarts += 1
                for spec in child.specs:
                    self.block(spec).words[words.STAGE_RESTARTS] += 1
                self._spawn(child)
                self.tell(f"{child.name} started again (incarnation {child.epoch})")

    def _take_requests(self, child: Child) -> None:
        for spec in child.specs:
            block = self.block(spec)
            if int(block.words[words.STAGE_REQUEST]) != words.REQUEST_RESTART:
                continue
            block.words[words.STAGE_REQUEST] = words.REQUEST_NONE
            if child.running and not child.stopping:
                others = " and ".join(each.name for each in child.specs if each is not spec)
                self.tell(f"{spec.name}: restart asked for" + (f"; {others} shares its process" if others else ""))
                child.restart_requested = True
                child.stopping = True

    def _living(self, child: Child) -> list[StageSpec]:
        """The stages of a process that have not ended, in the order in which they stop."""
        living = [spec for spec in child.specs if self.state(spec.name) not in ENDED]
        return sorted(living, key=lambda spec: spec.stops)

    def _stop_next(self, child: Child) -> None:
        """Tell the next stage of a process that shall end to stop."""
        for spec in self._living(child)[:1]:
            if int(self.block(spec).words[words.STAGE_COMMAND]) != words.COMMAND_STOP:
                self._command_stop(child, spec)

    def _watch(self, child: Child) -> None:
        """A stage that has ended need not beat while another of its process lives on."""
        for spec in self._living(child) or child.specs:
            block = self.block(spec).words
            problem = child.watchdogs[spec.name].look(
                monotonic_ns(),
                int(block[words.STAGE_STATE]),
                child.stopping,
                int(block[words.STAGE_HEARTBEAT_NS]),
                int(block[words.STAGE_PROGRESS]),
                sum(int(read_word(self.rings[ring].address + OFFSET_CURSOR)) for ring in spec.reads),
            )
            if problem:
                also = " with its process" if len(child.specs) > 1 else ""
                self.tell(f"{spec.name} {problem}: ended by force{also}")
                self._kill(child)
                return

    def _ended(self, child: Child) -> None:
        assert child.process is not None
        child.exit_code = child.process.wait()
        child.process = None
        now_ns = monotonic_ns()
        if child.restart_requested:
            child.restart_requested = False
            child.restart_at_ns = now_ns
            return
        reason = self.last_words(child)
        if child.exit_code == EXIT_REFUSED:
            self.refusal = reason if len(child.specs) > 1 else f"{child.name}: {reason}"
            raise LaunchError(self.refusal)
        for spec in child.specs:
            self.block(spec).words[words.STAGE_STATE] = words.FAILED
        if child.specs[0].name == "exchange":
            raise LaunchError(
                f"the simulated exchange ended ({reason}): its orders and its market are gone, so this run cannot go on"
            )
        delay_s = child.policy.ended(now_ns)
        if delay_s is None:
            child.gave_up = True
            self.tell(f"{child.name} ended again ({reason}); restart limit reached, staying down")
        else:
            child.restart_at_ns = now_ns + int(delay_s * 1e9)
            self.tell(f"{child.name} ended ({reason}); starting again")

    def last_words(self, child: Child) -> str:
        """Why an incarnation ended: its own words, else its exit code. Where stages share it, with their names."""
        found = []
        for spec in child.specs:
            path = self.folder / LAST_WORDS / f"{spec.name}-{child.epoch}.txt"
            with contextlib.suppress(OSError):
                if text := path.read_text(encoding="utf-8").strip():  # nothing in it: there was no room to write
                    found.append(f"{spec.name}: {text}" if len(child.specs) > 1 else text)
        if found:
            return "; ".join(found)
        output = self.folder / "logs" / f"{child.specs[0].name}.out"
        code = child.process.returncode if child.process is not None else child.exit_code
        last = ""
        with contextlib.suppress(OSError):
            last = next(
                (line for line in reversed(output.read_text("utf-8", "replace").splitlines()) if line.strip()), ""
            )
        return f"exit code {code}{': ' + last if last and code != -9 else ''}; see {output}"

    # --- stop

    def stop(self) -> None:
        """Stop the stages in their order, each told by its command word, by force only after a long silence."""
        specs = [BY_NAME[name] for name in self.children]
        for order in sorted({spec.stops for spec in specs}):
            group = [(self.children[spec.name], spec) for spec in specs if spec.stops == order]
            for child, spec in group:
                child.restart_at_ns = None
                if child.running:
                    self._command_stop(child, spec)
            for child, spec in group:
                self._await_end(child, spec)

    def _command_stop(self, child: Child, spec: StageSpec) -> None:
        child.stopping = True
        self.block(spec).words[words.STAGE_COMMAND] = words.COMMAND_STOP
        self.doorbells.ring(spec.number)

    def _await_end(self, child: Child, spec: StageSpec) -> None:
        """Until a stage has ended, and its process too when it was the last one in there."""
        if child.process is None:
            return
        give_up_ns = monotonic_ns() + STOP_TIMEOUT_NS
        while child.process.poll() is None:
            living = self._living(child)
            if living and spec not in living:
                return
            if monotonic_ns() > give_up_ns:
                self.tell(f"{spec.name} did not stop; ended by force")
                self._kill(child)
                break
            sleep_s(POLL_S / 4)
        child.exit_code = child.process.wait()
        child.process = None

    def _kill(self, child: Child) -> None:
        if child.process is not None:
            child.process.kill()
            child.process.wait()

    def close(self) -> None:
        """End what still runs and remove every segment. Safe to call at any point, more than once."""
        for child in self.processes:
            if child.running:
                self._kill(child)
        for segment in self._segments:
            segment.remove()
            segment.close()
        self._segments.clear()

    # --- what others ask

    def block(self, spec: StageSpec) -> StageCounters:
        return self.run.stage(spec.number)

    def state(self, name: str) -> int:
        return int(self.block(BY_NAME[name]).words[words.STAGE_STATE])

    def clean(self) -> bool:
        """Whether the last incarnation of every stage stopped cleanly and none passed its restart limit."""
        return all(child.exit_code == EXIT_CLEAN and not child.gave_up for child in self.processes)


def living_run(pointer: Path) -> int | None:
    """The supervisor's process of the run that a pointer names, if it still lives."""
    try:
        info = read_run(pointer.parent / pointer.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):  # no run yet, or one of another version: nothing of ours that could be going on
        return None
    return info.supervisor_pid if supervisor_lives(info.prefix) else None
