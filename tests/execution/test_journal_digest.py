"""The digest of a journal: recovery reads the same with it as without, whatever has become of either file."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import supervisor
from execution import journal_digest as digests
from execution import journal_keeper
from execution.events import LEDGER_TYPES, MarketSeen, Operator, Started, Tick
from execution.journal import Journal, read_ledger, read_records
from execution.journal_digest import NO_DIGEST, digest_file, read_digest
from execution.journal_format import MAGIC, JournalError, Record, encode_record, examine
from execution.journal_keeper import journal_of
from replay.orders import verify_orders
from runtime.run_info import RunInfo
from tests.execution.rig import Rig

renew = partial(digests.renew_digest, from_bytes=1)


def some(count: int, first: int = 0) -> list[Record]:
    """A start, then a person's word among nine looks at the market."""
    words = [
        Operator(n, n, "halt") if n % 10 == 7 else MarketSeen(n, n, 0, n, n, n, 1.0, 1.0, 2.0) for n in range(count)
    ]
    return [Started(first, 2, first, "paper"), *words]


def write(path: Path, records: list[Record], zeros: int = 512) -> None:
    path.write_bytes(MAGIC + b"".join(map(encode_record, records)) + bytes(zeros))


def ledger_in(path: Path) -> list[Record]:
    """Without a digest."""
    return [record for record in read_records(path) if type(record) in LEDGER_TYPES]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(0, 30), st.randoms())
@settings(max_examples=50, deadline=None)
def test_as_if_there_were_none(
    tmp_path_factory: pytest.TempPathFactory, parts: list[int], behind: int, dice: Any
) -> None:
    path = tmp_path_factory.mktemp("digest") / "orders.journal"
    records: list[Record] = []
    for epoch, count in enumerate(parts):
        records += some(count, epoch)
        write(path, records)
        assert renew(path)
        assert read_digest(path).end == examine(path.read_bytes()).end
        assert list(read_ledger(path)) == ledger_in(path)
    write(path, records + some(behind, 9))
    assert read_digest(path).end > len(MAGIC)
    assert list(read_ledger(path)) == ledger_in(path)
    data = path.read_bytes()
    path.write_bytes(data[: dice.randrange(len(data))])  # a restored copy, a cut end
    assert list(read_ledger(path)) == ledger_in(path)


