"""Orders of clients around a market: statuses in their order, what trades, what rests, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.engine import Engine, Event, NewOrder
from exchange.generated_market import GeneratedMarket
from exchange.orders import InvalidTransition, Order
from exchange.positions import Position
from profitdll.constants import OrderStatus as Status
from profitdll.constants import OrderType, TickerState, Validity
from tests.exchange.kit import SECOND_NS, START_NS, TICK, TapeRows, instrument

BUY, SELL = 1, 2
NOW = START_NS + 1
FOREVER = 1 << 62


def quiet(*trades: tuple[float, int, int]) -> Engine:
    """An engine on a tape: bids 100 x 10, 99 x 20; offers 101 x 8, 102 x 30; then trades (second, ticks, quantity)."""
    rows = TapeRows().book(0, [(100, 10), (99, 20)], [(101, 8), (102, 30)])
    for trade in trades:
        rows.trade(*trade)
    engine = Engine(rows.market(), [77], "T-")
    engine.market.advance(START_NS, 10)
    return engine


def new(
    side: int, ticks: float, quantity: int, order_type: int = OrderType.LIMIT, stop: float = -2, **fields
) -> NewOrder:
    values = {"account": 0, "instrument": 0, "ticker": "WDOFUT", "validity": Validity.DAY} | fields
    return NewOrder(
        side=side, order_type=order_type, quantity=quantity, price=ticks * TICK, stop_price=stop * TICK, **values
    )


def send(engine: Engine, order: NewOrder) -> tuple[Order, list[Event]]:
    number, received = engine.receive(order, NOW)
    return engine.orders[number], received + engine.place(number, NOW)


def play(engine: Engine, to_ns: int = FOREVER) -> list[Event]:
    events: list[Event] = []
    while (batch := engine.market.advance(to_ns, 100)) is not None:
        events += engine.on_batch(batch)
    return events


def statuses(events: list[Event]) -> list[Status]:
    return [event.status for event in events if isinstance(event, Order)]


def test_marketable_limit_trades_what_is_there_and_rests_with_the_rest():
    engine = quiet()
    order, events = send(engine, new(BUY, 101, 10))
    assert statuses(events) == [Status.PENDING_NEW, Status.NEW, Status.PARTIALLY_FILLED]
    assert (order.traded, order.leaves, order.resting) == (8, 2, True)
    position = next(event for event in events if isinstance(event, Position))
    assert (position.net, position.average_price, position.fees) == (8, 50.5, 4.0)
    assert [event.event_id for event in events] == list(range(1, len(events) + 1))


def test_market_order_walks_levels_and_what_is_too_much_is_canceled():
    engine = quiet()
    order, events = send(engine, new(SELL, -2, 50, OrderType.MARKET))
    assert statuses(events)[-1] == Status.CANCELED
    assert order.traded == 30
    assert "no more quantity" in order.text
    assert order.value_ticks == 10 * 100 + 20 * 99
    assert order.leaves == 0
    assert engine.position(0, 0).net == -30


def test_immediate_or_cancel_and_fill_or_kill():
    engine = quiet()
    order, events = send(engine, new(BUY, 101, 10, validity=Validity.FILL_OR_KILL))
    assert statuses(events) == [Status.PENDING_NEW, Status.NEW, Status.CANCELED]
    assert order.traded == 0
    order, events = send(engine, new(BUY, 101, 10, validity=Validity.IMMEDIATE_OR_CANCEL))
    assert statuses(events) == [Status.PENDING_NEW, Status.NEW, Status.PARTIALLY_FILLED, Status.CANCELED]
    assert order.traded == 8
    order, events = send(engine, new(BUY, 102, 30, validity=Validity.FILL_OR_KILL))
    assert statuses(events)[-1] == Status.FILLED


def test_resting_order_is_filled_by_the_tape_and_its_time_is_the_trade_s():
    engine = quiet((1, 100, 12), (2, 100, 12))
    order, _ = send(engine, new(BUY, 100, 4))
    events = play(engine)
    assert statuses(events) == [Status.PARTIALLY_FILLED, Status.FILLED]
    assert order.update_ns == order.close_ns == START_NS + 2 * SECOND_NS
    assert engine.position(0, 0).net == 4
    assert engine.open_orders(0, None) == []


def test_cancel_and_a_cancel_that_comes_too_late():
    engine = quiet((1, 99, 1))
    first, _ = send(engine, new(BUY, 100, 4))
    second, _ = send(engine, new(BUY, 100, 4))
    asked = engine.request_cancel(first, NOW)
    assert statuses(asked + engine.cancel(first.number, NOW)) == [Status.PENDING_CANCEL, Status.CANCELED]
    asked = engine.request_cancel(second, NOW)
    events = play(engine) + engine.cancel(second.number, NOW)
    assert statuses(asked + events) == [Status.PENDING_CANCEL, Status.FILLED, Status.FILLED]
    assert second.text == "cancel refused: the order is closed"
    assert first.traded == 0


def test_change_that_only_shrinks_keeps_its_place():
    engine = quiet((1, 100, 11))
    order, _ = send(engine, new(BUY, 100, 4))
    engine.request_change(order, NOW)
    events = engine.change(order.number, 2, 50.0, -1.0, NOW)
    assert statuses(events) == [Status.REPLACED, Status.NEW]
    assert engine.market.queue_ahead(0, order.number) == 10
    assert statuses(play(engine)) == [Status.PARTIALLY_FILLED]


def test_change_that_grows_or_moves_goes_to_the_end_of_the_queue_and_may_trade():
    engine = quiet((1, 100, 4))
    order, _ = send(engine, new(BUY, 100, 4))
    play(engine, START_NS + SECOND_NS)
    assert engine.market.queue_ahead(0, order.number) == 6
    engine.change(order.number, 5, 50.0, -1.0, NOW)
    assert engine.market.queue_ahead(0, order.number) == 10
    events = engine.change(order.number, 5, 50.5, -1.0, NOW)
    assert statuses(events) == [Status.REPLACED, Status.NEW, Status.FILLED]
    assert order.price == 50.5


@pytest.mark.parametrize(
    ("quantity", "price", "why"),
    [(8, 50.0, "8 are traded"), (9, 50.1, "tick"), (0, 50.0, "quantity"), (9, -1.0, "tick")],
)
def test_refused_changes_leave_the_order_as_it_was(quantity, price, why):
    engine = quiet()
    order, _ = send(engine, new(BUY, 101, 10))
    engine.request_change(order, NOW)
    events = engine.change(order.number, quantity, price, -1.0, NOW)
    assert statuses(events) == [Status.PARTIALLY_FILLED]
    assert why in order.text
    assert (order.quantity, order.price, order.resting) == (10, 50.5, True)


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (new(BUY, 100.1, 1), "tick"),
        (new(BUY, 0, 1), "tick"),
        (new(BUY, float("nan"), 1), "tick"),
        (new(3, 100, 1), "side"),
        (new(BUY, 100, 0), "quantity"),
        (new(BUY, 100, -5), "quantity"),
        (new(BUY, 100, 1, 9), "order type"),
        (new(BUY, 100, 1, validity=6), "validity"),
        (new(BUY, 100, 1, OrderType.STOP_LIMIT), "stop price"),
        (new(BUY, 100, 1, OrderType.STOP_LIMIT, 101), "wrong side"),
        (new(SELL, 100, 1, OrderType.STOP_LIMIT, 99), "wrong side"),
        (new(SELL, 99, 1, OrderType.STOP_LIMIT, 99, validity=Validity.FILL_OR_KILL), "good for the day"),
        (new(BUY, 100, 1, instrument=-1, refusal="unknown ticker X"), "unknown ticker"),
    ],
)
def test_bad_orders_are_rejected_with_the_reason(order, why):
    engine = quiet()
    made, events = send(engine, order)
    assert statuses(events) == [Status.PENDING_NEW, Status.REJECTED]
    assert why in made.text
    assert engine.fills == 0


def test_stop_limit_waits_triggers_and_becomes_a_limit_order():
    engine = quiet((1, 101, 1), (2, 103, 1), (3, 104, 1))
    order, events = send(engine, new(BUY, 102, 4, OrderType.STOP_LIMIT, 102))
    assert statuses(events) == [Status.PENDING_NEW, Status.NEW]
    assert not order.resting
    assert statuses(play(engine, START_NS + SECOND_NS)) == []
    events = play(engine)
    assert statuses(events) == [Status.NEW, Status.FILLED]
    assert next(event.text for event in events) == "stop triggered"
    assert order.value_ticks == 4 * 101


def test_sell_stop_triggers_on_the_way_down_and_one_already_reached_at_once():
    engine = quiet((1, 99, 1))
    order, _ = send(engine, new(SELL, 98, 1, OrderType.STOP_LIMIT, 99))
    play(engine)
    assert order.status == Status.FILLED
    late, events = send(engine, new(SELL, 98, 1, OrderType.STOP_LIMIT, 99))
    assert statuses(events) == [Status.PENDING_NEW, Status.NEW, Status.FILLED]
    assert late.traded == 1


def test_canceled_stop_no_longer_watches():
    engine = quiet((1, 105, 1))
    order, _ = send(engine, new(BUY, 110, 1, OrderType.STOP_LIMIT, 104))
    engine.cancel(order.number, NOW)
    assert statuses(play(engine)) == []
    assert order.status == Status.CANCELED


def test_day_orders_expire_at_the_close_others_stay_and_new_ones_are_refused():
    engine = quiet()
    day, _ = send(engine, new(BUY, 100, 1))
    stop, _ = send(engine, new(BUY, 110, 1, OrderType.STOP_LIMIT, 109))
    kept, _ = send(engine, new(BUY, 100, 1, validity=Validity.GOOD_TILL_CANCEL))
    assert statuses(engine.set_state(0, TickerState.CLOSED, NOW)) == [Status.EXPIRED, Status.EXPIRED]
    assert (day.status, stop.status, kept.status) == (Status.EXPIRED, Status.EXPIRED, Status.NEW)
    refused, _ = send(engine, new(BUY, 100, 1))
    assert (refused.status, refused.text) == (Status.REJECTED, "the market is closed")
    engine.set_state(0, TickerState.OPENED, NOW)
    assert send(engine, new(BUY, 100, 1))[0].status == Status.NEW


def test_wrong_password_order_is_hades_created_and_forgotten():
    engine = quiet()
    events = engine.drop(new(BUY, 100, 1), NOW)
    assert statuses(events) == [Status.HADES_CREATED]
    assert engine.orders == {}
    order, _ = send(engine, new(BUY, 100, 1))
    assert order.number == 2, "numbers are never given twice"


def test_events_are_snapshots():
    engine = quiet((1, 99, 1))
    _, events = send(engine, new(BUY, 100, 4))
    before = [(event.status, event.traded) for event in events]
    play(engine)
    assert [(event.status, event.traded) for event in events] == before


def test_impossible_transition_tells_the_history():
    engine = quiet()
    order, _ = send(engine, new(BUY, 101, 8))
    with pytest.raises(InvalidTransition, match="PENDING_NEW NEW FILLED -> CANCELED"):
        order.move(Status.CANCELED, NOW)


def generated() -> Engine:
    market = GeneratedMarket(
        [instrument()], start_ns=START_NS, close_ns=[START_NS + 3600 * SECOND_NS], seed=3, start_price=5000.0,
        trades_per_s=20.0,
    )  # fmt: skip
    return Engine(market, [77], "G-")


action = st.one_of(
    st.tuples(
        st.just("send"), st.sampled_from((BUY, SELL)), st.integers(-6, 6), st.integers(1, 40),
        st.sampled_from((OrderType.MARKET, OrderType.LIMIT, OrderType.LIMIT, OrderType.STOP_LIMIT)),
        st.sampled_from((Validity.DAY, Validity.DAY, Validity.IMMEDIATE_OR_CANCEL, Validity.FILL_OR_KILL)),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("change"), st.integers(0, 50), st.integers(-6, 6), st.integers(1, 40)),
    st.tuples(st.just("play"), st.integers(1, 2000)),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(action, max_size=25))
def test_nothing_is_made_or_lost_on_the_real_book(actions):
    engine = generated()
    now = START_NS
    events: list[Event] = []
    printed = bought = sold = 0

    def advance():
        nonlocal printed, bought, sold
        while (batch := engine.market.advance(now, 500)) is not None:
            body = batch.trades["body"]
            printed += int(body["quantity"].sum())
            bought += int(body["quantity"][body["buyer"] == 77].sum())
            sold += int(body["quantity"][body["seller"] == 77].sum())
            events.extend(engine.on_batch(batch))
            for book in batch.books["body"]:
                assert 0 < book["bid_price"][0] < book["ask_price"][0] or 0 in (
                    book["bid_price"][0],
                    book["ask_price"][0],
                )

    advance()
    for name, *arguments in actions:
        last = engine.market.last_ticks(0)
        if name == "send":
            side, offset, quantity, order_type, validity = arguments
            stop = last + offset if order_type == OrderType.STOP_LIMIT else -2
            ticks = stop + (3 if side == BUY else -3) if order_type == OrderType.STOP_LIMIT else last + offset
            number, received = engine.receive(new(side, ticks, quantity, order_type, stop, validity=validity), now)
            events += received + engine.place(number, now)
        elif name == "play":
            now += arguments[0] * 1_000_000
        else:
            opened = engine.open_orders(0, 0)
            if opened:
                order = opened[arguments[0] % len(opened)]
                if name == "cancel":
                    events += engine.request_cancel(order, now) + engine.cancel(order.number, now)
                else:
                    price = (last + arguments[1]) * TICK
                    stop = price if order.order_type == OrderType.STOP_LIMIT else -1.0
                    events += engine.request_change(order, now)
                    events += engine.change(order.number, arguments[2], price, stop, now)
        advance()
    net = 0
    for order in engine.orders.values():
        assert 0 <= order.traded <= order.quantity
        assert (order.status == Status.FILLED) == (order.traded == order.quantity and not order.open)
        assert order.open or order.leaves == 0
        assert order.resting == (order.number in engine.market.streams[0].slots)
        net += order.traded if order.side == BUY else -order.traded
    position = engine.position(0, 0)
    assert position.net == net == position.bought - position.sold
    assert (position.bought, position.sold) == (bought, sold), "every execution of ours is a printed trade"
    assert [event.event_id for event in events] == sorted({event.event_id for event in events})
