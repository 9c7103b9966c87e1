"""The stage and its journal: the intent before the call, a disk that fails or is full, a journal that cannot be used."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from config.schema import Consensus
from execution import journal_file
from execution.events import (
    CancelOrder,
    SendOrder,
    SendResult,
)
from execution.journal_keeper import journal_path
from runtime.stage import Refusal
from tests.execution.rig import Rig


def test_the_intent_is_journaled_before_the_broker_is_called(make: Callable[..., Rig]) -> None:
    rig = make()
    seen: list[int] = []
    send = rig.broker.send

    def spy(*order: Any) -> int:
        seen.append(sum(isinstance(record, SendOrder) for record in rig.journal()))
        return send(*order)

    rig.broker.send = spy  # type: ignore[method-assign]
    rig.enter()
    rig.show(103.5, 104.0)
    rig.run(100)
    assert seen == [1, 2, 3]
    kinds = [type(record) for record in rig.journal() if isinstance(record, SendOrder | SendResult | CancelOrder)]
    assert kinds == [SendOrder, SendResult, SendOrder, SendResult, CancelOrder, SendOrder, SendResult]


def broken_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, "no space left")


def test_a_disk_that_fails_between_fill_and_stop_does_not_keep_the_stop_back(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(100, exchange=False)
    monkeypatch.setattr(journal_file, "_write_at", broken_disk)
    with pytest.raises(Refusal, match=r"^journal .*no space left.*sent without it: stop 2"):
        rig.run(200)
    assert (rig.broker.position, rig.broker.protected()) == (2, 2)
    assert rig.counter("unjournaled") == 1
    rig.stage.on_close()
    assert (rig.broker.position, rig.broker.protected()) == (2, 2)
    words = [record.message for record in caplog.records if "resting at the broker" in record.message]
    assert words == ["stopping with +2 WDOZ25; resting at the broker: stop 2 (working)"]


def test_what_a_failed_journal_missed_is_left_for_the_next_incarnation_when_the_disk_comes_back(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.signal(1.0)
    rig.run(100, exchange=False)
    monkeypatch.setattr(journal_file, "_write_at", broken_disk)
    with pytest.raises(Refusal):
        rig.run(200)
    monkeypatch.undo()
    rig.stage.on_close()
    rig.start()
    rig.run(200)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (2, 2, 2), "one stop, known to be ours"


def test_no_entry_and_no_restart_loop_on_a_disk_that_fails(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    monkeypatch.setattr(journal_file, "_write_at", broken_disk)
    rig.signal(1.0)
    with pytest.raises(Refusal, match="sent without it: nothing"):
        rig.run(200)
    rig.stage.on_close()
    assert rig.broker.sent == []


def test_an_exit_is_finished_before_a_failed_journal_ends_the_stage(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.enter()
    monkeypatch.setattr(journal_file, "_write_at", broken_disk)
    rig.show(103.5, 104.0)
    with pytest.raises(Refusal, match="sent without it: the cancel of 2, exit 3"):
        rig.run(300)
    assert (rig.position, rig.broker.position, rig.broker.protected()) == (0, 0, 0)


def test_a_full_disk_stops_entries_and_the_reserve_takes_what_protects(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.enter()
    monkeypatch.setattr(journal_file.JournalFile, "_grow", broken_disk)
    journal = rig.stage._journal
    assert journal is not None
    journal._file._size = journal._file.end + journal_file.RESERVE_BYTES - 1
    journal._make_room()
    rig.run(60)
    rig.show(103.5, 104.0)
    rig.run(300)
    assert (rig.position, rig.broker.position) == (0, 0)
    sent = len(rig.broker.sent)
    rig.enter()
    assert len(rig.broker.sent) == sent and rig.counter("denied_upstream") > 0
    roles = [record.role for record in rig.journal() if isinstance(record, SendOrder)]
    assert roles == ["entry", "stop", "exit"] and rig.counter("unjournaled") == 0
    monkeypatch.undo()
    journal._make_room()
    rig.run(60)
    rig.enter()
    assert len(rig.broker.sent) == sent + 2


def test_no_entry_slips_out_at_a_start_on_a_full_disk(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal's trouble was told only at the end of the first turn, so the second one still took a signal for good."""
    rig = make(consensus=Consensus(decide_on="signal"))
    journal = rig.stage._journal
    assert journal is not None
    end = journal._file.end
    rig.kill()
    os.truncate(journal.path, end + journal_file.RESERVE_BYTES - 1)
    monkeypatch.setattr(journal_file.JournalFile, "_grow", broken_disk)
    rig.start()
    rig.show(100.0, 100.5)
    rig.signal(1.0)
    rig.work()
    assert rig.broker.sent == [] and rig.counter("denied_upstream") > 0


@pytest.mark.parametrize("ruin", ["damaged", "foreign", "in use"])
def test_a_journal_that_cannot_be_used_is_a_refusal(make: Callable[..., Rig], ruin: str) -> None:
    rig = make()
    rig.enter()
    path = journal_path(rig.context)  # type: ignore[arg-type]
    if ruin != "in use":
        rig.stage.on_close()
        data = bytearray(path.read_bytes())
        data[60 if ruin == "damaged" else 3] ^= 1
        path.write_bytes(data)
    with pytest.raises(Refusal, match=r"^journal .*(damaged|not a journal|in use)"):
        rig.start()
