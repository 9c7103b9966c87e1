"""The library against the project's own exchange, stepped by hand on a manual clock."""

from __future__ import annotations

from typing import Any

import pytest

from profitdll.constants import DepthUpdate, OrderStatus, OrderType, Side, TickerState, TradeType
from profitdll.errors import DllError, LoginRefused
from profitdll.library import Library
from profitdll.market import Market
from profitdll.market_time import utc_ns
from profitdll.routing import Account, Routing
from tests.exchange.kit import config_of, instrument
from tests.profitsim.exchange_rig import ACCOUNT, ExchangeRig


def test_market_data_arrive_as_the_exchange_sent_them(live: ExchangeRig) -> None:
    live.connect_to_exchange(full=False)
    market, exchange = Market(live.library), live.exchange
    assert market.server_clock_ns() == exchange.stage.market.first_ns // 1_000_000 * 1_000_000 - 1_000_000_000
    market.subscribe("WDOFUT", "F")
    market.subscribe_depth("WDOFUT", "F")
    exchange.until(lambda: exchange.stage.server._sessions[1].wanted.all(), "both subscriptions")
    live.start_market()
    exchange.step(5.0)
    books, trades = exchange.counters["books"], exchange.counters["trades"]
    assert books > 20
    assert trades > 5
    exchange.until(lambda: len([e for e in live.heard.of("depth") if e[3] == 6]) == books, "every book")
    exchange.until(lambda: len(live.heard.of("trade")) == trades, "every trade")
    stamps = [utc_ns(event[4].trade_date) for event in live.heard.of("trade")]
    assert stamps == sorted(stamps)
    assert exchange.stage.market.first_ns <= stamps[0] <= stamps[-1] <= exchange.stage.market.first_ns + 10_000_000_000


def test_an_order_is_filled_and_its_position_closed(live: ExchangeRig) -> None:
    live.connect_to_exchange(full=True)
    live.start_market()
    routing = Routing(live.library, "paper")
    assert routing.accounts() == [ACCOUNT]
    assert routing.account_enabled(ACCOUNT)
    local_id = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.MARKET, 2)

    def status(of: int) -> int:
        return routing.order_details(local_id=of).status

    live.exchange.until(lambda: status(local_id) == OrderStatus.FILLED, "the fill")
    filled = routing.order_details(local_id=local_id)
    assert (filled.traded_quantity, filled.leaves_quantity) == (2, 0)
    assert filled.cl_ord_id
    assert filled.average_price > 0
    live.exchange.until(lambda: routing.position(ACCOUNT, "WDOFUT", "F").signed_quantity == 2, "the position")
    closing = routing.zero_position(ACCOUNT, "WDOFUT", "F")
    live.exchange.until(lambda: status(closing) == OrderStatus.FILLED, "the closing fill")
    live.exchange.until(lambda: routing.position(ACCOUNT, "WDOFUT", "F").signed_quantity == 0, "flat")
    assert {event for event in live.heard.of("order")} == {
        (local_id, filled.cl_ord_id),
        (closing, routing.order_details(local_id=closing).cl_ord_id),
    }


def test_a_resting_order_is_changed_and_cancelled(live: ExchangeRig) -> None:
    live.connect_to_exchange(full=True)
    live.start_market()
    routing = Routing(live.library, "paper")
    touch = live.exchange.stage.market.last_ticks(0) * 0.5
    local_id = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 1, touch - 50)

    def details() -> Any:
        return routing.order_details(local_id=local_id)

    live.exchange.until(lambda: details().status == OrderStatus.NEW, "the order to rest")
    routing.change(details().cl_ord_id, ACCOUNT, touch - 60, -1.0, 2)
    live.exchange.until(lambda: details().price == touch - 60 and details().quantity == 2, "the change")
    routing.cancel(details().cl_ord_id, ACCOUNT)
    live.exchange.until(lambda: details().status == OrderStatus.CANCELED, "the cancel")
    assert details().leaves_quantity == 0


def test_a_wrong_routing_password_is_dropped_in_silence(live: ExchangeRig) -> None:
    live.connect_to_exchange(full=True)
    live.start_market()
    routing = Routing(live.library, "wrong")
    local_id = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.MARKET, 1)
    live.exchange.until(
        lambda: routing.order_details(local_id=local_id).status == OrderStatus.HADES_CREATED, "the last sign of it"
    )
    live.exchange.step(5.0)
    assert routing.order_details(local_id=local_id).status == OrderStatus.HADES_CREATED


