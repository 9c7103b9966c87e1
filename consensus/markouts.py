"""What became of the votes of one moment: each is marked to the mid price after its own horizon, costs taken off. Pure.

    net mark-out = vote x (mid after the horizon - mid at the vote) - abs(vote) x cost        in points
    gain         = net mark-out / (cost + SPAN x volatility x sqrt(horizon)), clipped to [-1, 1]
    loss         = (1 - gain) / 2                                                                for Hedge

vote = direction x confidence; cost = half the spread at the vote + the fees of getting in and out, in points. Rounds do
not overlap: the next one begins when the last one is settled, so that no move of the market is counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SPAN = 2.0  # standard deviations that make a full gain or loss


@dataclass(frozen=True, slots=True)
class Mark:
    """One vote's outcome. `net` in points for one contract at full vote; gain in [-1, 1]."""

    vote: float
    net: float
    gain: float

    @property
    def loss(self) -> float:
        return (1.0 - self.gain) / 2.0


class Round:
    """The votes of one moment about one contract, in the order of the sources; None where a source gave none."""

    __slots__ = ("_cost", "_due_ns", "_mid", "_moves", "_opened_ns", "_volatility", "regime", "votes")

    def __init__(
        self,
        opened_ns: int,
        votes: Sequence[float | None],
        horizons_ns: Sequence[int],
        mid: float,
        cost: float,
        volatility: float,
        regime: str,
    ) -> None:
        """opened_ns: market time; mid, cost: points; volatility: points per sqrt(second). All finite."""
        self.votes = tuple(votes)
        self.regime = regime
        self._opened_ns = opened_ns
        self._due_ns = [opened_ns + horizon for horizon in horizons_ns]
        self._mid, self._cost, self._volatility = mid, cost, volatility
        self._moves: list[float | None] = [None] * len(self.votes)

    def see(self, market_ns: int, mid: float) -> bool:
        """The mid at a market time (NaN: not known); whether the round is over, every vote marked or given up.

        A vote is marked by the first known mid at or after its horizon, and given up when there was none for as long
        again: what nobody saw is no outcome.
        """
        waiting = False
        for i, vote in enumerate(self.votes):
            if vote is None or self._moves[i] is not None:
                continue
            due_ns = self._due_ns[i]
            given_up_ns = due_ns + (due_ns - self._opened_ns)
            if market_ns > given_up_ns:
                continue
            if market_ns >= due_ns and math.isfinite(mid):
                self._moves[i] = mid - self._mid
            else:
                waiting = True
        return not waiting

    def marks(self) -> list[Mark | None]:
        """The outcomes; None where there is none."""
        return [self._mark(i) for i in range(len(self.votes))]

    def _mark(self, i: int) -> Mark | None:
        vote, move = self.votes[i], self._moves[i]
        if vote is None or move is None:
            return None
        net = vote * move - abs(vote) * self._cost
        horizon_s = (self._due_ns[i] - self._opened_ns) / 1e9
        scale = self._cost + SPAN * self._volatility * math.sqrt(horizon_s)
        return Mark(vote, net, max(-1.0, min(1.0, net / scale)) if scale > 0.0 else 0.0)
