"""What ingest does about market data that it did not hear: asks history, says how much it knows, lets held events go.

History is not believed blindly. It counts as whole only when the DLL says that it gave all, nothing had to be thrown
away, and it holds at least one trade that we know: an expired ticker answers success without a trade, and a stuck
request brings a part. What cannot be shown to be whole is a gap of unknown size.

Runs on the stage's thread. It must never be called from a callback: it makes requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest import release
from ingest.history import history_bars
from ingest.market_clock import ClockMapping
from ingest.native_context import NativeContext
from profitdll.errors import DllError
from profitdll.market import Market
from runtime.context import StageContext
from runtime.sessions import trading_span_before
from shm.layouts import GAP_FEED_SILENT

SECOND_NS = 1_000_000_000
OVERLAP_NS = 2 * SECOND_NS  # asked for before the last known trade, so that a good answer must contain it
ON_THE_WAY_NS = 2 * SECOND_NS
LAST_NS = np.iinfo(np.int64).max
POLL_NS = 5_000_000
COUNTERS = ("history_bars", "history_failures", "history_empty", "gaps_unknown")


@dataclass(frozen=True)
class Answer:
    """What a history request brought. done: the DLL said that it gave all; known and missing: its trades by
    `release.compare`; cut: something was thrown away for want of room."""

    done: bool
    known: int = 0
    missing: int = 0
    cut: bool = False

    @property
    def whole(self) -> bool:
        """Whether it fills the gap for certain."""
        return self.done and self.known > 0 and not self.cut


class CatchUp:
    """History and gaps of all symbols. `mapping`: the server's clock."""

    def __init__(self, context: StageContext, market: Market, native: NativeContext, mapping: ClockMapping) -> None:
        self._context, self._market, self._native, self._mapping = context, market, native, mapping
        self._cut_seen = self._cut()

    def hold(self) -> None:
        """Keep the events of every symbol back from now on. Safe on any thread, also inside a callback."""
        for index in range(len(self._native.symbols)):
            release.hold(self._native.address, index)

    def before_the_start(self) -> None:
        """Bars of history for symbols that nothing is known of, then let their events go."""
        for index in range(len(self._native.symbols)):
            holds = self._holds(index)
            if self._context.config.dll.history_bars:
                self._backfill(index)
            release.release(self._native.address, index, holds, 0, 0, 0, 0, False)
        self._end()

    def after_a_loss(self, cause: int) -> None:
        """Fetch what was missed of every symbol, say what it was, and let held events go.

        A symbol that nothing was heard of yet gets its bars. For a silent feed (`GAP_FEED_SILENT`) there is no gap where
        history shows that the market was silent too. A symbol whose hold was asked for again meanwhile stays held.
        """
        for index in range(len(self._native.symbols)):
            if not self._native.symbols["last_ts_ns"][index]:
                holds = self._holds(index)
                if self._context.config.dll.history_bars:
                    self._backfill(index)
                release.release(self._native.address, index, holds, 0, 0, 0, 0, False)
            else:
                self._refill(index, cause)
        self._end()

    def missing_trades(self) -> bool:
        """Whether history knows trades that never came, though the feed looks alive. Holds nothing back."""
        found = False
        for index in range(len(self._native.symbols)):
            if self._native.symbols["last_trade_ns"][index]:
                # a trade may be in the answer and still be on its way to us
                answer = self._ask_since_last_trade(index, self._now_ns() - ON_THE_WAY_NS)
                found = found or (answer.whole and answer.missing > 0)
        self._end()
        return found

    def _refill(self, index: int, cause: int) -> None:
        native, holds = self._native, self._holds(index)
        from_ns = int(native.symbols["last_ts_ns"][index])
        answer = self._ask_since_last_trade(index)
        to_ns = self._now_ns()
        fields = {"symbol": index, "cause": cause, "from_ns": from_ns, "refilled": answer.whole, "missed": answer.missing}
        if cause == GAP_FEED_SILENT and answer.whole and answer.missing == 0:
            done = release.release(native.address, index, holds, 0, 0, 0, 0, False)
            text = "the market was silent, nothing is missing"
        else:
            missing = 0 if answer.whole else -1
            done = release.release(native.address, index, holds, cause, from_ns, to_ns, missing, True)
            self._context.counters.add("gaps_unknown", int(done and not answer.whole))
            text = "gap" if done else "the feed was lost again before it was whole"
        self._context.log.warning(text, extra={"fields": fields})

    def _ask_since_last_trade(self, index: int, before_ns: int = LAST_NS) -> Answer:
        """before_ns: trades stamped later do not count as missing."""
        trade_ns = int(self._native.symbols["last_trade_ns"][index])
        since_ns = trade_ns - OVERLAP_NS if trade_ns else int(self._native.symbols["last_ts_ns"][index])
        done = self._fetch(index, since_ns // SECOND_NS * SECOND_NS)
        found = np.zeros(2, np.int64)
        release.compare(self._native.address, index, before_ns, found.ctypes.data)
        known, missing = found.tolist()
        if done and not known:
            self._context.counters.add("history_empty")
        return Answer(done, known, missing, self._cut() != self._cut_seen)

    def _fetch(self, index: int, from_ns: int) -> bool:
        """Trades of a symbol from `from_ns` until now into the staging; whether the DLL says that it gave all."""
        context, instrument = self._context, self._context.config.instruments[index]
        release.begin_history(self._native.address, index)
        try:
            until_ns = self._now_ns() + SECOND_NS
            self._market.request_history(instrument.symbol, instrument.exchange, from_ns, until_ns)
        except DllError as error:
            context.counters.add("history_failures")
            context.log.warning("history of %s refused: %s", instrument.symbol, error)
            return False
        give_up_ns = context.clock.monotonic_ns() + int(context.config.dll.history_timeout_s * 1e9)
        while not self._native["history_done"]:
            context.beat()
            if context.stop_requested() or context.clock.monotonic_ns() > give_up_ns:
                context.counters.add("history_failures")
                context.log.warning(
                    "history of %s stopped at %d %%", instrument.symbol, self._native["history_progress"]
                )
                return False
            context.wait(POLL_NS)
        return True

    def _backfill(self, index: int) -> None:
        native, context = self._native, self._context
        instrument, wanted = context.config.instruments[index], context.config.dll.history_bars
        bar_ns = instrument.bar_seconds * SECOND_NS
        now_ns = self._now_ns()
        from_ns = trading_span_before(instrument, now_ns, wanted)
        from_ns -= from_ns % bar_ns  # whole bars only
        if not self._fetch(index, from_ns):
            return
        if not native["staged"]:
            context.counters.add("history_empty")
            context.log.warning("history of %s has no trade: use the continuous ticker", instrument.symbol)
        staged = native.staging[: native["staged"]]
        bars = history_bars(staged, bar_ns, native.sessions(index), now_ns, wanted, index)
        for place in range(len(bars)):
            release.store_candle(native.address, bars[place : place + 1].ctypes.data)
        context.counters.add("history_bars", len(bars))

    def _end(self) -> None:
        release.begin_history(self._native.address, -1)
        self._cut_seen = self._cut()

    def _cut(self) -> int:
        """How many trades were thrown away for want of room so far."""
        counters = self._context.counters
        return counters.get("park_overflow") + counters.get("history_overflow")

    def _holds(self, index: int) -> int:
        return int(self._native.symbols["hold"][index])

    def _now_ns(self) -> int:
        return self._mapping.market_at(self._context.clock.monotonic_ns())
