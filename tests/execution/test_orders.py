"""The order table over all statuses of the DLL, and orders under any sequence of reports."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.events import BUY, ENTRY, LIMIT, OrderReport, SendOrder
from execution.orders import InvalidTransition, Order
from execution.statuses import OPEN, TABLE, State, Status

QUANTITY = 5
INTENT = SendOrder(1, 2, 7, 3, ENTRY, 0, "WDOZ25", BUY, LIMIT, QUANTITY, 100.0, -1.0)


def report(status: int, traded: int = 0, average: float = 100.0, event: int = 0, **changes: Any) -> OrderReport:
    fields: dict[str, Any] = {
        "monotonic_ns": 10, "market_ns": 20, "local_id": 0, "cl_order_id": "CL1", "ticker": "WDOZ25", "side": BUY,
        "order_type": LIMIT, "status": int(status), "quantity": QUANTITY, "traded_quantity": traded,
        "leaves_quantity": QUANTITY - traded, "price": 100.0, "stop_price": -1.0, "average_price": average,
        "created_ns": 20, "event_id": event, "text": "",
    }  # fmt: skip
    return OrderReport(**{**fields, **changes})


def new_order(state: State = State.SENT, traded: int = 0) -> Order:
    return Order(INTENT, since_ns=1, state=state, traded_quantity=traded, average_price=100.0 if traded else 0.0)


def image(order: Order) -> Any:
    return replace(order, story=list(order.story), reported_ns=0)  # type: ignore[arg-type]


def test_every_state_has_a_row_and_every_open_state_knows_every_status() -> None:
    assert set(TABLE) == set(State)
    for state in OPEN:
        assert set(TABLE[state]) == set(Status), state


def test_closed_states_stay_what_they_are() -> None:
    for state in set(State) - OPEN:
        assert set(TABLE[state].values()) <= {state}


@pytest.mark.parametrize(
    "state, status",
    [
        (State.FILLED, Status.CANCELED), (State.FILLED, Status.REJECTED), (State.FILLED, Status.EXPIRED),
        (State.FILLED, Status.PARTIALLY_FILLED_CANCELED), (State.REJECTED, Status.FILLED),
        (State.REJECTED, Status.CANCELED), (State.CANCELED, Status.FILLED), (State.CANCELED, Status.REJECTED),
        (State.EXPIRED, Status.FILLED), (State.NOT_SENT, Status.NEW),
    ],
)  # fmt: skip
def test_contradictions_raise_with_the_story_and_change_nothing(state: State, status: Status) -> None:
    order = new_order(state, QUANTITY if state is State.FILLED else 0)
    order.story.append("once upon a time")
    before = image(order)
    with pytest.raises(InvalidTransition, match="once upon a time"):
        order.apply(report(status, QUANTITY))
    assert image(order) == before


@pytest.mark.parametrize(
    "status, end",
    [
        (0, State.WORKING), (1, State.PARTIAL), (2, State.FILLED), (3, State.EXPIRED), (4, State.CANCELED),
        (5, State.WORKING), (6, State.PENDING_CANCEL), (7, State.WORKING), (8, State.REJECTED), (9, State.SUSPENDED),
        (10, State.PENDING), (11, State.SENT), (12, State.EXPIRED), (13, State.WORKING), (14, State.PENDING_REPLACE),
        (15, State.CANCELED), (16, State.PENDING), (17, State.EXPIRED), (18, State.REJECTED), (200, State.SENT),
        (201, State.PENDING), (202, State.PENDING), (203, State.PENDING), (204, State.REJECTED),
        (205, State.CANCELED), (206, State.PENDING), (207, State.PENDING),
    ],
)  # fmt: skip
def test_what_each_status_makes_of_a_sent_order(status: int, end: State) -> None:
    order = new_order()
    order.apply(report(status, QUANTITY if status == 2 else 0))
    assert order.state is end


def test_late_words_of_the_way_there_change_nothing() -> None:
    order = new_order()
    order.apply(report(Status.PARTIALLY_FILLED, 2))
    before = image(order)
    for status in (Status.RECEIVED, Status.HADES_CREATED, Status.NEW, Status.PENDING_NEW):
        assert not order.apply(report(status, 0))
    assert image(order) == before


def test_an_older_event_never_brings_back_an_older_state() -> None:
    order = new_order()
    order.apply(report(Status.PENDING_CANCEL, 0, event=5))
    assert not order.apply(report(Status.NEW, 0, event=4))
    assert order.state is State.PENDING_CANCEL
    assert order.apply(report(Status.NEW, 0, event=6)), "the cancel was refused"


def test_a_late_cancel_still_books_its_fill() -> None:
    order = new_order()
    order.apply(report(Status.CANCELED, 0))
    change = order.apply(report(Status.PARTIALLY_FILLED_CANCELED, 2, 101.0))
    assert (change.filled_quantity, change.fill_price, order.state) == (2, 101.0, State.CANCELED)


def test_fill_prices_come_out_of_the_averages() -> None:
    order = new_order()
    order.apply(report(Status.PARTIALLY_FILLED, 2, 100.0))
    change = order.apply(report(Status.FILLED, 5, 100.6))
    assert change.filled_quantity == 3
    assert change.fill_price == pytest.approx((5 * 100.6 - 2 * 100.0) / 3)


@pytest.mark.parametrize(
    "bad",
    [
        report(Status.PARTIALLY_FILLED, QUANTITY + 1),
        report(Status.PARTIALLY_FILLED, -1),
        report(Status.FILLED, QUANTITY - 1),
        report(Status.PARTIALLY_FILLED, 1, math.nan),
        report(Status.PARTIALLY_FILLED, 1, 0.0),
        report(99),
        report(Status.NEW, cl_order_id="CL2"),
    ],
)
def test_impossible_numbers_raise_and_change_nothing(bad: OrderReport) -> None:
    order = new_order()
    order.cl_order_id = "CL1"
    before = image(order)
    with pytest.raises(InvalidTransition):
        order.apply(bad)
    assert image(order) == before


reports = st.builds(
    report,
    st.sampled_from([int(status) for status in Status]),
    st.integers(0, QUANTITY),
    st.floats(90, 110),
    st.integers(0, 10),
)


@given(st.sampled_from(sorted(OPEN)), st.lists(reports, max_size=25))
def test_any_sequence_of_reports(state: State, sequence: list[OrderReport]) -> None:
    order = new_order(state)
    booked = 0
    for one in sequence:
        was_open, before = order.open, image(order)
        try:
            change = order.apply(one)
        except InvalidTransition:
            assert image(order) == before
            continue
        booked += change.filled_quantity
        assert was_open or not order.open, "a closed order never opens again"
        assert booked == order.traded_quantity >= before.traded_quantity
        assert 0 <= order.traded_quantity <= QUANTITY
        assert (order.state is State.FILLED) <= (order.traded_quantity == QUANTITY)
        assert order.leaves_quantity == (QUANTITY - order.traded_quantity if order.open else 0)
        after = image(order)
        assert not order.apply(one), "a duplicate changes nothing"
        assert image(order) == after
        assert (
            not order.cl_order_id
            or order.knows(one)
            or after.traded_quantity < one.traded_quantity
            or (
                TABLE[order.state].get(one.status) is not order.state  # type: ignore[call-overload]
            )
        )


@given(st.lists(reports, max_size=10))
def test_knows_means_that_apply_changes_nothing(sequence: list[OrderReport]) -> None:
    order = new_order()
    for one in sequence:
        try:
            if order.knows(one):
                assert not order.apply(one)
            else:
                order.apply(one)
        except InvalidTransition:
            continue


def test_a_result_that_comes_after_a_report_changes_no_state() -> None:
    order = new_order(State.INTENDED)
    order.apply(report(Status.NEW))
    order.sent(44)
    assert (order.state, order.local_id) == (State.WORKING, 44)


def test_only_open_orders_can_be_closed_by_conclusion() -> None:
    order = new_order()
    order.close(State.NOT_SENT, "no trace of it")
    with pytest.raises(InvalidTransition):
        order.close(State.EXPIRED, "again")


MIDDLE = [Status.HADES_CREATED, Status.PENDING_NEW, Status.RECEIVED, Status.NEW, Status.REPLACED, Status.SUSPENDED,
          Status.PENDING_CANCEL, Status.PENDING_REPLACE, Status.CALCULATED, Status.UNKNOWN]  # fmt: skip
UNFILLED_ENDS = {Status.REJECTED: State.REJECTED, Status.ORDER_NOT_CREATED: State.REJECTED}
FILLED_ENDS = {
    Status.CANCELED: State.CANCELED, Status.PARTIALLY_FILLED_CANCELED: State.CANCELED,
    Status.CANCELED_BY_ADMIN: State.CANCELED, Status.EXPIRED: State.EXPIRED, Status.DONE_FOR_DAY: State.EXPIRED,
    Status.PARTIALLY_FILLED_EXPIRED: State.EXPIRED, Status.PARTIALLY_FILLED_REJECTED: State.REJECTED,
}  # fmt: skip


@st.composite
def lives(draw: st.DrawFn) -> list[OrderReport]:
    """What an exchange could truly say of one order, oldest first, to its end."""
    told: list[OrderReport] = []
    traded, value = 0, 0.0

    def tell(status: Status) -> None:
        told.append(report(status, traded, value / traded if traded else 0.0, len(told) + 1))

    for status in draw(st.lists(st.sampled_from(MIDDLE), max_size=4)):
        tell(status)
    for quantity in draw(st.lists(st.integers(1, 3), max_size=4)):
        if traded + quantity >= QUANTITY:
            break
        traded += quantity
        value += quantity * draw(st.sampled_from([99.5, 100.0, 100.5]))
        tell(Status.PARTIALLY_FILLED)
        for status in draw(st.lists(st.sampled_from(MIDDLE), max_size=2)):
            tell(status)
    ends = [Status.FILLED, *FILLED_ENDS] if traded else [Status.FILLED, *FILLED_ENDS, *UNFILLED_ENDS]
    end = draw(st.sampled_from(ends))
    if end is Status.FILLED:
        value += (QUANTITY - traded) * 100.5
        traded = QUANTITY
    tell(end)
    return told


def naive_end(told: list[OrderReport]) -> tuple[State, int, float]:
    """The obvious twin: the last report of the true order says it all."""
    last = told[-1]
    ends = {Status.FILLED: State.FILLED, **FILLED_ENDS, **UNFILLED_ENDS}
    return ends[Status(last.status)], last.traded_quantity, last.traded_quantity * last.average_price


@given(st.data(), lives())
def test_an_adopted_order_counts_from_its_adoption(data: st.DataObject, told: list[OrderReport]) -> None:
    at = data.draw(st.integers(0, len(told) - 2)) if len(told) > 1 else 0
    before = told[at]
    if before.status not in {int(status) for status in (*MIDDLE, Status.PARTIALLY_FILLED)}:
        return  # over before anybody could adopt it
    order = new_order(State.INTENDED)
    order.before = before
    order.intent = msgspec.structs.replace(order.intent, quantity=QUANTITY - before.traded_quantity)
    order.apply(before)
    assert order.traded_quantity == 0
    copies = [each for each in told for _ in range(data.draw(st.integers(1, 2)))]  # old ones among them
    booked, value = 0, 0.0
    for one in data.draw(st.permutations(copies)):
        change = order.apply(one)
        booked += change.filled_quantity
        value += change.filled_quantity * change.fill_price if change.filled_quantity else 0.0
        assert order.knows(one) or one.event_id < order.event_id or one.traded_quantity > order.traded_quantity
    state, traded, worth = naive_end(told)
    assert booked == order.traded_quantity == traded - before.traded_quantity
    assert value == pytest.approx(worth - before.average_price * before.traded_quantity)
    assert order.state is (state if traded == QUANTITY or state is not State.FILLED else order.state)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 8)), max_size=8))
def test_an_adopted_order_follows_what_a_person_makes_of_it(changes: list[tuple[int, int]]) -> None:
    """The newest numbers by the broker's own count, whatever comes late; an order of our own never changes."""
    adopted, ours = new_order(), new_order()
    adopted.before = report(Status.NEW)
    newest = (0, QUANTITY, 100.0)
    for quantity, event in changes:
        one = report(Status.REPLACED, event=event, quantity=quantity, price=100.0 + quantity)
        adopted.apply(one)
        ours.apply(one)
        if event == 0 or event >= newest[0]:
            newest = (max(event, newest[0]), quantity, 100.0 + quantity)
    assert (adopted.intent.quantity, adopted.intent.price) == newest[1:]
    assert ours.intent == INTENT


@given(st.data(), lives())
def test_permuted_and_repeated_reports_end_where_the_true_order_ends(data: st.DataObject, told: list[OrderReport]) -> None:
    copies = [each for each in told for _ in range(data.draw(st.integers(1, 3)))]
    order = new_order(State.INTENDED)
    booked, value = 0, 0.0
    for one in data.draw(st.permutations(copies)):
        change = order.apply(one)
        booked += change.filled_quantity
        value += change.filled_quantity * change.fill_price if change.filled_quantity else 0.0
    state, traded, worth = naive_end(told)
    assert (order.state, order.traded_quantity, booked) == (state, traded, traded)
    assert value == pytest.approx(worth)
