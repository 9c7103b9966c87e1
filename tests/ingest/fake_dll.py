"""A ProfitDLL of four functions, in Python: what a callback may ask, answered from plain lists.

Tests call the native callbacks as the ConnectorThread does, with the vendor's structs.
"""

from __future__ import annotations

import ctypes
import datetime
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from profitdll.structs import SystemTime, TConnectorAssetIdentifier, TConnectorPriceGroup, TConnectorTrade

ZONE = ZoneInfo("America/Sao_Paulo")
OPENING_NS = int(datetime.datetime(2026, 11, 20, 10, 0, tzinfo=ZONE).timestamp()) * 1_000_000_000


@dataclass
class DllTrade:
    """A trade as the DLL would tell it."""

    ts_ns: int
    number: int
    price: float = 5_000.0
    quantity: int = 1
    trade_type: int = 2
    buyer: int = 3
    seller: int = 8
    empty_date: bool = False
    failure: int = 0  # what TranslateTrade answers


@dataclass
class FakeDll:
    """Stands where a `profitdll.library.Library` does; `address` is all that ingest's context asks of it."""

    trades: dict[int, DllTrade] = field(default_factory=dict)
    sides: dict[int, list[tuple[float, int, int]]] = field(default_factory=lambda: {0: [], 1: []})

    def __post_init__(self) -> None:
        translate = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_size_t, ctypes.POINTER(TConnectorTrade))(self._translate)
        count = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint8)(self._count)
        group = ctypes.CFUNCTYPE(
            ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint8, ctypes.c_int32, ctypes.POINTER(TConnectorPriceGroup)
        )(self._group)
        self._functions = {"TranslateTrade": translate, "GetPriceDepthSideCount": count, "GetPriceGroup": group}

    def address(self, name: str) -> int:
        return ctypes.cast(self._functions[name], ctypes.c_void_p).value or 0

    def _translate(self, opaque: int, out: ctypes._Pointer[TConnectorTrade]) -> int:
        trade = self.trades[opaque]
        if trade.failure:
            return trade.failure
        local = datetime.datetime.fromtimestamp(trade.ts_ns // 1_000_000_000, ZONE)
        into = out.contents
        into.trade_date = SystemTime(
            local.year, local.month, 0, local.day, local.hour, local.minute, local.second, trade.ts_ns // 1_000_000 % 1000
        )
        if trade.empty_date:
            into.trade_date = SystemTime()
        into.trade_number = trade.number
        into.price = trade.price
        into.quantity = trade.quantity
        into.buy_agent = trade.buyer
        into.sell_agent = trade.seller
        into.trade_type = trade.trade_type
        return 0

    def _count(self, asset: int, side: int) -> int:
        return len(self.sides[side])

    def _group(self, asset: int, side: int, position: int, out: ctypes._Pointer[TConnectorPriceGroup]) -> int:
        levels = self.sides[side]
        if not 0 <= position < len(levels):
            return -2_147_483_639  # NL_OUT_OF_RANGE
        out.contents.price, out.contents.quantity, out.contents.flags = levels[position]
        out.contents.count = 1
        return 0


def asset(ticker: str) -> TConnectorAssetIdentifier:
    return TConnectorAssetIdentifier(0, ticker, "F", 0)
