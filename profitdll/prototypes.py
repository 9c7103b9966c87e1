"""Every export this project uses, with its types, and the types of the callbacks: all in the lowered form.

Lowered: where the vendor passes a struct by value, a pointer to it is passed. On Win64 the two are the same machine
code for structs that are not 1, 2, 4 or 8 bytes, which holds for all of these; on Linux it is the convention of the
simulated library. Slots and setters of callbacks are `void *`: they take the address of any native function.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_double, c_int32, c_int64, c_ssize_t, c_uint8, c_uint32, c_void_p, c_wchar, c_wchar_p
from typing import Any, NamedTuple

from profitdll import structs as s

function_type: Any = ctypes.CFUNCTYPE
"""Maker of callback types; on x86-64 both are the one convention of the platform."""
if sys.platform == "win32":
    function_type = ctypes.WINFUNCTYPE

_asset = POINTER(s.TConnectorAssetIdentifier)
_account = POINTER(s.TConnectorAccountIdentifier)
_record = POINTER(s.TAssetIDRec)

StateCallback = function_type(None, c_int32, c_int32)
TradeCallback = function_type(None, _asset, ctypes.c_size_t, c_uint32)
DepthCallback = function_type(None, _asset, c_uint8, c_int32, c_uint8)
OrderCallback = function_type(None, POINTER(s.TConnectorOrderIdentifier))
OrderHistoryCallback = function_type(None, _account)
ProgressCallback = function_type(None, _record, c_int32)
TickerStateCallback = function_type(None, _record, c_wchar_p, c_int32)
InvalidTickerCallback = function_type(None, _asset)
PositionListCallback = function_type(None, _account, _asset, c_int64)
AccountListCallback = function_type(None, c_int32, c_uint32)
OfferBookCallback = function_type(
    None, _record, *[c_int32] * 3, c_int64, c_int32, c_int64, c_double, *[c_uint8] * 5, c_wchar_p, c_void_p, c_void_p
)
DailyCallback = function_type(None, _record, c_wchar_p, *[c_double] * 10, *[c_int32] * 7)
TinyBookCallback = function_type(None, _record, c_double, c_int32, c_int32)
EnumerateOrderProc = function_type(c_int32, POINTER(s.TConnectorOrder), c_ssize_t)
EnumerateAssetProc = function_type(c_int32, _asset, c_ssize_t)


class Prototype(NamedTuple):
    restype: Any
    argtypes: tuple[Any, ...]


def _code(*argtypes: Any) -> Prototype:
    return Prototype(c_int32, argtypes)


_time = POINTER(s.SystemTime)
_number = POINTER(c_int32)

FUNCTIONS: dict[str, Prototype] = {
    "DLLInitializeMarketLogin": _code(*[c_wchar_p] * 3, *[c_void_p] * 8),
    "DLLInitializeLogin": _code(*[c_wchar_p] * 3, *[c_void_p] * 11),
    "DLLFinalize": _code(),
    "SetServerAndPort": _code(c_wchar_p, c_wchar_p),
    "GetServerClock": _code(POINTER(c_double), *[_number] * 7),
    "SubscribeTicker": _code(c_wchar_p, c_wchar_p),
    "UnsubscribeTicker": _code(c_wchar_p, c_wchar_p),
    "SubscribePriceDepth": _code(_asset),
    "UnsubscribePriceDepth": _code(_asset),
    "SubscribeOfferBook": _code(c_wchar_p, c_wchar_p),
    "UnsubscribeOfferBook": _code(c_wchar_p, c_wchar_p),
    "GetPriceDepthSideCount": _code(_asset, c_uint8),
    "GetPriceGroup": _code(_asset, c_uint8, c_int32, POINTER(s.TConnectorPriceGroup)),
    "GetTheoreticalValues": _code(_asset, POINTER(c_double), POINTER(c_int64)),
    "GetHistoryTrades": _code(*[c_wchar_p] * 4),
    "TranslateTrade": _code(ctypes.c_size_t, POINTER(s.TConnectorTrade)),
    "GetAgentNameLength": _code(c_int32, c_uint32),
    "GetAgentName": _code(c_int32, c_int32, POINTER(c_wchar), c_uint32),
    "GetAccountCount": _code(),
    "GetAccounts": _code(c_int32, c_int32, c_int32, POINTER(s.TConnectorAccountIdentifierOut)),
    "GetAccountDetails": _code(POINTER(s.TConnectorTradingAccountOut)),
    "SendOrder": Prototype(c_int64, (POINTER(s.TConnectorSendOrder),)),
    "SendChangeOrderV2": _code(POINTER(s.TConnectorChangeOrder)),
    "SendCancelOrderV2": _code(POINTER(s.TConnectorCancelOrder)),
    "SendCancelOrdersV2": _code(POINTER(s.TConnectorCancelOrders)),
    "SendCancelAllOrdersV2": _code(POINTER(s.TConnectorCancelAllOrders)),
    "SendZeroPositionV2": Prototype(c_int64, (POINTER(s.TConnectorZeroPosition),)),
    "GetPositionV2": _code(POINTER(s.TConnectorTradingAccountPosition)),
    "GetOrderDetails": _code(POINTER(s.TConnectorOrderOut)),
    "HasOrdersInInterval": _code(_account, _time, _time),
    "EnumerateAllOrders": _code(_account, c_uint8, c_ssize_t, EnumerateOrderProc),
    "EnumerateAllPositionAssets": _code(_account, c_uint8, c_ssize_t, EnumerateAssetProc),
    "SetDayTrade": _code(c_int32),
    "FreePointer": _code(c_void_p, c_int32),
}
"""Export -> result and arguments. A result is an NL code, a count, or (i64) a local order id."""

SETTERS: dict[str, Any] = {
    "SetStateCallback": StateCallback,
    "SetTradeCallbackV2": TradeCallback,
    "SetHistoryTradeCallbackV2": TradeCallback,
    "SetPriceDepthCallback": DepthCallback,
    "SetOfferBookCallbackV2": OfferBookCallback,
    "SetDailyCallback": DailyCallback,
    "SetSerieProgressCallback": ProgressCallback,
    "SetChangeStateTickerCallback": TickerStateCallback,
    "SetInvalidTickerCallback": InvalidTickerCallback,
    "SetOrderCallback": OrderCallback,
    "SetOrderHistoryCallback": OrderHistoryCallback,
    "SetAssetPositionListCallback": PositionListCallback,
    "SetBrokerAccountListChangedCallback": AccountListCallback,
}
"""Setter -> type of the callback it takes."""

FUNCTIONS |= {name: _code(c_void_p) for name in SETTERS}
