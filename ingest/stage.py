"""The ingest stage: one market-data session with the DLL, whose native callbacks write the rings.

The stage's own thread does what is rare: login, history, gaps, the market clock, watching the connection. While
history is fetched, live events of the symbol are held; then come the candles of history, a gap record if something
was missed, the trades that history gave back, what was held, and the market as it goes on.

It must never touch a ring without the context's lock, nor call a request of the DLL from a callback.
"""

from __future__ import annotations

import queue

from ingest import release, state
from ingest.callbacks import on_depth, on_history_trade, on_progress, on_trade
from ingest.history import history_bars
from ingest.market_clock import ClockMapping
from ingest.native_context import NativeContext
from ingest.recovery import relearn
from ingest.reference import References
from profitdll.callbacks import Listener
from profitdll.errors import DllError, LoginRefused, ProfitDllError, SessionTimeout
from profitdll.library import load
from profitdll.market import Market
from profitdll.session import Credentials, NativeCallbacks, Session
from runtime import secrets
from runtime.clock import set_market_clock
from runtime.context import StageContext
from runtime.sessions import trading_span_before
from runtime.stage import Refusal, Stage
from shm.layouts import GAP_CONNECTION_LOST, GAP_INGEST_RESTART
from shm.ring import RingWriter

CLOCK_EVERY_NS = 100_000_000
CLOCK_READINGS = 20
SECOND_NS = 1_000_000_000


class IngestStage(Stage):
    """DLL market data to rings."""

    name = "ingest"

    def __init__(self) -> None:
        self._session: Session | None = None
        self._native: NativeContext | None = None
        self._next_clock_ns = 0
        self._was_connected = False
        self._invalid: queue.SimpleQueue[str] = queue.SimpleQueue()

    # --- start

    def on_start(self, context: StageContext) -> None:
        self.context = context
        counters = context.counters
        counters.declare(
            *state.COUNTERS, "history_bars", "invalid_tickers", "clock_jumps", "feed_age_ms", "connection_losses"
        )
        self._mapping = ClockMapping(context.config.exchange.speed if context.info.simulated else 1.0)
        try:
            self._library = load(context.info.dll_path)
        except ProfitDllError as error:
            raise Refusal(str(error)) from error
        self._market = Market(self._library)
        writers = {ring: context.writer(ring) for ring in ("trades", "book", "candles")}
        self._native = self._build(context, writers)
        self._open_session(context)
        self._read_clock(CLOCK_READINGS)
        self._native.set_sessions(self._mapping.market_at(context.clock.monotonic_ns()))
        known = relearn(self._native.address, self._native.scratch())
        for index, instrument in enumerate(context.config.instruments):
            release.hold(self._native.address, index)
            self._subscribe(instrument.symbol, instrument.exchange)
        self._references = References(context.config.instruments, self._market, counters, context.log)
        try:
            self._references.subscribe()
        except DllError as error:
            raise Refusal(f"an ordered contract cannot be subscribed: {error}") from error
        self._catch_up(GAP_INGEST_RESTART if known else 0)
        self._was_connected = True

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
        self._session = Session(
            self._library,
            Credentials(who.key, who.user, who.password),
            full=False,
            native=native,
            listener=Listener(
                invalid_ticker=lambda ticker, exchange: self._invalid.put(f"{ticker} ({exchange})"),
                progress=lambda ticker, exchange, percent: self._on_progress(percent),
            ),
            server=server,
        )
        try:
            self._session.open()
            self._session.wait_connected(context.config.dll.connect_timeout_s)
        except (LoginRefused, SessionTimeout) as error:
            if context.epoch == 0:
                raise Refusal(str(error)) from error
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

    # --- history and gaps

    def _catch_up(self, cause: int) -> None:
        """Fetch what was missed (cause != 0) or the bars before the start (0), then let held events go."""
        assert self._native is not None
        native, context = self._native, self.context
        for index in range(len(context.config.instruments)):
            missed_from_ns = int(native.symbols["last_ts_ns"][index]) if cause else 0
            if cause and missed_from_ns:
                whole = self._fetch(index, missed_from_ns // SECOND_NS * SECOND_NS)
                now_ns = self._mapping.market_at(context.clock.monotonic_ns())
                release.store_gap(native.address, index, cause, missed_from_ns, now_ns, 0 if whole else -1)
                release.release(native.address, index, True)
                context.log.warning(
                    "gap",
                    extra={"fields": {"symbol": index, "cause": cause, "from_ns": missed_from_ns, "refilled": whole}},
                )
            else:
                if context.config.dll.history_bars:
                    self._backfill(index)
                release.release(native.address, index, False)
        release.begin_history(native.address, -1)
        self._refuse_invalid()

    def _fetch(self, index: int, from_ns: int) -> bool:
        """Trades of a symbol from `from_ns` until now into the staging; whether the DLL says that it gave all."""
        assert self._native is not None
        context, instrument = self.context, self.context.config.instruments[index]
        now_ns = self._mapping.market_at(context.clock.monotonic_ns())
        release.begin_history(self._native.address, index)
        try:
            self._market.request_history(instrument.symbol, instrument.exchange, from_ns, now_ns + SECOND_NS)
        except DllError as error:
            context.log.warning("history of %s refused: %s", instrument.symbol, error)
            return False
        give_up_ns = context.clock.monotonic_ns() + int(context.config.dll.history_timeout_s * 1e9)
        while not self._native["history_done"]:
            context.beat()
            if context.stop_requested() or context.clock.monotonic_ns() > give_up_ns:
                context.log.warning(
                    "history of %s stopped at %d %%", instrument.symbol, self._native["history_progress"]
                )
                return False
            context.wait(5_000_000)
        return True

    def _backfill(self, index: int) -> None:
        assert self._native is not None
        native, context = self._native, self.context
        instrument = context.config.instruments[index]
        bar_ns = instrument.bar_seconds * SECOND_NS
        now_ns = self._mapping.market_at(context.clock.monotonic_ns())
        from_ns = trading_span_before(instrument, now_ns, context.config.dll.history_bars)
        from_ns -= from_ns % bar_ns  # whole bars only
        if not self._fetch(index, from_ns):
            return
        staged = native.staging[: native["staged"]]
        bars = history_bars(staged, bar_ns, native.sessions(index), now_ns, context.config.dll.history_bars, index)
        for place in range(len(bars)):
            release.store_candle(native.address, bars[place : place + 1].ctypes.data)
        context.counters.add("history_bars", len(bars))

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
            self._watch_connection(now_ns)
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

    def _watch_connection(self, now_ns: int) -> None:
        assert self._session is not None and self._native is not None
        last_ns = self._native["last_market_event_ns"]
        if last_ns:
            self.context.counters.set("feed_age_ms", (now_ns - last_ns) // 1_000_000)
        connected = self._session.connected
        if self._was_connected and not connected:
            self.context.counters.add("connection_losses")
            self.context.log.error("connection lost: %s", self._session.missing())
            for index in range(len(self.context.config.instruments)):
                release.hold(self._native.address, index)
        elif connected and not self._was_connected:
            self.context.log.warning("connected again")
            self._read_clock(CLOCK_READINGS)
            self._catch_up(GAP_CONNECTION_LOST)
        self._was_connected = connected

    def on_close(self) -> None:
        if self._session is not None:
            self._session.close()
        state.install(0)
