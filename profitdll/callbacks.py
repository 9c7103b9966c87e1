"""Low-rate callbacks in Python: their bodies run on the DLL's ConnectorThread, so they copy and leave.

A thread that Python does not know gets a new thread state at each callback and loses it after: 10 us instead of 0.3 us.
So the first callback on a thread takes the GIL state once more and keeps it, and the thread state lives as long as the
thread. Trades and book notices never come here: they go to native functions.

A `Listener` must not call requests of the DLL (only accessors), must not block, and must not raise: what it raises is
reported by `sys.unraisablehook` and otherwise lost, because there is no caller to tell.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from profitdll import prototypes as p
from profitdll import quiet

_thread = threading.local()  # dies with the thread state, so it says whether the thread state is kept


def keep_thread_state() -> None:
    """Keep this thread's Python state beyond the callback. Cheap when called again."""
    if not getattr(_thread, "kept", False):
        ctypes.pythonapi.PyGILState_Ensure()  # never released: the state goes with the interpreter
        _thread.kept = True


def _nothing(*_: Any) -> None:
    """For events that nobody asked to hear."""


@dataclass(kw_only=True)
class Listener:
    """What to call for each low-rate event. Text is already copied; arguments are plain Python values."""

    state: Callable[[int, int], None] = _nothing  # type, value; after the session noted it
    progress: Callable[[str, str, int], None] = _nothing  # ticker, exchange, percent of a history request
    ticker_state: Callable[[str, str, str, int], None] = _nothing  # ticker, exchange, date text, TickerState
    invalid_ticker: Callable[[str, str], None] = _nothing  # ticker, exchange
    daily: Callable[[str, str, str, tuple[float, ...]], None] = _nothing  # ticker, exchange, date, 17 numbers in order
    order: Callable[[int, str], None] = _nothing  # local order id, ClOrdID ("" when there is none yet)
    order_history: Callable[[int, str, str], None] = _nothing  # broker, account, sub account
    position: Callable[[int, str, str, str, str, int], None] = _nothing  # broker, account, sub, ticker, exchange, event
    account_list: Callable[[int, int], None] = _nothing  # broker, number of changed accounts

    @property
    def hears_daily(self) -> bool:
        """Whether Python is called for the figures of the day, which come with nearly every trade."""
        return self.daily is not _nothing


class CallbackSet:
    """The ctypes callbacks of one session. Keep it alive until the DLL is finalised."""

    def __init__(self, listener: Listener, state: Callable[[int, int], None]) -> None:
        def on_state(kind: int, value: int) -> None:
            keep_thread_state()
            state(kind, value)
            listener.state(kind, value)

        def on_progress(record: Any, percent: int) -> None:
            keep_thread_state()
            asset = record.contents
            listener.progress(asset.ticker or "", asset.exchange or "", percent)

        def on_ticker_state(record: Any, date: str | None, value: int) -> None:
            keep_thread_state()
            asset = record.contents
            listener.ticker_state(asset.ticker or "", asset.exchange or "", date or "", value)

        def on_invalid_ticker(asset: Any) -> None:
            keep_thread_state()
            listener.invalid_ticker(asset.contents.ticker or "", asset.contents.exchange or "")

        def on_daily(record: Any, date: str | None, *numbers: float) -> None:
            keep_thread_state()
            asset = record.contents
            listener.daily(asset.ticker or "", asset.exchange or "", date or "", numbers)

        def on_order(identifier: Any) -> None:
            keep_thread_state()
            order = identifier.contents
            listener.order(order.local_order_id, order.cl_order_id or "")

        def on_order_history(account: Any) -> None:
            keep_thread_state()
            who = account.contents
            listener.order_history(who.broker_id, who.account_id or "", who.sub_account_id or "")

        def on_position(account: Any, asset: Any, event_id: int) -> None:
            keep_thread_state()
            who, what = account.contents, asset.contents
            listener.position(
                who.broker_id,
                who.account_id or "",
                who.sub_account_id or "",
                what.ticker or "",
                what.exchange or "",
                event_id,
            )

        def on_account_list(broker: int, changed: int) -> None:
            keep_thread_state()
            listener.account_list(broker, changed)

        self.state = p.StateCallback(on_state)
        self.progress = p.ProgressCallback(on_progress)
        self.daily = p.DailyCallback(on_daily if listener.hears_daily else quiet.on_daily.address)
        self.tiny_book = p.TinyBookCallback(quiet.on_tiny_book.address)
        self.market: dict[str, Any] = {
            "SetStateCallback": self.state,
            "SetSerieProgressCallback": self.progress,
            "SetDailyCallback": self.daily,
            "SetChangeStateTickerCallback": p.TickerStateCallback(on_ticker_state),
            "SetInvalidTickerCallback": p.InvalidTickerCallback(on_invalid_ticker),
        }
        self.routing: dict[str, Any] = {
            "SetOrderCallback": p.OrderCallback(on_order),
            "SetOrderHistoryCallback": p.OrderHistoryCallback(on_order_history),
            "SetAssetPositionListCallback": p.PositionListCallback(on_position),
            "SetBrokerAccountListChangedCallback": p.AccountListCallback(on_account_list),
        }
