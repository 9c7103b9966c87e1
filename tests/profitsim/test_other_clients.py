"""What clients that others wrote call, and this project's own does not: each name is there and answers truly."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from profitdll import structs as s
from profitdll.constants import NL_CODES, NL_OK
from profitdll.market_time import system_time
from profitdll.prototypes import EnumerateOrderProc
from tests.profitsim.conftest import Rig
from tests.profitsim.scripted import NOON_NS

NEVER_CALLED = (
    "SetAssetListCallback", "SetAssetListInfoCallback", "SetAssetListInfoCallbackV2", "SetAdjustHistoryCallback",
    "SetAdjustHistoryCallbackV2", "SetTheoreticalPriceCallback", "SetTradingMessageResultCallback", "SetHealthCallback",
    "SetOrderChangeCallbackV2", "SetHistoryCallbackV2",
)  # fmt: skip
WHO = s.TConnectorAccountIdentifier(0, 7, "12345", "", 0)
SECOND_NS = 1_000_000_000


def orders_between(rig: Rig, first_ns: int, last_ns: int) -> tuple[int, list[str]]:
    found: list[str] = []

    def each(order: Any, _: int) -> int:
        found.append(order.contents.order_id.cl_order_id)
        return 1

    times = [ctypes.byref(system_time(ns)) for ns in (first_ns, last_ns)]
    code = rig.library.dll.EnumerateOrdersByInterval(
        ctypes.byref(WHO), ctypes.c_uint8(1), *times, ctypes.c_ssize_t(0), EnumerateOrderProc(each)
    )
    return code, found


def test_orders_of_an_interval(rig: Rig) -> None:
    mine = {"account": b"12345", "broker": 7, "ticker": b"WDOFUT", "exchange": b"F", "quantity": 1}
    rig.server.orders = [
        {**mine, "cl_order_id": f"CL{n}".encode(), "date_ns": NOON_NS + n * SECOND_NS} for n in range(4)
    ]
    rig.connect(full=True)
    assert orders_between(rig, NOON_NS + SECOND_NS, NOON_NS + 2 * SECOND_NS) == (NL_OK, ["CL1", "CL2"])
    assert orders_between(rig, NOON_NS, NOON_NS + 9 * SECOND_NS)[1] == ["CL0", "CL1", "CL2", "CL3"]
    code, none = orders_between(rig, NOON_NS + 5 * SECOND_NS, NOON_NS + 9 * SECOND_NS)
    assert none == [] and code == NL_CODES["NL_OUT_OF_RANGE"]


def test_accounts_of_a_broker(rig: Rig) -> None:
    rig.server.accounts = [{"account": f"A{n}".encode(), "broker": 7 + n % 2} for n in range(5)]
    rig.connect(full=True)
    dll, out = rig.library.dll, (s.TConnectorAccountIdentifierOut * 5)()
    assert [dll.GetAccountCountByBroker(broker) for broker in (7, 8, 9)] == [3, 2, 0]
    assert dll.GetAccountsByBroker(7, 1, 2, 5, out) == 2
    assert [out[i].account_id for i in range(5)] == ["", "", "A2", "A4", ""]
    first = s.TConnectorAccountIdentifier(0, 7, "A0", "", 0)
    assert dll.GetSubAccountCount(ctypes.byref(first)) == 0
    assert dll.GetSubAccounts(ctypes.byref(first), 0, 0, 5, out) == 0
    nobody = s.TConnectorAccountIdentifier(0, 7, "A9", "", 0)
    assert dll.GetSubAccountCount(ctypes.byref(nobody)) == NL_CODES["NL_NOT_FOUND"]


def test_a_members_name_comes_with_its_length_and_its_end(rig: Rig) -> None:
    rig.connect()
    dll = rig.library.dll
    buffer = ctypes.create_unicode_buffer("x" * 30)
    assert dll.GetAgentName(30, 120, buffer, 0) == len("Member 120") == dll.GetAgentNameLength(120, 0)
    assert buffer.value == "Member 120"
    short = ctypes.create_unicode_buffer("x" * 30)
    assert dll.GetAgentName(6, 120, short, 0) == 6
    assert short.value == "Member" + "x" * 24, "no more is written than there is room for"


def test_what_the_simulated_exchange_has_not_is_answered_with_a_code(rig: Rig) -> None:
    dll = rig.library.dll
    assert dll.RequestTickerInfo("WDOFUT", "F") == NL_CODES["NL_NOT_INITIALIZED"]
    rig.connect()
    close = ctypes.c_double(-1.0)
    assert dll.RequestTickerInfo("WDOFUT", "F") == NL_CODES["NL_ASSET_NO_DATA"]
    assert dll.RequestTickerInfo("NOSUCH", "F") == NL_CODES["NL_INVALID_TICKER"]
    assert dll.GetLastDailyClose("WDOFUT", "F", ctypes.byref(close), 1) == NL_CODES["NL_ASSET_NO_DATA"]
    assert close.value == -1.0
    assert dll.SubscribeAdjustHistory("WDOFUT", "F") == dll.UnsubscribeAdjustHistory("WDOFUT", "F") == NL_OK
    state = ctypes.c_int32(9)
    assert (dll.GetHealthStatus(ctypes.byref(state)), state.value) == (NL_OK, 0)
    assert dll.GetHealthStatus(None) == NL_CODES["NL_INVALID_ARGS"]


@pytest.mark.parametrize("name", NEVER_CALLED)
def test_a_callback_without_events_can_be_set_and_taken_away(rig: Rig, name: str) -> None:
    setter = getattr(rig.library.dll, name)
    assert setter(ctypes.c_void_p(1)) == NL_OK and setter(None) == NL_OK


@pytest.mark.parametrize("year", [1601, 9999, 65535])
def test_times_that_nanoseconds_do_not_reach_are_cut(rig: Rig, year: int) -> None:
    mine = {"account": b"12345", "broker": 7, "cl_order_id": b"CL", "date_ns": NOON_NS}
    rig.server.orders = [mine]
    rig.connect(full=True)
    dll = rig.library.dll
    now, far = system_time(NOON_NS), s.SystemTime(year, 1, 0, 1, 0, 0, 0, 0)
    interval = (far, now) if year < 1970 else (now, far)
    assert dll.HasOrdersInInterval(WHO, *interval) == NL_OK
    if year == 9999:
        assert dll.GetHistoryTrades("WDOFUT", "F", "01/01/9999 00:00:00", "02/01/9999 00:00:00") != NL_OK
