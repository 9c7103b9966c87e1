"""Orders and decisions of a journal with deaths, recomputed; and every kind of tampering is noticed and told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import supervisor
from config.schema import Config
from execution.events import LEDGER_TYPES, Omitted, Publish, SendOrder, SendResult, SignalSeen, Started, Tick
from execution.journal import read_records
from execution.journal_format import MAGIC, encode_record
from execution.journal_keeper import journal_of
from replay.orders import OrdersError, verify_orders
from runtime.run_info import RunInfo
from tests.execution.broker_twin import Died
from tests.execution.rig import Rig

Change = Callable[[list[Any]], list[Any]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, list[Any]]:
    """Three incarnations: trades, a death right after SendOrder, trades, a normal restart, trades."""
    rig = Rig(tmp_path_factory.mktemp("recorded"))
    rig.start()
    trade(rig)
    rig.broker.die_after_send = 1
    with pytest.raises(Died):
        trade(rig)
    rig.kill()
    rig.start()
    trade(rig)
    rig.stage.on_close()
    rig.broker.new_session()
    rig.start()
    trade(rig)
    rig.stage.on_close()
    return rig.config, list(read_records(journal_of(rig.config, rig.folder)))


def trade(rig: Rig) -> None:
    """In by the signals, out by the opposite ones."""
    rig.show(100.0, 100.5)
    rig.run(1_500)
    rig.enter(1.0)
    rig.enter(-1.0)
    rig.run(6_500, step_ms=50)
    rig.enter(-1.0)


def write_run(folder: Path, config: Config, records: list[Any]) -> Path:
    run = folder / "run"
    run.mkdir(parents=True)
    config = msgspec.structs.replace(config, recorder=msgspec.structs.replace(config.recorder, enabled=False))
    RunInfo(folder=str(run), prefix="", supervisor_pid=1, config=config, bus_ports={}, dll_path="").write()
    journal = journal_of(config, run)
    journal.parent.mkdir(parents=True)
    journal.write_bytes(MAGIC + b"".join(encode_record(record) for record in records))
    return run


def place(records: list[Any], kind: type, nth: int = 0) -> int:
    return [i for i, record in enumerate(records) if isinstance(record, kind)][nth]


def altered(kind: type, nth: int = 0, **changes: Any) -> Change:
    def change(records: list[Any]) -> list[Any]:
        at = place(records, kind, nth)
        return [*records[:at], msgspec.structs.replace(records[at], **changes), *records[at + 1 :]]

    return change


def decided_otherwise(records: list[Any]) -> list[Any]:
    at = next(i for i, each in enumerate(records) if isinstance(each, Publish) and hasattr(each.message, "votes"))
    message = msgspec.structs.replace(records[at].message, total=0.123)
    return [*records[:at], Publish(message), *records[at + 1 :]]


def without(kind: type) -> Change:
    return lambda records: [each for i, each in enumerate(records) if i != place(records, kind)]


def without_the_first_votes(records: list[Any]) -> list[Any]:
    signals = [i for i, record in enumerate(records) if isinstance(record, SignalSeen)][:4]
    return [record for i, record in enumerate(records) if i not in signals]


def the_last_twice(records: list[Any]) -> list[Any]:
    return [*records, records[-1]]


def louder(records: list[Any]) -> list[Any]:
    at = place(records, SignalSeen)
    signal = msgspec.structs.replace(records[at].signal, direction=-1.0)
    return [*records[:at], msgspec.structs.replace(records[at], signal=signal), *records[at + 1 :]]


def test_a_run_with_deaths_and_restarts_is_equal(tmp_path: Path, recorded: tuple[Config, list[Any]]) -> None:
    config, records = recorded
    found = verify_orders(write_run(tmp_path, config, records))
    assert found.difference == ""
    assert found.incarnations == 3
    assert found.outputs["SendOrder"] == sum(isinstance(record, SendOrder) for record in records) >= 6
    assert found.outputs["Decision"] > 20
    assert found.inputs + sum(found.outputs.values()) == len(records)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (altered(SendOrder, price=99.0), r"SendOrder: price 99\.0, recomputed 100\.5"),
        (altered(SendOrder, 3, quantity=7), r"SendOrder: quantity 7, recomputed "),
        (decided_otherwise, r"Decision: total 0\.123, recomputed "),
        (louder, r"SendOrder\(.*recomputed Publish\(message=Decision\(.*total="),
        (without(SendOrder), r"recomputed SendOrder|SendOrder\("),
        (without_the_first_votes, r"SendOrder\(.*recomputed Publish\(message=Decision\(.*0 of at least 2 sources vote"),
        (the_last_twice, r"recomputed "),
        (altered(SignalSeen, 5, signal=3), r"not|invalid|Expected"),
    ],
)  # fmt: skip
def test_an_altered_journal_is_noticed(
    tmp_path: Path, recorded: tuple[Config, list[Any]], change: Change, words: str
) -> None:
    config, records = recorded
    run = write_run(tmp_path, config, change(records))
    try:
        text = verify_orders(run).difference
    except OrdersError as error:
        text = str(error)
    assert re.search(words, text), text


def test_a_result_for_an_order_that_never_was(tmp_path: Path, recorded: tuple[Config, list[Any]]) -> None:
    config, records = recorded
    found = verify_orders(write_run(tmp_path, config, altered(SendResult, order=4_000)(records)))
    assert "SendResult is impossible here" in found.difference


def test_bytes_changed_in_the_middle_are_a_damage(tmp_path: Path, recorded: tuple[Config, list[Any]]) -> None:
    config, records = recorded
    run = write_run(tmp_path, config, records)
    path = journal_of(config, run)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(OrdersError, match="is damaged"):
        verify_orders(run)


def test_a_torn_end_is_no_difference(tmp_path: Path, recorded: tuple[Config, list[Any]]) -> None:
    config, records = recorded
    run = write_run(tmp_path, config, records)
    path = journal_of(config, run)
    path.write_bytes(path.read_bytes()[:-5])
    assert verify_orders(run).difference == ""


def test_after_a_full_disk_the_rest_of_the_incarnation_is_not_compared(
    tmp_path: Path, recorded: tuple[Config, list[Any]]
) -> None:
    config, records = recorded
    at = place(records, Started, 1)
    rest = [record for record in records[at // 2 : at] if type(record) in LEDGER_TYPES]
    cut = [*records[: at // 2], Omitted("no room"), *rest]
    found = verify_orders(write_run(tmp_path, config, [*cut, *records[at:]]))
    assert (found.incarnations, found.in_part) == (3, 1)


def test_an_account_journal_is_compared_for_the_run_alone(tmp_path: Path, recorded: tuple[Config, list[Any]]) -> None:
    """What another run wrote with another configuration is taken as history, and not computed again."""
    config, records = recorded
    first = place(records, Started, 1)
    other = decided_otherwise(altered(Started, run="yesterday")(records[:first]))
    dry = msgspec.structs.replace(config, mode="dry-run")
    found = verify_orders(write_run(tmp_path, dry, [*other, *records[first:]]))
    assert (found.difference, found.incarnations) == ("", 2)


def test_the_verb_tells_the_first_difference(
    tmp_path: Path, recorded: tuple[Config, list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    config, records = recorded
    assert supervisor.main(["replay", str(write_run(tmp_path / "good", config, records)), "--verify"]) == 0
    said = capsys.readouterr().out
    assert "in 3 incarnations" in said and "recorder.enabled was off" in said
    bad = write_run(tmp_path / "bad", config, altered(SendOrder, price=99.0)(records))
    assert supervisor.main(["replay", str(bad), "--verify"]) == 1
    assert "price 99.0, recomputed 100.5" in capsys.readouterr().out
    journal_of(config, bad).unlink()
    assert supervisor.main(["replay", str(bad), "--verify"]) == 2
    assert "no journal of orders" in capsys.readouterr().err


def test_a_journal_without_a_start(tmp_path: Path, recorded: tuple[Config, list[Any]]) -> None:
    config, records = recorded
    with pytest.raises(OrdersError, match="does not begin with the start"):
        verify_orders(write_run(tmp_path / "a", config, records[1:]))
    with pytest.raises(OrdersError, match="never started"):
        verify_orders(write_run(tmp_path / "b", config, []))
    assert isinstance(records[0], Started) and any(isinstance(record, Tick) for record in records)
