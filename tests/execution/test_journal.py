"""The journal: order, checksums, a tear at every byte, syncing, and no way around its rules."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Signal
from execution import journal_file as files
from execution.events import (
    BUY,
    ENTRY,
    LIMIT,
    MarketSeen,
    Operator,
    SendOrder,
    SendResult,
    SignalSeen,
    Started,
    Tick,
)
from execution.journal import Journal, read_ledger, read_records
from execution.journal_format import MAGIC, JournalError, Record, encode_record, examine

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
LEDGER = [RECORDS[0], RECORDS[4], RECORDS[5]]


def written(path: Path) -> bytes:
    journal = Journal(path)
    for record in RECORDS:
        journal.append(record)
    journal.close()
    return path.read_bytes()


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    written(tmp_path / "a")
    assert list(read_records(tmp_path / "a")) == RECORDS
    assert list(read_ledger(tmp_path / "a")) == LEDGER
    assert list(read_records(tmp_path / "absent")) == []


def test_flush_hands_over_and_nothing_less_does(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a")
    journal.append(RECORDS[0])
    assert (tmp_path / "a").read_bytes() == MAGIC
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
        path.write_bytes(data[:length])
        whole = sum(end <= length for end in ends) - 1
        assert list(read_records(path)) == RECORDS[: max(0, whole)]
        journal = Journal(path)
        kept = ends[whole] if whole >= 0 else 0
        assert journal.cut_bytes == length - kept
        journal.append(Tick(77, 78))
        journal.close()
        assert list(read_records(path)) == [*RECORDS[: max(0, whole)], Tick(77, 78)]
        evidence = list(tmp_path.glob("torn.torn-*"))
        assert [file.read_bytes() for file in evidence] == ([data[kept:length]] if length > kept else [])
        for file in evidence:
            file.unlink()


@given(st.data())
def test_one_flipped_bit_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("flip") / "a"
    good = bytearray(written(path))
    at = data.draw(st.integers(len(MAGIC), len(good) - 1))
    good[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(good)
    read = list(read_records(path))
    assert len(read) < len(RECORDS)
    assert read == RECORDS[: len(read)], "nothing behind the damage, nothing made up"


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_bytes(b"Dear journal, today I lost money.")
    with pytest.raises(JournalError, match="not a journal"):
        Journal(path)
    assert path.read_bytes() == b"Dear journal, today I lost money."


def test_always_waits_for_the_disk_before_an_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    real = j.os.fsync
    monkeypatch.setattr(j.os, "fsync", lambda number: (threads.append(threading.get_ident()), real(number))[1])
    journal = Journal(tmp_path / "a", always_sync=True)
    for count, record in enumerate(RECORDS, 1):
        journal.append(record)
        journal.flush(before_order=True)
        assert threads.count(threading.get_ident()) == count
    journal.append(RECORDS[0])
    journal.flush()
    assert threads.count(threading.get_ident()) == len(RECORDS), "only orders wait"
    journal.close()


def test_the_background_thread_syncs_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()
    real = j.os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.set()

    journal = Journal(tmp_path / "a")
    monkeypatch.setattr(j.os, "fsync", fsync)
    journal.append(RECORDS[0])
    journal.flush()
    assert synced.wait(10.0)
    journal.close()
    journal.close()


def test_a_disk_that_fails_stops_the_next_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = threading.Event()

    def fsync(descriptor: int) -> None:
        tried.set()
        raise OSError(28, "no space")

    journal = Journal(tmp_path / "a")
    monkeypatch.setattr(j.os, "fsync", fsync)
    journal.append(RECORDS[0])
    journal.flush()
    assert tried.wait(10.0)
    journal._thread.join(10.0)
    journal.append(RECORDS[1])
    with pytest.raises(JournalError, match="no space"):
        journal.flush()
    journal._file.close()


def test_prices_that_are_not_known_survive(tmp_path: Path) -> None:
    record = MarketSeen(3, 4, 0, 9, 8, 7, math.nan, 100.0, math.inf)
    journal = Journal(tmp_path / "a")
    journal.append(record)
    journal.close()
    (read,) = read_records(tmp_path / "a")
    assert isinstance(read, MarketSeen)
    assert math.isnan(read.last) and read.ask == math.inf
