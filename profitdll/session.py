"""One session with the DLL: initialise, register every callback, wait until connected, and take it down in order.

It stands between the library, which only has functions, and the stages. It must never decide whether data are fresh: a
connection can die without a word, so stages watch the age of the feed, not `connected`.

    library = load(path)
    with Session(library, credentials, full=False, native=NativeCallbacks(trade=address)) as session:
        session.wait_connected(timeout_s=30)
        Market(library).subscribe("WDOFUT", "F")
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from types import TracebackType

from profitdll import constants as c
from profitdll.callbacks import CallbackSet, Listener
from profitdll.constants import StateType
from profitdll.errors import DllError, LoginRefused, SessionError, SessionTimeout, checked
from profitdll.library import Library


@dataclass(frozen=True)
class Credentials:
    """Who logs in. Never printed: the fields are left out of its text form."""

    key: str = field(repr=False)
    user: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True)
class NativeCallbacks:
    """Addresses of native functions for the fast events; 0: not registered. Types: profitdll.prototypes.

    trade and history_trade: TradeCallback; price_depth: DepthCallback. The caller keeps the functions alive until the
    session is closed.
    """

    trade: int = 0
    history_trade: int = 0
    price_depth: int = 0


_finalised: set[str] = set()  # libraries whose session ended in this process


class Session:
    """A login with market data, and with routing when `full`. One at a time for each activation key."""

    def __init__(
        self,
        library: Library,
        credentials: Credentials,
        *,
        full: bool,
        native: NativeCallbacks | None = None,
        listener: Listener | None = None,
        server: tuple[str, int] | None = None,
    ) -> None:
        self._library = library
        self._credentials = credentials
        self._full = full
        self._native = native or NativeCallbacks()
        self._callbacks = CallbackSet(listener or Listener(), self._on_state)
        self._server = server
        self._states: dict[int, int] = {}
        self._changed = threading.Condition()
        self._open = False

    def __enter__(self) -> Session:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Initialise and register the callbacks; does not wait. Raises DllError, SessionError."""
        library = self._library
        if self._open:
            raise SessionError("the session is open already")
        if str(library.path) in _finalised and not library.is_simulated:
            raise SessionError("ProfitDLL crashes when it is initialised twice in a process: start a new process")
        dll = library.dll
        if self._server is not None:
            host, port = self._server
            checked("SetServerAndPort", dll.SetServerAndPort(host, str(port)))
        own, who = self._callbacks, self._credentials
        login = (who.key, who.user, who.password, own.state)
        # trade, book and history slots stay empty: the setters below register the newer form of each
        if self._full:
            slots = (None, None, None, None, own.daily, None, None, None, own.progress, own.tiny_book)
            code = dll.DLLInitializeLogin(*login, *slots)
            name = "DLLInitializeLogin"
        else:
            slots = (None, own.daily, None, None, None, own.progress, own.tiny_book)  # type: ignore[assignment]
            code = dll.DLLInitializeMarketLogin(*login, *slots)
            name = "DLLInitializeMarketLogin"
        checked(name, code)
        self._open = True
        try:
            for setter, address in self._registrations().items():
                checked(setter, getattr(dll, setter)(address))
        except DllError:
            self.close()
            raise

    def _registrations(self) -> dict[str, int]:
        python = self._callbacks.market | (self._callbacks.routing if self._full else {})
        found = {name: ctypes.cast(function, ctypes.c_void_p).value or 0 for name, function in python.items()}
        found["SetTradeCallbackV2"] = self._native.trade
        found["SetHistoryTradeCallbackV2"] = self._native.history_trade
        found["SetPriceDepthCallback"] = self._native.price_depth
        return {name: address for name, address in found.items() if address}

    def close(self) -> None:
        """Unregister, finalise, and only then let the callbacks go. Safe to call again. Never from a callback."""
        if not self._open:
            return
        self._open = False
        dll = self._library.dll
        for setter in self._registrations():
            getattr(dll, setter)(None)
        try:
            checked("DLLFinalize", dll.DLLFinalize())
        finally:
            _finalised.add(str(self._library.path))
            with self._changed:
                self._states.clear()

    def wait_connected(self, timeout_s: float) -> None:
        """Block until all states are good. Raises LoginRefused with the mend, SessionTimeout with what is missing."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._refusal() is not None or self.connected, timeout_s):
                raise SessionTimeout(f"not connected after {timeout_s:g} s: {self.missing()}")
            refusal = self._refusal()
        if refusal is not None:
            raise refusal

    @property
    def connected(self) -> bool:
        """Login, market data and (with routing) the routing server are all there."""
        return not self._missing()

    @property
    def market_slow(self) -> bool:
        """The DLL complains that the callbacks hold it up."""
        return self._states.get(StateType.MARKET_DATA) in c.MARKET_SLOW

    @property
    def states(self) -> dict[int, int]:
        """Last value of each state type (constants.StateType); a type that never came is absent."""
        with self._changed:
            return dict(self._states)

    def missing(self) -> str:
        """What keeps the session from being connected, in words; empty when nothing does."""
        return ", ".join(self._missing())

    def _missing(self) -> list[str]:
        states, found = self._states, []
        if states.get(StateType.LOGIN) != c.LOGIN_CONNECTED:
            found.append("no answer to the login (is the server reachable?)")
        if self._full and states.get(StateType.ROUTING) not in c.ROUTING_CONNECTED:
            found.append(f"routing is not connected (state {states.get(StateType.ROUTING, 'unknown')})")
        market = states.get(StateType.MARKET_DATA)
        if market not in c.MARKET_CONNECTED:
            said = "unknown" if market is None else c.MARKET_STATES.get(market, str(market))
            found.append(f"market data are not connected ({said})")
        if states.get(StateType.ACTIVATION) != c.ACTIVATION_VALID:
            found.append("the activation key is not confirmed")
        return found

    def _refusal(self) -> LoginRefused | None:
        login, activation = self._states.get(StateType.LOGIN, 0), self._states.get(StateType.ACTIVATION, 0)
        if login != c.LOGIN_CONNECTED:
            return LoginRefused(login)
        if activation != c.ACTIVATION_VALID:
            return LoginRefused(activation, f"the activation key is not valid ({activation}): ask Nelogica to renew it")
        return None

    def _on_state(self, kind: int, value: int) -> None:
        with self._changed:
            self._states[kind] = value
            self._changed.notify_all()
