"""The background's orders in a call auction: limits around the reference, some at market, on both sides alike.

What they trade is the auction's matter. Seeded by its caller; times are market time. It ends by itself, so that a long call
does not fill the book.
"""

from __future__ import annotations

import numpy as np

from exchange import brokers
from exchange.market import BUY, SELL

AT_MARKET = 0.1  # of the orders
SPREAD_TICKS = 4.0  # standard deviation of their limits around the reference
MEAN_SIZE = 5.0
MOST_ORDERS = 1500
FASTEST_PER_S = 10.0


class CallCrowd:
    """Orders of one call from `start_ns` on, half as many a second as trades in the session (at most FASTEST_PER_S)."""

    def __init__(self, rng: np.random.Generator, start_ns: int, trades_per_s: float) -> None:
        self._rng = rng
        self._mean_wait_ns = 1e9 / min(FASTEST_PER_S, 0.5 * trades_per_s)
        self._left = MOST_ORDERS
        self.next_ns: int | None = start_ns
        self._wait()

    def _wait(self) -> None:
        if self.next_ns is not None:
            self.next_ns += 1 + int(self._rng.exponential(self._mean_wait_ns))
        if self._left == 0:
            self.next_ns = None

    def order(self, reference_ticks: int) -> tuple[int, int | None, int, int]:
        """The order that is due: side, limit in ticks (None: at market), quantity, broker. Then the next one is."""
        side = BUY if self._rng.random() < 0.5 else SELL
        ticks = reference_ticks + round(float(self._rng.normal(0.0, SPREAD_TICKS)))
        limit = None if self._rng.random() < AT_MARKET else ticks
        quantity = int(self._rng.geometric(1.0 / MEAN_SIZE))
        broker = int(self._rng.choice(brokers.CODES, p=brokers.WEIGHTS[brokers.INSTITUTION]))
        self._left -= 1
        self._wait()
        return side, limit, quantity, broker
