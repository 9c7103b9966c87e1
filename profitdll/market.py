"""Requests and accessors of market data, thinly typed. Requests never from a callback; accessors from anywhere."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

from profitdll.constants import NL_CODES, BookSide
from profitdll.errors import checked
from profitdll.library import Library
from profitdll.market_time import request_text, utc_ns
from profitdll.structs import SystemTime, TConnectorAssetIdentifier, TConnectorPriceGroup


class PriceGroup(NamedTuple):
    """One price level: price in points, quantity in contracts, number of orders, flags (1: theoretical)."""

    price: float
    quantity: int
    orders: int
    flags: int


class Market:
    """Market data of one library. All methods raise DllError with the code's name and mend."""

    def __init__(self, library: Library) -> None:
        self._dll = library.dll

    def subscribe(self, ticker: str, exchange: str) -> None:
        """Trades, and the ticker's states. An unknown ticker is told later, by the invalid ticker callback."""
        checked("SubscribeTicker", self._dll.SubscribeTicker(ticker, exchange))

    def unsubscribe(self, ticker: str, exchange: str) -> None:
        checked("UnsubscribeTicker", self._dll.UnsubscribeTicker(ticker, exchange))

    def subscribe_depth(self, ticker: str, exchange: str) -> None:
        """The price depth; its first notice is a full book."""
        checked("SubscribePriceDepth", self._dll.SubscribePriceDepth(_asset(ticker, exchange)))

    def unsubscribe_depth(self, ticker: str, exchange: str) -> None:
        checked("UnsubscribePriceDepth", self._dll.UnsubscribePriceDepth(_asset(ticker, exchange)))

    def request_history(self, ticker: str, exchange: str, from_ns: int, to_ns: int) -> None:
        """Trades of an interval (ns UTC, cut to seconds) on the history callback; progress 100 ends it.

        One request at a time: the answers do not say which request they belong to. Use the continuous ticker.
        """
        first, last = request_text(from_ns), request_text(to_ns)
        checked("GetHistoryTrades", self._dll.GetHistoryTrades(ticker, exchange, first, last))

    def depth(self, ticker: str, exchange: str, side: BookSide) -> list[PriceGroup]:
        """The levels of one side, best first."""
        asset, group = _asset(ticker, exchange), TConnectorPriceGroup()
        count = checked("GetPriceDepthSideCount", self._dll.GetPriceDepthSideCount(asset, side))
        levels = []
        for position in range(count):
            code = self._dll.GetPriceGroup(asset, side, position, group)
            if code == NL_CODES["NL_OUT_OF_RANGE"]:  # the book became shorter meanwhile
                break
            checked("GetPriceGroup", code)
            levels.append(PriceGroup(group.price, group.quantity, group.count, group.flags))
        return levels

    def theoretical(self, ticker: str, exchange: str) -> tuple[float, int]:
        """(price, quantity) of a running auction; zeros when there is none."""
        price, quantity = ctypes.c_double(), ctypes.c_int64()
        checked("GetTheoreticalValues", self._dll.GetTheoreticalValues(_asset(ticker, exchange), price, quantity))
        return price.value, quantity.value

    def agent_name(self, agent: int, *, short: bool = False) -> str:
        """The name of a member of the exchange."""
        length = checked("GetAgentNameLength", self._dll.GetAgentNameLength(agent, int(short)))
        buffer = ctypes.create_unicode_buffer(length + 1)
        checked("GetAgentName", self._dll.GetAgentName(length, agent, buffer, int(short)))
        return buffer.value

    def server_clock_ns(self) -> int:
        """The server's clock as ns UTC, in whole milliseconds."""
        date = ctypes.c_double()
        parts = [ctypes.c_int32() for _ in range(7)]
        checked("GetServerClock", self._dll.GetServerClock(date, *parts))
        year, month, day, hour, minute, second, ms = (part.value for part in parts)
        return utc_ns(SystemTime(year, month, 0, day, hour, minute, second, ms))


def _asset(ticker: str, exchange: str) -> TConnectorAssetIdentifier:
    return TConnectorAssetIdentifier(0, ticker, exchange, 0)
