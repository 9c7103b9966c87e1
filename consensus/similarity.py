"""How much two sources say the same: exponentially weighted correlation of their votes, squared. Pure.

The votes of one moment (direction x confidence, each in [-1, 1]) are compared pair by pair, where both voted:

    r = sum(x y) / sqrt(sum(x x) sum(y y)),   similarity = r^2 n / (n + PRIOR_ROUNDS)

with older rounds weighing less by half every `half_life` rounds in which both voted; n is the weight of those rounds. r
is taken about 0, which is what a vote without an opinion would be: two sources that always say "buy" say the same. r^2 is
the share of the one's vote that the other gives away; few rounds prove little, so they are shrunk towards 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

PRIOR_ROUNDS = 4.0  # as many rounds of independence are believed before the first


class VoteSimilarity:
    """Sums over the past; `see` the votes of a round, `matrix` gives the similarities."""

    __slots__ = ("_count", "_cross", "_keep", "_square", "size")

    def __init__(self, size: int, half_life: int) -> None:
        """half_life: rounds; 0: never sees any similarity."""
        self.size = size
        self._keep = 0.5 ** (1.0 / half_life) if half_life else 0.0
        self._count = [[0.0] * size for _ in range(size)]
        self._cross = [[0.0] * size for _ in range(size)]
        self._square = [[0.0] * size for _ in range(size)]  # [i][j]: of i, where j voted too

    def see(self, votes: Sequence[float | None]) -> None:
        """One round; None: gave no vote. A vote of exactly 0 says nothing, and counts as none."""
        keep = self._keep
        if not keep:
            return
        voters = [(i, vote) for i, vote in enumerate(votes) if vote]
        for i, x in voters:
            for j, y in voters:
                if i != j:
                    self._count[i][j] = keep * self._count[i][j] + 1.0
                    self._cross[i][j] = keep * self._cross[i][j] + x * y
                    self._square[i][j] = keep * self._square[i][j] + x * x

    def matrix(self) -> list[list[float]]:
        """[i][j]: similarity in [0, 1]; symmetric, 1 on the diagonal."""
        return [[1.0 if i == j else self._similarity(i, j) for j in range(self.size)] for i in range(self.size)]

    def state(self) -> tuple[float, ...]:
        """All that is remembered, flat."""
        tables = (self._count, self._cross, self._square)
        return tuple(table[i][j] for table in tables for i in range(self.size) for j in range(self.size) if i != j)

    def fits(self, state: Sequence[float]) -> bool:
        """Whether it is a state of as many sources."""
        return len(state) == 3 * self.size * (self.size - 1)

    def restore(self, state: Sequence[float]) -> None:
        """A state that fits."""
        values = iter(state)
        for table in (self._count, self._cross, self._square):
            for i in range(self.size):
                for j in range(self.size):
                    if i != j:
                        table[i][j] = next(values)

    def _similarity(self, i: int, j: int) -> float:
        energy = self._square[i][j] * self._square[j][i]
        if energy <= 0.0 or not self._keep:
            return 0.0
        cross, count = self._cross[i][j], self._count[i][j]
        return min(1.0, cross * cross / energy) * count / (count + PRIOR_ROUNDS)


def novelty(similarity: Sequence[Sequence[float]], members: Sequence[int]) -> dict[int, float]:
    """How much of each member's word is its own: 1 when it is like nobody, 1 / n each for n that say the same.

    The similarities are made a tree (single linkage: the likeness of two groups is that of their two most alike
    members, which small changes of the votes change little: Carlsson & Memoli, JMLR 11, 2010); of the tree's
    similarities Z the shares v solve Z v = 1, the weighting of Leinster & Cobbold ("Measuring diversity: the importance
    of species similarity", Ecology 93, 2012), which on a tree is never below 0. Another copy of a member takes its part
    of that member's share and leaves all others as they were: that is why the total does not move.

    >>> {i: round(v, 3) for i, v in novelty([[1, 1, 0], [1, 1, 0], [0, 0, 1]], (0, 1, 2)).items()}
    {0: 0.5, 1: 0.5, 2: 1.0}
    """
    clusters: list[dict[int, float]] = [{member: 1.0} for member in members]
    while len(clusters) > 1:
        likeness, first, second = max(
            (max(similarity[i][j] for i in clusters[a] for j in clusters[b]), -a, -b)
            for a in range(len(clusters))
            for b in range(a + 1, len(clusters))
        )
        one, other = clusters[-first], clusters.pop(-second)
        likeness = min(likeness, MOST_ALIKE)
        ours, theirs = math.fsum(one.values()), math.fsum(other.values())
        common = 1.0 - likeness * likeness * ours * theirs
        one_keeps, other_keeps = (1.0 - likeness * theirs) / common, (1.0 - likeness * ours) / common
        for member in one:
            one[member] *= one_keeps
        for member, share in other.items():
            one[member] = share * other_keeps
    return clusters[0] if clusters else {}


MOST_ALIKE = 0.999  # Z of exact copies has no inverse; so the share of n copies together is 1 + 0.0005 at most
