"""Which rows of a tape the feature contract leaves out, and why.

A tape keeps them: they are what the market sent, and they hold their place in `ingest_seq`. Import, info and
training count them with these rules, so nobody is surprised by vectors that are not there. Pure functions of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shm.layouts import KIND_TRADE

Rows = np.ndarray[Any, Any]

GRID_TOLERANCE = 1e-6  # of a tick
TRADE_TYPES = (1, 2, 3, 4, 13)  # the DLL's numbers that are trades; 2 buy aggressor, 3 sell aggressor

TRADE_CAUSES = (
    "trade: type is not a trade",
    "trade: price not above 0",
    "trade: quantity not above 0",
    "trade: off the grid",
    "trade: repeated",
)
BOOK_CAUSES = ("book: one side empty", "book: crossed or locked", "book: off the grid")


def off_grid(price: Rows, tick: float) -> Rows:
    """True where a finite price is not within 1e-6 of a whole number of ticks. Shape of `price`."""
    ticks = price / tick
    return np.abs(ticks - np.rint(ticks)) > GRID_TOLERANCE


def trade_drops(trades: Rows, tick: float) -> Rows:
    """For TRADE records of one instrument: 0 kept, else 1 + index into TRADE_CAUSES. uint8[n]; gap records are kept."""
    cause = np.zeros(len(trades), np.uint8)
    price, quantity = trades["price"], trades["quantity"]
    is_trade = trades["kind"] == KIND_TRADE
    priced = np.isfinite(price) & (price > 0)
    checks = (
        ~np.isin(trades["trade_type"], TRADE_TYPES),
        ~priced,
        quantity <= 0,
        off_grid(np.where(priced, price, 0.0), tick),
    )
    for number, found in enumerate(checks, start=1):
        cause[is_trade & found & (cause == 0)] = number
    repeated = np.zeros(len(trades), bool)
    numbered = np.flatnonzero(is_trade & (trades["trade_number"] > 0))
    keys = np.stack([trades["trade_date"][numbered].astype(np.int64), trades["trade_number"][numbered]])
    order = np.lexsort(keys)  # stable: the first of equals stays first
    same = np.zeros(len(order), bool)
    same[1:] = (keys[:, order[1:]] == keys[:, order[:-1]]).all(axis=0)
    repeated[numbered[order[same]]] = True
    cause[repeated & (cause == 0)] = len(checks) + 1
    return cause


def book_drops(book: Rows, tick: float) -> Rows:
    """For BOOK records of one instrument: 0 kept, else 1 + index into BOOK_CAUSES. uint8[n]."""
    bad_level = np.zeros(len(book), bool)
    best = []
    for side in ("bid", "ask"):
        price, quantity = book[f"{side}_price"], book[f"{side}_quantity"]
        there = np.isfinite(price) & (price > 0) & (quantity > 0)
        bad_level |= (there & off_grid(np.where(there, price, 0.0), tick)).any(axis=1)
        best.append(there[:, 0])
    one_sided = ~(best[0] & best[1])
    cause = np.zeros(len(book), np.uint8)
    cause[bad_level] = 3
    cause[~(book["bid_price"][:, 0] < book["ask_price"][:, 0])] = 2
    cause[one_sided] = 1
    return cause


def count_causes(cause: Rows, names: tuple[str, ...]) -> dict[str, int]:
    """Cause -> rows, for the causes that occur."""
    counts = np.bincount(cause, minlength=len(names) + 1)[1:]
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def dropped(trades: Rows, book: Rows, ticks: tuple[float, ...]) -> dict[str, int]:
    """Cause -> rows over all instruments; `ticks` by symbol index."""
    total: dict[str, int] = {}
    for symbol, tick in enumerate(ticks):
        found = count_causes(trade_drops(trades[trades["symbol"] == symbol], tick), TRADE_CAUSES)
        found |= count_causes(book_drops(book[book["symbol"] == symbol], tick), BOOK_CAUSES)
        for name, count in found.items():
            total[name] = total.get(name, 0) + count
    return total
