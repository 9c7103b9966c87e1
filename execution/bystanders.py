"""What other stages know of each contract that the order machine must be told: features whole, the ordered contract's touch.

They show it as counters in shared memory; this reads them now and then and gives an input when something is new, so that
it stands in the journal before it counts. It decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from execution.contracts import Contract
from execution.events import InstrumentSeen

PRICE_UNIT = 1e6  # ingest shows prices as whole millionths of a point
CounterOf = Callable[[str, str], "int | None"]


class Bystanders:
    """counter_of(stage, name): a counter of another stage, None while there is none."""

    def __init__(self, contracts: Sequence[Contract], counter_of: CounterOf) -> None:
        self._contracts = contracts
        self._counter_of = counter_of
        self._told: list[tuple[object, ...]] = [() for _ in contracts]

    def look(self, monotonic_ns: int, market_ns: int) -> list[InstrumentSeen]:
        """What is new since the last look."""
        news = []
        for symbol, contract in enumerate(self._contracts):
            unready = self._unready(symbol)
            bid, ask, seen_ns = self._reference(symbol) if contract.alias else (math.nan, math.nan, 0)
            key = (unready, seen_ns)
            if key != self._told[symbol]:
                self._told[symbol] = key
                news.append(InstrumentSeen(monotonic_ns, market_ns, symbol, unready, bid, ask, seen_ns))
        return news

    def _unready(self, symbol: int) -> str:
        bits = self._counter_of("features", f"unready_{symbol}")
        if bits is None or bits < 0:
            return "there is no feature vector yet"
        return f"the features are not whole (bits {bits:#x})" if bits else ""

    def _reference(self, symbol: int) -> tuple[float, float, int]:
        """(bid, ask, monotonic time) of the ordered contract; NaN for a side that is not known, 0 when nothing is."""
        seen_ns = self._counter_of("ingest", f"reference_ns_{symbol}") or 0
        bid = self._counter_of("ingest", f"reference_bid_e6_{symbol}") or 0
        ask = self._counter_of("ingest", f"reference_ask_e6_{symbol}") or 0
        return (bid / PRICE_UNIT if bid else math.nan, ask / PRICE_UNIT if ask else math.nan, seen_ns)
