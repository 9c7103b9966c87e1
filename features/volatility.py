"""Columns 0-9: how much the price moves, from bars, and from the mid for realized volatility.

A window of n returns is n - 1 returns of completed bars, reduced to mean and sum of squares in two passes when a bar
completes, and the forming bar's return, joined by Welford's step at each event. Running sums of squares are never kept:
on real prices they are wrong by 1e-6.
"""

from __future__ import annotations

import math

import numpy as np

from features.bars import has_price
from features.description import Feature
from features.log_return import log_return
from features.windows import SPAN_60S, overflowed, squares
from shm.jit import inline

FIRST = 0
RETURN_WINDOWS = np.array([10, 20, 50, 100], np.int64)
BARS_20 = 20

VOLATILITY = np.dtype(
    [
        ("mean", "<f8", (4,)),  # of the n - 1 completed returns of each window
        ("squares", "<f8", (4,)),  # their sum of squared deviations
        ("garman_klass", "<f8"),  # sum over the last 19 completed bars
        ("up", "<f8"),  # sum of squared up returns among the last 19 completed returns
        ("down", "<f8"),
        ("base", "<i8"),  # ticks: last completed close
        ("close_sum", "<i8"),  # sum of (close - base) over the last 19 completed closes
        ("close_squares", "<i8"),  # sum of (close - base)^2
    ],
    align=True,
)

_STD = "std of the last {n} returns of C, population, the forming one included; exactly 0 when all are equal"
FEATURES = (
    *(Feature(f"volatility_{n}", "log return", f"{n} completed bars", _STD.format(n=n)) for n in (10, 20, 50, 100)),
    Feature("volatility_ratio_10_50", "1", "50 completed bars", "volatility_10 / volatility_50, 0/0 = 0"),
    Feature("volatility_ratio_20_100", "1", "100 completed bars", "volatility_20 / volatility_100, 0/0 = 0"),
    Feature(
        "volatility_garman_klass_20", "log return", "19 completed bars",
        "sqrt(max(0, mean over the last 20 bars, forming included, of 0.5 ln(H/L)^2 - (2 ln 2 - 1) ln(C/O)^2))",
        "Garman and Klass 1980",
    ),
    Feature(
        "semivariance_skew_20", "1", "20 completed bars",
        "(sum of r^2 of up returns - sum of r^2 of down returns) / sum of r^2 of the last 20 returns, 0/0 = 0",
        "Barndorff-Nielsen, Kinnebrock and Shephard 2010",
    ),
    Feature(
        "realized_volatility_60s", "log return", "two snapshots of the session",
        "sqrt(sum of ln(M_k / M_{k-1})^2 over snapshots k in (t - 60 s, t])",
        "Andersen and Bollerslev 1998",
    ),
    Feature(
        "bollinger_position_20", "1", "19 completed bars", "(P - mean) / (2 std) of the last 20 of C, 0/0 = 0",
        "Bollinger 2001",
    ),
)  # fmt: skip

_C = 2.0 * math.log(2.0) - 1.0


@inline
def _garman_klass(opened, high, low, close):
    spread = log_return(high, low)
    body = log_return(close, opened)
    return 0.5 * spread * spread - _C * body * body


@inline
def _completed_return(bars, back):
    """Log return of the completed bar `back` bars before the newest (0: the newest)."""
    i = bars.count - 1 - back
    return log_return(bars.close[i], bars.close[i - 1])


@inline
def on_bars(own, bars):
    """The memory of bars changed: reduce the completed part of every window."""
    for w in range(len(RETURN_WINDOWS)):
        used = RETURN_WINDOWS[w] - 1
        if bars.count <= used:
            continue
        origin = _completed_return(bars, 0)
        total = 0.0
        for back in range(used):  # around the first value, so equal values have exactly their mean
            total += _completed_return(bars, back) - origin
        mean = origin + total / used
        squared = 0.0
        for back in range(used):
            deviation = _completed_return(bars, back) - mean
            squared += deviation * deviation
        own.mean[w] = mean
        own.squares[w] = squared
    own.garman_klass = 0.0
    own.up = 0.0
    own.down = 0.0
    own.close_sum = 0
    own.close_squares = 0
    if bars.count >= BARS_20 - 1:
        own.base = bars.close[bars.count - 1]
        for back in range(BARS_20 - 1):
            i = bars.count - 1 - back
            own.garman_klass += _garman_klass(bars.open[i], bars.high[i], bars.low[i], bars.close[i])
            distance = bars.close[i] - own.base
            own.close_sum += distance
            own.close_squares += distance * distance
    if bars.count >= BARS_20:
        for back in range(BARS_20 - 1):
            value = _completed_return(bars, back)
            if value > 0.0:
                own.up += value * value
            else:
                own.down += value * value


@inline
def _ratio(a, b):
    return a / b if b != 0.0 else 0.0 * a


@inline
def emit(own, bars, snapshots, t, values):
    """Fill columns 0-9. Returns (whether the windows are full, whether one has overflowed)."""
    if has_price(bars) and bars.count > 0:
        price = bars.forming_close
        before = bars.close[bars.count - 1]
        forming = log_return(price, before)
        for w in range(len(RETURN_WINDOWS)):
            n = RETURN_WINDOWS[w]
            if bars.count >= n:
                deviation = forming - own.mean[w]
                values[w] = math.sqrt((own.squares[w] + deviation * deviation * (n - 1) / n) / n)
        if bars.count >= 50:
            values[4] = _ratio(values[0], values[2])
        if bars.count >= 100:
            values[5] = _ratio(values[1], values[3])
        if bars.count >= BARS_20 - 1:
            total = own.garman_klass + _garman_klass(
                bars.forming_open, bars.forming_high, bars.forming_low, bars.forming_close
            )
            values[6] = math.sqrt(max(0.0, total / BARS_20))
            distance = price - own.base
            sum_1 = own.close_sum + distance
            sum_2 = own.close_squares + distance * distance
            spread = BARS_20 * sum_2 - sum_1 * sum_1  # n^2 variance, an exact integer
            values[9] = (BARS_20 * distance - sum_1) / (2.0 * math.sqrt(float(spread))) if spread > 0 else 0.0
        if bars.count >= BARS_20:
            up, down = own.up, own.down
            if forming > 0.0:
                up += forming * forming
            else:
                down += forming * forming
            values[7] = _ratio(up - down, up + down)
    seen = snapshots.next - snapshots.first
    overflow = overflowed(snapshots, SPAN_60S, t)
    if seen >= 2 and not overflow:
        values[8] = math.sqrt(squares(snapshots))
    return bars.count >= 100 and seen != 1, overflow
