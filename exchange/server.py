"""The exchange's sockets: accepts clients on 127.0.0.1, reads their messages, tells them the market and their orders.

One thread, one selector, nothing blocks: a client that is slow, silent or speaks nonsense ends its own connection and
touches no other. It knows no market rules: orders go to the desk, market batches come in from the stage. It reads no
clock: time comes with each call.
"""

from __future__ import annotations

import logging
import selectors
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from exchange import protocol
from exchange.connection import BadFrame, Closed, Connection, ConnectionOver, TooSlow
from exchange.desk import Desk, text
from exchange.engine import Event
from exchange.faults import sessions as session_faults
from exchange.faults.library import telling
from exchange.faults.stream import heard, struck
from exchange.faults.table import ConnectionLost, Fault, name_of
from exchange.latency import MARKET_DATA, REPORTS
from exchange.listener import listen
from exchange.market import KIND_TRADE, Array, Batch
from exchange.market_clock import Moment
from exchange.orders import Order
from exchange.outbound import Outbound
from exchange.session import Pieces, Session
from exchange.tally import Tally
from exchange.trading_day import Change
from profitdll.constants import NL_CODES, TickerState

LOGIN_ACCEPTED, LOGIN_INVALID, LOGIN_BAD_PASSWORD, LOGIN_REFUSED = 0, 1, 2, 200
ACCOUNT_ENABLED = 2
MAX_SESSIONS = 256  # a process may open 1,024 files on many systems
LONGEST_HISTORY_NS = 10 * 86_400 * 1_000_000_000
ORDER_MESSAGES = range(protocol.SEND_ORDER, protocol.ZERO_POSITION + 1)


