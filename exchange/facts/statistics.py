"""Stylised facts of one market, from its trades and its best quotes. Plain numpy; no file, no clock, no random.

Definitions follow Cont 2001 (returns, clustering), Lillo and Farmer 2004 (signs) and Gopikrishnan et al. 2000 (sizes). Trades
of one instant and side are one order: venues differ in how many prints they make of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SECOND_NS = 1_000_000_000
RETURN_SECONDS = (1, 10, 60)
SIGN_LAGS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500)
CLUSTER_LAGS = tuple(range(1, 61))
WIDEST_TICKS = 8
FEWEST_RETURNS = 30  # below it a moment of returns says nothing

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Tape:
    """The columns that the facts need. Times ns, prices whole ticks, signs 1, -1, 0; quotes stand until the next one."""

    trade_ns: Array
    quantity: Array
    sign: Array
    quote_ns: Array
    bid_ticks: Array
    ask_ticks: Array

    @property
    def seconds(self) -> float:
        """From the first to the last event."""
        first = min(int(self.trade_ns[0]), int(self.quote_ns[0]))
        return (max(int(self.trade_ns[-1]), int(self.quote_ns[-1])) - first) / SECOND_NS


def orders(tape: Tape) -> tuple[Array, Array]:
    """(quantity, sign) of each aggressive order: trades that follow each other at one instant on one side, as one."""
    known = tape.sign != 0
    ns, sign, quantity = tape.trade_ns[known], tape.sign[known], tape.quantity[known]
    begins = np.concatenate([[True], (np.diff(ns) != 0) | (np.diff(sign) != 0)])
    return np.add.reduceat(quantity, np.flatnonzero(begins)), sign[begins]


def autocorrelation(values: Array, lags: tuple[int, ...]) -> Array:
    """Sample autocorrelation (len(lags),); NaN where the series is constant or not twice as long as the lag."""
    centred = np.asarray(values, np.float64) - np.mean(values)
    variance = float(np.mean(centred**2))
    out = np.full(len(lags), np.nan)
    for i, lag in enumerate(lags):
        if variance > 0 and len(centred) >= 2 * lag:
            out[i] = np.mean(centred[lag:] * centred[:-lag]) / variance
    return out


def spread_shares(tape: Tape) -> Array:
    """(WIDEST_TICKS,): share of time with a spread of 1, 2, ... ticks; the last place holds all wider ones."""
    lasted = np.diff(tape.quote_ns)
    width = (tape.ask_ticks - tape.bid_ticks)[:-1]
    valid = (width > 0) & (lasted > 0)
    counts = np.bincount(np.minimum(width[valid], WIDEST_TICKS), lasted[valid], minlength=WIDEST_TICKS + 1)
    return np.asarray(counts[1:] / counts[1:].sum())


def size_tail(tape: Tape) -> tuple[Array, Array]:
    """(size over the mean size, share of orders at least as large), one point per different size."""
    quantity, _ = orders(tape)
    sizes, counts = np.unique(quantity, return_counts=True)
    at_least = np.cumsum(counts[::-1])[::-1] / len(quantity)
    return sizes / quantity.mean(), at_least


def returns(tape: Tape, seconds: int) -> Array:
    """Changes of the mid in ticks over consecutive stretches of so many seconds, from the last quote before each."""
    step = seconds * SECOND_NS
    grid = np.arange(int(tape.quote_ns[0]), int(tape.quote_ns[-1]) + 1, step)
    at = np.searchsorted(tape.quote_ns, grid, side="right") - 1
    return np.asarray(np.diff((tape.bid_ticks + tape.ask_ticks)[at] * 0.5))


def excess_kurtosis(values: Array) -> float:
    """Fourth standardised moment less 3; NaN for a constant or too short series."""
    if len(values) < FEWEST_RETURNS or np.ptp(values) == 0:
        return float("nan")
    centred = values - values.mean()
    return float(np.mean(centred**4) / np.mean(centred**2) ** 2 - 3.0)


def tail_of_returns(values: Array) -> tuple[Array, Array]:
    """(absolute return over the standard deviation, share of returns at least as large) of the nonzero ones."""
    if len(values) < FEWEST_RETURNS or np.ptp(values) == 0:
        return np.zeros(0), np.zeros(0)
    absolute = np.sort(np.abs(values))[::-1] / values.std()
    share = np.arange(1, len(absolute) + 1) / len(absolute)
    keep = np.concatenate([np.diff(absolute) != 0, [True]]) & (absolute > 0)
    return absolute[keep], share[keep]


def volume_by_minute(tape: Tape) -> Array:
    """(minutes,): quantity traded in each whole minute over the mean of all."""
    minute = (tape.trade_ns - tape.trade_ns[0]) // (60 * SECOND_NS)
    volume = np.bincount(minute, tape.quantity)[:-1]
    return np.asarray(volume / volume.mean()) if len(volume) and volume.sum() > 0 else np.zeros(0)


def decay_exponent(lags: tuple[int, ...], values: Array) -> float:
    """Slope g of values ~ lag ** -g by least squares on logarithms over the positive values; NaN below three of them."""
    positive = np.isfinite(values) & (values > 0)
    if positive.sum() < 3:
        return float("nan")
    slope = np.polyfit(np.log(np.asarray(lags)[positive]), np.log(values[positive]), 1)[0]
    return float(-slope)
