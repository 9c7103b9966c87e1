"""Bars from the trades of a history request: completed, contiguous within a session, oldest first.

Pure: arrays in, candles out. A half-heard bar is never history: the request starts at a bar's boundary, and bars that
end after `until_ns` are left out. Minutes without a trade inside a session are empty bars at the last close; no bars
are made between sessions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ingest.trades import BUY_AGGRESSOR, SELL_AGGRESSOR
from shm.layouts import CANDLE, FLAG_EMPTY, FLAG_HISTORY, KIND_CANDLE

Rows = np.ndarray[Any, Any]


def history_bars(staged: Rows, bar_ns: int, sessions: Rows, until_ns: int, limit: int, symbol: int) -> Rows:
    """CANDLE[n], n <= limit: the last bars that trades of history complete before `until_ns`.

    staged: STAGE records in any order; sessions: int64[d, 2] of (start, start of the next) in UTC ns.
    """
    rows = staged[np.argsort(staged["ts_ns"], kind="stable")]
    rows = rows[(rows["ts_ns"] >= sessions[0, 0]) & (rows["ts_ns"] < sessions[-1, 1])]
    if len(rows) == 0:
        return np.zeros(0, CANDLE)
    starts = rows["ts_ns"] - rows["ts_ns"] % bar_ns
    session = np.searchsorted(sessions[:, 0], rows["ts_ns"], side="right") - 1
    # two sessions can share a bar's start only if a bar is longer than the pause between them: keep them apart
    first = np.flatnonzero(np.r_[True, (np.diff(starts) != 0) | (np.diff(session) != 0)])
    bars = np.zeros(len(first), CANDLE)
    bars["start_ns"] = starts[first]
    bars["open"] = rows["price"][first]
    bars["high"] = np.maximum.reduceat(rows["price"], first)
    bars["low"] = np.minimum.reduceat(rows["price"], first)
    bars["close"] = rows["price"][np.r_[first[1:] - 1, len(rows) - 1]]
    bars["volume"] = np.add.reduceat(rows["quantity"], first)
    bars["trades"] = np.diff(np.r_[first, len(rows)])
    for name, kind in (("buy_volume", BUY_AGGRESSOR), ("sell_volume", SELL_AGGRESSOR)):
        bars[name] = np.add.reduceat(np.where(rows["trade_type"] == kind, rows["quantity"], 0), first)
    whole = _with_empty_bars(bars, session[first], bar_ns)
    whole = whole[whole["start_ns"] + bar_ns <= until_ns][-limit:] if limit else whole[:0]
    whole["symbol"] = symbol
    whole["kind"] = KIND_CANDLE
    whole["flags"] |= FLAG_HISTORY
    whole["ts_ns"] = whole["start_ns"] + bar_ns
    return whole


def _with_empty_bars(bars: Rows, session: Rows, bar_ns: int) -> Rows:
    parts = []
    for place in range(len(bars)):
        parts.append(bars[place : place + 1])
        if place + 1 < len(bars) and session[place + 1] == session[place]:
            missing = int((bars["start_ns"][place + 1] - bars["start_ns"][place]) // bar_ns) - 1
            if missing > 0:
                empty = np.zeros(missing, CANDLE)
                empty["start_ns"] = bars["start_ns"][place] + bar_ns * np.arange(1, missing + 1)
                for name in ("open", "high", "low", "close"):
                    empty[name] = bars["close"][place]
                empty["flags"] = FLAG_EMPTY
                parts.append(empty)
    return np.concatenate(parts)
