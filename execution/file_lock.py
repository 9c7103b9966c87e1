"""One process at a time: a lock on a file of its own, held for life and given back by the system when the holder dies.

The locked file stands beside the one that it guards, for a lock of Windows also forbids reading. It holds the process
number of the holder, for the message to whoever comes second. Never deleted: that would let two hold "the" lock.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from runtime.clock import monotonic_ns, sleep_s

PATIENCE_NS = 1_000_000_000  # Windows gives a killed process's locks back a little later
AGAIN_S = 0.02
if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class Locked(OSError):
    """Somebody else holds it; the message says who, as far as that is known."""


class FileLock:
    """Taken when it is made, until `close`. Raises Locked, or OSError when the file cannot be made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "a+b", buffering=0)  # noqa: SIM115 - lives as long as the lock
        give_up_ns = monotonic_ns() + PATIENCE_NS
        while not self._try():
            if monotonic_ns() >= give_up_ns:
                holder = self._holder()
                self._file.close()
                raise Locked(f"process {holder}" if holder else "another process")
            sleep_s(AGAIN_S)
        # the first byte is the locked one: it never holds anything, so that others can read the rest
        self._file.truncate(0)
        self._file.write(b" " + str(os.getpid()).encode())

    def close(self) -> None:
        """Give it back. Harmless when called twice."""
        if self._file.closed:
            return
        if sys.platform == "win32":
            self._file.seek(0)
            msvcrt.locking(self._file.fileno(), msvcrt.LK_UNLCK, 1)
        self._file.close()

    def _try(self) -> bool:
        try:
            if sys.platform == "win32":
                self._file.seek(0)
                msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # on Windows nothing but a holder can refuse one byte of an open file (and Wine gives no error number)
            if sys.platform == "win32" or isinstance(error, (BlockingIOError, PermissionError)):
                return False
            raise
        return True

    def _holder(self) -> int:
        self._file.seek(1)
        text = self._file.read(20).strip()
        return int(text) if text.isdigit() else 0
