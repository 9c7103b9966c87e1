"""The touch of the contract that orders name, where market data come under an alias (WDOFUT for WDOZ26).

When the alias has rolled over to the next contract and the orders have not, prices differ by the cost of carry; the risk
gate compares them. A second subscription and a look at its book a few times a second are enough, so this is plain Python
on the stage's own thread, away from the callbacks, which count its notices as those of an unknown ticker.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from config.schema import Instrument
from profitdll.constants import BookSide
from profitdll.errors import DllError
from profitdll.market import Market
from shm.counters import StageCounters

EVERY_NS = 250_000_000
PRICE_UNIT = 1e6  # counters hold whole millionths of a point


class References:
    """Shows `reference_bid_e6_<i>`, `reference_ask_e6_<i>` (0: that side is empty) and `reference_ns_<i>` (0: never)."""

    def __init__(
        self, instruments: Sequence[Instrument], market: Market, counters: StageCounters, log: logging.Logger
    ) -> None:
        self._wanted = [(i, each) for i, each in enumerate(instruments) if each.contract != each.symbol]
        self._market = market
        self._counters = counters
        self._log = log
        self._next_ns = 0
        self._problem = ""
        for index, _ in self._wanted:
            names = [f"reference_{part}_{index}" for part in ("bid_e6", "ask_e6", "ns")]
            counters.declare(*names)
            for name in names:
                counters.set(name, 0)  # an earlier incarnation's is not ours

    def subscribe(self) -> None:
        """Raises DllError."""
        for _, instrument in self._wanted:
            self._market.subscribe_depth(instrument.contract, instrument.exchange)

    def look(self, now_ns: int) -> None:
        """Show the touches when it is time. A book that cannot be read keeps its age, which the gate judges."""
        if not self._wanted or now_ns < self._next_ns:
            return
        self._next_ns = now_ns + EVERY_NS
        for index, instrument in self._wanted:
            try:
                bid, ask = (
                    self._market.depth(instrument.contract, instrument.exchange, side)[:1]
                    for side in (BookSide.BUY, BookSide.SELL)
                )
            except DllError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    self._log.warning("the book of %s cannot be read: %s", instrument.contract, error)
                continue
            self._counters.set(f"reference_bid_e6_{index}", round(bid[0].price * PRICE_UNIT) if bid else 0)
            self._counters.set(f"reference_ask_e6_{index}", round(ask[0].price * PRICE_UNIT) if ask else 0)
            self._counters.set(f"reference_ns_{index}", now_ns)
