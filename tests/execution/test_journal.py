"""The journal: order, checksums, a tear at every byte, damages, the lock, a full disk, syncing."""

from __future__ import annotations

import errno
import math
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.messages import Signal
from execution import journal_file as files
from execution.events import (
    BUY,
    ENTRY,
    LIMIT,
    MarketSeen,
    Omitted,
    Operator,
    SendOrder,
    SendResult,
    SignalSeen,
    Started,
    Tick,
)
from execution.journal import Journal, read_ledger, read_records
from execution.journal_format import MAGIC, JournalError, Record, encode_record, examine
from tests.processes import PROJECT

SIGNAL = Signal(1, "ml", 0, 0, 0, 5, 6, 7, 8, 9, 0.5, 0.25, 1000, 99, ("absorption",), "")
RECORDS: list[Record] = [
    Started(1, 2, 0, "paper"),
    SignalSeen(3, 4, SIGNAL),
    MarketSeen(3, 4, 0, 9, 8, 7, 100.5, 100.0, 101.0),
    Tick(5, 6),
    SendOrder(5, 6, 1, 1, ENTRY, 0, "WDOZ25", BUY, LIMIT, 1, 101.0, -1.0, 5, 3),
    SendResult(7, 8, 1, 44, 7),
    Operator(9, 10, "halt"),
]
LEDGER = [RECORDS[0], RECORDS[4], RECORDS[5], RECORDS[6]]


def written(path: Path) -> bytes:
    journal = Journal(path)
    for record in RECORDS:
        journal.append(record)
    journal.close()
    return records_in(path)


def records_in(path: Path) -> bytes:
    """The file without its reserved room."""
    data = path.read_bytes()
    return data[: examine(data).end]


def disk_is_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no space left")


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    written(tmp_path / "a")
    assert list(read_records(tmp_path / "a")) == RECORDS
    assert list(read_ledger(tmp_path / "a")) == LEDGER
    assert list(read_records(tmp_path / "absent")) == []


