"""Orders out, callbacks in, details, positions, accounts, and the refusals in between."""

from __future__ import annotations

from typing import Any

import pytest

from exchange import protocol as wire
from profitdll import structs
from profitdll.constants import NL_CODES, OrderStatus, OrderType, Side
from profitdll.errors import DllError
from profitdll.routing import Account, Routing, not_yet_known
from tests.profitsim.conftest import LIMIT_S, Rig
from tests.profitsim.scripted import NOON_NS

ACCOUNT = Account(7, "12345")


def order(**fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "cl_order_id": b"CL1",
        "account": b"12345",
        "broker": 7,
        "ticker": b"WDOFUT",
        "exchange": b"F",
    }
    usual |= {"quantity": 3, "leaves_quantity": 3, "price": 5000.0, "stop_price": -1.0, "side": 1, "order_type": 2}
    return usual | {"status": OrderStatus.NEW, "date_ns": NOON_NS, "update_ns": NOON_NS} | fields


def position(**fields: Any) -> dict[str, Any]:
    return {"account": b"12345", "broker": 7, "ticker": b"WDOFUT", "exchange": b"F"} | fields


def routed(rig: Rig) -> Routing:
    rig.connect(full=True)
    return Routing(rig.library, "secret")


def refusal(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(DllError) as error:
        call(*arguments, **named)
    return error.value.name


def test_an_order_goes_out_whole_and_is_known_at_once(rig: Rig) -> None:
    routing = routed(rig)
    local_id = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.SELL, OrderType.STOP_LIMIT, 2, 4999.5, 5000.5)
    sent = rig.server.wait_for(wire.SEND_ORDER)[0]
    assert sent["local_id"] == local_id > 0
    assert (sent["account"], sent["broker"], sent["password"]) == (b"12345", 7, b"secret")
    assert (sent["ticker"], sent["exchange"], sent["order_type"], sent["side"]) == (b"WDOFUT", b"F", 4, 2)
    assert (sent["price"], sent["stop_price"], sent["quantity"], sent["validity"]) == (4999.5, 5000.5, 2, 0)
    details = routing.order_details(local_id=local_id)
    assert (details.local_id, details.cl_ord_id, details.status) == (local_id, "", OrderStatus.CLIENT_CREATED)
    assert (details.account, details.ticker, details.quantity) == (ACCOUNT, "WDOFUT", 2)


def test_a_market_order_has_minus_one_for_its_price(rig: Rig) -> None:
    routed(rig).send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.MARKET, 1)
    sent = rig.server.wait_for(wire.SEND_ORDER)[0]
    assert (sent["price"], sent["stop_price"], sent["order_type"]) == (-1.0, -1.0, 1)


def test_local_ids_rise_and_begin_again_with_the_next_session(rig: Rig) -> None:
    routing = routed(rig)
    first = [routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 1, 5000.0) for _ in range(3)]
    assert first == sorted(set(first))
    assert rig.session is not None
    rig.session.close()
    rig.session.open()
    rig.session.wait_connected(LIMIT_S)
    assert routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 1, 5000.0) == first[0]


def test_the_order_callback_brings_the_permanent_id_and_details_follow_it(rig: Rig) -> None:
    routing = routed(rig)
    local_id = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 3, 5000.0)
    rig.server.send(wire.ORDER, **order(local_id=local_id, own=1, event_id=4))
    assert rig.heard.wait("order") == [(local_id, "CL1")]
    assert routing.order_details(local_id=local_id).cl_ord_id == "CL1"
    text = "rejeitada: preço fora do túnel " * 3
    rig.server.send(
        wire.ORDER,
        **order(local_id=local_id, own=1, event_id=5, status=OrderStatus.PARTIALLY_FILLED_CANCELED, traded_quantity=1,
                leaves_quantity=0, average_price=5000.5, close_ns=NOON_NS + 2_000_000, text=text.encode()),
    )  # fmt: skip
    assert rig.heard.wait("order", 2)[1] == (local_id, "CL1")
    by_local, by_permanent = routing.order_details(local_id=local_id), routing.order_details(cl_ord_id="CL1")
    assert by_local == by_permanent
    assert (by_local.status, by_local.traded_quantity, by_local.average_price) == (15, 1, 5000.5)
    assert (by_local.date_ns, by_local.close_ns, by_local.event_id) == (NOON_NS, NOON_NS + 2_000_000, 5)
    assert by_local.text == text


