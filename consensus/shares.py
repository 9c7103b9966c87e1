"""What each voting source's word weighs: weights, shared within the groups, and no opinion counted twice. Pure.

With w the weights (sum 1), G the groups, v(i) how much of i's word is its own (`similarity.novelty`), over the voting
members of its group, and u(i) the same over all voters:

    S(G)   = start share of G x (sum_G w v / sum_G start weight v), normalised     all members, so it is copy-proof
    raw(i) = S(G) w(i) u(i) / (sum over the voters of G of w v)
    e(i)   = raw(i) x (sum of S(G) over the groups that vote) / (sum of raw)

With nothing alike, v = u = 1: the weight of a member that is silent is shared among the voting members of its own group,
in proportion, and never crosses to another group. A copy of a source, in its group, leaves e of all others and the sum of
its own and the copy's as they were. The answers are kept for each set of voters, and made again when the weights change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from consensus.similarity import novelty
from consensus.weights import Weights

Matrix = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Shares:
    """For one set of voters. `weights` in the order of the sources, 0 for who does not vote; `held`: their sum.

    `counted`: how many voters have a weight at all.
    """

    weights: tuple[float, ...]
    held: float
    counted: int


class ShareTable:
    """Shares of every set of voters (a bit mask in the order of the sources) under some weights and similarities."""

    __slots__ = (
        "_asked",
        "_caps",
        "_groups",
        "_kept",
        "_shares_of_groups",
        "_similarity",
        "_start",
        "_weights",
        "size",
    )

    def __init__(self, start: Weights, caps: Sequence[float] | None = None) -> None:
        """caps: the most each source may weigh, which also holds for a group of its copies; None: no limit."""
        sources = [source for group in start.groups for source, _ in group.members]
        numbers = {source: number for number, source in enumerate(sources)}
        self.size = len(sources)
        self._groups = [(group.share, [numbers[source] for source, _ in group.members]) for group in start.groups]
        nominal = start.nominal()
        self._start = [nominal[source] for source in sources]
        self._caps = list(caps) if caps is not None else [1.0] * self.size
        self._kept: dict[int, Shares] = {}
        self._asked: set[int] = set()  # since the last update
        self.update(self._start, alike_nobody(self.size))

    def update(self, weights: Sequence[float], similarity: Matrix) -> None:
        """Other weights (in the order of the sources, sum 1) and similarities; what was asked before is made ready."""
        self._weights, self._similarity = weights, similarity
        self._shares_of_groups = self._group_shares()
        self._kept = {voters: self._compute(voters) for voters in sorted(self._asked)}
        self._asked.clear()

    def of(self, voters: int) -> Shares:
        """voters: bit i is set when source i votes."""
        self._asked.add(voters)
        shares = self._kept.get(voters)
        if shares is None:
            shares = self._kept[voters] = self._compute(voters)
        return shares

    def ready(self) -> dict[int, Shares]:
        """Those that were computed already since the last update, by their voters."""
        return self._kept

    def _group_shares(self) -> list[float]:
        grown, limits = [], []
        for share, members in self._groups:
            own = novelty(self._similarity, members)
            start = math.fsum(self._start[i] * own[i] for i in members)
            now = math.fsum(self._weights[i] * own[i] for i in members)
            grown.append(share * now / start if start > 0.0 else share)
            limits.append(max(share, math.fsum(self._caps[i] * own[i] for i in members)))
        total = math.fsum(grown)
        shares = [part / total for part in grown]
        over = [share > limit for share, limit in zip(shares, limits, strict=True)]
        if any(over) and not all(over):
            free = 1.0 - math.fsum(limit for limit, is_over in zip(limits, over, strict=True) if is_over)
            rest = math.fsum(share for share, is_over in zip(shares, over, strict=True) if not is_over)
            shares = [
                limit if is_over else share * free / rest
                for share, limit, is_over in zip(shares, limits, over, strict=True)
            ]
        return shares

    def _compute(self, voters: int) -> Shares:
        voting = [i for i in range(self.size) if voters >> i & 1 and self._weights[i] > 0.0]
        own = novelty(self._similarity, voting)
        raw = [0.0] * self.size
        held: list[float] = []
        for share, (_, members) in zip(self._shares_of_groups, self._groups, strict=True):
            present = [i for i in members if i in own]
            if not present:
                continue
            within = novelty(self._similarity, present)
            total = math.fsum(self._weights[i] * within[i] for i in present)
            held.append(share)
            for i in present:
                raw[i] = share * self._weights[i] * own[i] / total
        whole, sum_raw = math.fsum(held), math.fsum(raw)
        weights = tuple(part * whole / sum_raw if sum_raw > 0.0 else 0.0 for part in raw)
        return Shares(weights, whole, len(voting))


def alike_nobody(size: int) -> list[list[float]]:
    return [[1.0 if i == j else 0.0 for j in range(size)] for i in range(size)]
