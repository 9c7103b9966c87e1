"""The tables follow the journal: whole, over deaths at any record, and begun again when the journal is another."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.messages import Decision, Fill, WeightsChanged
from execution.events import ADOPT, BUY, LIMIT, Publish, SendOrder
from execution.journal import read_records
from execution.journal_format import MAGIC, encode_record, scan
from execution.journal_keeper import journal_of
from execution.store import Store
from execution.store_thread import FILE
from tests.execution.rig import Rig


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rig = Rig(tmp_path_factory.mktemp("store"), execution={"sqlite": True}).start()
    rig.show(100.0, 100.5)
    rig.run(100)
    rig.enter()
    rig.show(103.5, 104.0)
    rig.run(200)
    rig.stage.on_close()
    return journal_of(rig.config, rig.folder)


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    base = sqlite3.connect(path)
    names = ("orders", "fills", "decisions", "weights")
    found = {name: base.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}
    base.close()
    return found


def follow(journal: Path, path: Path) -> dict[str, list[tuple[Any, ...]]]:
    store = Store(journal, path)
    while store.catch_up():
        pass
    store.close()
    return tables(path)


def test_a_stopped_run_has_all_of_itself_in_the_tables(journal: Path) -> None:
    found = tables(journal.with_name(FILE))
    records = list(read_records(journal))
    intents = [record for record in records if isinstance(record, SendOrder)]
    said = [record.message for record in records if isinstance(record, Publish)]
    assert [(row[0], row[2], row[7]) for row in found["orders"]] == [(i.order, i.role, i.quantity) for i in intents]
    assert [row[11] for row in found["orders"]] == ["filled", "canceled", "filled"]
    fills = [message for message in said if isinstance(message, Fill)]
    assert [row[1:6] for row in found["fills"]] == [(f.order, f.symbol, f.side, f.quantity, f.price) for f in fills]
    decisions = [message for message in said if isinstance(message, Decision)]
    assert [(row[1], row[5], row[6]) for row in found["decisions"]] == [(d.sequence, d.action, d.total) for d in decisions]


def test_an_adopted_order_stands_among_the_orders(tmp_path: Path) -> None:
    rig = Rig(tmp_path).start()
    rig.show(100.0, 100.5)
    rig.run(100)
    rig.broker.local_ids.pop(rig.broker.send(0, BUY, LIMIT, 2, 98.0, -1.0))
    rig.run(50)
    rig.stage.command(ADOPT)
    rig.run(250)
    rig.show(97.5, 98.0)
    rig.run(50)
    rig.stage.on_close()
    (order, stop) = follow(journal_of(rig.config, rig.folder), tmp_path / FILE)["orders"]
    assert order[:10] == (1, 1, "entry", 0, "WDOZ25", BUY, LIMIT, 2, 98.0, -1.0)
    assert (order[11:14], stop[2]) == (("filled", 2, 98.0), "stop")


def test_a_decision_stands_there_with_all_that_it_rests_on(journal: Path) -> None:
    said = [record.message for record in read_records(journal) if isinstance(record, Publish)]
    for row, one in zip(
        tables(journal.with_name(FILE))["decisions"], [m for m in said if isinstance(m, Decision)], strict=True
    ):
        assert json.loads(row[10]) == [list(vote) for vote in one.votes]
        assert json.loads(row[11]) == [list(silent) for silent in one.abstained]
        assert row[12:] == (one.threshold, one.regime, one.rule, one.size, one.decided_ns, one.data_age_ns)


def test_what_rounds_taught_stands_there(tmp_path: Path) -> None:
    taught = WeightsChanged(1, 4, 0, 77, "wild", True, (("ml", 0.5, -1.25, 0.4, 0.39),), "ml voted +0.50")
    place = tmp_path / "orders.journal"
    place.write_bytes(MAGIC + encode_record(Publish(taught)))
    (row,) = follow(place, tmp_path / "orders.sqlite")["weights"]
    assert row[1:] == (4, 0, 77, "wild", 1, '[["ml", 0.5, -1.25, 0.4, 0.39]]', "ml voted +0.50")


def test_tables_of_another_build_are_filled_anew(tmp_path: Path, journal: Path) -> None:
    path = tmp_path / "orders.sqlite"
    old = sqlite3.connect(path)
    old.executescript(
        "CREATE TABLE decisions (at INTEGER PRIMARY KEY, sequence INTEGER);"
        "CREATE TABLE followed (one INTEGER PRIMARY KEY, end INTEGER, head BLOB, start INTEGER);"
    )
    old.close()
    assert follow(journal, path) == follow(journal, tmp_path / "new.sqlite")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=6))
def test_any_deaths_and_torn_ends_lead_to_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, journal: Path, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    growing, data = folder / "growing.journal", journal.read_bytes()
    ends = [len(MAGIC), *(behind for _, _, behind in scan(data))]
    for cut in sorted(cut % ends[-1] for cut in cuts):
        growing.write_bytes(data[: max(cut, len(MAGIC))])
        follow(growing, folder / "a.sqlite")
    growing.write_bytes(data)
    assert follow(growing, folder / "a.sqlite") == follow(journal, folder / "b.sqlite")


def test_another_journal_in_its_place_begins_again(tmp_path: Path, journal: Path) -> None:
    place, base = tmp_path / "orders.journal", tmp_path / "orders.sqlite"
    place.write_bytes(journal.read_bytes())
    assert follow(place, base)["fills"]
    intent = next(record for record in read_records(journal) if isinstance(record, SendOrder))
    place.write_bytes(MAGIC + encode_record(intent))
    found = follow(place, base)
    assert len(found["orders"]) == 1 and found["fills"] == [] == found["decisions"]