def test_a_wrong_password_is_a_refusal(live: ExchangeRig) -> None:
    session = live.log_in(full=False, password="wrong")
    live.exchange.until(lambda: (0, 2) in live.heard.of("state"), "the refusal")
    with pytest.raises(LoginRefused, match="password is wrong"):
        session.wait_connected(1.0)


def test_a_second_process_with_the_same_key_is_refused(live: ExchangeRig) -> None:
    live.exchange.client(full=False, key="key")
    session = live.log_in(full=False)
    live.exchange.until(lambda: (0, 200) in live.heard.of("state"), "the refusal")
    with pytest.raises(LoginRefused):
        session.wait_connected(1.0)


def test_history_of_the_recorded_past(live: ExchangeRig) -> None:
    live.connect_to_exchange(full=False)
    live.start_market()
    live.exchange.step(20.0)
    first_ns = live.exchange.stage.market.first_ns
    Market(live.library).request_history("WDOFUT", "F", first_ns // 10**9 * 10**9, first_ns + 10_000_000_000)
    live.exchange.until(lambda: live.heard.of("progress")[-1:] == [("WDOFUT", "F", 100)], "the end of history")
    trades = live.heard.of("history")
    assert len(trades) > 5
    assert [event[2] & 2 for event in trades] == [0] * (len(trades) - 1) + [2]


def test_an_account_of_another_is_not_found(live: ExchangeRig) -> None:
    live.connect_to_exchange(full=True)
    with pytest.raises(DllError) as error:
        Routing(live.library, "paper").enumerate_orders(Account(99, "nobody"))
    assert error.value.name == "NL_NOT_FOUND"


def test_a_call_is_heard_as_the_library_tells_it_and_ends_in_auction_trades(library: Library) -> None:
    spec = instrument(timezone="UTC", session_open="10:00", session_close="18:00", pre_open_minutes=5)
    rig = ExchangeRig(library, config_of(spec, start_time="09:58", start_price=5000.0))
    try:
        rig.connect_to_exchange(full=True)
        market, routing, exchange = Market(library), Routing(library, "paper"), rig.exchange
        market.subscribe("WDOFUT", "F")
        market.subscribe_depth("WDOFUT", "F")
        exchange.until(lambda: exchange.stage.server._sessions[1].wanted.all(), "both subscriptions")
        exchange.until(lambda: [e[-1] for e in rig.heard.of("ticker_state")] == [TickerState.PRE_OPENING], "the call")
        rig.start_market()
        routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 9, 5010.0)
        sale = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.SELL, OrderType.LIMIT, 4, 4990.0)
        exchange.until(lambda: routing.order_details(local_id=sale).status == OrderStatus.NEW, "both orders")
        exchange.until(lambda: market.theoretical("WDOFUT", "F")[1] >= 4, "the theoretical quantity")
        price = market.theoretical("WDOFUT", "F")[0]
        notices = rig.heard.of("depth")
        exchange.until(lambda: rig.heard.of("depth")[-1][3] == DepthUpdate.FLUSH, "the end of the notices")
        assert DepthUpdate.THEORETICAL_PRICE in {event[3] for event in notices}
        best = rig.heard.of("depth")[-1][4]
        assert (best[0][0][0], best[0][0][3], best[1][0][0], best[1][0][3]) == (price, 1, price, 1)
        assert not rig.heard.of("trade")
        exchange.step(121.0)
        exchange.until(lambda: routing.order_details(local_id=sale).status == OrderStatus.FILLED, "the fill")
        exchange.until(lambda: rig.heard.of("ticker_state")[-1][-1] == TickerState.OPENED, "the opening")
        exchange.until(lambda: bool(rig.heard.of("trade")), "the trade")
        trades = [event[4] for event in rig.heard.of("trade")]
        assert trades[0].trade_type == TradeType.AUCTION
        assert len({trade.price for trade in trades if trade.trade_type == TradeType.AUCTION}) == 1
        exchange.until(lambda: market.theoretical("WDOFUT", "F") == (0.0, 0), "the end of the theoretical price")
    finally:
        rig.close()
