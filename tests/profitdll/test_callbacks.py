"""Python callbacks on a thread that Python does not know."""

from __future__ import annotations

import ctypes
import threading

from profitdll import quiet
from profitdll.callbacks import CallbackSet, Listener
from profitdll.structs import (
    TAssetIDRec,
    TConnectorAccountIdentifier,
    TConnectorAssetIdentifier,
    TConnectorOrderIdentifier,
)


def test_texts_are_copied_and_missing_ones_are_empty() -> None:
    heard: list[tuple[object, ...]] = []
    names = (
        "state",
        "progress",
        "ticker_state",
        "invalid_ticker",
        "daily",
        "order",
        "order_history",
        "position",
        "account_list",
    )
    listener = Listener(**{name: (lambda *args, name=name: heard.append((name, *args))) for name in names})
    own = CallbackSet(listener, lambda *args: heard.append(("session", *args)))
    record, asset = TAssetIDRec("WDOFUT", None, 0), TConnectorAssetIdentifier(0, "WDOFUT", "F", 0)
    account = TConnectorAccountIdentifier(0, 7, "12345", None, 0)
    own.state(2, 4)
    own.progress(record, 50)
    own.daily(record, None, *[1.0] * 10, *[2] * 7)
    own.tiny_book(record, 1.0, 1, 0)
    own.market["SetChangeStateTickerCallback"](record, None, 4)
    own.market["SetInvalidTickerCallback"](asset)
    own.routing["SetOrderCallback"](TConnectorOrderIdentifier(0, 5, None))
    own.routing["SetOrderHistoryCallback"](account)
    own.routing["SetAssetPositionListCallback"](account, asset, 9)
    own.routing["SetBrokerAccountListChangedCallback"](7, 2)
    assert heard == [
        ("session", 2, 4), ("state", 2, 4), ("progress", "WDOFUT", "", 50),
        ("daily", "WDOFUT", "", "", (*[1.0] * 10, *[2] * 7)), ("ticker_state", "WDOFUT", "", "", 4),
        ("invalid_ticker", "WDOFUT", "F"), ("order", 5, ""), ("order_history", 7, "12345", ""),
        ("position", 7, "12345", "", "WDOFUT", "F", 9), ("account_list", 7, 2),
    ]  # fmt: skip


def test_a_listener_without_hooks_hears_nothing() -> None:
    own = CallbackSet(Listener(), lambda *_: None)
    assert own.progress(TAssetIDRec("WDOFUT", "F", 0), 1) is None
    assert own.routing["SetOrderCallback"](TConnectorOrderIdentifier(0, 5, "CL")) is None


def test_what_comes_with_every_trade_and_nobody_hears_calls_no_python() -> None:
    own, record = CallbackSet(Listener(), lambda *_: None), TAssetIDRec("WDOFUT", "F", 0)
    addresses = [ctypes.cast(each, ctypes.c_void_p).value for each in (own.daily, own.tiny_book)]
    assert addresses == [quiet.on_daily.address, quiet.on_tiny_book.address]
    assert own.daily(record, "28/11/2026", *[1.0] * 10, *[2] * 7) is None
    assert own.tiny_book(record, 1.0, 1, 0) is None


def test_keeping_the_thread_state_again_changes_nothing() -> None:
    from profitdll import callbacks

    kept = []

    def body() -> None:
        for _ in range(3):
            callbacks.keep_thread_state()
        kept.append(callbacks._thread.kept)

    before = ctypes.pythonapi.PyGILState_Check()
    thread = threading.Thread(target=body)
    thread.start()
    thread.join(10)
    assert kept == [True]
    assert ctypes.pythonapi.PyGILState_Check() == before
