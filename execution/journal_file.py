"""The journal's file: opened, mended, with room reserved at its end, so that a full disk does not stop a record.

The room is zeros that were really written (and, where the system has it, allocated before): writing into it takes no
new block, so it works when the disk is full, costs no change of the file's size at each sync, and the end is found by
the checksums (`journal_format`). It is written in small pieces, for a page cache that holds it in large ones makes each
later write of a record several times slower. On Windows a file that is extended by writing has its clusters.

Records are written by a call into the system's page cache, not by stores into a mapping: after each sync the first
store into a page costs a fault as dear as that call, and a store that the disk refuses kills the process instead of
raising. Two descriptors: one for the thread that writes records, one for the thread that syncs and makes room.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path

from execution.journal_digest import bytes_from, read_digest
from execution.journal_format import MAGIC, JournalError, examine, is_journal
from tape.format import sync_folder

RESERVE_BYTES = 256 * 1024  # less room than this is kept for what protects: some thousand records of the ledger
MAKE_ROOM_BELOW_BYTES = 2 * RESERVE_BYTES
GROW_BYTES = 1024 * 1024
ZEROS = bytes(4096)


class JournalFile:
    """Opens or makes `path`. Raises JournalError when it is something else, is damaged, or cannot be mended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made = not path.exists()
        self.end, self.cut_bytes = _mend(path)
        path.touch()
        self._records = open(path, "r+b", buffering=0)  # noqa: SIM115 - lives as long as the journal
        self._room_maker = open(path, "r+b", buffering=0)  # noqa: SIM115 - lives as long as the journal
        self._size = os.fstat(self._records.fileno()).st_size
        self._resizing = threading.Lock()
        try:
            if self.made:
                sync_folder(path.parent)
            if self.end == 0:
                self.write(MAGIC)
        except OSError:
            self.close()
            raise

    @property
    def room(self) -> int:
        """Bytes that can be written whatever the disk says."""
        return self._size - self.end

    @property
    def closed(self) -> bool:
        return self._records.closed

    def write(self, data: bytes) -> None:
        """Hand `data` to the system, behind the last record. Raises OSError, and then the file ends where it did."""
        if len(data) <= self.room:
            self._write(data)
            return
        with self._resizing:
            if len(data) > self.room:
                with contextlib.suppress(OSError):  # there may still be room for this much
                    self._grow(len(data) + GROW_BYTES)
            self._write(data)
            self._size = max(self._size, self.end)

    def make_room(self) -> None:
        """Extend the reserved room when there is little. Raises OSError (disk full), and then nothing has changed."""
        if self.room >= MAKE_ROOM_BELOW_BYTES:
            return
        with self._resizing:
            self._grow(GROW_BYTES)

    def sync(self) -> None:
        """Wait until the disk has it. Raises OSError."""
        synced(self._room_maker.fileno())

    def close(self) -> None:
        """Without a sync. The room stays, so that the next incarnation has it too. Harmless when called twice."""
        self._records.close()
        self._room_maker.close()

    def _write(self, data: bytes) -> None:
        try:
            written = _write_at(self._records.fileno(), data, self.end)
            if written != len(data):
                raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written")
        except OSError:
            with contextlib.suppress(OSError):  # what stands behind the end is torn, and is found as such
                os.ftruncate(self._records.fileno(), self.end)
                self._size = self.end
            raise
        self.end += len(data)

    def _grow(self, count: int) -> None:
        number, at = self._room_maker.fileno(), self._size
        try:
            _allocate(number, at, count)
            for start in range(at, at + count, len(ZEROS)):
                piece = ZEROS[: at + count - start]
                if _write_at(number, piece, start) != len(piece):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(number, at)
            raise
        self._size = at + count


def synced(number: int) -> None:
    """The data of that descriptor to the disk, and its size if that changed."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(number)
    else:
        os.fsync(number)


def _allocate(number: int, at: int, count: int) -> None:
    """Reserve blocks where the system can; where it cannot, writing the zeros does."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(number, at, count)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise


def _write_at(number: int, data: bytes, at: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(number, data, at)
    os.lseek(number, at, os.SEEK_SET)  # each thread has a descriptor of its own
    return os.write(number, data)


def _mend(path: Path) -> tuple[int, int]:
    """Wipe a torn end, keeping it in a file beside; returns where records end and how many bytes were wiped."""
    if not path.exists():
        return 0, 0
    begin = read_digest(path).end
    data = bytes_from(path, begin) if begin else path.read_bytes()
    if not begin and not is_journal(data):
        raise JournalError(f"{path} is not a journal; move it away, and see that nothing else writes there")
    end, used, whole_behind = examine(data, begin)
    if whole_behind >= 0:
        raise JournalError(damage(path, end, whole_behind))
    if used == end:
        return end, 0
    try:
        _keep(path, data[end - begin : used - begin])
        with open(path, "r+b", buffering=0) as file:
            file.seek(end)
            if file.write(bytes(used - end)) != used - end:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            synced(file.fileno())
    except OSError as error:
        raise JournalError(
            f"{path} has a torn end of {used - end} bytes at {end}, which must be kept beside it before it is cut, and"
            f" that fails ({error}): make room on that disk, then start again"
        ) from error
    return end, used - end


def damage(path: Path, bad: int, whole_behind: int) -> str:
    """What to tell a person about a journal that is damaged in its middle."""
    return (
        f"{path} is damaged: the record at byte {bad} is not whole, and whole ones follow from byte {whole_behind}, so"
        " this is no torn end and nothing was cut. Look after the disk; put a good copy in its place, or move the file"
        " away: then look at the account's orders and positions by hand, and say `supervisor.py orders adopt` to the run"
    )


def _keep(path: Path, torn: bytes) -> None:
    """The evidence, on the disk before anything is cut."""
    number = 0
    while (evidence := path.with_name(f"{path.name}.torn-{number}")).exists():
        number += 1
    with open(evidence, "xb", buffering=0) as file:
        if file.write(torn) != len(torn):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    sync_folder(path.parent)
