"""The order side of the DLL, thinly typed: send, change, cancel, and ask about orders, positions and accounts.

It decides nothing: no risk, no retry, no state. The one caller of `send_order` is the gateway behind the risk gate.
Nothing here may be called from a callback, except `order_details`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from profitdll import structs as s
from profitdll.constants import AT_MARKET, NL_CODES, PositionType, Side
from profitdll.errors import DllError, checked
from profitdll.library import Library
from profitdll.market_time import system_time, utc_ns
from profitdll.prototypes import EnumerateAssetProc, EnumerateOrderProc

_TEXT_SLACK = 64  # text may grow between the call for lengths and the call with buffers


class Account(NamedTuple):
    broker_id: int
    account_id: str
    sub_account_id: str = ""


class OrderDetails(NamedTuple):
    """An order as the broker knows it. Prices in points; times ns UTC, 0: none; enums as numbers, since new ones appear."""

    local_id: int  # unique within a session only; 0: sent by another session
    cl_ord_id: str  # permanent; empty until the exchange has answered
    account: Account
    ticker: str
    exchange: str
    quantity: int
    traded_quantity: int
    leaves_quantity: int
    price: float
    stop_price: float
    average_price: float
    side: int
    order_type: int
    status: int
    validity: int
    date_ns: int
    update_ns: int
    close_ns: int
    text: str
    event_id: int


class Position(NamedTuple):
    """What an account holds of an instrument. open_quantity >= 0; open_side 1 buy, 2 sell, 0 flat; prices in points."""

    open_quantity: int
    open_average_price: float
    open_side: int
    daily_buy_quantity: int
    daily_average_buy_price: float
    daily_sell_quantity: int
    daily_average_sell_price: float
    event_id: int

    @property
    def signed_quantity(self) -> int:
        """Contracts, negative when short."""
        return -self.open_quantity if self.open_side == Side.SELL else self.open_quantity


class Routing:
    """Order entry of a full login. All methods raise DllError with the code's name and mend."""

    def __init__(self, library: Library, password: str) -> None:
        self._dll = library.dll
        self._password = password
        self._requests: dict[tuple[Account, str, str], s.TConnectorSendOrder] = {}

    def send_order(
        self,
        account: Account,
        ticker: str,
        exchange: str,
        side: int,
        order_type: int,
        quantity: int,
        price: float = AT_MARKET,
        stop_price: float = AT_MARKET,
        entering: Callable[[], None] = lambda: None,
    ) -> int:
        """Send a new order (constants.Side, OrderType). Returns its local id (> 0).

        entering: called just before the library is.
        """
        request = self._requests.get((account, ticker, exchange))
        if request is None:  # made once: the texts in it are the dear part
            request = s.TConnectorSendOrder(1, _account(account), _asset(ticker, exchange), self._password)
            self._requests[account, ticker, exchange] = request
        request.order_type = order_type
        request.side = side
        request.price = price
        request.stop_price = stop_price
        request.quantity = quantity
        entering()
        return checked("SendOrder", self._dll.SendOrder(request))

    def change(self, cl_ord_id: str, account: Account, price: float, stop_price: float, quantity: int) -> None:
        """Ask for another price, stop price or quantity of a working order."""
        request = s.TConnectorChangeOrder(
            0, _account(account), _order_id(0, cl_ord_id), self._password, price, stop_price, quantity
        )
        checked("SendChangeOrderV2", self._dll.SendChangeOrderV2(request))

    def cancel(self, cl_ord_id: str, account: Account) -> None:
        """Ask to cancel one order."""
        request = s.TConnectorCancelOrder(0, _account(account), _order_id(0, cl_ord_id), self._password)
        checked("SendCancelOrderV2", self._dll.SendCancelOrderV2(request))

    def cancel_all(self, account: Account, ticker: str = "", exchange: str = "") -> None:
        """Ask to cancel every order of the account, or of one instrument of it."""
        if ticker:
            one = s.TConnectorCancelOrders(0, _account(account), _asset(ticker, exchange), self._password)
            checked("SendCancelOrdersV2", self._dll.SendCancelOrdersV2(one))
        else:
            every = s.TConnectorCancelAllOrders(0, _account(account), self._password)
            checked("SendCancelAllOrdersV2", self._dll.SendCancelAllOrdersV2(every))

    def zero_position(
        self,
        account: Account,
        ticker: str,
        exchange: str,
        price: float = AT_MARKET,
        position_type: PositionType = PositionType.DAY_TRADE,
    ) -> int:
        """Close the position with one order. Returns its local id; DllError NL_NO_POSITION when flat."""
        request = s.TConnectorZeroPosition(
            1, _account(account), _asset(ticker, exchange), self._password, price, position_type
        )
        return checked("SendZeroPositionV2", self._dll.SendZeroPositionV2(request))

    def order_details(self, *, local_id: int = 0, cl_ord_id: str = "") -> OrderDetails:
        """One order by either id. Can fail for a moment (NL_NOT_FOUND): the caller repeats."""
        out = s.TConnectorOrderOut(version=1, order_id=_order_id(local_id, cl_ord_id))
        checked("GetOrderDetails", self._dll.GetOrderDetails(out))  # for the lengths
        lengths = (out.asset.ticker_length, out.asset.exchange_length, out.text_message_length)
        ticker, exchange, text = (ctypes.create_unicode_buffer(length + _TEXT_SLACK) for length in lengths)
        out.asset.ticker, out.asset.ticker_length = _room(ticker)
        out.asset.exchange, out.asset.exchange_length = _room(exchange)
        out.text_message, out.text_message_length = _room(text)
        checked("GetOrderDetails", self._dll.GetOrderDetails(out))
        account = Account(
            out.account.broker_id,
            out.account.account_id[: out.account.account_id_length].rstrip("\0"),
            out.account.sub_account_id[: out.account.sub_account_id_length].rstrip("\0"),
        )
        return _details(out, account, ticker.value, exchange.value, text.value)

    def enumerate_orders(self, account: Account) -> list[OrderDetails]:
        """Every order of the account that the DLL knows: the day's."""
        found: list[OrderDetails] = []

        def collect(order: Any, _param: int) -> int:
            o = order.contents
            who = Account(o.account.broker_id, o.account.account_id or "", o.account.sub_account_id or "")
            found.append(_details(o, who, o.asset.ticker or "", o.asset.exchange or "", o.text_message or ""))
            return 1

        code = self._dll.EnumerateAllOrders(_account(account), 1, 0, EnumerateOrderProc(collect))
        checked("EnumerateAllOrders", code)
        return found

    def has_orders(self, account: Account, from_ns: int, to_ns: int) -> bool:
        """Whether an order was made in the interval (ns UTC). May make the DLL fetch them: order history callback."""
        code = self._dll.HasOrdersInInterval(_account(account), system_time(from_ns), system_time(to_ns))
        if code == NL_CODES["NL_NOT_FOUND"]:
            return False
        checked("HasOrdersInInterval", code)
        return True

    def position(
        self, account: Account, ticker: str, exchange: str, position_type: PositionType = PositionType.DAY_TRADE
    ) -> Position:
        """What the account holds of the instrument."""
        out = s.TConnectorTradingAccountPosition(
            version=2, account=_account(account), asset=_asset(ticker, exchange), position_type=position_type
        )
        checked("GetPositionV2", self._dll.GetPositionV2(out))
        return Position(
            out.open_quantity,
            out.open_average_price,
            out.open_side if out.open_quantity else 0,
            out.daily_buy_quantity,
            out.daily_average_buy_price,
            out.daily_sell_quantity,
            out.daily_average_sell_price,
            out.event_id,
        )

    def position_assets(self, account: Account) -> list[tuple[str, str]]:
        """(ticker, exchange) of every instrument the account holds or held today."""
        found: list[tuple[str, str]] = []

        def collect(asset: Any, _param: int) -> int:
            found.append((asset.contents.ticker or "", asset.contents.exchange or ""))
            return 1

        code = self._dll.EnumerateAllPositionAssets(_account(account), 0, 0, EnumerateAssetProc(collect))
        checked("EnumerateAllPositionAssets", code)
        return found

    def accounts(self) -> list[Account]:
        """Every account of this login."""
        count = checked("GetAccountCount", self._dll.GetAccountCount())
        if count == 0:
            return []
        out = (s.TConnectorAccountIdentifierOut * count)()
        got = checked("GetAccounts", self._dll.GetAccounts(0, 0, count, out))
        return [Account(each.broker_id, each.account_id, each.sub_account_id) for each in out[:got]]

    def account_enabled(self, account: Account) -> bool:
        """Whether the broker lets this account trade."""
        out = s.TConnectorTradingAccountOut(version=1, account=_account(account))
        checked("GetAccountDetails", self._dll.GetAccountDetails(out))
        return bool(out.account_flags & 2)

    def set_day_trade(self, on: bool) -> None:
        """Whether orders count as day trades at the broker."""
        checked("SetDayTrade", self._dll.SetDayTrade(int(on)))


