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
from typing import Protocol

from profitdll import constants as c
from profitdll import login_states
from profitdll.callbacks import CallbackSet, Listener
from profitdll.constants import StateType
from profitdll.errors import DllError, SessionError, SessionTimeout, checked
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

    def by_setter(self) -> dict[str, int]:
        """Setter -> address, 0 where there is none."""
        return {
            "SetTradeCallbackV2": self.trade,
            "SetHistoryTradeCallbackV2": self.history_trade,
            "SetPriceDepthCallback": self.price_depth,
        }


class AnySession(Protocol):
    """What a user of a session sees of it, whether it is the user's own or shared with others (profitdll.sharing)."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def wait_connected(self, timeout_s: float) -> None: ...

    @property
    def connected(self) -> bool: ...

    def missing(self) -> str: ...


class MakeSession(Protocol):
    """Gives a session that is not open yet; `Session` itself is one. full: whether its user needs routing."""

    def __call__(
        self,
        library: Library,
        credentials: Credentials,
        *,
        full: bool,
        native: NativeCallbacks | None = None,
        listener: Listener | None = None,
        server: tuple[str, int] | None = None,
    ) -> AnySession: ...


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
        found |= self._native.by_setter()
        return {name: address for name, address in found.items() if address}

    def install(self, native: NativeCallbacks) -> None:
        """Register other native callbacks while the session is open, before their events are subscribed for.

        What was registered before may still be running when this returns: its memory stays until the session is
        closed. Raises DllError.
        """
        self._native = native
        for setter, address in native.by_setter().items():
            checked(setter, getattr(self._library.dll, setter)(address or None))

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

    def wait_connected(self, timeout_s: float, routing: bool | None = None) -> None:
        """Block until all states are good. Raises LoginRefused with the mend, SessionTimeout with what is missing.

        routing: whether it counts; None: as the login has it.
        """
        with self._changed:
            done = self._changed.wait_for(
                lambda: login_states.refusal(self._states) is not None or self.is_connected(routing), timeout_s
            )
            if not done:
                raise SessionTimeout(f"not connected after {timeout_s:g} s: {self.missing(routing)}")
            refusal = login_states.refusal(self._states)
        if refusal is not None:
            raise refusal

    @property
    def connected(self) -> bool:
        """Login, market data and (with routing) the routing server are all there."""
        return self.is_connected()

    def is_connected(self, routing: bool | None = None) -> bool:
        """As `connected`; routing: whether it counts, None: as the login has it."""
        return not self._missing(routing)

    @property
    def market_slow(self) -> bool:
        """The DLL complains that the callbacks hold it up."""
        return self._states.get(StateType.MARKET_DATA) in c.MARKET_SLOW

    @property
    def states(self) -> dict[int, int]:
        """Last value of each state type (constants.StateType); a type that never came is absent."""
        with self._changed:
            return dict(self._states)

    def missing(self, routing: bool | None = None) -> str:
        """What keeps the session from being connected, in words; empty when nothing does."""
        return ", ".join(self._missing(routing))

    def _missing(self, routing: bool | None) -> list[str]:
        return login_states.missing(self._states, self._full if routing is None else routing)

    def _on_state(self, kind: int, value: int) -> None:
        with self._changed:
            self._states[kind] = value
            self._changed.notify_all()
