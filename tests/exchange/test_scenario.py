"""Scenario files, the command line's words and the box: what is taken, and what is refused with its place."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import supervisor
from exchange.faults.box import FaultBox, NotTaken, leave_fault, table_of
from exchange.faults.running import Running
from exchange.faults.scenario import BadScenario, Schedule, read_scenario
from exchange.faults.table import BY_NAME, BadFault, LateOrders, Reject, SlowAcknowledgement, fault_of
from runtime.stage import Refusal
from tests.exchange.kit import SECOND_NS, START_NS, SteppedExchange, config_of


def scenario(folder: Path, text: str) -> Path:
    path = folder / "faults.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must consist of"),
        ("fault = 3", "must consist of"),
        ("[[fault]]\nname = 'reject'\n[other]\nx = 1", "not other"),
        ("[[fault]]\nname = ", "is not TOML"),
        ("[[fault]]\nname = 'earthquake'", r"\$\.fault\[0\].*no fault 'earthquake'.*reject"),
        ("[[fault]]\ncount = 3", "no fault None"),
        ("[[fault]]\nname = 'reject'\n[[fault]]\nname = 'reject'\ncount = 0", r"\$\.fault\[1\]: reject: .*>= 1.*count"),
        ("[[fault]]\nname = 'reject'\ndelay_ms = 3", "unknown field `delay_ms`"),
        ("[[fault]]\nname = 'reject'\nat = '25:00'", "at"),
        ("[[fault]]\nname = 'reject'\nat = '10:00'\nafter_s = 2", "at and after_s are given"),
        ("[[fault]]\nname = 'late_orders'\ndelay_ms = 'long'", "delay_ms"),
    ],
)
def test_a_bad_scenario_is_refused_with_its_place(tmp_path, text, why):
    path = scenario(tmp_path, text)
    with pytest.raises(BadScenario, match=why) as refused:
        read_scenario(path)
    assert str(path) in str(refused.value)


def test_a_missing_scenario_refuses_the_start(tmp_path):
    exchange = SteppedExchange(config_of(scenario=str(tmp_path / "none.toml")))
    with pytest.raises(Refusal, match=r"none\.toml: correct exchange\.scenario"):
        exchange.open()
    exchange.close()


def test_faults_start_at_their_moment(tmp_path):
    faults = read_scenario(
        scenario(
            tmp_path,
            """
            [[fault]]
            name = "late_orders"
            after_orders = 2
            [[fault]]
            name = "slow_acknowledgement"
            after_s = 1.5
            [[fault]]
            name = "reject"
            at = "19:14"
            """,
        )
    )
    schedule = Schedule(faults, START_NS, "America/Sao_Paulo")  # the start is 19:13:20 there
    kinds = [type(fault) for fault in faults]
    assert kinds == [LateOrders, SlowAcknowledgement, Reject]
    assert schedule.next_ns() == START_NS + 1_500_000_000
    assert schedule.due(START_NS, 0, 1) == []
    assert schedule.due(START_NS + 1_500_000_000, 0, 1) == [faults[1]]
    assert schedule.due(START_NS + 39 * SECOND_NS, 0, 2) == [faults[0]]
    assert schedule.due(START_NS + 40 * SECOND_NS, 9, 9) == [faults[2]]
    assert schedule.due(START_NS + 99 * SECOND_NS, 99, 99) == []


def test_a_fault_ends_by_time_or_when_it_has_struck_often_enough():
    running = Running()
    running.start(SlowAcknowledgement(for_s=2.0), 0)
    running.start(Reject(count=2), 0)
    assert running.next_end_ns() == 2 * SECOND_NS
    assert running.active(SlowAcknowledgement) and running
    assert [bool(running.strike(Reject)) for _ in range(3)] == [True, True, False]
    assert running.now(2 * SECOND_NS - 1) == []
    assert [type(fault) for fault in running.now(2 * SECOND_NS)] == [SlowAcknowledgement]
    assert not running


def test_every_fault_has_defaults_and_says_what_it_does():
    for name, kind in BY_NAME.items():
        assert isinstance(fault_of({"name": name}), kind)
        assert kind.__doc__ and len(kind.__doc__) > 40


def test_words_of_a_command_line_become_a_table():
    words = ["count=3", "delay_ms=1.5", "at=10:05"]
    assert table_of("late_orders", words) == {"name": "late_orders", "count": 3, "delay_ms": 1.5, "at": "10:05"}
    with pytest.raises(BadFault, match="'count' is not KEY=VALUE"):
        table_of("reject", ["count"])


def test_the_list_names_every_fault_with_its_defaults(capsys):
    assert supervisor.main(["exchange", "fault"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in BY_NAME)
    assert "times=2" in said


def test_the_command_line_reaches_an_exchange(tmp_path, capsys):
    box, taken = FaultBox(tmp_path), []

    def take() -> None:
        give_up = time.monotonic() + 10
        while not taken and time.monotonic() < give_up:
            taken.extend(box.take()[0])
            time.sleep(0.01)

    taker = threading.Thread(target=take)
    taker.start()
    assert supervisor.main(["exchange", "fault", "reject", "count=7", "--folder", str(tmp_path)]) == 0
    taker.join(20)
    assert taken == [Reject(count=7)]
    assert supervisor.main(["exchange", "fault", "reject", "count=0", "--folder", str(tmp_path)]) == 2
    assert "count" in capsys.readouterr().err
    assert supervisor.main(["exchange", "fault", "reject", "--runs", str(tmp_path)]) == 1


def test_the_box_hands_over_once_and_names_what_is_none(tmp_path):
    box = FaultBox(tmp_path)
    assert box.take() == ([], [])
    with pytest.raises(BadFault, match="no fault 'nothing'"):
        leave_fault(tmp_path, {"name": "nothing"})
    with pytest.raises(NotTaken):
        leave_fault(tmp_path, {"name": "reject"}, timeout_s=0.05)
    assert box.take() == ([], []), "what was not taken in time is taken back"
    folder = tmp_path / "faults"
    (folder / "1.fault").write_text('{"name": "reject", "count": 7}', encoding="utf-8")
    (folder / "2.fault").write_text("nonsense", encoding="utf-8")
    faults, problems = box.take()
    assert faults == [Reject(count=7)]
    assert len(problems) == 1 and problems[0].startswith("2.fault")
    assert box.take() == ([], [])


def test_a_scenario_strikes_in_a_running_exchange(open_exchange, tmp_path):
    path = scenario(tmp_path, "[[fault]]\nname = 'reject'\nafter_orders = 1\ntext = 'second only'\n")
    exchange = open_exchange(scenario=str(path))
    exchange.started = True
    exchange.step()
    exchange.step(2.0)
    client = exchange.client()
    for local_id in (1, 2, 3):
        client.order(local_id, 1, 1.0, 1)
        client.sync()
        exchange.step()
    assert [client.last(local_id)["text"] == b"second only" for local_id in (1, 2, 3)] == [False, True, False]
    assert exchange.counters["faults"] == 1
