"""One full login for several users of one process, for licences that allow one session for each activation key.

Each user gets what looks like a session of its own (`SharedSession.join` has the arguments of `Session`): its listener,
its native callbacks, and its own idea of being connected, for who needs no routing is not troubled when routing goes.
Underneath there is one initialise, by whoever opens first, and one finalise, when the last one has closed.

After a user has closed, its listener is not called any more. Its native callbacks are not called anew, but one may
still be running: the memory that they work on must live until the last user has closed. Who comes later hears at once
the states as they are, on its own thread; nothing else of what was is told again.

It must never be opened or closed from a callback.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from profitdll.callbacks import Listener
from profitdll.errors import SessionError
from profitdll.library import Library
from profitdll.session import Credentials, NativeCallbacks, Session

TOLD = tuple(each.name for each in fields(Listener) if each.name != "daily")


class SharedSession:
    """The one session of a process. `join` gives each user its part."""

    def __init__(self) -> None:
        self._life = threading.Lock()  # entering and leaving exclude each other
        self._telling = threading.Lock()  # held while listeners are called, and while their list changes
        self._users: tuple[Part, ...] = ()
        self._session: Session | None = None

    def join(
        self,
        library: Library,
        credentials: Credentials,
        *,
        full: bool,
        native: NativeCallbacks | None = None,
        listener: Listener | None = None,
        server: tuple[str, int] | None = None,
    ) -> Part:
        """A user's part, not open yet. full: whether it needs routing; the login has it in any case.

        Raises SessionError for a listener of the figures of the day: they would call Python at every trade.
        """
        if listener is not None and listener.hears_daily:
            raise SessionError("a shared session does not tell the figures of the day: leave Listener.daily out")
        return Part(self, library, credentials, full, native, listener or Listener(), server)

    def enter(self, part: Part) -> None:
        """For `Part.open`: give it the open session. Raises DllError, SessionError."""
        with self._life:
            session = self._session
            if session is None:
                session = self._session = self._opened_by(part)
            else:
                self._check(part)
                if part.native is not None:
                    session.install(part.native)
            with self._telling:
                part.session = session  # before the states: who hears one may ask whether it is connected
                for kind, value in session.states.items():
                    part.listener.state(kind, value)
                self._users = (*self._users, part)

    def leave(self, part: Part) -> None:
        """For `Part.close`: the session goes with its last user. Raises DllError."""
        with self._life:
            with self._telling:
                self._users = tuple(each for each in self._users if each is not part)
            if self._session is None:
                return
            if not self._users:
                self._finalise()
            elif part.native is not None:
                self._session.install(NativeCallbacks())

    def close(self) -> None:
        """For the owner of the process, when all users have ended: finalise, also if one of them failed to close."""
        with self._life:
            with self._telling:
                self._users = ()
            self._finalise()

    def _finalise(self) -> None:
        """With `_telling` free: closing waits for callbacks, which wait for that."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _opened_by(self, part: Part) -> Session:
        session = Session(
            part.library,
            part.credentials,
            full=True,
            native=part.native,
            listener=Listener(**{name: self._teller(name) for name in TOLD}),
            server=part.server,
        )
        session.open()
        return session

    def _check(self, part: Part) -> None:
        """One login has one library, one server, one name, and one place for each native callback."""
        there = self._users[0]
        if (part.library.path, part.credentials, part.server) != (there.library.path, there.credentials, there.server):
            raise SessionError("a shared session has one library, one login and one server for all its users")
        if part.native is not None and any(each.native is not None for each in self._users):
            raise SessionError("a shared session has native callbacks already: one of its users may bring them")

    def _teller(self, name: str) -> Callable[..., None]:
        """On the ConnectorThread: tells every user one kind of event."""

        def tell(*event: Any) -> None:
            with self._telling:
                for part in self._users:
                    getattr(part.listener, name)(*event)

        return tell


class Part:
    """What one user sees of a shared session; as profitdll.session.AnySession."""

    def __init__(
        self,
        shared: SharedSession,
        library: Library,
        credentials: Credentials,
        full: bool,
        native: NativeCallbacks | None,
        listener: Listener,
        server: tuple[str, int] | None,
    ) -> None:
        self.library, self.credentials, self.server = library, credentials, server
        self.native, self.listener = native, listener
        self.session: Session | None = None  # the shared one's to set; None: not open
        self._shared, self._full = shared, full

    def open(self) -> None:
        """Initialise, if no other user has, and register what this one brings. Raises DllError, SessionError."""
        if self.session is not None:
            raise SessionError("the session is open already")
        self._shared.enter(self)

    def close(self) -> None:
        """Be told nothing more; the last user finalises. Safe to call again. Never from a callback."""
        if self.session is not None:
            try:
                self._shared.leave(self)
            finally:
                self.session = None

    def wait_connected(self, timeout_s: float) -> None:
        """As `Session.wait_connected`, for what this user needs. Raises SessionError before `open`, too."""
        if self.session is None:
            raise SessionError("the session is not open")
        self.session.wait_connected(timeout_s, self._full)

    @property
    def connected(self) -> bool:
        """All that this user needs is there."""
        return self.session is not None and self.session.is_connected(self._full)

    def missing(self) -> str:
        """What this user misses, in words; empty when nothing."""
        return "the session is not open" if self.session is None else self.session.missing(self._full)