def test_a_repeated_event_is_told_again(rig: Rig) -> None:
    """The real library repeats itself: whoever listens must not count on news."""
    routing = routed(rig)
    for _ in range(2):
        rig.server.send(wire.ORDER, **order())
    assert rig.heard.wait("order", 2) == [(0, "CL1")] * 2
    assert len(routing.enumerate_orders(ACCOUNT)) == 1


def test_orders_of_other_sessions_have_no_local_id(rig: Rig) -> None:
    rig.server.orders = [order(local_id=1), order(cl_order_id=b"CL2", status=OrderStatus.FILLED)]
    routing = routed(rig)
    assert not rig.heard.of("order"), "what the login tells is no event"
    assert [(each.local_id, each.cl_ord_id) for each in routing.enumerate_orders(ACCOUNT)] == [(0, "CL1"), (0, "CL2")]
    mine = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 1, 5000.0)
    rig.server.send(wire.ORDER, **order(local_id=mine, own=1, cl_order_id=b"CL3"))
    rig.heard.wait("order")
    assert [each.cl_ord_id for each in routing.enumerate_orders(ACCOUNT)] == ["CL1", "CL2", "CL3"]
    assert routing.order_details(local_id=mine).cl_ord_id == "CL3"


def test_after_a_lost_connection_only_changed_orders_are_news(rig: Rig) -> None:
    routing = routed(rig)
    local_id = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 3, 5000.0)
    rig.server.send(wire.ORDER, **order(local_id=local_id, own=1))
    rig.server.send(wire.ORDER, **order(cl_order_id=b"CL2"))
    rig.heard.wait("order", 2)
    rig.server.orders = [order(status=OrderStatus.FILLED, traded_quantity=3), order(cl_order_id=b"CL2")]
    rig.server.drop()
    assert rig.heard.wait("order", 3)[2:] == [(local_id, "CL1")], "the session still knows its own id"
    rig.heard.wait("state", 14)  # six of the login, three of the loss, five of the way back without connecting
    assert len(rig.heard.of("order")) == 3
    assert routing.order_details(local_id=local_id).status == OrderStatus.FILLED


def test_text_lengths_first_then_buffers_and_never_beyond_them(rig: Rig) -> None:
    rig.server.orders = [order(text=b"0123456789")]
    routed(rig)
    out = structs.TConnectorOrderOut()
    out.order_id.cl_order_id = "CL1"
    assert rig.library.dll.GetOrderDetails(out) == 0
    assert (out.asset.ticker_length, out.asset.exchange_length, out.text_message_length) == (6, 1, 10)
    assert out.event_id == 0, "version 0 ends before it"
    guarded = (structs.c_wchar * 8)(*"--------")
    out.text_message = guarded
    out.text_message_length = 4
    assert rig.library.dll.GetOrderDetails(out) == 0
    assert (guarded[:], out.text_message_length) == ("0123----", 10)


def test_change_and_cancel_name_the_permanent_id(rig: Rig) -> None:
    routing = routed(rig)
    local_id = routing.send_order(ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 3, 5000.0)
    early = structs.TConnectorCancelOrder(0, structs.TConnectorAccountIdentifier(0, 7, "12345", "", 0),
                                          structs.TConnectorOrderIdentifier(0, local_id, None), "secret")  # fmt: skip
    assert rig.library.dll.SendCancelOrderV2(early) == NL_CODES["NL_WAITING_SERVER"], "its ClOrdID has not come yet"
    rig.server.send(wire.ORDER, **order(local_id=local_id, own=1))
    rig.heard.wait("order")
    routing.change("CL1", ACCOUNT, 5001.0, -1.0, 2)
    routing.cancel("CL1", ACCOUNT)
    assert rig.library.dll.SendCancelOrderV2(early) == 0
    changed = rig.server.wait_for(wire.CHANGE_ORDER)[0]
    assert changed.item() == (b"CL1", b"secret", 5001.0, -1.0, 2)
    cancels = rig.server.wait_for(wire.CANCEL_ORDER, 2)
    assert [each.item() for each in cancels] == [(b"CL1", b"secret")] * 2
    assert refusal(routing.cancel, "NADA", ACCOUNT) == "NL_NOT_FOUND"
    assert refusal(routing.change, "CL1", ACCOUNT, 5001.0, -1.0, 0) == "NL_INVALID_ARGS"


