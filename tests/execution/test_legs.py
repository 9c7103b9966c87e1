"""What of a leg is too much: never too little is cancelled, and nothing that need not be."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from execution.events import LIMIT, SELL, TARGET, SendOrder
from execution.legs import gone, resting, too_much, watched_here
from execution.orders import Order
from execution.statuses import OPEN, UNCONFIRMED, State


def order(number: int, quantity: int, state: State = State.WORKING, cancelled: bool = False, name: str = "CL") -> Order:
    intent = SendOrder(1, 2, number, 1, TARGET, 0, "WDOZ25", SELL, LIMIT, quantity, 103.0, -1.0)
    made = Order(intent, since_ns=1, state=state, cl_order_id=name)
    made.cancel_asked_ns, made.cancel_wanted = int(cancelled), cancelled
    return made


legs = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(State), st.booleans(), st.sampled_from(["CL", ""])), max_size=6
).map(lambda found: [order(number, *each) for number, each in enumerate(found)])


@given(legs, st.integers(-2, 8))
def test_what_stays_fits_and_nothing_is_cancelled_in_vain(leg: list[Order], held: int) -> None:
    chosen = too_much(leg, held)
    staying = [each for each in leg if each.open and not each.cancel_asked_ns and each not in chosen]
    assert all(each.open and each.cl_order_id and not each.cancel_asked_ns for each in chosen)
    assert resting(staying) <= max(held, 0) or all(not each.cl_order_id for each in staying)
    for each in chosen:
        assert resting([*staying, each]) > max(held, 0), "it could have stayed"


@given(st.lists(st.integers(1, 4), max_size=5), st.integers(0, 8))
def test_one_order_is_enough_where_one_is(quantities: list[int], held: int) -> None:
    """The obvious twin: try every set of orders, the fewest first."""
    leg = [order(number, quantity) for number, quantity in enumerate(quantities)]
    fewest = next(
        count
        for count in range(len(leg) + 1)
        if any(resting(leg) - resting(some) <= held for some in itertools.combinations(leg, count))
    )
    assert len(too_much(leg, held)) == fewest


@given(legs, st.integers(1, 6))
def test_the_price_is_watched_while_resting_targets_do_not_stand_for_all(leg: list[Order], held: int) -> None:
    confirmed = sum(each.intent.quantity for each in leg if each.state in OPEN - UNCONFIRMED)
    assert watched_here(leg, held) == (confirmed < held)


def test_an_order_is_gone_when_nobody_of_us_wanted_that() -> None:
    for state in State:
        over = state not in OPEN and state is not State.FILLED
        assert gone(order(1, 2, state)) == over
        assert not gone(order(1, 2, state, cancelled=True))
