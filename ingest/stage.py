"""The ingest stage: market data of the DLL, whose native callbacks write the rings.

The stage's own thread does what is rare: login, history, gaps, the market clock, watching the connection. While
history is fetched, live events of the symbol are held; then come the candles of history, a gap record if something
was missed, the trades that history gave back, what was held, and the market as it goes on. The session is its own, with
market data only, or its part of one that it shares with execution's orders; it does not know which.

It must never touch a ring without the context's lock, nor call a request of the DLL from a callback.
"""

from __future__ import annotations

import queue

from ingest import state
from ingest.callbacks import on_depth, on_history_trade, on_progress, on_trade
from ingest.catch_up import COUNTERS as CATCH_UP_COUNTERS
from ingest.catch_up import CatchUp
from ingest.feed_watch import Facts, FeedWatch, Step
from ingest.market_clock import ClockMapping
from ingest.native_context import NativeContext
from ingest.recovery import relearn
from ingest.reference import References
from profitdll.callbacks import Listener
from profitdll.constants import MARKET_CONNECTED, StateType
from profitdll.errors import DllError, LoginRefused, ProfitDllError, SessionTimeout
from profitdll.library import load
from profitdll.market import Market
from profitdll.session import AnySession, Credentials, NativeCallbacks
from runtime import secrets
from runtime.clock import set_market_clock
from runtime.context import StageContext
from runtime.dll_session import refused_login, session_maker
from runtime.stage import Refusal, Stage
from shm.layouts import GAP_CONNECTION_LOST, GAP_FEED_SILENT, GAP_INGEST_RESTART
from shm.ring import RingWriter

CLOCK_EVERY_NS = 100_000_000
CLOCK_READINGS = 20
SECOND_NS = 1_000_000_000


