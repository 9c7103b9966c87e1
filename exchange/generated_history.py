"""Trades before the generated market's start: a random walk that ends at the start price, enough for 200 bars.

Drawn at once, with few trades in each bar; only history requests ever see it. A pure function of its arguments.
"""

from __future__ import annotations

import numpy as np

from exchange import brokers, frames, protocol
from exchange.background import VOLATILITY_TICKS
from exchange.market import Array
from profitdll.constants import TradeType

BARS = 240  # more than the 200 that are asked for, because bars begin at whole multiples of their length
TRADES_PER_BAR = 12
LOWEST_TICKS = 20


def generate(rng: np.random.Generator, start_ns: int, start_ticks: int, bar_ns: int, tick: float) -> Array:
    """BARS x TRADES_PER_BAR trades before `start_ns`, oldest first, numbered from 1: (n,) TRADE_BODY with index 0.

    Every stretch of `bar_ns` before the start has trades.
    """
    count = BARS * TRADES_PER_BAR
    spread = VOLATILITY_TICKS * np.sqrt(bar_ns / 1e9 / TRADES_PER_BAR)
    steps = rng.normal(0.0, spread, count)
    steps[-1] = 0.0
    path = np.cumsum(steps)
    ticks = np.maximum(LOWEST_TICKS, np.rint(start_ticks + path - path[-1]).astype(np.int64))
    offsets = np.sort(rng.integers(0, bar_ns, (BARS, TRADES_PER_BAR)), axis=1)
    bars = np.arange(BARS, dtype=np.int64)[:, None] * bar_ns
    body = np.zeros(count, protocol.TRADE_BODY)
    body["ts_ns"] = start_ns - BARS * bar_ns + (bars + offsets).ravel()
    body["number"] = np.arange(1, count + 1)
    body["price"] = np.round(ticks * tick, frames.PRICE_DIGITS)
    body["quantity"] = rng.geometric(0.3, count)
    body["buyer"], body["seller"] = rng.choice(brokers.CODES, (2, count), p=brokers.WEIGHTS.mean(axis=0))
    body["trade_type"] = np.where(steps >= 0, TradeType.BUY_AGGRESSOR, TradeType.SELL_AGGRESSOR)
    return body