class Server:
    """All connections. `password` is what a login must carry."""

    def __init__(
        self, port: int, desk: Desk, password: str, tally: Tally, log: logging.Logger, outbound: Outbound
    ) -> None:
        self.desk, self.tally, self.log, self.outbound = desk, tally, log, outbound
        self._password = password
        self._listener = listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._sessions: dict[int, Session] = {}
        self._numbers = 0
        names = len(desk.listings.all)
        self._of_listing = np.array([listing.instrument for listing in desk.listings.all])
        self._ever = np.zeros((2, names), bool)  # subscribed at least once
        self._states = [int(TickerState.OPENED)] * names
        self.faults = desk.faults
        self._untold: list[Fault] = []  # for a library that is not there yet

    # -- once in each turn of the stage

    def poll(self, timeout_s: float, moment: Callable[[], Moment]) -> int:
        """Wait at most that long for sockets, then accept, read and answer. Returns the sockets that were ready."""
        ready = self._selector.select(timeout_s)
        arrived = self.outbound.arrive(moment().monotonic_ns)
        for key, mask in ready:
            session: Session | None = key.data
            if session is None:
                self._accept()
            elif session.number in self._sessions:
                self._guarded(session, self._serve, session, mask, moment())
        for session in [each for each in self._sessions.values() if each.has_history]:
            self._guarded(session, session.pump)
        for session in list(self._sessions.values()):
            for late in session.post.due(self.faults.now_ns):
                self._guarded(session, session.connection.send, late)
            self._settle(session)
        return len(ready) + arrived

    def publish(self, batch: Batch) -> None:
        """Tell every subscriber a batch of market events, and count those nobody was there for."""
        self.outbound.send(MARKET_DATA, partial(self._published, batch))

    def _published(self, batch: Batch) -> None:
        events, books = len(batch.kinds), len(batch.books)
        self.tally.market_events += events
        self.tally.books += books
        self.tally.trades += events - books
        batch = struck(batch, self.faults, [spec.tick for spec in self.desk.engine.instruments])
        pieces, sent = Pieces(batch), heard(self.faults)
        reached = np.zeros(len(batch.kinds), bool)
        for session in list(self._sessions.values()):
            for name, wanted in self._views(session.wanted & sent):
                reached |= wanted[batch.kinds, batch.symbols]
                data = pieces.of(wanted, name)
                if data and session.number in self._sessions:
                    self._guarded(session, session.connection.send, data)
        ever = np.zeros((2, len(self.desk.engine.instruments)), bool)
        for _, wanted in self._views(self._ever):
            ever |= wanted
        self.tally.undelivered_events += int(np.count_nonzero(ever[batch.kinds, batch.symbols] & ~reached))

    def tell(self, events: Iterable[Event]) -> None:
        """Tell every full client what changed of orders and positions."""
        if told := list(events):
            self.outbound.send(REPORTS, partial(self._told_events, told))

    def _told_events(self, events: list[Event]) -> None:
        for event in events:
            for session in self._logged_in(full=True):
                if event.event_id <= session.told_events:
                    continue  # its login told it more than this already
                message = self.desk.encode(event, session.number)
                if isinstance(event, Order):
                    messages = session.post.put(str(event.number), message, self.faults, self.faults.now_ns)
                else:
                    messages = [message]
                for each in messages:
                    self._guarded(session, session.connection.send, each)
        self.tally.fills, self.tally.self_matches = self.desk.engine.fills, self.desk.engine.self_matches

    def tell_state(self, change: Change, at_once: bool = False) -> None:
        """Tell every client that a trading state of an instrument began. at_once: nobody is there yet."""
        if at_once:
            self._told_state(change)
        else:
            self.outbound.send(MARKET_DATA, partial(self._told_state, change))

    def _told_state(self, change: Change) -> None:
        for listing in self.desk.listings.all:
            if listing.instrument == change.instrument:
                self._states[listing.index] = change.state
                fields = {"index": listing.index, "state": change.state, "ts_ns": change.ns}
                for session in self._logged_in():
                    self._guarded(session, self._send, session, protocol.TICKER_STATE, fields)

    def tell_daily(self, instrument: int, figures: dict[str, object]) -> None:
        """Tell the figures of an instrument's day to those who get its trades."""
        for listing in self.desk.listings.all:
            if listing.instrument == instrument:
                fields = {"index": listing.index, **protocol.fitting(protocol.DAILY, figures)}
                for session in [each for each in self._logged_in() if each.wanted[KIND_TRADE, listing.index]]:
                    self._guarded(session, self._send, session, protocol.DAILY, fields)

    def tell_clock(self, moment: Moment) -> None:
        """Tell every client the market's time and whether it runs."""
        for session in self._logged_in():
            self._guarded(session, self._send_clock, session, moment)

    def begin(self, fault: Fault) -> None:
        """Switch a fault on: it begins to strike, or the library that shall do it is told."""
        self.tally.faults += 1
        self.log.warning("fault: %s", name_of(fault), extra={"fields": {"fault": repr(fault)}})
        if telling(fault) is None:
            self.faults.start(fault, self.faults.now_ns)
            if isinstance(fault, ConnectionLost):
                for session in [
                    each for each in self._logged_in() if session_faults.unreachable(self.faults, each.full)
                ]:
                    self._end(session)
        elif not self._told(fault, self._logged_in()):
            self._untold.append(fault)

    def _told(self, fault: Fault, sessions: Iterable[Session]) -> bool:
        """Tell a library's fault to those of the sessions that it is for; whether there was one."""
        told = False
        if (what := telling(fault)) is not None:
            for session in [each for each in sessions if each.full == what.full]:
                self._guarded(session, self._send, session, protocol.FAULT, what.fields)
                told = True
        return told

    def next_due_ns(self) -> int | None:
        """When, monotonic, a message that was kept back is due, or a fault ends."""
        dues = [self.outbound.next_due_ns(), *(session.post.next_due_ns() for session in self._sessions.values())]
        return min((due for due in [*dues, self.faults.next_end_ns()] if due is not None), default=None)

    def close(self) -> None:
        for session in list(self._sessions.values()):
            self._end(session)
        self._selector.close()
        self._listener.close()

    # -- connections

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # it was gone before we looked
        if len(self._sessions) >= MAX_SESSIONS:
            self.log.warning("a connection was refused: %d are open already", MAX_SESSIONS)
            accepted.close()
            return
        self._numbers += 1
        session = Session(self._numbers, Connection(accepted), len(self.desk.listings.all))
        self._sessions[session.number] = session
        self._selector.register(accepted, selectors.EVENT_READ, session)

    def _guarded(self, session: Session, action: Callable[..., object], *args: object) -> None:
        """Do something for one client; when its connection is over, end it and go on."""
        try:
            action(*args)
        except ConnectionOver as over:
            self.tally.bad_frames += isinstance(over, BadFrame)
            self.tally.slow_clients += isinstance(over, TooSlow)
            tell = self.log.warning if isinstance(over, BadFrame | TooSlow) else self.log.info
            tell("client %d dropped: %s", session.number, over, extra={"fields": {"full": session.full}})
            self._end(session)

    def _end(self, session: Session) -> None:
        if self._sessions.pop(session.number, None) is not None:
            self._selector.unregister(session.connection.socket)
            session.connection.close()
            self._count_clients()

    def _settle(self, session: Session) -> None:
        """Watch for room only while bytes wait; close a refused client once it was told."""
        waiting = session.connection.backlog > 0 or session.has_history
        if session.leaving and not waiting:
            self._end(session)
            return
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if waiting else 0)
        if self._selector.get_key(session.connection.socket).events != mask:
            self._selector.modify(session.connection.socket, mask, session)

    def _serve(self, session: Session, mask: int, moment: Moment) -> None:
        if mask & selectors.EVENT_WRITE:
            session.connection.flush()
        if mask & selectors.EVENT_READ:
            for message, body in session.connection.receive():
                if not session.leaving and session.number in self._sessions:
                    self._handle(session, message, body, moment)

    # -- messages

    def _handle(self, session: Session, message: int, body: np.void, moment: Moment) -> None:
        if message == protocol.LOGIN:
            self._login(session, body, moment)
        elif not session.logged_in:
            raise BadFrame(f"message type {message} before the login")
        elif message == protocol.SUBSCRIBE:
            self._subscribe(session, body)
        elif message == protocol.HISTORY:
            self._history(session, body)
        elif not session.full:
            raise BadFrame(f"message type {message} on a market data session")
        else:
            self.tell(self.desk.receive(message, body, session.number, moment.monotonic_ns, moment.market_ns))

    def _login(self, session: Session, body: np.void, moment: Moment) -> None:
        if session.logged_in:
            raise BadFrame("a second login on one connection")
        key, full = text(body["key"]), bool(body["full"])
        if session_faults.unreachable(self.faults, full):
            raise Closed("the connection is lost, as a fault wants it")
        code = self._login_code(key, text(body["user"]), text(body["password"]), full, moment)
        session.send(protocol.LOGIN_REPLY, code=code)
        if code != LOGIN_ACCEPTED:
            self.tally.refused_logins += 1
            self.log.warning("login refused with code %d", code, extra={"fields": {"client": session.number}})
            session.leaving = True
            return
        session.key, session.full = key, full
        self._count_clients()
        self._greet(session, moment)

    def _login_code(self, key: str, user: str, password: str, full: bool, moment: Moment) -> int:
        if not key or not user:
            return LOGIN_INVALID
        if password != self._password:
            return LOGIN_BAD_PASSWORD
        if session_faults.key_taken(self.faults, full):
            return LOGIN_REFUSED
        for other in [
            each
            for each in self._logged_in()
            if session_faults.excludes(self.faults, (each.key, each.full), (key, full))
        ]:
            # its process may have died: then its socket says so, and the key is free again
            self._guarded(other, self._serve, other, selectors.EVENT_READ, moment)
            if other.number in self._sessions:
                return LOGIN_REFUSED
        return LOGIN_ACCEPTED

    def _greet(self, session: Session, moment: Moment) -> None:
        """All that a client is told before its login counts as finished."""
        for listing in self.desk.listings.all:
            spec = self.desk.engine.instruments[listing.instrument]
            session.send(
                protocol.INSTRUMENT, index=listing.index, state=self._states[listing.index], ticker=listing.ticker,
                exchange=listing.exchange, tick=spec.tick, lot=spec.lot, point_value=spec.point_value,
            )  # fmt: skip
        self._send_clock(session, moment)
        orders: list[bytes] = []
        positions: list[bytes] = []
        if session.full:
            for account in self.desk.accounts:
                session.send(
                    protocol.ACCOUNT, account=account.name, broker=account.broker, flags=ACCOUNT_ENABLED,
                    broker_name=account.broker_name, owner_name=account.owner_name,
                )  # fmt: skip
            orders, positions = self.desk.snapshot(session.number)
            session.told_events = self.desk.engine.events
            session.connection.send(b"".join(orders + positions))
        session.send(protocol.LOGIN_DONE, orders=len(orders), positions=len(positions))
        self._untold = [fault for fault in self._untold if not self._told(fault, [session])]

    def _subscribe(self, session: Session, body: np.void) -> None:
        listing = self.desk.listings.find(text(body["ticker"]), text(body["exchange"]))
        if listing is None:
            self.log.warning("client %d named an unknown ticker: %s", session.number, text(body["ticker"]))
            return
        session.subscribe(listing.index, body)
        self._ever |= session.wanted

    def _history(self, session: Session, body: np.void) -> None:
        request, start_ns, end_ns = int(body["request"]), int(body["from_ns"]), int(body["to_ns"])
        listing = self.desk.listings.find(text(body["ticker"]), text(body["exchange"]))
        if listing is None:
            session.end_history(request, NL_CODES["NL_INVALID_TICKER"])
        elif not 0 < end_ns - start_ns <= LONGEST_HISTORY_NS:
            session.end_history(request, NL_CODES["NL_OUT_OF_RANGE"])
        else:
            trades = self.desk.engine.market.history(listing.instrument, start_ns, end_ns)
            session.add_history(request, listing.index, *session_faults.history(trades, self.faults))

    # -- small parts

    def _logged_in(self, full: bool = False) -> list[Session]:
        return [each for each in self._sessions.values() if each.logged_in and (each.full or not full)]

    def _count_clients(self) -> None:
        self.tally.clients = len(self._logged_in())

    @staticmethod
    def _send(session: Session, message: int, fields: dict[str, object]) -> None:
        session.send(message, **fields)

    @staticmethod
    def _send_clock(session: Session, moment: Moment) -> None:
        session.send(protocol.CLOCK, market_ns=moment.market_ns, speed=moment.speed, running=moment.running)

    def _views(self, wanted: Array) -> Iterator[tuple[int | None, Array]]:
        """(name, wanted[kind, instrument]) for the instruments' own names (None), then for each other name."""
        count = len(self.desk.engine.instruments)
        if wanted[:, :count].any():
            yield None, wanted[:, :count]
        for name in range(count, wanted.shape[1]):
            if wanted[:, name].any():
                view = np.zeros((2, count), bool)
                view[:, self._of_listing[name]] = wanted[:, name]
                yield name, view
