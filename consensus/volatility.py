"""How much a contract's mid price moves, now and usually, and which regime that is. Pure: market times and prices in.

Two exponentially weighted means of (move of the mid)^2 per second, a fast and a slow one, each divided by the weight of
what it has seen (so that the first samples are not pulled to 0). The regime goes by fast / slow, as standard deviations,
with hysteresis: it is left later than it is entered. Never guesses: what is not known is NaN, and the regime is normal.
"""

from __future__ import annotations

import math

CALM, NORMAL, WILD = "calm", "normal", "wild"
REGIMES = (CALM, NORMAL, WILD)
HYSTERESIS = 1.2  # a regime is left when the ratio is so many times beyond the bound at which it is entered
SAMPLE_NS = 1_000_000_000  # moves over less market time are the touch's flicker
BREAK_NS = 60_000_000_000  # a longer silence is no move: the session was away
WARM_WEIGHT = 0.5


class Volatility:
    """`see` each mid; variances are price^2 per second."""

    __slots__ = ("_fast_s", "_mid", "_slow_s", "_sums", "_ts_ns")

    def __init__(self, fast_s: float, slow_s: float) -> None:
        """Time constants in market seconds."""
        self._fast_s, self._slow_s = fast_s, slow_s
        self._sums = [0.0, 0.0, 0.0, 0.0]  # fast sum, fast weight, slow sum, slow weight
        self._ts_ns = 0
        self._mid = math.nan

    def see(self, ts_ns: int, mid: float) -> bool:
        """Take a mid at market time `ts_ns`; whether it made a sample. NaN, or a long silence, begins anew."""
        since_ns = ts_ns - self._ts_ns
        if math.isfinite(mid) and math.isfinite(self._mid) and 0 <= since_ns < SAMPLE_NS:
            return False
        move = mid - self._mid
        sampled = math.isfinite(move * move) and SAMPLE_NS <= since_ns <= BREAK_NS  # false for NaN, and out of any range
        if sampled:
            seconds = since_ns / 1e9
            per_second = move * move / seconds
            fast, slow = -math.expm1(-seconds / self._fast_s), -math.expm1(-seconds / self._slow_s)
            sums = self._sums
            sums[0] += fast * (per_second - sums[0])
            sums[1] += fast * (1.0 - sums[1])
            sums[2] += slow * (per_second - sums[2])
            sums[3] += slow * (1.0 - sums[3])
        self._ts_ns, self._mid = ts_ns, mid
        return sampled

    def fast(self) -> float:
        """Standard deviation now, in price per sqrt(second); NaN while cold."""
        return math.sqrt(self._sums[0] / self._sums[1]) if self._sums[1] >= WARM_WEIGHT else math.nan

    def slow(self) -> float:
        """As `fast`, of the longer past. It is as warm as `fast` is: a short past is all there is to compare with."""
        return math.sqrt(self._sums[2] / self._sums[3]) if self._sums[1] >= WARM_WEIGHT else math.nan

    def state(self) -> tuple[float, ...]:
        """All that outlives a restart: the last mid does not, for nobody knows what happened since."""
        return tuple(self._sums)

    def fits(self, state: tuple[float, ...]) -> bool:
        """Whether it has the form of one."""
        return len(state) == len(self._sums)

    def restore(self, state: tuple[float, ...]) -> None:
        """A state that fits."""
        self._sums = list(state)


def next_regime(now: str, fast: float, slow: float, calm: float, wild: float) -> str:
    """The regime after `now`: calm at fast / slow <= `calm`, wild at >= `wild`. Not known, or no move ever: normal.

    >>> next_regime(NORMAL, 1.6, 1.0, 0.67, 1.5), next_regime(WILD, 1.3, 1.0, 0.67, 1.5), next_regime(WILD, 1.2, 1.0, 0.67, 1.5)
    ('wild', 'wild', 'normal')
    """
    if not (math.isfinite(fast) and slow > 0.0):
        return NORMAL
    ratio = fast / slow
    if ratio >= wild or (now == WILD and ratio > wild / HYSTERESIS):
        return WILD
    if ratio <= calm or (now == CALM and ratio < calm * HYSTERESIS):
        return CALM
    return NORMAL
