"""What has happened in a market, in plain lists, and the register of the twins that compute features from it.

It shares nothing with `features` but the record layouts, so that an error there cannot hide here.
"""

from __future__ import annotations

import datetime
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from config.schema import Instrument
from shm.layouts import FLAG_AUCTION, FLAG_HISTORY, KIND_TRADE

Real = np.longdouble
NAN = Real("nan")
SECOND = 1_000_000_000
ROOM = 2**18
MOST = 2**32  # a quantity beyond it is absurd


@dataclass(frozen=True)
class Trade:
    t: int
    ticks: int
    q: int
    s: int
    buyer: int
    seller: int


@dataclass(frozen=True)
class Book:
    t: int
    bids: tuple[tuple[int, int], ...]  # ticks, quantity; a level that is not there is (0, 0)
    asks: tuple[tuple[int, int], ...]

    @property
    def mid(self) -> Real:
        return (Real(self.bids[0][0]) + Real(self.asks[0][0])) / 2


@dataclass(frozen=True)
class Bar:
    o: int
    h: int
    l: int  # noqa: E741 - the field's own letter
    c: int
    v: int


@dataclass
class Market:
    """What has happened up to now, in plain lists. `feed` returns whether a vector is due."""

    instrument: Instrument
    t: int = 0
    session: Any = None
    trades: list[Trade] = field(default_factory=list)  # of the session
    books: list[Book] = field(default_factory=list)  # of the session
    bars: list[Bar] = field(default_factory=list)  # completed
    forming: list[Trade] = field(default_factory=list)
    running: bool = False
    start: int = 0
    history_end: int | None = None
    partial: bool = False
    numbers: set[tuple[int, int]] = field(default_factory=set)

    def local(self, t: int) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(t // SECOND, ZoneInfo(self.instrument.timezone)).replace(tzinfo=None)

    def clock(self, text: str) -> datetime.timedelta:
        hours, minutes = text.split(":")
        return datetime.timedelta(hours=int(hours), minutes=int(minutes))

    @property
    def overnight(self) -> bool:
        return self.clock(self.instrument.session_open) >= self.clock(self.instrument.session_close)

    def session_of(self, t: int) -> datetime.date:
        wall = self.local(t)
        return (wall - self.clock(self.instrument.session_open)).date() if self.overnight else wall.date()

    def ticks(self, price: float) -> int | None:
        exact = price / self.instrument.tick
        return round(exact) if abs(exact - round(exact)) <= 1e-6 else None

    def feed_candle(self, candle: Any) -> None:
        if not candle["flags"] & FLAG_HISTORY:
            return
        o, h, l, c = (self.ticks(float(candle[name])) for name in ("open", "high", "low", "close"))  # noqa: E741
        assert None not in (o, h, l, c)
        self.bars.append(Bar(o, h, l, c, int(candle["volume"])))  # type: ignore[arg-type]
        self.history_end = int(candle["start_ns"]) + self.instrument.bar_seconds * SECOND

    def feed(self, record: Any) -> bool:
        event = self.trade_of(record) if record["kind"] == KIND_TRADE else self.book_of(record)
        if event is None:
            return False
        self.move_to(event.t)
        if isinstance(event, Trade):
            if not self.running:
                self.running = True
                width = self.instrument.bar_seconds * SECOND
                self.start = event.t // width * width
            self.trades.append(event)
            self.forming.append(event)
        else:
            self.books.append(event)
        return True

    def trade_of(self, record: Any) -> Trade | None:
        if record["trade_type"] not in (0, 1, 2, 3, 4, 13):
            return None
        key = (int(record["trade_date"]), int(record["trade_number"]))
        if key[1] > 0 and key in self.numbers:
            return None
        self.numbers.add(key)
        price, q = float(record["price"]), int(record["quantity"])
        if not (math.isfinite(price) and price > 0 and 0 < q <= MOST):
            return None
        ticks = self.ticks(price)
        if ticks is None:
            return None
        s = {0: int(record["aggressor"]), 2: 1, 3: -1}.get(int(record["trade_type"]), 0)
        return Trade(int(record["ts_ns"]), ticks, q, s, int(record["buyer"]), int(record["seller"]))

    def book_of(self, record: Any) -> Book | None:
        if record["flags"] & FLAG_AUCTION:
            return None
        sides = []
        for side in ("bid", "ask"):
            levels = []
            for price, q in zip(record[f"{side}_price"], record[f"{side}_quantity"], strict=True):
                if not (math.isfinite(price) and price > 0 and q > 0):
                    levels.append((0, 0))
                    continue
                ticks = self.ticks(float(price))
                if ticks is None or q > MOST:
                    return None
                levels.append((ticks, int(q)))
            sides.append(tuple(levels))
        bids, asks = sides
        if bids[0][1] == 0 or asks[0][1] == 0 or bids[0][0] >= asks[0][0]:
            return None
        return Book(int(record["ts_ns"]), bids, asks)

    def complete(self) -> None:
        if self.forming:
            prices = [trade.ticks for trade in self.forming]
            bar = Bar(prices[0], max(prices), min(prices), prices[-1], sum(trade.q for trade in self.forming))
        else:
            close = self.bars[-1].c
            bar = Bar(close, close, close, close, 0)
        self.bars.append(bar)
        self.forming = []

    def move_to(self, t: int) -> None:
        first_of_all = self.session is None
        if self.session_of(t) != self.session:
            if self.running:
                self.complete()
            self.session = self.session_of(t)
            self.trades, self.books, self.running, self.partial = [], [], False, False
            if self.history_end is not None and self.session_of(self.history_end - 1) == self.session:
                self.running, self.start = True, self.history_end
                self.partial = first_of_all
        width = self.instrument.bar_seconds * SECOND
        while self.running and t >= self.start + width:
            self.complete()
            self.start += width
        del self.bars[:-200]
        self.t = t

    # --- what the formulas speak of

    @property
    def c(self) -> list[Real]:
        """C: completed closes followed by P."""
        closes = [Real(bar.c) for bar in self.bars]
        if self.forming:
            return [*closes, Real(self.forming[-1].ticks)]
        return [*closes, closes[-1]] if closes else []

    @property
    def bars_and_forming(self) -> list[Bar]:
        if self.forming:
            prices = [trade.ticks for trade in self.forming]
            forming = Bar(prices[0], max(prices), min(prices), prices[-1], sum(trade.q for trade in self.forming))
            return [*self.bars, forming]
        if not self.bars:
            return []
        close = self.bars[-1].c
        return [*self.bars, Bar(close, close, close, close, 0)]

    def returns(self, n: int) -> list[Real] | None:
        c = self.c[-(n + 1) :]
        return [np.log(c[i] / c[i - 1]) for i in range(1, n + 1)] if len(c) == n + 1 else None

    def trades_in(self, seconds: int) -> list[Trade]:
        return self.trades[bisect_right(self.trades, self.t - seconds * SECOND, key=lambda trade: trade.t) :]

    def book_before(self, seconds: int) -> int:
        """How many snapshots are at or before t - seconds."""
        return bisect_right(self.books, self.t - seconds * SECOND, key=lambda book: book.t)

    def books_in(self, seconds: int) -> list[tuple[Book | None, Book]]:
        """(snapshot before, snapshot) of those inside the window."""
        first = self.book_before(seconds)
        return [(self.books[i - 1] if i > 0 else None, self.books[i]) for i in range(first, len(self.books))]


def std(values: list[Real]) -> Real:
    if all(value == values[0] for value in values):
        return Real(0)
    mean = sum(values, Real(0)) / len(values)
    return np.sqrt(sum(((value - mean) ** 2 for value in values), Real(0)) / len(values))


def ratio(a: Real, b: Real) -> Real:
    return Real(0) if a == 0 and b == 0 else a / b


Twin = Callable[[Market], Real]
TWINS: dict[str, Twin] = {}


def twin(name: str) -> Callable[[Twin], Twin]:
    def register(function: Twin) -> Twin:
        TWINS[name] = function
        return function

    return register


def family(name: str, numbers: tuple[int, ...], make: Callable[[Market, int], Real]) -> None:
    for n in numbers:
        TWINS[name.format(n=n)] = lambda market, n=n: make(market, n)
