"""When a permit is written, what it says, and what tears it up. The contracts here trade under the name of their data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from config.schema import Instrument, NoTrade, Sessions
from consensus.decision import Standing
from consensus.shares import alike_nobody
from consensus.weights import SOURCES
from execution.events import (
    BUY,
    HALT,
    LIMIT,
    BrokerView,
    Input,
    InstrumentSeen,
    MarketSeen,
    Operator,
    OrderReport,
    SendOrder,
    SessionBegan,
    SignalSeen,
    Tick,
    UpstreamSeen,
)
from execution.fast_path.permit import VOTERS
from execution.market_watch import STALE_BOOK_NS
from tests.execution.fast_path.twins import HOUR_NS, SECOND_NS, TICK, Twins, decision_of, plain_config
from tests.execution.rig import MARKET_NS

STAMPS = (6 * SECOND_NS, MARKET_NS + 61 * SECOND_NS)
REPORT = OrderReport(*STAMPS, 7, "X", "WDOFUT", BUY, LIMIT, 0, 1, 0, 1, 100.0, -1.0, 0.0, 0, 1)


def permit(twins: Twins) -> Any:
    return twins.path._permits.rows[0]


@pytest.mark.parametrize(
    "event",
    [
        Tick(*STAMPS), UpstreamSeen(*STAMPS, "features are down"), UpstreamSeen(*STAMPS, ""), Operator(*STAMPS, HALT),
        BrokerView(*STAMPS, ""), BrokerView(*STAMPS, "no answer"), REPORT, SessionBegan(*STAMPS, 2),
        InstrumentSeen(*STAMPS, 0, "not whole", 100.0, 100.5, 1), InstrumentSeen(*STAMPS, 1, "", 100.0, 100.5, 1),
    ],
    ids=lambda event: type(event).__name__,
)  # fmt: skip
def test_every_other_input_tears_all_permits_up(event: Input) -> None:
    twins = Twins(plain_config())
    assert twins.arm() and twins.path._permits.rows["armed"].all()
    twins.take(event)
    assert not twins.path.armed and not twins.path._permits.rows["armed"].any()
    twins.answer(twins.everybody())
    assert twins.sent == 0


def test_the_market_and_signals_that_bring_no_order_leave_it() -> None:
    twins = Twins(plain_config())
    assert twins.arm()
    twins.take(MarketSeen(*twins.stamps, 0, 9, twins.market_ns, twins.now_ns, 101.0, 101.0, 101.5))
    outputs = twins.take(SignalSeen(*twins.stamps, twins.signal("ml", 0.0)))
    assert decision_of(outputs).action == "HOLD"
    assert twins.path.armed and permit(twins)["armed"]


def test_it_is_not_written_again_sooner_than_it_may() -> None:
    twins = Twins(plain_config())
    assert twins.arm()
    twins.take(Tick(*twins.stamps))
    assert not twins.arm()
    twins.go_on(20)
    assert twins.arm()


def holds(twins: Twins) -> None:
    twins.take(MarketSeen(*twins.stamps, 1, 9, twins.market_ns, twins.now_ns, 100.0, 100.0, 105.0))
    twins.ledger.positions[1].apply(BUY, 1, 100.0)


def turns(twins: Twins) -> None:
    twins.machine._reversals[1] = decision_of(twins.answer(twins.everybody(0.0)))


def has_an_order(twins: Twins) -> None:
    twins.answer([twins.signal(source, symbol=1) for source in SOURCES])


def is_closing(twins: Twins) -> None:
    twins.machine.desk.closing = "the stage stops"


def has_sent_too_much(twins: Twins) -> None:
    for _ in range(twins.config.risk.max_orders_per_s):
        twins.machine.desk._gate._rates.orders.count(twins.now_ns)


def has_cancelled_too_much(twins: Twins) -> None:
    for _ in range(twins.config.risk.max_cancels_per_s):
        twins.machine.desk._gate.count_cancel(twins.now_ns)


def knows_no_time(twins: Twins) -> None:
    twins.market_ns = 0


@pytest.mark.parametrize(
    "state", [holds, turns, has_an_order, is_closing, has_sent_too_much, has_cancelled_too_much, knows_no_time]
)
def test_none_is_written(state: Callable[[Twins], None]) -> None:
    twins = Twins(plain_config())
    state(twins)
    assert not twins.arm() and not twins.path._permits.rows["armed"].any()


@pytest.mark.parametrize(
    "sections",
    [
        {"consensus": {"strategies": ("strong", "strong")}}, {"consensus": {"threshold_dispersion": 101.0}},
        {"risk": {"max_open_orders": 1}},
    ],
)  # fmt: skip
def test_settings_that_a_permit_cannot_say(sections: dict[str, Any]) -> None:
    twins = Twins(plain_config(**sections))
    assert not twins.arm()


def test_limits_beyond_any_number_are_none() -> None:
    risk = {"max_exchange_age_ms": 1 << 62, "max_position": 1 << 62, "capital": 1e300, "max_data_age_ms": 1 << 61}
    twins = Twins(plain_config(risk=risk))
    assert twins.arm()
    twins.answer(twins.everybody())
    assert twins.sent == 1


def test_shares_and_costs_are_those_of_now() -> None:
    twins = Twins(plain_config(consensus={"adaptive": True}))
    assert twins.arm()
    table, _ = twins.machine.council.bearing(0)
    for weights in ((0.1, 0.3, 0.2, 0.2, 0.2), (0.5, 0.1, 0.1, 0.1, 0.2), (0.2, 0.2, 0.2, 0.2, 0.2)):
        table.update(weights, alike_nobody(len(SOURCES)))
        twins.machine.council._learners[0].standing = Standing("wild", weights[0])
        for voters in range(VOTERS):
            table.of(voters)
        twins.go_on(20)
        assert twins.arm()
        row = permit(twins)
        assert row["cost_share"] == weights[0]
        for voters in range(VOTERS):
            shares = table.of(voters)
            assert tuple(row["weights"][voters]) == shares.weights
            assert (row["held"][voters], row["counted"][voters]) == (shares.held, shares.counted)


def test_a_set_of_voters_whose_shares_are_not_known_goes_the_long_way() -> None:
    twins = Twins(plain_config())
    table, _ = twins.machine.council.bearing(0)
    table.update((0.4, 0.15, 0.15, 0.15, 0.15), alike_nobody(len(SOURCES)))
    table.update((0.4, 0.15, 0.15, 0.15, 0.15), alike_nobody(len(SOURCES)))
    assert twins.arm() and not permit(twins)["known"].any()
    twins.answer(twins.everybody())
    assert (twins.sent, twins.long) == (0, 1)


@pytest.mark.parametrize(
    ("sessions", "until_h"),
    [
        (Sessions(), 8.5),  # from 09:00: half an hour before the close at 18:00
        (Sessions(no_entry_before_close_min=0), 9.0),
        (Sessions(no_trade=(NoTrade(starts="11:15", ends="11:30"),)), 2.25),
        (Sessions(no_trade=(NoTrade(starts="08:00", ends="09:01"),)), 8.5),
    ],
)
def test_the_end_of_a_permit(sessions: Sessions, until_h: float) -> None:
    twins = Twins(plain_config(sessions=sessions))
    assert twins.arm()
    assert permit(twins)["market_from_ns"] == twins.market_ns
    assert permit(twins)["market_until_ns"] == MARKET_NS + until_h * HOUR_NS
    twins.go_on(30_000)
    assert twins.arm() and permit(twins)["market_from_ns"] == twins.market_ns, "it moves on"


def test_where_nothing_closes_it_ends_with_the_day() -> None:
    """The day's losses, peak and trades are then those of another."""
    always = Instrument(symbol="BTC", tick=TICK, point_value=1.0, session_open="00:00", session_close="00:00")
    twins = Twins(plain_config(instruments=(always,)))
    assert twins.arm() and permit(twins)["market_until_ns"] == MARKET_NS + 15 * HOUR_NS