def not_yet_known(error: DllError) -> bool:
    """Whether an error about an order can pass by itself: the order or its ClOrdID has not arrived yet."""
    return error.name in ("NL_NOT_FOUND", "NL_WAITING_SERVER")


def _account(account: Account) -> s.TConnectorAccountIdentifier:
    return s.TConnectorAccountIdentifier(0, account.broker_id, account.account_id, account.sub_account_id, 0)


def _asset(ticker: str, exchange: str) -> s.TConnectorAssetIdentifier:
    return s.TConnectorAssetIdentifier(0, ticker, exchange, 0)


def _order_id(local_id: int, cl_ord_id: str) -> s.TConnectorOrderIdentifier:
    return s.TConnectorOrderIdentifier(0, local_id, cl_ord_id or None)


def _room(buffer: Any) -> tuple[Any, int]:
    """A buffer as pointer and usable length; the last character stays zero."""
    return ctypes.cast(buffer, ctypes.POINTER(ctypes.c_wchar)), len(buffer) - 1


def _details(order: Any, account: Account, ticker: str, exchange: str, text: str) -> OrderDetails:
    return OrderDetails(
        order.order_id.local_order_id,
        order.order_id.cl_order_id or "",
        account,
        ticker,
        exchange,
        order.quantity,
        order.traded_quantity,
        order.leaves_quantity,
        order.price,
        order.stop_price,
        order.average_price,
        order.side,
        order.order_type,
        order.status,
        order.validity,
        utc_ns(order.date),
        utc_ns(order.last_update),
        utc_ns(order.close_date),
        text,
        order.event_id,
    )
