"""The gateway's end of the two rings: takes commands in their order, has them carried out, and puts the reports out.

A command is refused, and answered as not sent, when it was meant for an earlier incarnation of the gateway, is an entry
or a target older than `entry_ttl_ms`, for prices have moved since, or an order that execution is about to give up
(`patience`): it may put an exit for the same contracts behind it. Exits and cancels are carried out however old they
are, for execution never gives them up and puts no other in their place.

`commands_taken` moves before a command is carried out. So what a dead incarnation had not taken is known never to have
been sent: its successor begins there and answers it so. What was taken and not answered is left to the listing.

Reports never overtake execution: what has no room in the ring waits here. It calls the broker through the core alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from execution import gateway as g
from execution.gateway import Command, GatewayCore, Record
from execution.gateway_link import COMMANDS_TAKEN, DETAILS_LOST, REPORTS_TAKEN, SERVES, count_of
from execution.patience import too_old_ns
from shm.counters import StageCounters
from shm.layouts import COMMAND
from shm.ring import RingReader, RingWriter

COMMANDS_A_TURN = 16
MS = 1_000_000
COUNTERS = (SERVES, COMMANDS_TAKEN, DETAILS_LOST, "commands", "refused", "reports", "held_back", "lost")
LAPPED = "commands to the gateway were overwritten before it took them"


class GatewayService:
    """`epoch`: of this incarnation of the gateway. The rings and the blocks belong to the caller."""

    def __init__(
        self,
        core: GatewayCore,
        commands: RingReader,
        reports: RingWriter,
        own: StageCounters,
        execution: StageCounters,
        epoch: int,
        entry_ttl_ms: int,
        confirm_ms: int,
        now_ns: Callable[[], int],
    ) -> None:
        self._core = core
        self._commands = commands
        self._writer = reports
        self._own = own
        self._execution = execution
        self._epoch = epoch
        self._entry_ttl_ns = entry_ttl_ms * MS
        self._too_old_ns = too_old_ns(confirm_ms)
        self._now_ns = now_ns
        self._held: deque[Record] = deque()  # reports that have no room yet
        self._counted = 0  # of them, from the oldest on: stand in `held_back`
        self._command = np.zeros(1, COMMAND)
        own.declare(*COUNTERS)

    def open(self) -> None:
        """From now on commands are taken: first those that the incarnation before had not."""
        self._commands.seek(self._own.get(COMMANDS_TAKEN))
        self._own.set(SERVES, self._epoch + 1)

    @property
    def holds_back(self) -> bool:
        """Whether reports wait for room in the ring."""
        return bool(self._held)

    def work(self) -> int:
        """Commands, then what changed by itself; returns how many commands and reports. Never waits."""
        lost = self._commands.lost
        done = 0
        while done < COMMANDS_A_TURN and self._commands.read(self._command):
            done += 1
            self._own.set(COMMANDS_TAKEN, self._commands.next_number)
            self._answer(g.command_of(self._command))
        if self._commands.lost != lost:
            self._own.add("lost", self._commands.lost - lost)
            self._put(g.new_report(g.LISTED, 0, LAPPED), g.EVERYONE)
        self._core.work()
        for report in self._core.drain():
            self._put(report, g.EVERYONE)
        self._own.set(DETAILS_LOST, self._core.lost_details)
        return done + self._publish()

    def _answer(self, command: Command) -> None:
        self._own.add("commands")
        if reason := self._refusal(command):
            self._own.add("refused")
            self._put(g.not_done(command, reason), command.asker)
        else:
            self._core.execute(command)
            for report in self._core.drain():
                self._put(report, command.asker)
        self._publish()

    def _refusal(self, command: Command) -> str:
        """Why this command is not to be carried out, or ""."""
        if command.gateway != self._epoch:
            return f"it was meant for incarnation {command.gateway} of the gateway; this is {self._epoch}"
        age_ns = self._now_ns() - command.made_ns
        if command.ages == g.AGES_AS_ENTRY and age_ns > self._entry_ttl_ns:
            return f"it was {age_ns // MS} ms old when the gateway took it, beyond execution.entry_ttl_ms"
        if command.ages and age_ns >= self._too_old_ns:
            return f"it was {age_ns // MS} ms old when the gateway took it, and execution gives it up (confirm_ms)"
        return ""

    def _put(self, report: Record, asker: int) -> None:
        report["gateway"] = self._epoch
        report["asker"] = asker
        self._held.append(report)

    def _publish(self) -> int:
        """As many of the waiting reports as execution has room for."""
        if not self._held:
            return 0
        room = self._writer.segment.capacity - (self._writer.cursor - count_of(self._execution, REPORTS_TAKEN))
        count = max(0, min(room, len(self._held)))
        for _ in range(count):
            self._writer.publish(self._held.popleft())
        self._own.add("reports", count)
        counted = max(0, self._counted - count)
        self._counted = len(self._held)
        self._own.add("held_back", self._counted - counted)
        return count
