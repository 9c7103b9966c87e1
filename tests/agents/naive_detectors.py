"""Slow, obvious twins of the four detectors: everything heard is kept in lists and counted anew for each vector.

They share the thresholds with the detectors, which are choices, and nothing else.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from agents import footprint as fp
from agents import liquidity as lq
from agents import tape_reading as tr
from agents.vector import COLUMN_NAMES
from features.registry import INDEX
from shm.layouts import KIND_GAP

Row = tuple[bool, list[float]]


def sign(x: float) -> int:
    return int(x > 0) - int(x < 0)


class Latch:
    """A pattern that comes at `enter` and goes below `leave`."""

    def __init__(self, enter: float, leave: float) -> None:
        self.enter, self.leave, self.held = enter, leave, 0

    def step(self, value: float) -> float:
        still = self.held != 0 and sign(value) == self.held and abs(value) >= self.leave
        if not still:
            self.held = sign(value) if abs(value) >= self.enter else 0
        return self.held * min(abs(value), 1.0)


def is_trade(record: Any) -> bool:
    good_type = record["trade_type"] in (0, 1, 2, 3, 4, 13)
    return bool(good_type and math.isfinite(record["price"]) and record["price"] > 0 and record["quantity"] > 0)


class OrderFlow:
    def __init__(self) -> None:
        self.latches = [Latch(0.6, 0.4), Latch(0.6, 0.4), Latch(0.6, 0.45), Latch(0.5, 0.35)]

    def trade(self, record: Any) -> None: ...

    def book(self, record: Any) -> None: ...

    def vector(self, record: Any) -> Row:
        fast, slow, delta_fast, delta_slow, trades = (record["values"][INDEX[name]] for name in COLUMN_NAMES.values())
        if not all(map(math.isfinite, (fast, slow, delta_fast, delta_slow, trades))):
            self.__init__()  # type: ignore[misc]
            return False, [0.0] * 4
        values = [
            fast if sign(fast) == sign(slow) and abs(slow) >= 0.1 else 0.0,
            delta_slow if sign(delta_fast) == sign(delta_slow) == sign(trades) else 0.0,
            trades,
            (slow - delta_slow) / 2 if sign(slow) == -sign(delta_slow) and abs(slow) >= 0.1 else 0.0,
        ]
        return True, [one.step(value) for one, value in zip(self.latches, values, strict=True)]


class Liquidity:
    def __init__(self) -> None:
        self.books: list[Any] = []
        self.latches = [
            Latch(0.35, 0.2),
            Latch(1 - lq.WITHDRAWN, 0.5 * (1 - lq.WITHDRAWN)),
            Latch(1 - lq.DEPLETED, 0.5),
        ]

    def trade(self, record: Any) -> None: ...

    def book(self, record: Any) -> None:
        b, a = record["bid_price"][0], record["ask_price"][0]
        if record["bid_quantity"][0] > 0 and record["ask_quantity"][0] > 0 and math.isfinite(a) and 0 < b < a:
            self.books.append(record.copy())

    @staticmethod
    def levels(book: Any, side: str) -> list[int]:
        pairs = list(zip(book[f"{side}_price"][: lq.LEVELS], book[f"{side}_quantity"][: lq.LEVELS], strict=True))
        return [int(q) if q > 0 and p > 0 else 0 for p, q in pairs]

    def vector(self, record: Any) -> Row:
        if len(self.books) < lq.MEAN_OF:
            return False, [0.0] * 4
        recent = [(self.levels(book, "bid"), self.levels(book, "ask")) for book in self.books[-lq.MEAN_OF :]]
        now_bid, now_ask = recent[-1]
        depth = [sum(side) / np.mean([sum(pair[i]) for pair in recent]) for i, side in enumerate((now_bid, now_ask))]
        touch = [side[0] / np.mean([pair[i][0] for pair in recent]) for i, side in enumerate((now_bid, now_ask))]
        smooth = [(sum(bid) - sum(ask)) / (sum(bid) + sum(ask)) for bid, ask in recent[-lq.SMOOTH_OF :]]

        def gone(bid: float, ask: float, low: float, high: float) -> float:
            if ask < low and bid >= high:
                return 1 - ask
            return bid - 1 if bid < low and ask >= high else 0.0

        values = [float(np.mean(smooth)), gone(*depth, lq.WITHDRAWN, lq.STANDING), gone(*touch, lq.DEPLETED, lq.FULL)]
        thick = lq.WALL * np.mean(now_bid + now_ask)
        wall = int(max(now_bid[1:]) >= thick) - int(max(now_ask[1:]) >= thick)
        return True, [*(one.step(value) for one, value in zip(self.latches, values, strict=True)), 0.5 * wall]


class TapeReading:
    def __init__(self) -> None:
        self.trades: list[tuple[int, float, int, int]] = []  # t, price, q, s
        self.latches = [Latch(0.6, 0.4), Latch(0.6, 0.5)]

    def book(self, record: Any) -> None: ...

    def trade(self, record: Any) -> None:
        if record["kind"] == KIND_GAP:
            self.__init__()  # type: ignore[misc]
        elif is_trade(record):
            self.trades.append(
                (int(record["ts_ns"]), float(record["price"]), int(record["quantity"]), int(record["aggressor"]))
            )

    def vector(self, record: Any) -> Row:
        t = int(record["ts_ns"])
        if len(self.trades) < tr.SIZES or t - self.trades[0][0] < tr.LONG_NS:
            self.latches = [Latch(0.6, 0.4), Latch(0.6, 0.5)]
            return False, [0.0] * 4
        short = [x for x in self.trades if x[0] > t - tr.SHORT_NS]
        long = [x for x in self.trades if x[0] > t - tr.LONG_NS]
        surging = len(short) >= tr.SURGE_TRADES and len(short) / 5 >= tr.SURGE * len(long) / 60
        share = sum(x[2] * x[3] for x in short) / sum(x[2] for x in short) if surging else 0.0
        run = 0
        for _, _, _, s in reversed(self.trades):
            if s != 0:
                if run * s < 0:
                    break
                run += s
        latest_large, latest_sweep = self.large(), self.sweep()
        return True, [
            self.latches[0].step(share), self.latches[1].step(run / tr.RUN_FULL),
            self.faded(latest_large, t), self.faded(latest_sweep, t),
        ]  # fmt: skip

    @staticmethod
    def faded(event: tuple[int, int] | None, t: int) -> float:
        return 0.0 if event is None else event[1] * max(0.0, 1 - (t - event[0]) / tr.FADE_NS)

    def large(self) -> tuple[int, int] | None:
        """The latest trade that was large when it came: (t, s)."""
        for i in range(len(self.trades) - 1, tr.SIZES - 1, -1):
            t, _, q, s = self.trades[i]
            if s != 0 and q * tr.SIZES >= tr.LARGE * sum(x[2] for x in self.trades[i - tr.SIZES : i]):
                return t, s
        return None

    def sweep(self) -> tuple[int, int] | None:
        latest = None
        prices, key, before = 0, None, 0.0
        for t, price, _, s in self.trades:
            if s == 0 or key != (t, s):
                prices, key = 1, (t, s)
            elif (price - before) * s > 0:
                prices += 1
                if prices >= tr.SWEEP_PRICES:
                    latest = (t, s)
            before = price
        return latest


class Footprint:
    def __init__(self, tick: float, bar_ns: int) -> None:
        self.tick, self.bar_ns = tick, bar_ns
        self.bars: list[tuple[int, list[tuple[int, int, int]]]] = []  # (bar, [(ticks, q, s)])

    def book(self, record: Any) -> None: ...

    def trade(self, record: Any) -> None:
        if record["kind"] == KIND_GAP:
            self.bars = []
        elif is_trade(record):
            bar = int(record["ts_ns"]) // self.bar_ns
            if not self.bars or self.bars[-1][0] != bar:
                self.bars.append((bar, []))
            self.bars[-1][1].append(
                (math.floor(record["price"] / self.tick + 0.5), int(record["quantity"]), int(record["aggressor"]))
            )

    def vector(self, record: Any) -> Row:
        if len(self.bars) < 3:
            return False, [0.0] * 4
        bar, trades = self.bars[-1]
        if int(record["ts_ns"]) // self.bar_ns != bar or len(trades) < fp.MINIMUM_TRADES:
            return True, [0.0] * 4
        bought: dict[int, int] = defaultdict(int)
        sold: dict[int, int] = defaultdict(int)
        for ticks, q, s in trades:
            (bought if s > 0 else sold)[ticks] += q if s != 0 else 0
        volume = sum(q for _, q, _ in trades)
        low, high, last = min(x[0] for x in trades), max(x[0] for x in trades), trades[-1][0]
        return True, [
            self.stacked(bought, sold, low, high, volume), self.absorbed(bought, sold, low, high, last),
            self.diverging(bought, sold, low, high), 0.0,
        ]  # fmt: skip

    @staticmethod
    def longest(flags: list[bool]) -> int:
        best = length = 0
        for flag in flags:
            length = length + 1 if flag else 0
            best = max(best, length)
        return best

    def stacked(self, bought: Any, sold: Any, low: int, high: int, volume: int) -> float:
        prices = range(low, high + 1)
        buys = self.longest([bought[p] * 20 >= volume and bought[p] >= 3 * sold[p - 1] for p in prices])
        sells = self.longest([sold[p] * 20 >= volume and sold[p] >= 3 * bought[p + 1] for p in prices])
        return (min(1.0, buys / 6) if buys >= 3 else 0.0) - (min(1.0, sells / 6) if sells >= 3 else 0.0)

    @staticmethod
    def absorbed(bought: Any, sold: Any, low: int, high: int, last: int) -> float:
        if high - low < 3:
            return 0.0
        value = 0.0
        at_low, all_sold = sold[low] + sold[low + 1], sum(sold.values())
        at_high, all_bought = bought[high] + bought[high - 1], sum(bought.values())
        if all_sold and last - low >= 2 and at_low >= 0.4 * all_sold:
            value += at_low / all_sold
        if all_bought and high - last >= 2 and at_high >= 0.4 * all_bought:
            value -= at_high / all_bought
        return value

    def diverging(self, bought: Any, sold: Any, low: int, high: int) -> float:
        before = [x[0] for x in self.bars[-2][1]]
        delta, known = sum(bought.values()) - sum(sold.values()), sum(bought.values()) + sum(sold.values())
        new_high, new_low = high > max(before), low < min(before)
        if known and new_high and not new_low and delta < 0:
            return max(-1.0, 2 * delta / known)
        return min(1.0, 2 * delta / known) if known and new_low and not new_high and delta > 0 else 0.0