def test_cancel_all_of_the_account_or_of_one_instrument(rig: Rig) -> None:
    routing = routed(rig)
    routing.cancel_all(ACCOUNT)
    routing.cancel_all(ACCOUNT, "WDOFUT", "F")
    every, one = rig.server.wait_for(wire.CANCEL_ALL, 2)
    assert (every["account"], every["ticker"], every["password"]) == (b"12345", b"", b"secret")
    assert (one["ticker"], one["exchange"], one["broker"]) == (b"WDOFUT", b"F", 7)
    assert refusal(routing.cancel_all, ACCOUNT, "NADA11", "F") == "NL_INVALID_TICKER"


def test_positions_are_told_and_closed(rig: Rig) -> None:
    rig.server.positions = [position(open_quantity=0, event_id=1)]
    routing = routed(rig)
    assert refusal(routing.zero_position, ACCOUNT, "WDOFUT", "F") == "NL_NO_POSITION"
    assert routing.position(ACCOUNT, "WINFUT", "F").signed_quantity == 0
    held = position(open_quantity=4, open_average_price=5000.25, open_side=2, daily_sell_quantity=5, daily_buy_quantity=1,
                    daily_average_sell_price=5001.0, daily_average_buy_price=4999.0, event_id=9)  # fmt: skip
    rig.server.send(wire.POSITION, **held)
    assert rig.heard.wait("position") == [(7, "12345", "", "WDOFUT", "F", 9)]
    found = routing.position(ACCOUNT, "WDOFUT", "F")
    assert tuple(found) == (4, 5000.25, Side.SELL, 1, 4999.0, 5, 5001.0, 9)
    assert found.signed_quantity == -4
    assert routing.position_assets(ACCOUNT) == [("WDOFUT", "F")]
    local_id = routing.zero_position(ACCOUNT, "WDOFUT", "F")
    body = rig.server.wait_for(wire.ZERO_POSITION)[0]
    assert (body["local_id"], body["price"], body["position_type"], body["ticker"]) == (local_id, -1.0, 1, b"WDOFUT")
    closing = routing.order_details(local_id=local_id)
    assert (closing.side, closing.quantity, closing.order_type) == (Side.BUY, 4, OrderType.MARKET)


def test_accounts_and_their_flags(rig: Rig) -> None:
    rig.server.accounts.append(
        {"account": b"99", "sub_account": b"A", "broker": 8, "flags": 1, "owner_name": "Zoë".encode()}
    )
    routing = routed(rig)
    assert routing.accounts() == [ACCOUNT, Account(8, "99", "A")]
    assert routing.account_enabled(ACCOUNT)
    assert not routing.account_enabled(Account(8, "99", "A"))
    out = structs.TConnectorTradingAccountOut(account=structs.TConnectorAccountIdentifier(0, 8, "99", "A", 0))
    assert rig.library.dll.GetAccountDetails(out) == 0
    name = (structs.c_wchar * 10)()
    out.owner_name, out.owner_name_length = name, out.owner_name_length
    assert rig.library.dll.GetAccountDetails(out) == 0
    assert name.value == "Zoë"


def test_bytes_that_are_no_text_become_replacement_characters(rig: Rig) -> None:
    """A client whose language checks its strings must not fail inside a callback."""
    rig.server.orders = [order(text=b"\xed\xa0\x80 \xf7\xbf\xbf\xbf ok")]
    routing = routed(rig)
    assert [each.text for each in routing.enumerate_orders(ACCOUNT)] == ["\ufffd \ufffd ok"]


def test_orders_in_an_interval(rig: Rig) -> None:
    rig.server.orders = [order()]
    routing = routed(rig)
    assert routing.has_orders(ACCOUNT, NOON_NS - 1_000_000, NOON_NS)
    assert not routing.has_orders(ACCOUNT, NOON_NS + 1_000_000, NOON_NS + 2_000_000)
    assert rig.heard.wait("order_history", 3)[1:] == [(7, "12345", "")] * 2