def test_a_market_clock_that_goes_back_ends_it() -> None:
    twins = Twins(plain_config())
    assert twins.arm()
    twins.market_ns -= 1
    twins.show(0, 100.0, 100.0, 100.5)
    twins.answer(twins.everybody())
    assert (twins.sent, twins.long) == (0, 1)


@pytest.mark.parametrize(("behind_ns", "sent"), [(STALE_BOOK_NS, 1), (STALE_BOOK_NS + 1, 0)])
def test_a_book_that_trades_have_left_behind_has_no_prices(behind_ns: int, sent: int) -> None:
    twins = Twins(plain_config())
    assert twins.arm()
    twins.show(0, 100.0, 100.0, 100.5, book_behind_ns=behind_ns)
    twins.answer(twins.everybody())
    assert (twins.sent, twins.long) == (sent, 0)


@pytest.mark.parametrize("changes", [{"step": 0}, {"step": -1}])
def test_an_older_signal_changes_nothing(changes: dict[str, int]) -> None:
    twins = Twins(plain_config(consensus={"minimum_sources": 1, "minimum_weight": 0.1}))
    twins.answer([twins.signal("ml", 0.0)])
    assert twins.arm()
    outputs = twins.answer([twins.signal("ml", 1.0, **changes)])
    assert twins.sent == 0 and not any(isinstance(output, SendOrder) for output in outputs)


def test_the_same_again_is_left_to_the_machine() -> None:
    twins = Twins(plain_config(risk={"duplicate_ms": 500}))
    for wait_ms, sent in ((0, 1), (100, 1), (499, 2)):
        twins.go_on(wait_ms)
        twins.show(0, 100.0, 100.0, 100.5)
        twins.path._arm_at_ns = 0
        assert twins.arm()
        twins.refuse(twins.answer(twins.everybody()))
        assert (twins.sent, twins.long) == (sent, 0)


def test_signals_about_two_contracts_go_the_long_way() -> None:
    twins = Twins(plain_config())
    assert twins.arm()
    first = [twins.signal(source, symbol=0) for source in SOURCES]
    outputs = twins.answer([*first, twins.signal("ml", symbol=1)])
    assert (twins.sent, twins.long) == (0, 1)
    assert [output.symbol for output in outputs if isinstance(output, SendOrder)] == [0]


def test_the_other_contract_has_a_permit_of_its_own() -> None:
    twins = Twins(plain_config())
    twins.see(0, "not whole")
    assert twins.arm() and list(twins.path._permits.rows["armed"]) == [0, 1]
    twins.show(1, 100.0, 100.0, 105.0)
    outputs = twins.answer([twins.signal(source, symbol=1) for source in SOURCES])
    assert twins.sent == 1
    order = next(output for output in outputs if isinstance(output, SendOrder))
    assert (order.symbol, order.ticker, order.price) == (1, "WINFUT", 105.0)
