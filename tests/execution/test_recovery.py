"""Deaths at every step of an order's way, and what the next incarnation makes of them. Nothing is sent twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consensus.weights import start_weights
from execution.events import BUY, EXIT, LIMIT, MARKET, SELL, STOP_LIMIT, OrderReport, SendOrder, SendResult
from execution.journal import Journal
from execution.recompute import recompute
from execution.statuses import State
from tests.execution.broker_twin import Died
from tests.execution.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path).start()
    made.show(100.0, 100.5)
    made.run(100)
    yield made
    made.stage.on_close()


def dies(act: Callable[[], object]) -> None:
    with pytest.raises(Died):
        act()


def life(rig: Rig) -> None:
    """One whole trade: in, protected, out at the target."""
    rig.enter()
    rig.show(103.5, 104.0)
    rig.run(200)


def again(rig: Rig, duration_ms: int = 8_000) -> None:
    rig.kill()
    rig.start()
    rig.run(duration_ms, step_ms=50)


def assert_agreement(rig: Rig) -> None:
    assert rig.position == rig.broker.position
    assert rig.broker.position <= rig.broker.protected() or rig.broker.position == 0
    assert rig.machine.desk.broker_problem(rig.clock.monotonic_ns()) == ""
    assert rig.counter("unresolved") == 0


ROLE_OF_SEND = {0: (BUY, LIMIT), 1: (SELL, STOP_LIMIT), 2: (SELL, MARKET)}


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("moment", ["before the call", "inside the call", "before the answer is journaled"])
def test_death_around_a_send(rig: Rig, monkeypatch: pytest.MonkeyPatch, number: int, moment: str) -> None:
    if moment == "before the call":
        rig.broker.die_before_send = number
    elif moment == "inside the call":
        rig.broker.die_after_send = number
    else:
        appended = Journal.append
        results = 0

        def append(journal: Journal, record: Any) -> None:
            nonlocal results
            if isinstance(record, SendResult):
                results += 1
                if results == number + 1:
                    monkeypatch.undo()
                    raise Died
            appended(journal, record)

        monkeypatch.setattr(Journal, "append", append)
    dies(lambda: life(rig))
    again(rig)
    assert_agreement(rig)
    side, order_type = ROLE_OF_SEND[number]
    sends = [order for order in rig.broker.sent if order[:2] == (side, order_type)]
    arrived = moment != "before the call"
    if number == 0:
        assert len(sends) == int(arrived), "an entry that was never sent is not sent later"
    elif arrived:
        assert len(sends) == 1
    assert rig.broker.position in ((2, 0) if number < 2 else (0,))


def test_death_before_the_journal_reaches_the_system(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = Journal.flush

    def die_on_an_intent(journal: Journal, before_order: bool = False) -> None:
        if any(b"SendOrder" in record for record in journal._pending):
            monkeypatch.undo()
            raise Died
        flush(journal, before_order)

    monkeypatch.setattr(Journal, "flush", die_on_an_intent)
    dies(lambda: life(rig))
    again(rig)
    assert rig.broker.sent == []
    assert_agreement(rig)


@pytest.mark.parametrize("report_number", range(1, 12))
def test_death_at_each_report(rig: Rig, monkeypatch: pytest.MonkeyPatch, report_number: int) -> None:
    appended = Journal.append
    reports = 0

    def append(journal: Journal, record: Any) -> None:
        nonlocal reports
        if isinstance(record, OrderReport):
            reports += 1
            if reports == report_number:
                monkeypatch.undo()
                raise Died
        appended(journal, record)

    monkeypatch.setattr(Journal, "append", append)
    try:
        life(rig)
    except Died:
        again(rig)
    else:
        monkeypatch.undo()
    assert_agreement(rig)
    entries = [order for order in rig.broker.sent if order[:2] == (BUY, LIMIT)]
    assert len(entries) == 1
    assert sum(order[1] == MARKET for order in rig.broker.sent) <= 1


def test_everything_happens_while_we_are_dead(rig: Rig) -> None:
    rig.signal(1.0)
    rig.run(100, exchange=False)
    rig.kill()
    rig.broker.step()
    rig.start()
    assert rig.position == 2, "the fill came with the first listing"
    rig.run(100)
    assert rig.broker.protected() == 2
    rig.kill()
    rig.show(98.0, 98.5, 98.0)
    rig.broker.step()
    assert rig.broker.position == 0
    rig.start()
    assert rig.position == 0 and rig.machine.ledger.live == {}
    assert_agreement(rig)


def test_the_target_is_watched_again_after_a_restart(rig: Rig) -> None:
    rig.enter()
    rig.kill()
    rig.start()
    rig.show(103.5, 104.0)
    rig.run(200)
    assert rig.broker.position == 0 and rig.machine.ledger.brackets[1].reason == "target"
    assert_agreement(rig)


def test_profit_and_trades_of_the_day_survive(rig: Rig) -> None:
    life(rig)
    profit, day = rig.machine.ledger.realised_profit(), rig.contract.day(rig.clock.market_ns())
    assert rig.machine.ledger.tallies.day(day).entries == 1
    again(rig, 100)
    assert rig.machine.ledger.realised_profit() == pytest.approx(profit)
    assert rig.machine.ledger.tallies.day(day).entries == 1
    assert rig.machine.ledger.tallies.day(day).profit == pytest.approx(profit)


def test_entries_stay_closed_until_the_broker_was_asked(rig: Rig) -> None:
    rig.kill()
    rig.broker.query_problem = "no answer"
    rig.start()
    rig.enter()
    assert rig.broker.sent == []
    assert rig.counter("denied_reconciled") > 0 and rig.counter("entries_closed") == 1
    rig.broker.query_problem = ""
    rig.run(1_100)
    rig.enter()
    assert len(rig.broker.sent) == 2


def test_an_intent_that_shows_up_late_in_the_list_is_matched_not_sent_again(rig: Rig) -> None:
    rig.broker.die_after_send = 0
    dies(lambda: life(rig))
    rig.broker.hide.add("CL1")
    rig.kill()
    rig.start()
    rig.run(1_000, exchange=False)
    assert rig.counter("unresolved") > 0
    rig.enter()
    rig.broker.hide.clear()
    rig.run(1_500)
    # by then it had been given up, so its fill is not a trade that anybody wants: out again
    assert [order[:2] for order in rig.broker.sent] == [(BUY, LIMIT), (SELL, MARKET)]
    assert_agreement(rig)


def test_an_intent_that_surfaces_after_its_grace_is_a_stranger(rig: Rig) -> None:
    """It was concluded that it was never sent; when the broker shows it after all, entries stop, and nothing is touched."""
    rig.broker.die_after_send = 0
    dies(lambda: life(rig))
    rig.broker.hide.add("CL1")
    rig.kill()
    rig.start()
    rig.run(7_000, step_ms=50, exchange=False)
    assert rig.machine.ledger.orders[1].state is State.NOT_SENT
    rig.show(105.0, 105.5)  # it does not fill
    rig.broker.hide.clear()
    rig.run(31_000, step_ms=100)
    assert "not ours" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    assert rig.broker.open_orders(LIMIT), "left alone"


def test_twins_of_one_intent_are_matched_once_each(rig: Rig) -> None:
    """Two identical stops, both sent, both answers lost: each is one of the two intents."""
    rig.broker.fill_at_most = 1
    rig.broker.die_after_send = 2
    dies(lambda: life(rig))
    assert [order[:3] for order in rig.broker.sent] == [
        (BUY, LIMIT, 2), (SELL, STOP_LIMIT, 1), (SELL, STOP_LIMIT, 1)
    ]  # fmt: skip
    again(rig, 500)
    assert len(rig.broker.sent) == 3
    assert_agreement(rig)


def test_orders_of_yesterday_have_expired(rig: Rig) -> None:
    rig.enter()
    rig.kill()
    stop = rig.broker.open_orders(STOP_LIMIT)[0]
    rig.broker.resting.clear()  # another day: another list
    assert stop.details.leaves_quantity == 2
    rig.clock.advance(24 * 3600 * 10**9)
    rig.start()
    rig.run(100)
    assert rig.machine.ledger.orders[2].state is State.EXPIRED
    assert (rig.position, rig.broker.position) == (0, 0), "a position that lost its stop is left"
    roles = [record.role for record in rig.journal() if isinstance(record, SendOrder)]
    assert roles[-1] == EXIT


def test_a_contradiction_closes_the_entries_and_survives_a_restart(rig: Rig) -> None:
    life(rig)
    rig.broker._change(rig.broker.resting["CL1"], status=4)
    rig.run(50)
    assert "story" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    again(rig, 100)
    assert "story" in rig.machine.desk.broker_problem(rig.clock.monotonic_ns())
    rig.broker._change(rig.broker.resting["CL1"], status=2)
    rig.run(1_100)
    assert_agreement(rig)


def test_a_journal_recomputes_over_deaths(rig: Rig) -> None:
    life(rig)
    rig.broker.die_after_send = 1
    dies(lambda: life(rig))
    again(rig)
    life(rig)
    rig.stage.do_work()
    records = rig.journal()
    weights = start_weights(rig.config.consensus)
    assert len(records) > 300
    assert recompute(rig.config, weights, records) == []
    intent = next(i for i, record in enumerate(records) if isinstance(record, SendOrder))
    forged = [*records[:intent], msgspec.structs.replace(records[intent], price=99.0), *records[intent + 1 :]]
    assert recompute(rig.config, weights, forged)[0].number == intent
