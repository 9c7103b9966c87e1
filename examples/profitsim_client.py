"""A complete client of ProfitDLL in one file: log in, subscribe, print trades and the best prices, buy one, see it filled.

    python supervisor.py exchange                      (in another terminal; it prints the port)
    python examples/profitsim_client.py LIBRARY PORT [TRADES]

Python's standard library only: copy it and go on from there. The same program runs on Linux with profitsim.so, on
Windows with the simulated ProfitDLL64.dll, and, without SetServerAndPort and with your own words, with the real one.
"""

import ctypes as c
import queue
import sys

KEY, USER, PASSWORD, ROUTING_PASSWORD = "any-key", "any-user", "paper", "paper"
TICKER, EXCHANGE, ACCOUNT, BROKER = "WDOFUT", "F", "paper", 0
LIMIT_S = 30.0  # nothing is waited for longer than this

# --- the part of the interface that is used here. Version bytes say which form of a struct the caller knows.


class SystemTime(c.Structure):
    _fields_ = [(n, c.c_uint16) for n in ("year", "month", "weekday", "day", "hour", "minute", "second", "millisecond")]


class Asset(c.Structure):  # TConnectorAssetIdentifier
    _fields_ = [("version", c.c_uint8), ("ticker", c.c_wchar_p), ("exchange", c.c_wchar_p), ("feed", c.c_uint8)]


class AssetOut(c.Structure):  # with buffers of ours
    _fields_ = [
        ("version", c.c_uint8), ("ticker", c.c_wchar_p), ("ticker_length", c.c_int32),
        ("exchange", c.c_wchar_p), ("exchange_length", c.c_int32), ("feed", c.c_uint8),
    ]  # fmt: skip


class Account(c.Structure):  # TConnectorAccountIdentifier
    _fields_ = [
        ("version", c.c_uint8), ("broker", c.c_int32), ("account", c.c_wchar_p), ("sub_account", c.c_wchar_p),
        ("reserved", c.c_int64),
    ]  # fmt: skip


class AccountOut(c.Structure):
    _fields_ = [
        ("version", c.c_uint8), ("broker", c.c_int32), ("account", c.c_wchar * 100), ("account_length", c.c_int32),
        ("sub_account", c.c_wchar * 100), ("sub_account_length", c.c_int32), ("reserved", c.c_int64),
    ]  # fmt: skip


class OrderId(c.Structure):
    _fields_ = [("version", c.c_uint8), ("local", c.c_int64), ("permanent", c.c_wchar_p)]


class Trade(c.Structure):
    _fields_ = [
        ("version", c.c_uint8), ("date", SystemTime), ("number", c.c_uint32), ("price", c.c_double),
        ("quantity", c.c_int64), ("volume", c.c_double), ("buyer", c.c_int32), ("seller", c.c_int32),
        ("kind", c.c_uint8),
    ]  # fmt: skip


class PriceGroup(c.Structure):
    _fields_ = [
        ("version", c.c_uint8), ("price", c.c_double), ("orders", c.c_uint32), ("quantity", c.c_int64),
        ("flags", c.c_uint32),
    ]  # fmt: skip


class SendOrder(c.Structure):
    _fields_ = [
        ("version", c.c_uint8), ("account", Account), ("asset", Asset), ("password", c.c_wchar_p),
        ("type", c.c_uint8), ("side", c.c_uint8), ("price", c.c_double), ("stop_price", c.c_double),
        ("quantity", c.c_int64), ("message_id", c.c_int64),
    ]  # fmt: skip


class OrderOut(c.Structure):
    _fields_ = [
        ("version", c.c_uint8), ("id", OrderId), ("account", AccountOut), ("asset", AssetOut),
        ("quantity", c.c_int64), ("traded", c.c_int64), ("leaves", c.c_int64), ("price", c.c_double),
        ("stop_price", c.c_double), ("average_price", c.c_double), ("side", c.c_uint8), ("type", c.c_uint8),
        ("status", c.c_uint8), ("validity", c.c_uint8), ("date", SystemTime), ("updated", SystemTime),
        ("closed", SystemTime), ("valid_until", SystemTime), ("text", c.c_wchar_p), ("text_length", c.c_int32),
        ("event", c.c_int64),
    ]  # fmt: skip


# On Windows the DLL passes these structs by value, which for their sizes is the same as by pointer.
callback = c.WINFUNCTYPE if sys.platform == "win32" else c.CFUNCTYPE
OnState = callback(None, c.c_int32, c.c_int32)
OnTrade = callback(None, c.POINTER(Asset), c.c_size_t, c.c_uint32)
OnDepth = callback(None, c.POINTER(Asset), c.c_uint8, c.c_int32, c.c_uint8)
OnOrder = callback(None, c.POINTER(OrderId))

LOGIN, ROUTING, MARKET, ACTIVATION = range(4)
ALL_GOOD = {LOGIN: 0, ROUTING: 5, MARKET: 4, ACTIVATION: 0}
STATUS = {0: "new", 1: "partially filled", 2: "filled", 4: "canceled", 8: "rejected", 10: "pending new"}
MARKET_ORDER, BUY, FLUSH = 1, 1, 6


