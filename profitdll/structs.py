"""The DLL's structs in ctypes: natural alignment, except that TAssetIDRec is packed.

Field names are the vendor's in snake case and are the same in exchange/profitsim/profitsim.h; a test compares every
size and offset with a C compiler's. Strings are `wchar_t`: 2 bytes on Windows, 4 on Linux. A string in a struct that the
DLL passed to a callback dies with the callback: reading the attribute copies it.
"""

from __future__ import annotations

from ctypes import (
    POINTER,
    Structure,
    c_double,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_wchar,
    c_wchar_p,
)
from typing import Any


class SystemTime(Structure):
    """Exchange local time; Sunday is day_of_week 0. All zero: no time."""

    _fields_ = [
        (name, c_uint16) for name in ("year", "month", "day_of_week", "day", "hour", "minute", "second", "millisecond")
    ]


class TAssetIDRec(Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("ticker", c_wchar_p), ("exchange", c_wchar_p), ("feed", c_int32)]


class TConnectorAssetIdentifier(Structure):
    _fields_ = [("version", c_uint8), ("ticker", c_wchar_p), ("exchange", c_wchar_p), ("feed_type", c_uint8)]


class TConnectorAssetIdentifierOut(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("ticker", POINTER(c_wchar)),
        ("ticker_length", c_int32),
        ("exchange", POINTER(c_wchar)),
        ("exchange_length", c_int32),
        ("feed_type", c_uint8),
    ]


class TConnectorAccountIdentifier(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("broker_id", c_int32),
        ("account_id", c_wchar_p),
        ("sub_account_id", c_wchar_p),
        ("reserved", c_int64),
    ]


class TConnectorAccountIdentifierOut(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("broker_id", c_int32),
        ("account_id", c_wchar * 100),
        ("account_id_length", c_int32),
        ("sub_account_id", c_wchar * 100),
        ("sub_account_id_length", c_int32),
        ("reserved", c_int64),
    ]


class TConnectorOrderIdentifier(Structure):
    """local_order_id is unique within a session only; cl_order_id is permanent, and comes with the first callback."""

    _fields_ = [("version", c_uint8), ("local_order_id", c_int64), ("cl_order_id", c_wchar_p)]


class TConnectorTrade(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("trade_date", SystemTime),
        ("trade_number", c_uint32),
        ("price", c_double),
        ("quantity", c_int64),
        ("volume", c_double),
        ("buy_agent", c_int32),
        ("sell_agent", c_int32),
        ("trade_type", c_uint8),
    ]


class TConnectorPriceGroup(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("price", c_double),
        ("count", c_uint32),
        ("quantity", c_int64),
        ("flags", c_uint32),
    ]


class TConnectorSendOrder(Structure):
    """Version 1 ends before message_id."""

    _fields_ = [
        ("version", c_uint8),
        ("account", TConnectorAccountIdentifier),
        ("asset", TConnectorAssetIdentifier),
        ("password", c_wchar_p),
        ("order_type", c_uint8),
        ("side", c_uint8),
        ("price", c_double),
        ("stop_price", c_double),
        ("quantity", c_int64),
        ("message_id", c_int64),
    ]


class TConnectorChangeOrder(Structure):
    """Version 0 ends before message_id."""

    _fields_ = [
        ("version", c_uint8),
        ("account", TConnectorAccountIdentifier),
        ("order_id", TConnectorOrderIdentifier),
        ("password", c_wchar_p),
        ("price", c_double),
        ("stop_price", c_double),
        ("quantity", c_int64),
        ("message_id", c_int64),
    ]


class TConnectorCancelOrder(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("account", TConnectorAccountIdentifier),
        ("order_id", TConnectorOrderIdentifier),
        ("password", c_wchar_p),
    ]


class TConnectorCancelOrders(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("account", TConnectorAccountIdentifier),
        ("asset", TConnectorAssetIdentifier),
        ("password", c_wchar_p),
    ]


class TConnectorCancelAllOrders(Structure):
    _fields_ = [("version", c_uint8), ("account", TConnectorAccountIdentifier), ("password", c_wchar_p)]


class TConnectorZeroPosition(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("account", TConnectorAccountIdentifier),
        ("asset", TConnectorAssetIdentifier),
        ("password", c_wchar_p),
        ("price", c_double),
        ("position_type", c_uint8),
    ]


class TConnectorTradingAccountOut(Structure):
    _fields_ = [
        ("version", c_uint8),
        ("account", TConnectorAccountIdentifier),
        ("broker_name", POINTER(c_wchar)),
        ("broker_name_length", c_int32),
        ("owner_name", POINTER(c_wchar)),
        ("owner_name_length", c_int32),
        ("sub_owner_name", POINTER(c_wchar)),
        ("sub_owner_name_length", c_int32),
        ("account_flags", c_uint32),
        ("account_type", c_uint8),
    ]


class TConnectorTradingAccountPosition(Structure):
    """Version 1 adds position_type, version 2 event_id."""

    _fields_ = [
        ("version", c_uint8),
        ("account", TConnectorAccountIdentifier),
        ("asset", TConnectorAssetIdentifier),
        ("open_quantity", c_int64),
        ("open_average_price", c_double),
        ("open_side", c_uint8),
        ("daily_average_sell_price", c_double),
        ("daily_sell_quantity", c_int64),
        ("daily_average_buy_price", c_double),
        ("daily_buy_quantity", c_int64),
        *((name, c_int64) for name in ("d1", "d2", "d3", "blocked", "pending", "alloc")),
        *((name, c_int64) for name in ("provision", "quantity", "available")),
        ("position_type", c_uint8),
        ("event_id", c_int64),
    ]


_ORDER_BODY: list[Any] = [
    ("quantity", c_int64),
    ("traded_quantity", c_int64),
    ("leaves_quantity", c_int64),
    ("price", c_double),
    ("stop_price", c_double),
    ("average_price", c_double),
    ("side", c_uint8),
    ("order_type", c_uint8),
    ("status", c_uint8),
    ("validity", c_uint8),
    ("date", SystemTime),
    ("last_update", SystemTime),
    ("close_date", SystemTime),
    ("validity_date", SystemTime),
]


class TConnectorOrder(Structure):
    """What an enumeration shows. Version 1 adds event_id."""

    _fields_ = [
        ("version", c_uint8),
        ("order_id", TConnectorOrderIdentifier),
        ("account", TConnectorAccountIdentifier),
        ("asset", TConnectorAssetIdentifier),
        *_ORDER_BODY,
        ("text_message", c_wchar_p),
        ("event_id", c_int64),
    ]


class TConnectorOrderOut(Structure):
    """What GetOrderDetails fills: called once for the lengths of the text, then with buffers."""

    _fields_ = [
        ("version", c_uint8),
        ("order_id", TConnectorOrderIdentifier),
        ("account", TConnectorAccountIdentifierOut),
        ("asset", TConnectorAssetIdentifierOut),
        *_ORDER_BODY,
        ("text_message", POINTER(c_wchar)),
        ("text_message_length", c_int32),
        ("event_id", c_int64),
    ]
