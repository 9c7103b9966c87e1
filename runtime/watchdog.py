"""Tells a stage that works from one that hangs or spins: pure, from what the stage shows in shared memory.

Hung: no heartbeat. Spinning: it beats, but while its rings bring new records it gets nothing done. A stage without
input may idle as long as it likes. All times are monotonic nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from shm import counters as words

FINE = ""


@dataclass
class Watchdog:
    """Watches one incarnation of one stage."""

    hung_after_ns: int
    start_limit_ns: int
    stop_limit_ns: int
    _progress: int = -1
    _input: int = -1
    _waiting_since_ns: int | None = None

    def look(self, now_ns: int, state: int, stopping: bool, heartbeat_ns: int, progress: int, published: int) -> str:
        """What is wrong, for people; empty when nothing is.

        state, heartbeat_ns, progress: as the stage shows them; published: records so far on the rings that it reads.
        """
        limit_ns = self.start_limit_ns if state == words.STARTING else self.hung_after_ns
        if stopping:
            limit_ns = self.stop_limit_ns
        silent_ns = now_ns - heartbeat_ns
        if silent_ns > limit_ns:
            return f"has not beaten for {silent_ns / 1e9:.1f} s ({words.STATES[state]})"
        if state != words.RUNNING or stopping:
            return FINE
        if progress != self._progress:
            self._progress, self._input, self._waiting_since_ns = progress, published, None
        elif published > self._input and self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns
        if self._waiting_since_ns is not None and now_ns - self._waiting_since_ns > self.hung_after_ns:
            return f"beats, but has done nothing for {(now_ns - self._waiting_since_ns) / 1e9:.1f} s while records came"
        return FINE
