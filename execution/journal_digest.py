"""What recovery needs of the older part of a journal, in a file beside it, so that a start reads only the rest.

A journal of an account lives for as long as the account is traded, and nearly all of it are inputs that serve
`replay --verify` and no recovery. A start must not take longer for that, while something is held. So each start copies the
records of the ledger up to where it has read into `orders.journal.digest`, and the next one reads those and goes on there.

The journal itself is never touched, and alone is believed: a digest counts only when its own checksum holds and the journal
begins and stands before its end as it did then, byte for byte. Else the whole journal is read, as without one: after
a restored copy, a cut end, another file in its place. What is older than the digest is not looked at for damage by a start;
`supervisor.py journal RUN --verify` does.

    "QTDIGEST" | end u64 | crc32 u32 of the journal's first SAMPLE bytes and of its last before the end | crc32 u32 of all
    before and of the rest | records of the ledger, as they stand in the journal
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from execution.journal_format import KIND_LEDGER, MAGIC, examine
from execution.journal_walk import walk
from tape.format import sync_folder

FROM_BYTES = 4 * 2**20  # of the journal behind the digest, before it is renewed: hundredths of a second of a start
DIGEST_MAGIC = b"QTDIGEST"
SAMPLE = 64 * 1024
_HEAD = struct.Struct("<8sQI")
_CHECKSUM = struct.Struct("<I")


class Digest(NamedTuple):
    """The records of the ledger before `end`, a place in the journal where a record ends; 0: there is none."""

    end: int = 0
    ledger: bytes = b""


NO_DIGEST = Digest()


def digest_file(journal: Path) -> Path:
    return journal.with_name(journal.name + ".digest")


def read_digest(journal: Path) -> Digest:
    """That of the journal, or NO_DIGEST when there is none that fits it. Raises OSError when the journal cannot be read."""
    try:
        data = digest_file(journal).read_bytes()
    except OSError:
        return NO_DIGEST
    if not journal.exists():
        return NO_DIGEST
    records = _HEAD.size + _CHECKSUM.size
    if len(data) < records:
        return NO_DIGEST
    magic, end, sample = _HEAD.unpack_from(data)
    (checksum,) = _CHECKSUM.unpack_from(data, _HEAD.size)
    ledger = data[records:]
    if magic != DIGEST_MAGIC or checksum != _checksum(data[: _HEAD.size], ledger) or sample != _sample(journal, end):
        return NO_DIGEST
    return Digest(end, ledger)


def renew_digest(journal: Path, from_bytes: int = FROM_BYTES) -> bool:
    """Let it reach as far as the journal's whole records, when those behind it have grown to `from_bytes`; whether it did.

    Who calls holds the journal's lock. Raises OSError, and then the digest is what it was.
    """
    old = read_digest(journal)
    begin = old.end or len(MAGIC)
    if not journal.exists() or journal.stat().st_size - begin < from_bytes:
        return False
    data = bytes_from(journal, begin)
    end = examine(data, begin).end
    if end == begin:
        return False
    ledger = old.ledger + b"".join(ledger_records(data))
    head = _HEAD.pack(DIGEST_MAGIC, end, _sample(journal, end))
    new = digest_file(journal).with_suffix(".new")
    try:
        with open(new, "wb") as file:
            file.write(head + _CHECKSUM.pack(_checksum(head, ledger)) + ledger)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, digest_file(journal))  # tried once: a start waits for nothing that it does not need
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_folder(journal.parent)
    return True


def bytes_from(journal: Path, begin: int) -> bytes:
    """The journal from a record's beginning on; nothing when it is absent, or no journal."""
    if not journal.exists():
        return b""
    with open(journal, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return b""
        file.seek(begin)
        return file.read()


def ledger_records(data: bytes) -> Iterator[bytes]:
    """Those of the ledger among the whole records from the beginning of `data`, each with its head."""
    for kinds, begins, ends in walk(data, 0):
        chosen = kinds == KIND_LEDGER
        for begin, end in zip(begins[chosen].tolist(), ends[chosen].tolist(), strict=True):
            yield data[begin:end]


def _sample(journal: Path, end: int) -> int:
    """The checksum that binds a digest to its journal; -1 when that does not reach so far."""
    with open(journal, "rb") as file:
        if not len(MAGIC) < end <= os.fstat(file.fileno()).st_size:
            return -1
        first = file.read(min(SAMPLE, end))
        file.seek(max(0, end - SAMPLE))
        return zlib.crc32(file.read(min(SAMPLE, end)), zlib.crc32(first))


def _checksum(head: bytes, ledger: bytes) -> int:
    return zlib.crc32(ledger, zlib.crc32(head))
