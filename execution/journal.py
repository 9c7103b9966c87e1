"""The append-only memory of execution: everything that came in and everything that was about to go out, in order.

    file:    "QTJOURN1" | record | record ...
    record:  length u32 | crc32 u32 (of kind and body) | kind u8 | body (msgpack of execution.events)

What it promises: a record that `append` was given before `flush` returned is in the hands of the operating system,
so the death of this process loses nothing; a background thread brings it to the disk within SYNC_S, so the death of
the machine loses at most that (`always`: an order waits until its intent is on the disk). A torn end is found by its
checksum, cut, and kept aside as evidence. It must never hold a secret, and never be rewritten.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec

from execution.events import LEDGER_TYPES, Input, LedgerRecord, Output

MAGIC = b"QTJOURN1"
SYNC_S = 0.010
MAX_RECORD_BYTES = 16 * 2**20
KIND_INPUT = 1  # needed to recompute decisions, not to recover
KIND_LEDGER = 2  # orders, positions and brackets: recovery reads these only
_HEAD = struct.Struct("<IIB")

Record = Input | Output
INPUT_TYPES: tuple[type, ...] = Input.__args__
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class JournalError(OSError):
    """The file is not a journal, or is in use; the message says which and what to do."""


def encode_record(record: Record) -> bytes:
    """One record as it stands in the file."""
    kind = KIND_LEDGER if isinstance(record, LEDGER_TYPES) else KIND_INPUT
    body = _encoder.encode(record)
    return _HEAD.pack(len(body), zlib.crc32(body, kind), kind) + body


def decode_body(body: bytes | memoryview) -> Record:
    """Raises msgspec.DecodeError for a body that another build wrote with another shape."""
    return _decoder.decode(body)


def whole_length(data: bytes) -> int:
    """Bytes from the front of `data` that are magic and whole records; 0 when not even the magic is."""
    good = len(MAGIC) if data.startswith(MAGIC) else 0
    for _, _, end in scan(data):
        good = end
    return good


def scan(data: bytes) -> Iterator[tuple[int, memoryview, int]]:
    """(kind, body, end offset) of each whole record, up to the first that is not."""
    if not data.startswith(MAGIC):
        return
    view = memoryview(data)  # records that nobody decodes are not copied
    at = len(MAGIC)
    while at + _HEAD.size <= len(data):
        length, checksum, kind = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        if length > MAX_RECORD_BYTES or end > len(data):
            return
        body = view[at + _HEAD.size : end]
        if zlib.crc32(body, kind) != checksum:
            return
        yield kind, body, end
        at = end


def read_records(path: Path) -> Iterator[Record]:
    """The whole records of a journal, oldest first. An absent file has none; a torn end is passed over."""
    if path.exists():
        for _, body, _ in scan(path.read_bytes()):
            yield decode_body(body)


def read_ledger(path: Path) -> Iterator[LedgerRecord]:
    """As `read_records`, only what recovery needs; the rest is not even decoded."""
    if path.exists():
        for kind, body, _ in scan(path.read_bytes()):
            if kind == KIND_LEDGER:
                yield cast(LedgerRecord, decode_body(body))


class Journal:
    """The one writer. `append` collects, `flush` hands over to the operating system."""

    def __init__(self, path: Path, always_sync: bool = False) -> None:
        """Opens or makes `path`, and cuts a torn end. Raises JournalError when the file is something else."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.cut_bytes = _mend(path)
        self._always = always_sync
        self._pending: list[bytes] = []
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - lives as long as the journal
        if self._file.tell() == 0:
            self._file.write(MAGIC)
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._failure: OSError | None = None
        self.syncs = 0
        self._thread = threading.Thread(target=self._sync_loop, name="journal-sync", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        self._pending.append(encode_record(record))

    def flush(self, before_order: bool = False) -> None:
        """Give what was appended to the operating system; `before_order` with `always` also waits for the disk.

        Raises OSError when that fails (disk full), or when the background thread could not sync: nothing may be sent.
        """
        if self._failure is not None:
            raise JournalError(f"{self.path} cannot be brought to the disk: {self._failure}") from self._failure
        if not self._pending:
            return
        data = b"".join(self._pending)
        written = self._file.write(data)
        if written != len(data):
            raise JournalError(f"{self.path}: only {written} of {len(data)} bytes were written; is the disk full?")
        self._pending.clear()
        if self._always and before_order:
            self._sync()
        else:
            self._dirty.set()

    def close(self) -> None:
        """Flush, sync, close. Harmless when called twice."""
        if self._file.closed:
            return
        self.flush()
        self._closing.set()
        self._dirty.set()
        self._thread.join(timeout=5.0)
        self._sync()
        self._file.close()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self.syncs += 1

    def _sync_loop(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._closing.wait(SYNC_S / 2)  # gather, so that a busy time costs two syncs per SYNC_S at most
            self._dirty.clear()  # before the sync: what is written during it sets it again
            if self._closing.is_set():
                return
            try:
                self._sync()
            except OSError as error:
                self._failure = error
                return


def _mend(path: Path) -> int:
    """Cut what is behind the last whole record, keeping it in a file beside; returns how many bytes."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    good = whole_length(data)
    if good == len(data):
        return 0
    if good == 0 and not MAGIC.startswith(data):
        raise JournalError(f"{path} is not a journal; move it away, and see that nothing else writes there")
    number = len(list(path.parent.glob(f"{path.name}.torn-*")))
    path.with_name(f"{path.name}.torn-{number}").write_bytes(data[good:])
    with open(path, "r+b") as file:
        file.truncate(good)
        file.flush()
        os.fsync(file.fileno())
    return len(data) - good