class IngestStage(Stage):
    """DLL market data to rings."""

    name = "ingest"

    def __init__(self) -> None:
        self._session: AnySession | None = None
        self._native: NativeContext | None = None
        self._next_clock_ns = 0
        self._losses = 0  # of the connection; counted where the DLL says so
        self._losses_seen = 0
        self._seemed_connected = True
        self._invalid: queue.SimpleQueue[str] = queue.SimpleQueue()

    # --- start

    def on_start(self, context: StageContext) -> None:
        self.context = context
        counters = context.counters
        counters.declare(
            *state.COUNTERS, *CATCH_UP_COUNTERS, "invalid_tickers", "clock_jumps", "feed_age_ms", "connection_losses",
            "feed_silences",
        )  # fmt: skip
        self._mapping = ClockMapping(context.config.exchange.speed if context.info.simulated else 1.0)
        try:
            self._library = load(context.info.dll_path)
        except ProfitDllError as error:
            raise Refusal(str(error)) from error
        self._market = Market(self._library)
        writers = {ring: context.writer(ring) for ring in ("trades", "book", "candles")}
        self._native = self._build(context, writers)
        self._catch_up = CatchUp(context, self._market, self._native, self._mapping)
        self._open_session(context)
        self._feed = FeedWatch(int(context.config.dll.silent_after_s * SECOND_NS), self._losses)
        self._read_clock(CLOCK_READINGS)
        self._native.set_sessions(self._mapping.market_at(context.clock.monotonic_ns()))
        known = relearn(self._native.address, self._native.scratch())
        self._catch_up.hold()
        for instrument in context.config.instruments:
            self._subscribe(instrument.symbol, instrument.exchange)
        self._references = References(context.config.instruments, self._market, counters, context.log)
        try:
            self._references.subscribe()
        except DllError as error:
            raise Refusal(f"an ordered contract cannot be subscribed: {error}") from error
        if known:
            self._catch_up.after_a_loss(GAP_INGEST_RESTART)
        else:
            self._catch_up.before_the_start()
        self._refuse_invalid()

    def _build(self, context: StageContext, writers: dict[str, RingWriter]) -> NativeContext:
        counters = context.counters
        first = counters.value_address(state.COUNTERS[0])
        for place, name in enumerate(state.COUNTERS):
            if counters.value_address(name) != first + 8 * place:
                raise RuntimeError(f"counter {name} does not stand where the callbacks count it")
        return NativeContext(
            self._library,
            context.config.instruments,
            writers,
            context.run,
            first,
            context.histogram("callback").address,
            context.spec.number,
        )

    def _open_session(self, context: StageContext) -> None:
        assert self._native is not None
        state.install(self._native.address)
        who = secrets.credentials(context.config.mode, context.info.simulated)
        native = NativeCallbacks(
            trade=on_trade.address, history_trade=on_history_trade.address, price_depth=on_depth.address
        )
        server = ("127.0.0.1", context.exchange_port()) if context.info.simulated else None
        self._session = session_maker(context)(
            self._library,
            Credentials(who.key, who.user, who.password),
            full=False,
            native=native,
            listener=Listener(
                state=self._on_state,
                invalid_ticker=lambda ticker, exchange: self._invalid.put(f"{ticker} ({exchange})"),
                progress=lambda ticker, exchange, percent: self._on_progress(percent),
            ),
            server=server,
        )
        try:
            self._session.open()
            self._session.wait_connected(context.config.dll.connect_timeout_s)
        except (LoginRefused, SessionTimeout, DllError) as error:
            if context.epoch == 0:
                raise Refusal(refused_login(error, context.config)) from error
            raise

    def _on_progress(self, percent: int) -> None:
        """Progress comes a hundred times a request: Python is good enough."""
        on_progress.ctypes(0, percent)

    def _subscribe(self, symbol: str, exchange: str) -> None:
        try:
            self._market.subscribe(symbol, exchange)
            self._market.subscribe_depth(symbol, exchange)
        except DllError as error:
            raise Refusal(f"{symbol} ({exchange}) cannot be subscribed: {error}") from error

    def _refuse_invalid(self) -> None:
        invalid = []
        while not self._invalid.empty():
            invalid.append(self._invalid.get())
        if invalid:
            self.context.counters.add("invalid_tickers", len(invalid))
            raise Refusal(
                f"unknown ticker: {', '.join(sorted(set(invalid)))}; correct $.instruments in the configuration"
            )

    # --- running

    def do_work(self) -> int:
        now_ns = self.context.clock.monotonic_ns()
        if now_ns >= self._next_clock_ns:
            self._next_clock_ns = now_ns + CLOCK_EVERY_NS
            self._read_clock(1)
            self._watch_feed(now_ns)
            self._refuse_invalid()
        self._references.look(now_ns)
        return 0

    def _read_clock(self, readings: int) -> None:
        for _ in range(readings):
            before_ns = self.context.clock.monotonic_ns()
            try:
                market_ns = self._market.server_clock_ns()
            except DllError as error:
                self.context.log.warning("the server's clock cannot be read: %s", error)
                return
            self._mapping.reading(market_ns, before_ns)
        self.context.counters.set("clock_jumps", self._mapping.jumps)
        set_market_clock(self.context.run, self._mapping.offset_ns, 0, self._mapping.speed)

    def _watch_feed(self, now_ns: int) -> None:
        assert self._session is not None and self._native is not None
        counters, native = self.context.counters, self._native
        trade_ns, book_ns = native["last_trade_event_ns"], native["last_book_event_ns"]
        if max(trade_ns, book_ns):
            counters.set("feed_age_ms", max(0, now_ns - max(trade_ns, book_ns)) // 1_000_000)
        losses = self._losses  # before the states: a loss is counted after they have changed
        connected = self._session.connected
        if not connected and self._seemed_connected and losses == self._losses_seen:
            self._on_loss()  # no market state said so, yet something is missing
            losses = self._losses
        self._losses_seen, self._seemed_connected = losses, connected
        facts = Facts(now_ns, connected, losses, trade_ns, book_ns)
        while (step := self._feed.step(facts)) is not Step.NOTHING:
            self._take(step)

    def _take(self, step: Step) -> None:
        assert self._session is not None
        counters, log = self.context.counters, self.context.log
        if step is Step.LOST:
            counters.add("connection_losses")
            log.error("connection lost: %s", self._session.missing() or "it is back already")
        elif step is Step.BACK:
            log.warning("connected again")
            self._read_clock(CLOCK_READINGS)
            self._catch_up.after_a_loss(GAP_CONNECTION_LOST)
        elif step is Step.SILENT:
            counters.add("feed_silences")
            log.error("nothing has come for %g s although connected", self.context.config.dll.silent_after_s)
            self._catch_up.hold()
        elif step is Step.ALIVE:
            self._catch_up.after_a_loss(GAP_FEED_SILENT)
        elif step is Step.DOUBT and self._catch_up.missing_trades():
            counters.add("feed_silences")
            log.error("trades are missing although connected")
            self._catch_up.hold()
            self._catch_up.after_a_loss(GAP_FEED_SILENT)

    def _on_state(self, kind: int, value: int) -> None:
        """On the ConnectorThread: before anything else can come, what comes after a loss is held."""
        if kind == StateType.MARKET_DATA and value not in MARKET_CONNECTED:
            self._on_loss()

    def _on_loss(self) -> None:
        self._catch_up.hold()
        self._losses += 1

    def on_close(self) -> None:
        if self._session is not None:
            self._session.close()
        state.install(0)
