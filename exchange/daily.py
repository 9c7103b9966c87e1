"""The figures of the day of each instrument: open, high, low, close, volumes and counts, by side of the aggressor.

Pure: batches of played trades in, fields of DAILY messages out. What the simulated exchange does not know (settlement
price, limits, open contracts) is 0, as the real one tells it before it knows. A day ends when the market closes; the
next trade begins a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from config.schema import Instrument
from exchange.market import Array, Batch
from profitdll.constants import TradeType

SIDES = {"buyer": TradeType.BUY_AGGRESSOR, "seller": TradeType.SELL_AGGRESSOR}


class DailyFigures:
    """Quantities in contracts, volumes in money (price x quantity x point value), prices in points."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._instruments = instruments
        self._figures: dict[int, dict[str, Any]] = {}
        self._over: set[int] = set()
        self._changed: set[int] = set()
        self._uncounted: list[Array] = []

    def see(self, batch: Batch) -> None:
        """Count a batch of market events, at the latest when somebody asks: many at once cost little more than one."""
        if len(batch.trades):
            self._uncounted.append(batch.trades["body"])

    def _settle(self) -> None:
        if not self._uncounted:
            return
        body = np.concatenate(self._uncounted)
        self._uncounted.clear()
        for index in np.unique(body["index"]).tolist():
            self._count(index, body[body["index"] == index])

    def end(self, instrument: int) -> None:
        """The market of an instrument closed: its figures stay until the next trade."""
        self._settle()
        self._over.add(instrument)

    def news(self) -> list[tuple[int, dict[str, Any]]]:
        """(instrument, fields of a DAILY message) of those that changed since the last call."""
        self._settle()
        out = [(index, dict(self._figures[index])) for index in sorted(self._changed)]
        self._changed.clear()
        return out

    def _count(self, index: int, trades: Array) -> None:
        if index in self._over or index not in self._figures:
            self._over.discard(index)
            first = float(trades["price"][0])
            sums = {f"{what}_{side}": 0 for side in SIDES for what in ("volume", "quantity", "trades")}
            self._figures[index] = {
                "open": first,
                "high": first,
                "low": first,
                "volume": 0.0,
                "quantity": 0,
                "trades": 0,
            }
            self._figures[index] |= sums
        figures, money = (
            self._figures[index],
            trades["price"] * trades["quantity"] * self._instruments[index].point_value,
        )
        figures["high"] = max(figures["high"], float(trades["price"].max()))
        figures["low"] = min(figures["low"], float(trades["price"].min()))
        figures["close"], figures["ts_ns"] = float(trades["price"][-1]), int(trades["ts_ns"][-1])
        figures["volume"] += float(money.sum())
        figures["quantity"] += int(trades["quantity"].sum())
        figures["trades"] += len(trades)
        for side, kind in SIDES.items():
            of_side = trades["trade_type"] == kind
            figures[f"volume_{side}"] += float(money[of_side].sum())
            figures[f"quantity_{side}"] += int(trades["quantity"][of_side].sum())
            figures[f"trades_{side}"] += int(of_side.sum())
        self._changed.add(index)
