"""Execution's end of the two rings, where the gateway is a process of its own: commands go in, reports come out.

It is a `Gateway` and an `OrderSession` like those of this process, so nobody behind it knows the difference. What it
adds is the care for what a second process can do to an order:

- A command is put for one incarnation of the gateway, and no other carries it out: prices have moved by then.
- That another incarnation serves is told (SESSION) before anything is put for it. The SESSION stands first among what
  is drained, so that nothing which was decided without knowing of it is put for the new one.
- What surely is not put (the gateway does not run, the ring is full) is answered at once as not sent.
- What is put and not answered (the gateway died over it) is answered by nobody: the listing tells, as after every death.
- Reports that are lost, and a ring that is full, are told as a view that failed, so that entries close until the broker
  was asked afresh. A loss is counted in `lost`.

It repeats nothing, and decides nothing about an order. One thread calls it: `work` and `drain` in turn, and all that was
drained is handled before the next `work`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from execution import gateway as g
from execution.gateway import Command, Record
from shm import counters as words
from shm.counters import StageCounters
from shm.layouts import REPORT
from shm.ring import RingReader, RingWriter

SILENT_NS = 1_000_000_000  # without a heartbeat for so long, the gateway does not answer
READ = 64  # reports at a time
OWN_COUNTERS = ("reports_taken", "lost")
# counters of the gateway, as `gateway_stage` keeps them
SERVES = "serves"  # 1 + the incarnation that takes commands, 0: none ever did
COMMANDS_TAKEN = "commands_taken"  # number behind the newest command that was taken, set before it is carried out
SESSION_AWAY = "session_away"
SESSION_LOSSES = "session_losses"
DETAILS_LOST = "details_lost"
REPORTS_TAKEN = "reports_taken"  # execution's: number of the next report that it reads
FULL = "the ring of commands is full: the gateway does not take them"
LAPPED = "reports of the gateway were lost"
UNTOLD = "another incarnation of the gateway began"
ANSWERS = frozenset({g.SENT, g.CANCEL_SENT, g.LISTED_ORDER, g.LISTED_POSITION, g.LISTED})


def count_of(block: StageCounters, name: str) -> int:
    """A counter of another process; 0 while it has not declared it."""
    try:
        return block.get(name)
    except KeyError:
        block.refresh()
        return dict(block.items()).get(name, 0)


class GatewayLink:
    """`epoch`: of this incarnation of execution. The rings and the blocks belong to the caller."""

    def __init__(
        self,
        commands: RingWriter,
        reports: RingReader,
        own: StageCounters,
        gateway: StageCounters,
        epoch: int,
        now_ns: Callable[[], int],
    ) -> None:
        self._commands = commands
        self._reader = reports
        self._own = own
        self._gateway = gateway
        self._epoch = epoch
        self._now_ns = now_ns
        self._reports: deque[Record] = deque()
        self._out = np.zeros(READ, REPORT)
        self._came: deque[Record] = deque()  # out of the ring; those of an incarnation that is not told yet stay here
        self._serving = self._serves()  # incarnation of the gateway that was told, and that commands are put for
        self._taken = 0  # commands that the gateway has taken, as far as we looked
        own.declare(*OWN_COUNTERS)
        own.set(REPORTS_TAKEN, reports.next_number)
        self._losses_before = count_of(gateway, SESSION_LOSSES)

    # --- the gateway

    @property
    def lost_details(self) -> int:
        return count_of(self._gateway, DETAILS_LOST)

    def execute(self, command: Command) -> None:
        """Put it into the ring, or answer it as not done."""
        if problem := self._not_running():
            self._reports.append(g.not_done(command, problem))
            return
        if int(self._gateway.words[words.STAGE_EPOCH]) != self._serving:
            self._reports.append(g.not_done(command, UNTOLD))
            return
        if self._full():
            self._reports.append(g.not_done(command, FULL))
            self._fail(FULL)
            return
        self._commands.publish(g.new_command(command._replace(gateway=self._serving, asker=self._epoch)))

    def work(self) -> int:
        """Take the reports that came, and tell when another incarnation serves."""
        serves = self._serves()  # before the ring is read: what the former one said stands in it by now
        came = 0
        lost = self._reader.lost
        while count := self._reader.read(self._out):
            came += count
            self._came.extend(self._out[at : at + 1].copy() for at in range(count))
        self._take_until_another()
        began = _speaker(self._came[0]) if self._came else serves
        if began > self._serving and not self._reports:  # else with the next turn, when those are handled
            self._begin(began)
            self._take_until_another()
        if came:
            self._own.set(REPORTS_TAKEN, self._reader.next_number)
        if self._reader.lost != lost:
            self._own.add("lost", self._reader.lost - lost)
            self._fail(LAPPED)
        return came

    @property
    def has_reports(self) -> bool:
        return bool(self._reports)

    def drain(self) -> list[Record]:
        reports, self._reports = list(self._reports), deque()
        return reports

    def next_retry_ns(self) -> int | None:
        """Never: the gateway repeats by itself."""
        return None

    # --- the session behind it

    @property
    def session_losses(self) -> int:
        """Of all incarnations of the gateway since this one of execution began."""
        return count_of(self._gateway, SESSION_LOSSES) - self._losses_before

    def problem(self) -> str:
        """Names the gateway: it does not run, it does not beat, or its session is away."""
        if problem := self._not_running():
            return problem
        if self._now_ns() - int(self._gateway.words[words.STAGE_HEARTBEAT_NS]) > SILENT_NS:
            return "gateway does not beat"
        if count_of(self._gateway, SESSION_AWAY):
            return "gateway has lost the order session (its log says what is missing)"
        return ""

    def close(self) -> None:
        """The session is the gateway's, and stays."""

    # --- within

    def _not_running(self) -> str:
        """Why there is no incarnation of the gateway that takes commands, or ""."""
        state = int(self._gateway.words[words.STAGE_STATE])
        if state != words.RUNNING:
            return f"gateway is {words.STATES[state]}"
        if count_of(self._gateway, SERVES) != int(self._gateway.words[words.STAGE_EPOCH]) + 1:
            return "gateway is starting"  # the state is still that of the one before
        return ""

    def _full(self) -> bool:
        """Whether one more command would overwrite one that the gateway has not taken."""
        capacity = self._commands.segment.capacity
        cursor = self._commands.cursor
        if cursor - self._taken < capacity:
            return False
        self._taken = count_of(self._gateway, COMMANDS_TAKEN)
        return cursor - self._taken >= capacity

    def _serves(self) -> int:
        """The newest incarnation of the gateway that took commands, -1: none ever did."""
        return count_of(self._gateway, SERVES) - 1

    def _begin(self, incarnation: int) -> None:
        self._serving = incarnation
        began = g.new_report(g.SESSION)
        began["gateway"] = incarnation
        self._reports.append(began)

    def _take_until_another(self) -> None:
        """What came of the incarnation that was told."""
        while self._came and _speaker(self._came[0]) <= self._serving:
            report = self._came.popleft()
            if int(report["kind"][0]) in ANSWERS and int(report["asker"][0]) not in (self._epoch, g.EVERYONE):
                continue  # for an incarnation of ours that is dead; the listing that this one asks for tells the same
            self._reports.append(report)

    def _fail(self, reason: str) -> None:
        """A view that failed closes the entries, and the broker is asked again until one does not."""
        self._reports.append(g.new_report(g.LISTED, 0, reason))


def _speaker(report: Record) -> int:
    """Incarnation of the gateway that a report comes from."""
    return int(report["gateway"][0])