def test_an_enumeration_stops_when_it_is_told_to(rig: Rig) -> None:
    from profitdll.prototypes import EnumerateOrderProc

    rig.server.orders = [order(cl_order_id=f"CL{n}".encode()) for n in range(5)]
    routing = routed(rig)
    assert [each.cl_ord_id for each in routing.enumerate_orders(ACCOUNT)] == [f"CL{n}" for n in range(5)]
    seen: list[tuple[str, int]] = []

    def two(found: Any, param: int) -> int:
        seen.append((found.contents.order_id.cl_order_id, param))
        return int(len(seen) < 2)

    who = structs.TConnectorAccountIdentifier(0, 7, "12345", "", 0)
    assert rig.library.dll.EnumerateAllOrders(who, 0, 77, EnumerateOrderProc(two)) == 0
    assert seen == [("CL0", 77), ("CL1", 77)]


def test_what_is_wrong_with_an_order_is_said_before_it_leaves(rig: Rig) -> None:
    send = routed(rig).send_order
    assert refusal(send, Account(1, "12345"), "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 1, 1.0) == "NL_NOT_FOUND"
    assert refusal(send, ACCOUNT, "NADA11", "F", Side.BUY, OrderType.LIMIT, 1, 1.0) == "NL_INVALID_TICKER"
    assert refusal(send, ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 0, 1.0) == "NL_INVALID_ARGS"
    assert refusal(send, ACCOUNT, "WDOFUT", "F", 3, OrderType.LIMIT, 1, 1.0) == "NL_INVALID_ARGS"
    assert refusal(send, ACCOUNT, "WDOFUT", "F", Side.BUY, 3, 1, 1.0) == "NL_INVALID_ARGS"
    old = structs.TConnectorSendOrder(0, structs.TConnectorAccountIdentifier(0, 7, "12345", "", 0),
                                      structs.TConnectorAssetIdentifier(0, "WDOFUT", "F", 0), "", 1, 1, -1, -1, 1)  # fmt: skip
    assert rig.library.dll.SendOrder(old) == NL_CODES["NL_VERSION_NOT_SUPPORTED"]
    rig.settle()
    assert not [kind for kind, _ in rig.server.received if kind == wire.SEND_ORDER]


def test_an_unknown_order_may_still_come(rig: Rig) -> None:
    routing = routed(rig)
    with pytest.raises(DllError) as error:
        routing.order_details(local_id=12345)
    assert not_yet_known(error.value)


def test_market_data_sessions_have_no_routing(rig: Rig) -> None:
    rig.connect()
    routing = Routing(rig.library, "secret")
    assert refusal(routing.send_order, ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 1, 1.0) == "NL_MARKET_ONLY"
    assert refusal(routing.accounts) == "NL_MARKET_ONLY"
    assert refusal(routing.order_details, local_id=1) == "NL_MARKET_ONLY"


def test_while_the_connection_is_lost_nothing_is_sent_but_the_cache_answers(rig: Rig) -> None:
    rig.server.orders = [order()]
    routing = routed(rig)
    rig.server.mute = True
    rig.server.drop()
    rig.server.wait_for(wire.LOGIN, 2)  # there is a connection again, but no answer to the login
    assert refusal(routing.send_order, ACCOUNT, "WDOFUT", "F", Side.BUY, OrderType.LIMIT, 1, 1.0) == "NL_WAITING_SERVER"
    assert refusal(routing.cancel, "CL1", ACCOUNT) == "NL_WAITING_SERVER"
    assert routing.order_details(cl_ord_id="CL1").quantity == 3
    assert routing.accounts() == [ACCOUNT]


def test_many_orders_grow_the_cache_and_keep_their_strings(rig: Rig) -> None:
    rig.server.orders = [order(cl_order_id=f"CL{n:05}".encode(), quantity=n + 1) for n in range(1_000)]
    routing = routed(rig)
    found = routing.enumerate_orders(ACCOUNT)
    assert [(each.cl_ord_id, each.quantity) for each in found] == [(f"CL{n:05}", n + 1) for n in range(1_000)]
    assert routing.order_details(cl_ord_id="CL00500").quantity == 501