def test_flush_hands_over_and_nothing_less_does(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a")
    journal.append(RECORDS[0])
    assert (tmp_path / "a").read_bytes().rstrip(b"\0") == MAGIC
    journal.flush()
    assert list(read_records(tmp_path / "a")) == RECORDS[:1]
    journal.close()


def test_torn_at_every_byte(tmp_path: Path) -> None:
    data = written(tmp_path / "whole")
    ends = [len(MAGIC)]
    for record in RECORDS:
        ends.append(ends[-1] + len(encode_record(record)))
    assert ends[-1] == len(data)
    for length in range(len(data) + 1):
        path = tmp_path / "torn"
        room = length % 3 * 50
        path.write_bytes(data[:length] + bytes(room))
        said = length
        while room and data[said : said + 1] == b"\0":  # the room says the same as the record would have
            said += 1
        whole = sum(end <= said for end in ends) - 1
        assert list(read_records(path)) == RECORDS[: max(0, whole)]
        journal = Journal(path)
        kept = ends[whole] if whole >= 0 else 0
        torn = data[kept:length].rstrip(b"\0")  # zeros at the end of a piece are not told from room
        assert journal.cut_bytes == len(torn)
        journal.append(Tick(77, 78))
        journal.close()
        assert list(read_records(path)) == [*RECORDS[: max(0, whole)], Tick(77, 78)]
        evidence = list(tmp_path.glob("torn.torn-*"))
        assert [file.read_bytes() for file in evidence] == ([torn] if torn else [])
        for file in evidence:
            file.unlink()


@settings(deadline=None)
@given(st.data())
def test_one_flipped_bit_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """In the last record it is a torn end; before, nobody forgets what follows: reading and opening refuse."""
    path = tmp_path_factory.mktemp("flip") / "a"
    good = bytearray(written(path))
    last = len(good) - len(encode_record(RECORDS[-1]))
    at = data.draw(st.integers(len(MAGIC), len(good) - 1))
    good[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(good + bytes(64))
    if at >= last:
        assert list(read_records(path)) == RECORDS[:-1]
        return
    for use in (lambda: list(read_records(path)), lambda: list(read_ledger(path)), lambda: Journal(path)):
        with pytest.raises(JournalError, match="damaged") as caught:
            use()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == bytes(good) + bytes(64), "left alone"
    assert not list(path.parent.glob("a.torn-*"))


def test_a_damage_is_told_with_its_place(tmp_path: Path) -> None:
    good = bytearray(written(tmp_path / "a"))
    second = len(MAGIC) + len(encode_record(RECORDS[0]))
    third = second + len(encode_record(RECORDS[1]))
    good[second : second + 4] = bytes(4)  # as if the records ended there
    (tmp_path / "a").write_bytes(good)
    with pytest.raises(
        JournalError, match=f"record at byte {second} is not whole, and whole ones follow from byte {third}"
    ):
        Journal(tmp_path / "a")


@pytest.mark.parametrize("what", ["_keep", "synced"])
def test_a_torn_end_is_not_cut_without_its_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    path = tmp_path / "a"
    torn = written(path)[:-1]
    path.write_bytes(torn)
    monkeypatch.setattr(files, what, disk_is_full)
    with pytest.raises(JournalError, match="make room"):
        Journal(path)
    monkeypatch.undo()
    if what == "_keep":
        assert path.read_bytes() == torn
    else:
        assert (tmp_path / "a.torn-0").stat().st_size > 0
    journal = Journal(path)
    journal.close()
    assert list(read_records(path)) == RECORDS[:-1]


def test_evidence_is_on_the_disk_before_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    torn = written(path)[:-1]
    path.write_bytes(torn)
    seen: list[bytes] = []
    real = files.os.fsync

    def fsync(number: int) -> None:
        seen.append(path.read_bytes())
        real(number)

    monkeypatch.setattr(files.os, "fsync", fsync)
    Journal(path).close()
    assert seen[0] == torn, "synced while nothing was cut yet"


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_bytes(b"Dear journal, today I lost money.")
    with pytest.raises(JournalError, match="not a journal"):
        Journal(path)
    assert path.read_bytes() == b"Dear journal, today I lost money."


def test_two_never_have_it_open(tmp_path: Path) -> None:
    first = Journal(tmp_path / "a")
    with pytest.raises(JournalError, match=r"in use by process \d+.*Stop the other run"):
        Journal(tmp_path / "a")
    code = f"""
import sys
from pathlib import Path
from execution.journal import Journal
from execution.journal_format import JournalError
try:
    Journal(Path({str(tmp_path / "a")!r}))
except JournalError as error:
    sys.exit(7 if "in use" in str(error) else 8)
"""
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, cwd=PROJECT, timeout=60, check=False).returncode == 7
    first.close()
    assert subprocess.run(run, cwd=PROJECT, timeout=60, check=False).returncode == 0
    Journal(tmp_path / "a").close()


def test_room_is_reserved_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    journal = Journal(path)
    assert path.stat().st_size >= files.RESERVE_BYTES
    record = Operator(1, 2, "x" * 50_000)
    size = 0
    for _ in range(50):
        journal.append(record)
        journal.flush()
        size += len(encode_record(record))
        assert path.stat().st_size >= size
    journal.close()
    assert list(read_records(path)) == [record] * 50
    if sys.platform != "win32":  # blocks, not a hole
        assert path.stat().st_blocks * 512 >= path.stat().st_size


def test_a_full_disk_leaves_the_reserve_to_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    journal = Journal(path)
    monkeypatch.setattr(files.JournalFile, "_grow", disk_is_full)
    big = Operator(1, 2, "x" * 50_000)
    filled = 0
    while journal._file.room > files.RESERVE_BYTES:
        journal.append(big)
        journal.flush()
        filled += 1
    journal._make_room()
    assert "no space left" in journal.problem and journal.failure == ""
    journal.append(Tick(1, 2))
    journal.append(RECORDS[4])
    journal.flush()
    assert journal.dropped == 1
    monkeypatch.undo()
    journal._make_room()
    assert journal.problem == ""
    journal.append(Tick(3, 4))
    journal.close()
    omitted = Omitted("[Errno 28] no space left")
    assert list(read_records(path)) == [big] * filled + [omitted, RECORDS[4], Tick(3, 4)]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_real_limit_of_the_file_is_met_in_order(tmp_path: Path) -> None:
    """The system itself says no: first inputs are left out, then the reserve is used up, then it is a failure."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from execution.events import SendResult, Tick
from execution.journal import Journal, read_records
from execution.journal_file import GROW_BYTES
from execution.journal_format import JournalError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (GROW_BYTES + 5000, GROW_BYTES + 5000))
journal = Journal(Path({str(tmp_path / "a")!r}))
number, short_at = 0, 0
try:
    while number < 1_000_000:
        journal.append(SendResult(7, 8, number, 44, 7))
        journal.append(Tick(number, 0))
        journal.flush()
        number += 1
        if number % 1000 == 0:
            journal._make_room()
        if journal.problem and not short_at:
            short_at = number
except JournalError:
    pass
assert journal.failure and 0 < short_at < number, (journal.failure, short_at, number)
journal.close()
records = list(read_records(journal.path))
results = [record.order for record in records if isinstance(record, SendResult)]
assert results == list(range(number)), (len(results), number)
ticks = [record.monotonic_ns for record in records if isinstance(record, Tick)]
assert ticks == list(range(len(ticks))) and abs(len(ticks) - short_at) <= 1, (len(ticks), short_at)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, timeout=120, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_room_comes_back_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "a")
    monkeypatch.setattr("execution.journal.ROOM_AGAIN_NS", 1)
    made = threading.Event()
    journal._no_room = "no space left"
    real = files.JournalFile.make_room
    monkeypatch.setattr(files.JournalFile, "make_room", lambda self: (real(self), made.set()))
    journal.flush()
    assert made.wait(10.0)
    journal.close()


def test_without_room_a_new_journal_is_refused_and_an_old_one_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old one may know of positions that must be guarded."""
    (tmp_path / "old").write_bytes(written(tmp_path / "a"))
    monkeypatch.setattr(files.JournalFile, "_grow", disk_is_full)
    for _ in range(2):
        with pytest.raises(JournalError, match="make room"):
            Journal(tmp_path / "new")
        (tmp_path / "new").unlink()
    journal = Journal(tmp_path / "old")
    assert "no space left" in journal.problem
    monkeypatch.setattr(files, "_write_at", disk_is_full)
    journal.append(RECORDS[4])
    with pytest.raises(JournalError, match="cannot be written"):
        journal.flush()
    journal.close()
    assert list(read_records(tmp_path / "old")) == RECORDS


@pytest.mark.parametrize("how", ["short", "error"])
def test_a_failed_write_leaves_the_old_end_and_is_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = tmp_path / "a"
    journal = Journal(path)
    journal.append(RECORDS[0])
    journal.flush()
    before = records_in(path)
    real = files._write_at

    def write_at(number: int, data: bytes, at: int) -> int:
        if how == "error":
            raise OSError(errno.EIO, "broken")
        return real(number, data[:5], at)

    monkeypatch.setattr(files, "_write_at", write_at)
    journal.append(RECORDS[4])
    with pytest.raises(JournalError, match="cannot be written"):
        journal.flush(before_order=True)
    assert path.read_bytes().rstrip(b"\0") == before.rstrip(b"\0")
    monkeypatch.undo()
    journal.append(RECORDS[5])
    journal.append(RECORDS[3])
    with pytest.raises(JournalError, match="cannot be written"):
        journal.flush()
    assert records_in(path) == before
    assert journal.dropped == 1
    journal.close()
    *written, omitted = read_records(path)
    assert written == [RECORDS[0], RECORDS[4], RECORDS[5]], "a last attempt, for those who come after"
    assert isinstance(omitted, Omitted), "and that an input was left out"


def test_always_waits_for_the_disk_before_an_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    real = files.synced
    monkeypatch.setattr(files, "synced", lambda number: (threads.append(threading.get_ident()), real(number))[1])
    journal = Journal(tmp_path / "a", always_sync=True)
    for count, record in enumerate(RECORDS, 1):
        journal.append(record)
        journal.flush(before_order=True)
        assert threads.count(threading.get_ident()) == count
    journal.append(RECORDS[0])
    journal.flush()
    assert threads.count(threading.get_ident()) == len(RECORDS), "only orders wait"
    journal.close()


def test_records_that_go_ahead_stand_behind_what_was_appended_at_once(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    journal = Journal(path)
    journal.append(RECORDS[0])
    assert journal.write_ahead(b"".join(encode_record(record) for record in RECORDS[1:5]))
    assert list(read_records(path)) == RECORDS[:5], "before any flush"
    journal.append(RECORDS[5])
    journal.close()
    assert list(read_records(path)) == RECORDS[:6]


def test_what_cannot_go_ahead_is_not_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller appends the same records again; nothing of the failed attempt may be written later besides."""
    path = tmp_path / "orders.journal"
    journal = Journal(path)
    journal.append(RECORDS[0])
    records = b"".join(encode_record(record) for record in RECORDS[1:5])
    write_at = files._write_at
    monkeypatch.setattr(files, "_write_at", lambda number, data, at: write_at(number, data[:40], at))
    assert not journal.write_ahead(records)
    assert "cannot be written" in journal.failure
    monkeypatch.undo()
    assert not journal.write_ahead(records), "it is over for this incarnation"
    journal.close()
    assert [type(record) for record in read_ledger(path)] == [Started]


def test_nothing_goes_ahead_where_an_order_waits_for_the_disk_or_room_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = Journal(tmp_path / "always.journal", always_sync=True)
    assert not always.write_ahead(encode_record(RECORDS[4]))
    always.close()
    short = Journal(tmp_path / "short.journal")
    monkeypatch.setattr(files.JournalFile, "_grow", disk_is_full)
    short._file._size = short._file.end + files.RESERVE_BYTES - 1
    short._make_room()
    assert not short.write_ahead(encode_record(RECORDS[4])) and short.failure == ""
    short.close()
    for name in ("always", "short"):
        assert list(read_records(tmp_path / f"{name}.journal")) == []


def test_the_background_thread_syncs_soon_and_tells_how_long(tmp_path: Path) -> None:
    synced = threading.Event()
    durations: list[int] = []
    journal = Journal(tmp_path / "a", synced=lambda ns: (durations.append(ns), synced.set())[1])
    journal.append(RECORDS[0])
    journal.flush()
    assert synced.wait(10.0)
    assert durations[0] > 0
    journal.close()
    journal.close()


def test_a_disk_that_fails_stops_the_next_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = threading.Event()

    def fails(number: int) -> None:
        tried.set()
        disk_is_full()

    journal = Journal(tmp_path / "a")
    monkeypatch.setattr(files, "synced", fails)
    journal.append(RECORDS[0])
    journal.flush()
    assert tried.wait(10.0)
    journal._thread.join(10.0)
    journal.append(RECORDS[1])
    with pytest.raises(JournalError, match="no space"):
        journal.flush()
    journal.close()


def test_a_close_that_fails_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "a")
    journal.append(RECORDS[0])
    monkeypatch.setattr(files, "_write_at", disk_is_full)
    with pytest.raises(JournalError, match="no space"):
        journal.close()
    journal.close()
    monkeypatch.undo()
    Journal(tmp_path / "a").close()


def test_prices_that_are_not_known_survive(tmp_path: Path) -> None:
    record = MarketSeen(3, 4, 0, 9, 8, 7, math.nan, 100.0, math.inf)
    journal = Journal(tmp_path / "a")
    journal.append(record)
    journal.close()
    (read,) = read_records(tmp_path / "a")
    assert isinstance(read, MarketSeen)
    assert math.isnan(read.last) and read.ask == math.inf
