"""The append-only memory of execution: everything that came in and everything that was about to go out, in order.

What it promises: a record that `append` was given before `flush` returned is in the hands of the operating system,
so the death of this process loses nothing; a background thread brings it to the disk within SYNC_S, so the death of
the machine loses at most that (`always`: an order waits until its intent is on the disk). A torn end is found by its
checksum, cut, and kept aside as evidence; a damage in the middle is refused. One process at a time has it open.

When the disk is full, reserved room is left, which then takes only the records of the ledger: `problem` says so, and
no entry may go out. When a write or a sync fails, it is over for this incarnation: nothing more is written, `problem`
says why, and `flush` raises; only `close` tries once more to leave what the next incarnation must know. It must never
hold a secret, and never be rewritten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from execution.events import LEDGER_TYPES, LedgerRecord, Omitted
from execution.file_lock import FileLock, Locked
from execution.journal_digest import bytes_from, ledger_records, read_digest
from execution.journal_file import RESERVE_BYTES, JournalFile, damage
from execution.journal_format import MAGIC, Examined, JournalError, Record, decode_body, encode_record, examine, records
from execution.journal_walk import HEAD
from runtime.clock import monotonic_ns

SYNC_S = 0.010
ROOM_AGAIN_NS = 1_000_000_000  # between attempts to make room on a full disk


def read_records(path: Path) -> Iterator[Record]:
    """The whole records of a journal, oldest first; an absent file has none, a torn end is passed over.

    Raises JournalError, after the records before it, for a damage in the middle.
    """
    data = path.read_bytes() if path.exists() else b""
    yield from records(data)
    _refuse_damage(path, examine(data))


def read_ledger(path: Path) -> Iterator[LedgerRecord]:
    """As `read_records`, only what recovery needs, and that of the older part from the digest, when there is one."""
    digest = read_digest(path)
    begin = digest.end or len(MAGIC)
    data = bytes_from(path, begin)
    for part in (digest.ledger, data):
        for record in ledger_records(part):
            yield cast(LedgerRecord, decode_body(record[HEAD.size :]))
    _refuse_damage(path, examine(data, begin))


def _refuse_damage(path: Path, found: Examined) -> None:
    if found.whole_behind >= 0:
        raise JournalError(damage(path, found.end, found.whole_behind))


class Journal:
    """The one writer. `append` collects, `flush` hands over to the operating system. One thread calls all."""

    def __init__(self, path: Path, always_sync: bool = False, synced: Callable[[int], None] = lambda ns: None) -> None:
        """Opens or makes `path` and cuts a torn end. `synced` hears, on a thread of its own, how long each sync took.

        Raises JournalError when the file is something else, damaged, in use, or when a new one gets no room.
        """
        self.path = path
        self._always = always_sync
        self._synced = synced
        self._pending: list[bytes] = []
        self._missed: list[bytes] = []  # records of the ledger that could not be written
        self._failure = ""
        self._no_room = ""  # why no room can be made; what is reserved is still there
        self._room_again_ns = 0
        self.syncs = 0
        self.dropped = 0  # inputs that were not written, for want of room or after a failure
        self._lock = _locked(path)
        try:
            self._file = _opened(path)
        except OSError:
            self._lock.close()
            raise
        self.cut_bytes = self._file.cut_bytes
        self._make_room()
        if self._no_room and self._file.made:
            self._file.close()
            self._lock.close()
            raise JournalError(f"{path} gets no room ({self._no_room}): make room on that disk, then start again")
        self._synced_end = self._file.end
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._sync_loop, name="journal-sync", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why nothing is written any more, or ""."""
        return self._failure

    @property
    def problem(self) -> str:
        """Why no entry may go out, or ""."""
        if self._failure:
            return f"journal {self.path}: {self._failure}"
        if self._short:
            return f"journal {self.path}: {self._no_room}; what is reserved is kept for what protects"
        return ""

    def append(self, record: Record) -> None:
        if (self._failure or self._short) and type(record) not in LEDGER_TYPES:
            self.dropped += 1
            if self.dropped > 1:
                return
            record = Omitted(self._failure or self._no_room)
        (self._missed if self._failure else self._pending).append(encode_record(record))

    def write_ahead(self, records: bytes) -> bool:
        """Whole records, encoded already, behind what was appended, to the operating system at once.

        False: nothing of them is written, and what they say must come by `append`; so it always is where an order waits for
        the disk.
        """
        if self._always or self.problem:
            return False
        return self._write_pending(records)

    def flush(self, before_order: bool = False) -> None:
        """Give what was appended to the operating system; `before_order` with `always` also waits for the disk.

        Raises JournalError when that fails, now or earlier: what was appended may be lost with this process.
        """
        if self._pending and not self._failure:
            self._write_pending()
        if self._always and before_order and self._file.end > self._synced_end and not self._failure:
            self._sync()
        if self._failure:
            self._missed += self._pending
            self._pending.clear()
            raise JournalError(self.problem)
        if not before_order and (self._file.end > self._synced_end or self._room_due()):
            self._dirty.set()  # not before an order: its thread would come in between

    def close(self) -> None:
        """Flush, sync, close, unlock. Raises JournalError when that fails for the first time. Harmless twice.

        After a failure: one more attempt to write what was missed of the ledger, so that the next incarnation knows it.
        """
        if self._file.closed:
            return
        known = self._failure
        if not known and self._pending:
            self._flush_quietly()
        self._closing.set()
        self._dirty.set()
        self._thread.join(timeout=5.0)
        if not self._failure:
            self._sync()
        elif self._missed:
            self._write_missed()
        self._file.close()
        self._lock.close()
        if self._failure and not known:
            raise JournalError(self.problem)

    @property
    def _short(self) -> bool:
        return bool(self._no_room) and self._file.room < RESERVE_BYTES

    def _flush_quietly(self) -> None:
        try:
            self.flush()
        except JournalError:
            return  # it stands in `failure`

    def _write_pending(self, more: bytes = b"") -> bool:
        """What was appended, and `more`. When that fails, what was appended is missed, before what is from now on."""
        try:
            self._file.write(b"".join((*self._pending, more)))
        except OSError as error:
            self._fail(f"cannot be written: {error}")
            self._missed += self._pending
            return False
        finally:
            self._pending.clear()
        return True

    def _write_missed(self) -> None:
        try:
            self._file.write(b"".join(self._missed))
            self._file.sync()
        except OSError:
            return  # the failure is known
        self._missed.clear()

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason

    def _sync(self) -> None:
        end, began_ns = self._file.end, monotonic_ns()
        try:
            self._file.sync()
        except OSError as error:
            self._fail(f"cannot be brought to the disk: {error}")
            return
        self.syncs += 1
        self._synced_end = max(self._synced_end, end)
        self._synced(monotonic_ns() - began_ns)

    def _room_due(self) -> bool:
        return bool(self._no_room) and monotonic_ns() >= self._room_again_ns

    def _make_room(self) -> None:
        try:
            self._file.make_room()
            self._no_room = ""
        except OSError as error:
            self._no_room = str(error)
            self._room_again_ns = monotonic_ns() + ROOM_AGAIN_NS

    def _sync_loop(self) -> None:
        while True:
            self._dirty.wait()
            self._closing.wait(SYNC_S / 2)  # gather, so that a busy time costs two syncs per SYNC_S at most
            self._dirty.clear()  # before the sync: what is written during it sets it again
            if self._closing.is_set():
                return
            if self._file.end > self._synced_end:
                self._sync()
            if self._failure:
                return
            if not self._no_room or self._room_due():
                self._make_room()


def _locked(path: Path) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path.with_name(path.name + ".lock"))
    except Locked as error:
        raise JournalError(
            f"{path} is in use by {error}: two must never trade one account. Stop the other run, or set another"
            " execution.account"
        ) from error
    except OSError as error:
        raise JournalError(f"{path} cannot be locked: {error}") from error


def _opened(path: Path) -> JournalFile:
    try:
        return JournalFile(path)
    except JournalError:
        raise
    except OSError as error:
        raise JournalError(f"{path} cannot be opened: {error}") from error
