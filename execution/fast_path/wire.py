"""msgpack in compiled code: a signal's bytes read, and the records of the journal written. Parts of `answer`.

It reads only what `bus.messages.encode` makes of a signal that votes or abstains, field by field and in its order; what is
anything else (another version, a number out of its range, one byte too many) is not understood, and goes the long way,
where it is named. What it writes decodes to what `execution.journal_format` would have written. It never reads or writes
behind the end.
"""

from __future__ import annotations

import numpy as np

from bus.messages import LARGEST, MESSAGE_VERSION, Signal
from consensus.weights import SOURCES
from execution.fast_path.permit import ABSTAINS, SEES_NOTHING, VOTES
from execution.journal_walk import HEAD, crc32
from execution.liquidity_advice import SEES_NOTHING as WORDS_OF_NOTHING
from shm.jit import inline

NOWHERE = -1  # an offset: the bytes are not understood
_FIELDS = 1 + len(Signal.__struct_fields__)  # its tag is the first element
_HEAD_BYTES = HEAD.size
_LARGEST = np.int64(LARGEST)
_LONGEST = max(len(word) for word in (*SOURCES, *WORDS_OF_NOTHING))


def _table(words: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """(lengths i64 (n,), bytes u8 (n, _LONGEST))."""
    rows = np.zeros((len(words), _LONGEST), np.uint8)
    for row, word in zip(rows, words, strict=True):
        row[: len(word)] = np.frombuffer(word.encode(), np.uint8)
    return np.array([len(word) for word in words], np.int64), rows


_SOURCE_LENGTHS, _SOURCE_BYTES = _table(SOURCES)
_NOTHING_LENGTHS, _NOTHING_BYTES = _table(tuple(sorted(WORDS_OF_NOTHING)))
_TAG = np.frombuffer(b"\xa6signal", np.uint8)


@inline
def _unsigned(data, at, count):  # type: ignore[no-untyped-def]
    """The big-endian number of `count` bytes at `at`."""
    value = np.uint64(0)
    for i in range(count):
        value = (value << np.uint64(8)) | np.uint64(data[at + i])
    return value


@inline
def _int(data, at):  # type: ignore[no-untyped-def]
    """(value, where the next begins), NOWHERE when it is no whole number in -1 ... LARGEST - 1."""
    if at < 0 or at >= len(data):
        return np.int64(0), NOWHERE
    head = data[at]
    if head < 0x80:
        return np.int64(head), at + 1
    if head == 0xFF:
        return np.int64(-1), at + 1
    if head < 0xCC or head > 0xCF:  # negative numbers of more than one byte are below -1
        return np.int64(0), NOWHERE
    count = 1 << (head - 0xCC)
    if at + 1 + count > len(data):
        return np.int64(0), NOWHERE
    value = _unsigned(data, at + 1, count)
    if value >= np.uint64(_LARGEST):
        return np.int64(0), NOWHERE
    return np.int64(value), at + 1 + count


@inline
def _float(data, at):  # type: ignore[no-untyped-def]
    if at < 0 or at + 9 > len(data) or data[at] != 0xCB:
        return 0.0, NOWHERE
    return np.uint64(_unsigned(data, at + 1, 8)).view(np.float64), at + 9


@inline
def _text(data, at):  # type: ignore[no-untyped-def]
    """(where its bytes begin, how many, where the next begins) of a string of at most 255 bytes."""
    if at < 0 or at >= len(data):
        return 0, 0, NOWHERE
    head = data[at]
    if 0xA0 <= head < 0xC0:
        begin, count = at + 1, np.int64(head - 0xA0)
    elif head == 0xD9 and at + 1 < len(data):
        begin, count = at + 2, np.int64(data[at + 1])
    else:
        return 0, 0, NOWHERE
    if begin + count > len(data):
        return 0, 0, NOWHERE
    return begin, count, begin + count


@inline
def _is_ascii(data, begin, count):  # type: ignore[no-untyped-def]
    for i in range(count):
        if data[begin + i] >= 0x80:  # whether it is UTF-8 is not looked at here
            return False
    return True


@inline
def _which(data, begin, count, lengths, rows):  # type: ignore[no-untyped-def]
    """The row that says the same, -1 none."""
    for row in range(len(lengths)):
        if lengths[row] != count:
            continue
        same = True
        for i in range(count):
            same &= data[begin + i] == rows[row, i]
        if same:
            return row
    return -1


@inline
def _skip_texts(data, at):  # type: ignore[no-untyped-def]
    """Behind an array of at most 15 ASCII strings."""
    if at < 0 or at >= len(data) or not 0x90 <= data[at] < 0xA0:
        return NOWHERE
    left, at = data[at] - 0x90, at + 1
    while left > 0 and at >= 0:
        begin, count, at = _text(data, at)
        if at >= 0 and not _is_ascii(data, begin, count):
            return NOWHERE
        left -= 1
    return at


@inline
def read_signal(data, heard):  # type: ignore[no-untyped-def]
    """Whether `data` (u8) is a signal that is understood; `heard` (HEARD) is what it says then."""
    if len(data) < 3 + len(_TAG) or data[0] != 0xDC or data[1] != 0 or data[2] != _FIELDS:
        return False
    for i in range(len(_TAG)):
        if data[3 + i] != _TAG[i]:
            return False
    version, at = _int(data, 3 + len(_TAG))
    if at < 0 or version > MESSAGE_VERSION:
        return False
    begin, count, at = _text(data, at)
    if at < 0:
        return False
    heard.number = _which(data, begin, count, _SOURCE_LENGTHS, _SOURCE_BYTES)
    heard.sequence, at = _int(data, at)
    heard.epoch, at = _int(data, at)
    heard.symbol, at = _int(data, at)
    heard.ingest_seq, at = _int(data, at)
    _, at = _int(data, at)
    heard.recv_ns, at = _int(data, at)
    _, at = _int(data, at)
    _, at = _int(data, at)
    heard.direction, at = _float(data, at)
    heard.confidence, at = _float(data, at)
    _, at = _int(data, at)
    heard.valid_until_ns, at = _int(data, at)
    at = _skip_texts(data, at)
    begin, count, at = _text(data, at)
    if at != len(data) or heard.number < 0 or not _is_ascii(data, begin, count):
        return False
    if not (-1.0 <= heard.direction <= 1.0 and 0.0 <= heard.confidence <= 1.0):  # so is a NaN
        return False
    heard.state = VOTES
    if count > 0:
        heard.state = SEES_NOTHING if _which(data, begin, count, _NOTHING_LENGTHS, _NOTHING_BYTES) >= 0 else ABSTAINS
    return True


# --- writing


@inline
def _put_bytes(out, at, data, count):  # type: ignore[no-untyped-def]
    for i in range(count):
        out[at + i] = data[i]
    return at + count


@inline
def _put_big_endian(out, at, value, count):  # type: ignore[no-untyped-def]
    for i in range(count):
        out[at + i] = np.uint8((value >> np.uint64(8 * (count - 1 - i))) & np.uint64(0xFF))
    return at + count


@inline
def put_int(out, at, value):  # type: ignore[no-untyped-def]
    """Any whole number of 64 bits; the small ones of orders and sides in one byte."""
    if -32 <= value < 128:
        out[at] = np.uint8(value & 0xFF)
        return at + 1
    out[at] = 0xD3 if value < 0 else 0xCF
    return _put_big_endian(out, at + 1, np.uint64(value), 8)


@inline
def put_float(out, at, value):  # type: ignore[no-untyped-def]
    out[at] = 0xCB
    return _put_big_endian(out, at + 1, np.float64(value).view(np.uint64), 8)


@inline
def put_text(out, at, data, count):  # type: ignore[no-untyped-def]
    """At most 31 bytes."""
    out[at] = np.uint8(0xA0 + count)
    return _put_bytes(out, at + 1, data, count)


@inline
def begin_record(out, at, fields, name):  # type: ignore[no-untyped-def]
    """Head of a record of so many fields besides its name (u8); returns where the first field goes."""
    at += _HEAD_BYTES
    out[at] = np.uint8(0x90 + 1 + fields)
    return put_text(out, at + 1, name, len(name))


@inline
def end_record(out, begin, end, kind):  # type: ignore[no-untyped-def]
    """Length, checksum and kind of the record at `begin`; returns where the next begins."""
    length = np.uint32(end - begin - _HEAD_BYTES)
    checksum = np.uint32(crc32(out, begin + _HEAD_BYTES, end, np.uint32(kind)))
    for i in range(4):
        out[begin + i] = np.uint8((length >> np.uint32(8 * i)) & np.uint32(0xFF))
        out[begin + 4 + i] = np.uint8((checksum >> np.uint32(8 * i)) & np.uint32(0xFF))
    out[begin + 8] = np.uint8(kind)
    return end


@inline
def put_message(out, at, data):  # type: ignore[no-untyped-def]
    """A signal as it came: it is an element of its record, tag and all."""
    return _put_bytes(out, at, data, len(data))
