"""The verb `journal`: what it prints, what it filters, what it says of torn ends and damages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import supervisor
from execution.events import Matched, OrderReport, Tick
from execution.journal_commands import as_line
from execution.journal_format import encode_record, examine
from execution.journal_keeper import journal_of
from tests.execution.rig import Rig
from tests.processes import PROJECT


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    rig = Rig(tmp_path).start()
    rig.show(100.0, 100.5)
    rig.run(100)
    rig.enter()
    rig.stage.on_close()
    return journal_of(rig.config, rig.folder)


def verb(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    code = supervisor.main(["journal", *arguments])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


def test_every_record_has_a_line_and_the_verdict_stands_last(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = verb(capsys, str(journal))
    assert code == 0 and lines[-1] == "whole"
    assert " whole records up to byte " in lines[-2] and "SendOrder 2" in lines[-2]
    assert len(lines) - 2 == int(lines[-2].split(": ")[1].split()[0])
    assert "Started" in lines[0] and "2025-11-13T12:00:00.000000Z" in lines[0]


def test_a_line_says_it_in_words(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, lines, _ = verb(capsys, str(journal), "--order", "1")
    sent = next(line for line in lines if "SendOrder" in line)
    assert "side=buy, order_type=limit, quantity=2, price=100.5, stop_price=none" in sent
    _, lines, _ = verb(capsys, str(journal))
    reports = [line for line in lines if "OrderReport" in line]
    assert any("status=filled" in line for line in reports) and not any("reason=," in line for line in lines)
    signal = next(line for line in lines if "SignalSeen" in line)
    assert "signal=Signal(" in signal and "valid_until_ns=2025-11-13T" in signal
    assert any("Decision(" in line and "votes=((order_flow, " in line for line in lines)


def test_a_record_within_a_record_keeps_its_own_times() -> None:
    report = OrderReport(5, 1_700_000_000_123_456_000, 9, "CL9", "WDOZ25", 1, 2, 0, 2, 0, 2, 100.5, -1.0, 0.0, 0, 1)
    line = as_line(7, Matched(3, report))
    assert line.split()[:3] == ["7", "-", "Matched"]
    assert "report=OrderReport(monotonic_ns=5, market_ns=2023-11-14T22:13:20.123456Z" in line


def test_json_has_every_field_and_filters_by_kind_and_order(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = verb(capsys, str(journal), "--json", "--kind", "SendOrder", "--kind", "SendResult", "--order", "1")
    rows = [json.loads(line) for line in lines]
    assert code == 0 and [row.get("kind") for row in rows] == ["SendOrder", "SendResult", None]
    assert (rows[0]["role"], rows[0]["price"], rows[0]["ticker"]) == ("entry", 100.5, "WDOZ25")
    assert rows[-1]["torn_bytes"] == 0 and rows[-1]["damaged_at"] is None and rows[-1]["records"] > 10
    all_rows = [json.loads(line) for line in verb(capsys, str(journal), "--json")[1]]
    assert [row["number"] for row in all_rows[:-1]] == list(range(len(all_rows) - 1))


def test_an_order_that_never_was_is_told(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, error = verb(capsys, str(journal), "--order", "999")
    assert (code, lines[-1]) == (2, "whole")
    assert error == "error: nothing to show of order 999; this journal knows the orders 1 to 2\n"
    assert verb(capsys, str(journal), "--order", "999", "--verify")[0] == 0


def test_a_reader_that_has_enough_is_no_failure(journal: Path) -> None:
    """As in `journal RUN | head`."""
    data = journal.read_bytes()
    journal.write_bytes(data[: examine(data).end] + encode_record(Tick(1, 1)) * 20_000)
    command = [sys.executable, str(PROJECT / "supervisor.py"), "journal", str(journal)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert b"Started" in process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 1
    process.stderr.close()


def test_a_torn_end_is_told_and_left_alone(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = journal.read_bytes()
    end = json.loads(verb(capsys, str(journal), "--json", "--verify")[1][-1])["end"]
    torn = data[:end] + data[8:30]
    journal.write_bytes(torn)
    code, lines, _ = verb(capsys, str(journal), "--verify")
    assert code == 0 and lines[-1].startswith("torn end of ") and len(lines) == 2
    assert journal.read_bytes() == torn


def test_a_damage_in_the_middle_is_an_error(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(journal.read_bytes())
    data[60] ^= 1
    journal.write_bytes(data)
    code, lines, _ = verb(capsys, str(journal), "--verify")
    assert code == 1 and "DAMAGED" in lines[-1] and "whole ones follow" in lines[-1]


def test_what_is_no_journal_and_what_is_no_kind(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = verb(capsys, str(journal), "--kind", "Nonsense")
    assert code == 2 and "SendOrder" in error
    other = tmp_path / "other"
    other.write_bytes(b"something else entirely")
    assert verb(capsys, str(other))[0] == 1
    assert verb(capsys, str(tmp_path / "nowhere"))[0] == 2
