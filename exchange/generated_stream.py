"""One instrument of the generated market: its book, its background traders' state, and what they and clients did.

It stands between the kernels of `order_flow` and `book` and the batches of `generated_market`. No clock; the
generator's random numbers come from its own seeded stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from config.schema import Instrument, PlantedEpisode
from exchange import brokers, episodes, frames, generated_history, intraday
from exchange import flow_state as fs
from exchange import order_flow as flow
from exchange.book import LEAVES, NUMBER, book_add
from exchange.call_crowd import CallCrowd
from exchange.ground_truth import KINDS, Episode
from exchange.hawkes import Hawkes
from exchange.market import BUY, SELL, Array, Batch, Fill
from exchange.venue import Venue
from profitdll.constants import TickerState

SPAN = 1 << 16  # prices a book can hold
CAPACITY = 1 << 13  # resting orders of one book
ROOM = 2048  # events of one run of the kernel
DRAWS = 4096
TRUTHS = 64
PLANS, CALLS = 1, 2  # random streams of their own, beside the background's
DEFAULT_START_TICKS = 10_000
TRADES_PER_MARKET_ORDER = 1.80  # measured over generated sessions; sets the rate of market orders
OPENING_ORDERS = 6  # of each side at each of the first levels
ARRIVALS = Hawkes(branching=(0.40, 0.35), decay_per_s=(8.0, 1.0 / 45.0))  # answers within 0.1 s, and moods of a minute


@dataclass(frozen=True)
class Traffic:
    """What the background does: mean trades per second, and which episodes are planted."""

    trades_per_s: float
    episodes_per_hour: float = 0.0
    planted: Sequence[PlantedEpisode] = ()
    tell_truth: Callable[[Episode], None] | None = None  # called with each episode when it is over


class Stream(Venue):
    """index: the instrument's; traffic and start as the configuration says. Prices in and out are ticks.

    Raises BadSchedule when planted episodes overlap.
    """

    def __init__(
        self,
        spec: Instrument,
        index: int,
        seed: int,
        start_ns: int,
        end_ns: int,
        start_price: float,
        traffic: Traffic,
    ) -> None:
        self.flow = np.zeros(1, fs.FLOW)
        start_ticks = round(start_price / spec.tick) or DEFAULT_START_TICKS
        base_ticks = max(1, start_ticks - SPAN // 2)
        super().__init__(spec, index, base_ticks=base_ticks, span=SPAN, capacity=CAPACITY, start_ticks=start_ticks)
        self.start_ns = start_ns
        self._tell_truth = traffic.tell_truth
        self._trades_per_s = traffic.trades_per_s
        self._seeds = (seed, index)
        self._calls = 0
        self._crowd: CallCrowd | None = None
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seeds)))
        past = generated_history.generate(self._rng, start_ns, start_ticks, spec.bar_seconds * 1_000_000_000, spec.tick)
        past["index"] = index
        self._played = [past]
        # its own random stream: other episodes leave the background's draws as they are
        plans = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index, PLANS])))
        self.script = episodes.schedule(
            plans, traffic.planted, traffic.episodes_per_hour, start_ns, end_ns, traffic.trades_per_s
        )
        self._icebergs = np.zeros((fs.ICEBERGS, 10), np.int64)
        minutes = intraday.session_minutes(spec.session_open, spec.session_close)
        self._tables = (brokers.CUMULATIVE, brokers.CODES, intraday.curve(minutes))
        self._set_state(start_ns, end_ns, end_ns - minutes * flow.MINUTE_NS, start_ticks, traffic.trades_per_s)
        self.trade_number = len(past)
        self._draws = np.empty((DRAWS, fs.DRAW_COLUMNS))
        self._draw()
        rows = ROOM + fs.STEP_EVENTS
        self._kinds = np.zeros(rows, np.uint8)
        self._trades = np.zeros((rows, 7), np.int64)
        self._books = np.zeros((rows, 2, fs.LEVELS, 3), np.int64)
        self._times = np.zeros(rows, np.int64)
        self._clients = np.zeros((fs.STEP_EVENTS, 4), np.int64)
        self._truths = np.zeros((TRUTHS, fs.TRUTH_COLUMNS), np.int64)
        self._fill_book()

    def _set_state(self, start_ns: int, end_ns: int, curve_ns: int, start_ticks: int, trades_per_s: float) -> None:
        """The flow's record at the start: arrivals in their stationary state, no parent order, the first episode next."""
        state = self.flow[0]
        state["next_ns"] = state["last_ns"] = start_ns
        state["end_ns"], state["curve_ns"] = end_ns, curve_ns
        state["boundary_ns"] = self.script["start_ns"][0] if len(self.script) else fs.FAR_NS
        state["low_ticks"], state["high_ticks"] = -1, fs.FAR_NS
        state["reference"] = state["home"] = self.book.row(start_ticks)
        own_s = episodes.own_orders(self.script)
        seconds = (end_ns - start_ns) / 1e9
        mean = trades_per_s / TRADES_PER_MARKET_ORDER / (1.0 + own_s / seconds if seconds > 0 else 1.0)
        state["mean_rate"], state["base_rate"] = mean, ARRIVALS.base(mean)
        state["decay"], state["jump"] = ARRIVALS.decay_per_s, ARRIVALS.jumps
        state["excitation"] = ARRIVALS.stationary(mean)
        state["mood"] = -(flow.MOOD_STD**2)
        state["minute"] = start_ns // flow.MINUTE_NS
        state["minute_low"], state["minute_high"] = fs.FAR_NS, -1
        state["parent_side"] = np.where(self._rng.random(fs.PARENTS) < 0.5, 1, -1)

    def _draw(self) -> None:
        self._draws[:, : fs.UNIFORMS] = self._rng.random((DRAWS, fs.UNIFORMS))
        self._draws[:, fs.UNIFORMS :] = self._rng.standard_normal((DRAWS, fs.DRAW_COLUMNS - fs.UNIFORMS))
        self.flow["draw"] = 0

    def _fill_book(self) -> None:
        """The queues that stand when the market starts: several orders at each of the first levels."""
        flow.fill_up(*self.book.arrays, self.flow, *self._tables, self._draws[0])
        state = self.flow[0]
        for side, step in ((BUY, -1), (SELL, 1)):
            for level in range(fs.LEVELS):
                row = int(state["reference"]) + (0 if side == BUY else 1) + step * level
                sizes = self._rng.geometric(0.2, OPENING_ORDERS)
                codes = self._rng.choice(brokers.CODES, OPENING_ORDERS, p=brokers.WEIGHTS[brokers.MAKER])
                for size, broker in zip(sizes, codes, strict=True):
                    state["order_number"] += 1
                    book_add(*self.book.arrays, state["order_number"], side, row, size, broker, 0)

    def set_state(self, state: int, now_ns: int) -> list[Fill]:
        """The background trades only while trading is continuous; into a call it sends orders (`call_crowd`)."""
        was = self.calling
        fills = super().set_state(state, now_ns)
        if self.calling and not was:
            self._calls += 1
            seeds = np.random.SeedSequence([*self._seeds, CALLS, self._calls])
            self._crowd = CallCrowd(np.random.Generator(np.random.PCG64(seeds)), now_ns, self._trades_per_s)
        if state == TickerState.OPENED:
            self._resume(now_ns)
        return fills

    def _resume(self, now_ns: int) -> None:
        """Continuous trading begins: orders may stand in other slots, and what should have been planted before is not."""
        flow_state = self.flow[0]
        flow_state["next_ns"] = max(int(flow_state["next_ns"]), now_ns)
        flow_state["last_ns"] = flow_state["next_ns"]
        if now_ns > self.start_ns:
            flow_state["playing"] = 0
            self._icebergs[0] = 0
            later = np.flatnonzero((self.script["first"] == 1) & (self.script["start_ns"] >= now_ns))
            flow_state["script"] = later[0] if len(later) else len(self.script)
            flow_state["boundary_ns"] = self.script["start_ns"][later[0]] if len(later) else fs.FAR_NS
        numbers = {int(row[NUMBER]): slot for slot, row in enumerate(self.book.orders) if row[LEAVES] > 0}
        for row in self._icebergs:  # a row of the table is a view
            row[fs.I_SLOT] = numbers.get(int(row[fs.I_NUMBER]), 0)

    @property
    def next_ns(self) -> int | None:
        """Market time of the next event; None when the session is over."""
        if self.pending:
            return self.pending[0].last_ns
        if self.calling and self._crowd is not None:
            return self._crowd.next_ns
        if self.state != TickerState.OPENED:
            return None
        due = int(self.flow["next_ns"][0])
        return due if due <= self.flow["end_ns"][0] else None

    def _play_call(self, crowd: CallCrowd, to_ns: int) -> Batch | None:
        """Let the crowd of a call send orders up to `to_ns`, as far as the first that changes what is shown."""
        while crowd.next_ns is not None and crowd.next_ns <= to_ns:
            now_ns = crowd.next_ns
            side, ticks, quantity, broker = crowd.order(self._reference_ticks)
            if ticks is None or self.holds(ticks):
                self.collect(side, ticks, quantity, broker)
                self.told(now_ns)
            if self.pending:
                return self.pending.pop(0)
        return None

    @property
    def _reference_ticks(self) -> int:
        return self.book.base_ticks + int(self.flow["reference"][0])

    # the numbers that the kernel counts on

    @property
    def last_ticks(self) -> int:
        return int(self.flow["last_ticks"][0])

    @last_ticks.setter
    def last_ticks(self, ticks: int) -> None:
        self.flow["last_ticks"] = ticks

    @property
    def trade_number(self) -> int:
        return int(self.flow["trade_number"][0])

    @trade_number.setter
    def trade_number(self, number: int) -> None:
        self.flow["trade_number"] = number

    @property
    def order_number(self) -> int:
        return int(self.flow["order_number"][0])

    @order_number.setter
    def order_number(self, number: int) -> None:
        self.flow["order_number"] = number

    def run(self, to_ns: int, limit: int) -> Batch | None:
        """Play up to `to_ns`; None when nothing came of it."""
        if self.pending:
            return self.pending.pop(0)
        if self.calling and self._crowd is not None:
            return self._play_call(self._crowd, to_ns)
        if self.state != TickerState.OPENED:
            return None
        state = self.flow[0]
        while int(state["next_ns"]) <= min(to_ns, int(state["end_ns"])):
            if state["draw"] == DRAWS:
                self._draw()
            flow.flow_run(
                *self.book.arrays, self.book.fills, self.flow, self._icebergs, self.script, self._draws, *self._tables,
                to_ns, min(limit, ROOM),
                self._kinds, self._trades, self._books, self._times, self._clients, self._truths, self._shown,
            )  # fmt: skip
            if state["truths"] and self._tell_truth is not None:
                for row in self._truths[: state["truths"]]:
                    self._tell_truth(self._episode(row))
            trades, books = int(state["trades"]), int(state["books"])
            if trades + books:
                last_ns = int(state["last_ns"])
                fills = [self._client_fill(row, last_ns) for row in self._clients[: state["clients"]]]
                return self._batch(trades, books, fills, last_ns)
        return None

    def watch(self, low_ticks: int, high_ticks: int) -> None:
        """End a batch after a trade at or below `low_ticks`, or at or above `high_ticks`."""
        self.flow["low_ticks"], self.flow["high_ticks"] = low_ticks, high_ticks

    def _episode(self, row: Array) -> Episode:
        kind, side, start_ns, end_ns, ticks, volume, decoy, planted = row.tolist()
        return Episode(
            kind=KINDS[kind], side="buy" if side > 0 else "sell", symbol=self.spec.symbol, start_ns=start_ns,
            end_ns=end_ns, price=round(ticks * self.spec.tick, frames.PRICE_DIGITS), volume=volume,
            decoy=bool(decoy), planted=bool(planted),
        )  # fmt: skip

    def _client_fill(self, row: Array, ts_ns: int) -> Fill:
        owner, ticks, quantity, done = row.tolist()
        if done:
            self.forget(owner)
        return Fill(owner, ticks, quantity, ts_ns)

    def _batch(self, trades: int, books: int, fills: Sequence[Fill], last_ns: int) -> Batch:
        """Frames of the first rows of the output arrays."""
        trade = frames.trade_frames(trades)
        body, rows = trade["body"], self._trades[:trades]
        body["index"] = self.index
        columns = (
            ("ts_ns", fs.T_TS), ("quantity", fs.T_QUANTITY), ("buyer", fs.T_BUYER), ("seller", fs.T_SELLER),
            ("trade_type", fs.T_TYPE), ("number", fs.T_NUMBER),
        )  # fmt: skip
        for name, column in columns:
            body[name] = rows[:, column]
        body["price"] = np.round(rows[:, fs.T_TICKS] * self.spec.tick, frames.PRICE_DIGITS)
        if trades:
            self._played.append(body.copy())
        book = frames.book_frames(books)
        book["body"]["index"] = self.index
        book["body"]["ts_ns"] = self._times[:books]
        frames.fill_side(book["body"], "bid", self._books[:books, 0], self.spec.tick)
        frames.fill_side(book["body"], "ask", self._books[:books, 1], self.spec.tick)
        count = trades + books
        symbols = np.full(count, self.index, np.int32)
        return Batch(self._kinds[:count].copy(), symbols, trade, book, fills, last_ns)
