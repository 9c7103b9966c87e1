"""One instrument of the generated market: its book, its background traders' state, and what they and clients did.

It stands between the kernels of `order_flow` and `book` and the batches of `generated_market`. No clock; the
generator's random numbers come from its own seeded stream.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from config.schema import Instrument
from exchange import frames, generated_history
from exchange import order_flow as flow
from exchange.book import book_add
from exchange.market import BUY, SELL, Array, Batch, Fill
from exchange.venue import Venue
from profitdll.constants import TickerState

SPAN = 1 << 16  # prices a book can hold
CAPACITY = 1 << 13  # resting orders of one book
ROOM = 2048  # events of one run of the kernel
DRAWS = 4096
DEFAULT_START_TICKS = 10_000
FILLS_PER_MARKET_ORDER = 1.29  # measured over a generated hour; sets the rate of market orders
LIMITS_PER_MARKET_ORDER = 5.0
RESTING_ORDERS = 260.0  # mean; sets the rate of cancels
MEAN_SIZE = 3.0
BROKERS = np.array([3, 8, 16, 23, 39, 59, 72, 85, 90, 92, 107, 114, 120, 127, 147, 174, 238, 308, 386, 1618], np.int64)
WEIGHTS = 1.0 / np.arange(1, len(BROKERS) + 1)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


class Stream(Venue):
    """index: the instrument's; rates and start as the configuration says. Prices in and out are ticks."""

    def __init__(
        self,
        spec: Instrument,
        index: int,
        seed: int,
        start_ns: int,
        end_ns: int,
        start_price: float,
        trades_per_s: float,
    ) -> None:
        self.words = np.zeros(12, np.int64)
        start_ticks = round(start_price / spec.tick) or DEFAULT_START_TICKS
        base_ticks = max(1, start_ticks - SPAN // 2)
        super().__init__(spec, index, base_ticks=base_ticks, span=SPAN, capacity=CAPACITY, start_ticks=start_ticks)
        self.start_ns = start_ns
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
        bar_ns = spec.bar_seconds * 1_000_000_000
        past = generated_history.generate(self._rng, start_ns, start_ticks, bar_ns, spec.tick, BROKERS, WEIGHTS)
        past["index"] = index
        self._played = [past]
        markets = trades_per_s / FILLS_PER_MARKET_ORDER
        limits = markets * LIMITS_PER_MARKET_ORDER
        reference = float(self.book.row(start_ticks))
        self.numbers = np.array(
            [reference, reference, markets, limits, (limits - markets) / RESTING_ORDERS, MEAN_SIZE], np.float64
        )
        self.words[flow.W_NEXT_NS] = self.words[flow.W_LAST_NS] = start_ns
        self.trade_number = len(past)
        self.words[flow.W_LOW], self.words[flow.W_HIGH] = -1, 1 << 62
        self.words[flow.W_END_NS] = end_ns
        self._cumulative = np.cumsum(WEIGHTS)
        self._draws = np.empty((DRAWS, 8))
        self._draw()
        self._kinds = np.zeros(ROOM + flow.STEP_EVENTS, np.uint8)
        self._trades = np.zeros((ROOM + flow.STEP_EVENTS, 7), np.int64)
        self._books = np.zeros((ROOM + flow.STEP_EVENTS, 2, flow.LEVELS, 3), np.int64)
        self._times = np.zeros(ROOM + flow.STEP_EVENTS, np.int64)
        self._clients = np.zeros((flow.STEP_EVENTS, 4), np.int64)
        self._fill_book()

    def _draw(self) -> None:
        self._draws[:, :7] = self._rng.random((DRAWS, 7))
        self._draws[:, 7] = self._rng.standard_normal(DRAWS)
        self.words[flow.W_DRAW] = 0

    def _fill_book(self) -> None:
        """The queues that stand when the market starts: several orders at each of the first levels."""
        self._deepen()
        for side, step in ((BUY, -1), (SELL, 1)):
            for level in range(flow.LEVELS):
                row = int(self.numbers[flow.F_REFERENCE]) + (0 if side == BUY else 1) + step * level
                sizes, brokers = self._rng.geometric(0.2, 4), self._rng.choice(BROKERS, 4, p=WEIGHTS)
                for size, broker in zip(sizes, brokers, strict=True):
                    self.words[flow.W_ORDER_NUMBER] += 1
                    book_add(*self.book.arrays, self.words[flow.W_ORDER_NUMBER], side, row, size, broker, 0)

    def _deepen(self) -> None:
        flow.deepen(*self.book.arrays, self.words, self.numbers, self._cumulative, BROKERS, self._draws[0])

    def set_state(self, state: int, now_ns: int) -> list[Fill]:
        """The background traders act only while trading is continuous, and go on at the moment at which it begins."""
        fills = super().set_state(state, now_ns)
        if state == TickerState.OPENED:
            self.words[flow.W_NEXT_NS] = max(int(self.words[flow.W_NEXT_NS]), now_ns)
            self.words[flow.W_LAST_NS] = self.words[flow.W_NEXT_NS]
        return fills

    @property
    def next_ns(self) -> int | None:
        """Market time of the next event; None when the session is over."""
        if self.pending:
            return self.pending[0].last_ns
        if self.state != TickerState.OPENED:
            return None
        due = int(self.words[flow.W_NEXT_NS])
        return due if due <= self.words[flow.W_END_NS] else None

    # the numbers that the kernel counts on

    @property
    def last_ticks(self) -> int:
        return int(self.words[flow.W_LAST_TICKS])

    @last_ticks.setter
    def last_ticks(self, ticks: int) -> None:
        self.words[flow.W_LAST_TICKS] = ticks

    @property
    def trade_number(self) -> int:
        return int(self.words[flow.W_TRADE_NUMBER])

    @trade_number.setter
    def trade_number(self, number: int) -> None:
        self.words[flow.W_TRADE_NUMBER] = number

    @property
    def order_number(self) -> int:
        return int(self.words[flow.W_ORDER_NUMBER])

    @order_number.setter
    def order_number(self, number: int) -> None:
        self.words[flow.W_ORDER_NUMBER] = number

    def run(self, to_ns: int, limit: int) -> Batch | None:
        """Play up to `to_ns`; None when nothing came of it."""
        if self.pending:
            return self.pending.pop(0)
        if self.state != TickerState.OPENED:
            return None
        while int(self.words[flow.W_NEXT_NS]) <= min(to_ns, int(self.words[flow.W_END_NS])):
            if self.words[flow.W_DRAW] == DRAWS:
                self._draw()
            flow.flow_run(
                *self.book.arrays, self.book.fills, self.words, self.numbers, self._draws, self._cumulative, BROKERS,
                to_ns, min(limit, ROOM),
                self._kinds, self._trades, self._books, self._times, self._clients, self._shown,
            )  # fmt: skip
            trades, books = int(self.words[flow.W_TRADES]), int(self.words[flow.W_BOOKS])
            if trades + books:
                last_ns = int(self.words[flow.W_LAST_NS])
                fills = [self._client_fill(row, last_ns) for row in self._clients[: self.words[flow.W_CLIENTS]]]
                return self._batch(trades, books, fills, last_ns)
        return None

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
            ("ts_ns", flow.T_TS), ("quantity", flow.T_QUANTITY), ("buyer", flow.T_BUYER), ("seller", flow.T_SELLER),
            ("trade_type", flow.T_TYPE), ("number", flow.T_NUMBER),
        )  # fmt: skip
        for name, column in columns:
            body[name] = rows[:, column]
        body["price"] = np.round(rows[:, flow.T_TICKS] * self.spec.tick, frames.PRICE_DIGITS)
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
