"""The simulated library, freshly compiled when a source changed, and a session with a scripted server."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from exchange import protocol as wire
from exchange.profitsim import build
from profitdll import prototypes
from profitdll.callbacks import Listener
from profitdll.library import Library, load
from profitdll.session import Credentials, NativeCallbacks, Session
from profitdll.structs import TConnectorPriceGroup, TConnectorTrade
from tests.profitsim.scripted import ScriptedServer

if TYPE_CHECKING:
    from tests.profitsim.exchange_rig import ExchangeRig

LIMIT_S = 20.0


class Heard:
    """Everything that callbacks said, in order, and waiting for it with a limit."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.threads: set[int] = set()
        self._news = threading.Condition()

    def note(self, *event: Any) -> None:
        with self._news:
            self.events.append(event)
            self.threads.add(threading.get_native_id())
            self._news.notify_all()

    def wait(self, kind: str, count: int = 1) -> list[tuple[Any, ...]]:
        with self._news:
            enough = self._news.wait_for(lambda: len(self.of(kind)) >= count, LIMIT_S)
            assert enough, f"waited for {count} x {kind}, heard {self.events}"
            return self.of(kind)

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [event[1:] for event in self.events if event[0] == kind]


class Rig:
    """A scripted exchange, the library, and a session whose callbacks are all noted."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.server = ScriptedServer()
        self.heard = Heard()
        self.session: Session | None = None
        self._kept = self._native()

    def listener(self) -> Listener:
        note = self.heard.note
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
        return Listener(**{name: (lambda *args, name=name: note(name, *args)) for name in names})

    def make_session(self, *, full: bool, password: str = "password", port: int = 0) -> Session:
        trade, history, depth = (ctypes.cast(each, ctypes.c_void_p).value or 0 for each in self._kept)
        return Session(
            self.library,
            Credentials("key", "user", password),
            full=full,
            native=NativeCallbacks(trade=trade, history_trade=history, price_depth=depth),
            listener=self.listener(),
            server=("127.0.0.1", port or self.server.port),
        )

    def open(self, *, full: bool = False) -> Session:
        self.session = self.make_session(full=full)
        self.session.open()
        return self.session

    def connect(self, *, full: bool = False) -> Session:
        session = self.open(full=full)
        session.wait_connected(LIMIT_S)
        return session

    def settle(self) -> None:
        """Return once everything sent so far was handled: a state that nothing else sends comes back."""
        marks = len([event for event in self.heard.of("state") if event[0] == 99])
        self.server.send(wire.STATE, type=99, value=marks)
        with self.heard._news:
            done = self.heard._news.wait_for(lambda: ("state", 99, marks) in self.heard.events, LIMIT_S)
        assert done

    def close(self) -> None:
        if self.session is not None:
            self.session.close()
        self.server.close()

    def _native(self) -> tuple[Any, Any, Any]:
        dll = self.library.dll

        def trade(kind: str) -> Any:
            def noted(asset: Any, opaque: int, flags: int) -> None:
                out = TConnectorTrade()
                code = dll.TranslateTrade(opaque, out)
                self.heard.note(kind, asset.contents.ticker, asset.contents.exchange, flags, code, out, opaque)

            return noted

        def depth(asset: Any, side: int, position: int, update: int) -> None:
            levels = []
            for book_side in (0, 1):
                count = dll.GetPriceDepthSideCount(asset, book_side)
                group = TConnectorPriceGroup()
                levels.append([])
                for i in range(count):
                    assert dll.GetPriceGroup(asset, book_side, i, group) == 0
                    levels[-1].append((group.price, group.quantity, group.count, group.flags))
            self.heard.note("depth", asset.contents.ticker, side, position, update, levels)

        return (
            prototypes.TradeCallback(trade("trade")),
            prototypes.TradeCallback(trade("history")),
            prototypes.DepthCallback(depth),
        )


@pytest.fixture(scope="session")
def library() -> Library:
    """The library of this system, or the specially built one that test_sanitized.py names."""
    return load(os.environ.get("PROFITSIM_TEST_LIBRARY") or build.build_if_stale())


@pytest.fixture
def rig(library: Library) -> Iterator[Rig]:
    made = Rig(library)
    yield made
    made.close()


@pytest.fixture
def connected(rig: Rig) -> Rig:
    """Logged in for market data; a property test runs all its examples in it."""
    rig.connect()
    return rig


@pytest.fixture
def live(library: Library) -> Iterator[ExchangeRig]:
    """A session, not yet open, whose exchange is the project's own."""
    from tests.profitsim.exchange_rig import ExchangeRig

    made = ExchangeRig(library)
    yield made
    made.close()