class Client:
    """Callbacks run on the DLL's own thread: they copy what they need, put it on the queue and leave."""

    def __init__(self, path: str) -> None:
        self.dll = c.WinDLL(path) if sys.platform == "win32" else c.CDLL(path)
        self.dll.SendOrder.restype = c.c_int64
        self.dll.TranslateTrade.argtypes = [c.c_size_t, c.POINTER(Trade)]
        self.news: queue.Queue = queue.Queue()
        # kept as long as they are registered: the DLL holds only their addresses
        self.callbacks = [
            OnState(self.on_state),
            OnTrade(self.on_trade),
            OnDepth(self.on_depth),
            OnOrder(self.on_order),
        ]

    def on_state(self, kind: int, value: int) -> None:
        self.news.put(("state", kind, value))

    def on_trade(self, asset, opaque: int, flags: int) -> None:
        trade = Trade()  # the pointer is good only here
        if self.dll.TranslateTrade(opaque, trade) == 0 and not flags & 1:  # 1: an edit of an earlier trade
            self.news.put(("trade", asset.contents.ticker, trade.price, trade.quantity, trade.kind))

    def on_depth(self, asset, side: int, position: int, update: int) -> None:
        if update != FLUSH:
            return  # notices come in groups; after the last one the book is whole
        best = []
        for each in (0, 1):
            group = PriceGroup()
            best.append(group.price if self.dll.GetPriceGroup(asset, c.c_uint8(each), 0, c.byref(group)) == 0 else None)
        self.news.put(("best", *best))

    def on_order(self, order) -> None:
        self.news.put(("order", order.contents.local))  # its details are asked for outside of the callback

    def wait(self, kind: str):
        while True:
            news = self.news.get(timeout=LIMIT_S)
            if news[0] == kind:
                return news[1:]

    def log_in(self, port: str) -> None:
        check("SetServerAndPort", self.dll.SetServerAndPort("127.0.0.1", port))  # the simulator only
        state, trade, depth, order = self.callbacks
        # V1 slots stay empty; the newer setters follow at once
        check("DLLInitializeLogin", self.dll.DLLInitializeLogin(KEY, USER, PASSWORD, state, *[None] * 10))
        check("SetTradeCallbackV2", self.dll.SetTradeCallbackV2(trade))
        check("SetPriceDepthCallback", self.dll.SetPriceDepthCallback(depth))
        check("SetOrderCallback", self.dll.SetOrderCallback(order))
        seen: dict[int, int] = {}
        while seen != ALL_GOOD:
            kind, value = self.wait("state")
            seen[kind] = value
            if kind == LOGIN and value != 0:
                raise SystemExit(f"the login was refused with code {value}")

    def buy_at_market(self, quantity: int) -> int:
        order = SendOrder(
            version=1, account=Account(0, BROKER, ACCOUNT, ""), asset=Asset(0, TICKER, EXCHANGE),
            password=ROUTING_PASSWORD, type=MARKET_ORDER, side=BUY, price=-1, stop_price=-1, quantity=quantity,
        )  # fmt: skip
        number = self.dll.SendOrder(c.byref(order))
        if number < 0:
            raise SystemExit(f"SendOrder answered {number & 0xFFFFFFFF:#x}")
        return number

    def details(self, number: int) -> OrderOut:
        out = OrderOut(version=0, id=OrderId(0, number))
        check("GetOrderDetails", self.dll.GetOrderDetails(c.byref(out)))
        return out

    def log_out(self) -> None:
        for name in ("SetTradeCallbackV2", "SetPriceDepthCallback", "SetOrderCallback"):
            getattr(self.dll, name)(None)
        check("DLLFinalize", self.dll.DLLFinalize())


def check(what: str, code: int) -> None:
    if code != 0:
        raise SystemExit(f"{what} answered {code & 0xFFFFFFFF:#x}")


def main(path: str, port: str, trades: int = 5) -> None:
    client = Client(path)
    client.log_in(port)
    sys.stdout.write("connected\n")
    check("SubscribeTicker", client.dll.SubscribeTicker(TICKER, EXCHANGE))
    asset = Asset(0, TICKER, EXCHANGE, 0)
    check("SubscribePriceDepth", client.dll.SubscribePriceDepth(c.byref(asset)))
    bid, ask = client.wait("best")
    sys.stdout.write(f"best {bid} / {ask}\n")
    for _ in range(trades):
        ticker, price, quantity, kind = client.wait("trade")
        side = {2: "buyer", 3: "seller"}.get(kind, "nobody")
        sys.stdout.write(f"trade {ticker} {quantity} at {price}, aggressor {side}\n")
    number = client.buy_at_market(1)
    status = None
    while status != 2:
        while client.wait("order")[0] != number:
            pass
        order = client.details(number)
        if order.status != status:
            status = order.status
            sys.stdout.write(f"order {number}: {STATUS.get(status, status)}, {order.traded} of {order.quantity}\n")
        if status in (4, 8, 12):
            raise SystemExit("the order ended without a fill")
    sys.stdout.write(f"filled at {order.average_price}\n")
    client.log_out()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4]))