@given(st.integers(0, 10**9), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_damaged_digest_is_none(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("damaged") / "orders.journal"
    write(path, some(30))
    renew(path)
    data = bytearray(digest_file(path).read_bytes())
    data[place % len(data)] ^= 1 << bit
    digest_file(path).write_bytes(data)
    assert read_digest(path) == NO_DIGEST
    assert list(read_ledger(path)) == ledger_in(path)
    digest_file(path).write_bytes(data[: place % len(data)])
    assert read_digest(path) == NO_DIGEST
    assert renew(path)
    assert list(read_ledger(path)) == ledger_in(path)


def test_it_is_of_that_journal_alone(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    write(path, some(30))
    renew(path)
    for other in (some(30, 5), some(29), [Tick(1, 1)], []):
        write(path, other)
        assert (read_digest(path) == NO_DIGEST) == (other != some(30))
        assert list(read_ledger(path)) == ledger_in(path)
    path.write_bytes(b"something else")
    assert read_digest(path) == NO_DIGEST
    assert list(read_ledger(path)) == []
    path.unlink()
    assert read_digest(path) == NO_DIGEST
    assert list(read_ledger(path)) == []
    assert not renew(path)


def test_it_is_renewed_when_there_is_enough_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    write(path, some(30), zeros=0)
    size = path.stat().st_size - len(MAGIC)
    assert not digests.renew_digest(path, size + 1)
    assert digests.renew_digest(path, size)
    assert not digests.renew_digest(path, 1)  # nothing came
    write(path, some(31), zeros=0)
    assert digests.renew_digest(path, 1)
    write(path, [])
    digest_file(path).unlink()
    assert not digests.renew_digest(path, 0)
    assert not digest_file(path).exists()


def test_a_renewal_that_fails_leaves_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "orders.journal"
    write(path, some(30))
    renew(path)
    before = digest_file(path).read_bytes()
    write(path, some(60))

    def fails(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="the disk is full"):
        renew(path)
    assert digest_file(path).read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} == {"orders.journal", "orders.journal.digest"}
    assert list(read_ledger(path)) == ledger_in(path)


@pytest.mark.parametrize("left", range(1, 60, 7))
def test_a_torn_end_behind_it_is_cut_where_it_is(tmp_path: Path, left: int) -> None:
    path = tmp_path / "orders.journal"
    write(path, some(30))
    renew(path)
    whole = MAGIC + b"".join(map(encode_record, some(30) + some(3, 1)))
    torn = encode_record(Operator(8, 8, "flatten" * 9))[:left]
    path.write_bytes(whole + torn + bytes(300))
    journal = Journal(path)
    used = len(torn.rstrip(b"\0"))
    assert journal.cut_bytes == used
    journal.append(Operator(9, 9, "resume"))
    journal.close()
    assert list(read_records(path)) == [*some(30), *some(3, 1), Operator(9, 9, "resume")]
    assert list(read_ledger(path)) == ledger_in(path)


def test_a_damage_behind_it_is_refused_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    write(path, some(30))
    renew(path)
    bad = read_digest(path).end
    write(path, some(30) + some(5, 1))
    data = bytearray(path.read_bytes())
    data[bad + 12] ^= 1  # in the first record behind it
    path.write_bytes(data)
    behind = bad + len(encode_record(some(5, 1)[0]))
    wanted = f"record at byte {bad} is not whole, and whole ones follow from byte {behind}"
    with pytest.raises(JournalError, match=wanted):
        list(read_ledger(path))
    with pytest.raises(JournalError, match=wanted):
        Journal(path)


def test_starts_go_on_from_it_and_the_run_is_recomputed_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the stage: trades in each of three incarnations. A damage in what the digest stands for keeps nobody from
    starting, and is found by who looks for it."""
    monkeypatch.setattr(journal_keeper, "renew_digest", renew)
    monkeypatch.setattr(digests, "SAMPLE", 64)
    rig = Rig(tmp_path)
    path = journal_of(rig.config, rig.folder)
    ends, positions = [], []
    for _ in range(3):
        rig.start()
        ends.append(read_digest(path).end)
        rig.show(100.0, 100.5)
        rig.run(1_500)
        rig.enter(1.0)
        positions.append(rig.stage._machine.ledger.positions[0].quantity)  # type: ignore[union-attr]
        rig.stage.on_close()
        rig.broker.new_session()
    assert ends == sorted(set(ends)) and positions[-1] != 0
    config = rig.config
    RunInfo(folder=str(rig.folder), prefix="", supervisor_pid=1, config=config, bus_ports={}, dll_path="").write()
    found = verify_orders(rig.folder)
    assert (found.difference, found.incarnations) == ("", 3)
    before = list(read_ledger(path))
    data = bytearray(path.read_bytes())
    data[ends[-1] // 2] ^= 1
    path.write_bytes(data)
    assert list(read_ledger(path)) == before
    rig.start()
    assert rig.stage._machine.ledger.positions[0].quantity == positions[-1]  # type: ignore[union-attr]
    rig.stage.on_close()
    assert supervisor.main(["journal", str(path), "--verify"]) == 1
    assert "DAMAGED" in capsys.readouterr().out


def test_one_that_cannot_be_renewed_is_told_and_keeps_nothing_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path).start()
    rig.stage.on_close()

    def fails(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(journal_keeper, "renew_digest", fails)
    rig.start()
    rig.stage.on_close()
    assert "cannot be renewed: no room" in caplog.text
