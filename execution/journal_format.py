"""The journal's bytes: how a record stands in the file, where the records end, what is torn and what is damaged. Pure.

    file:    "QTJOURN1" | record | record | ... | zeros
    record:  length u32 | crc32 u32 (of kind and body) | kind u8 | body (msgpack of execution.events)

The zeros are room that was reserved; a length of 0 is where they begin. Records are written one behind the other, so
what a death leaves behind the last whole record is a piece of the next ones: a torn end. Where a whole record stands
behind one that is not whole, something else has happened (a bad disk, another program), and nobody may guess what the
damaged record said: that is never cut without a person.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from execution.events import LEDGER_TYPES, Input, Output
from execution.journal_walk import HEAD, is_whole, walk

MAGIC = b"QTJOURN1"
KIND_INPUT = 1  # needed to recompute decisions, not to recover
KIND_LEDGER = 2  # orders, positions and brackets: recovery reads these only

Record = Input | Output
INPUT_TYPES: tuple[type, ...] = Input.__args__
# how every record begins behind its checksum: kind, the head of an array, and the class name as its first element
_BEGINNING = re.compile(rb"(?=[\x01\x02](?:[\x91-\x9f]|\xdc..)[\xa1-\xbf][A-Z])", re.DOTALL)
_KIND_AT = 8  # of a record
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class JournalError(OSError):
    """The file is not a journal, is damaged, in use, or cannot be written; the message says which and what to do."""


class Examined(NamedTuple):
    """Offsets in a journal's file."""

    end: int  # behind the last whole record; 0 when not even the magic is whole
    used: int  # behind the last byte that is not zero, but never before `end`: what lies between the two is torn
    whole_behind: int  # where a whole record begins behind `end` although the one at `end` is not; -1: nowhere


def encode_record(record: Record) -> bytes:
    """One record as it stands in the file."""
    kind = KIND_LEDGER if type(record) in LEDGER_TYPES else KIND_INPUT
    body = _encoder.encode(record)
    return HEAD.pack(len(body), zlib.crc32(body, kind), kind) + body


def decode_body(body: bytes | memoryview) -> Record:
    """Raises msgspec.DecodeError for a body that another build wrote with another shape."""
    record: Record = _decoder.decode(body)
    return record


def scan(data: bytes) -> Iterator[tuple[int, memoryview, int]]:
    """(kind, body, end offset) of each whole record, up to the first that is not."""
    if data.startswith(MAGIC):
        yield from scan_from(data, len(MAGIC))


def records(data: bytes) -> Iterator[Record]:
    """The whole records of a journal's bytes, decoded."""
    for _, body, _ in scan(data):
        yield decode_body(body)


def scan_from(data: bytes, at: int) -> Iterator[tuple[int, memoryview, int]]:
    """As `scan`, from a record's beginning at `at`."""
    view = memoryview(data)  # records that nobody decodes are not copied
    for kinds, begins, ends in walk(data, at):
        for kind, begin, end in zip(kinds.tolist(), begins.tolist(), ends.tolist(), strict=True):
            yield kind, view[begin + HEAD.size : end], end


def examine(data: bytes, begin: int = 0) -> Examined:
    """Where the records end and what is behind. begin: the place in the file of `data`, a record's; 0: the whole file."""
    first = 0 if begin else len(MAGIC) if data.startswith(MAGIC) else -1
    end, behind = max(first, 0), -1
    for _, _, ends in walk(data, end if first >= 0 else len(data)):
        end = int(ends[-1])
    used = max(end, len(data.rstrip(b"\0")))
    if first >= 0 and used > end:
        behind = _whole_record_behind(data, end)
    return Examined(begin + end, begin + used, begin + behind if behind >= 0 else -1)


def is_journal(data: bytes) -> bool:
    """Whether it begins as one, be it torn within the first bytes."""
    head = data[: len(MAGIC)].rstrip(b"\0")
    return MAGIC.startswith(head) and (head == MAGIC or len(data.rstrip(b"\0")) <= len(MAGIC))


def _whole_record_behind(data: bytes, bad: int) -> int:
    for match in _BEGINNING.finditer(data, bad + 1 + _KIND_AT):
        at = match.start() - _KIND_AT
        if is_whole(data, at):
            return at
    return -1
