"""What one contract's market teaches about the sources: rounds of votes, their outcomes, and the weights that follow.

It joins the small parts (`markouts`, `hedge`, `similarity`, `volatility`) and keeps what outlives a restart in one
state, which the caller keeps. Weights are learned per regime of volatility, whether decisions use them or not. It works
between decisions, never within one; it reads no clock, and the same inputs give the same weights bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from config.schema import Consensus
from consensus.decision import Standing
from consensus.hedge import bounded, learning_rate, updated
from consensus.markouts import Mark, Round
from consensus.shares import ShareTable
from consensus.similarity import VoteSimilarity
from consensus.threshold import cost_share
from consensus.volatility import REGIMES, Volatility, next_regime
from consensus.votes import Ballot
from consensus.weights import Weights

LONGEST_HORIZON_NS = (
    600_000_000_000  # a round lasts as long as its longest vote: one source must not hold up all learning
)


class LearnedState(msgspec.Struct, frozen=True, array_like=True):
    """All that was learned about one contract. Tuples in the order of `sources` and of volatility.REGIMES."""

    name: str  # of the contract's market data: another run may number its contracts in another way
    sources: tuple[str, ...]
    start: tuple[float, ...]  # the weights that learning began with
    rounds: int  # settled so far
    regime: str
    weights: tuple[tuple[float, ...], ...]
    volatility: tuple[float, ...]
    similarity: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """One round's outcome: marks, and weights before and after, in the order of the sources."""

    regime: str
    marks: Sequence[Mark | None]
    before: Sequence[float]
    after: Sequence[float]


class Learner:
    """One contract. `see` the market now and then; `table` and `standing` are what decisions need of it."""

    def __init__(self, name: str, section: Consensus, start: Weights, fees: float, cost_horizon_s: float) -> None:
        """name: of the contract; fees: of getting in and out, in points; cost_horizon_s: the time in
        which a move must earn its cost."""
        nominal = start.nominal()
        self._name = name
        self._sources = tuple(nominal)
        self._start = tuple(nominal.values())
        self._floors = [section.weight_floor * weight for weight in self._start]
        self._caps = [max(section.weight_cap, weight) for weight in self._start]
        self._rate = section.learning_rate or learning_rate(len(self._start), section.learning_rounds)
        self._applied = section.adaptive
        self._bounds = section.regime_calm, section.regime_wild
        self._fees, self._cost_horizon_s = fees, cost_horizon_s
        self._volatility = Volatility(section.volatility_fast_s, section.volatility_slow_s)
        self._similarity = VoteSimilarity(len(self._start), section.correlation_rounds)
        self._weights = {regime: list(self._start) for regime in REGIMES}
        self._rounds = 0
        self._round: Round | None = None
        self.table = ShareTable(start, self._caps)
        self.standing = Standing()

    def see(self, market_ns: int, bid: float, ask: float, ballot: Callable[[], Ballot]) -> Settled | None:
        """The touch at a market time (points, NaN: not known); what a round that is over has taught, if one is.

        ballot: asked only when a new round begins.
        """
        mid, cost = (bid + ask) / 2.0, (ask - bid) / 2.0 + self._fees
        if not (math.isfinite(mid) and ask >= bid):  # a crossed book is an auction, and its mid nobody's price
            mid = cost = math.nan
        self._look_at_volatility(market_ns, mid, cost)
        settled = None
        if self._round is not None and self._round.see(market_ns, mid):
            settled = self._settle(self._round)
            self._round = None
        if self._round is None and math.isfinite(mid) and math.isfinite(self._volatility.fast()):
            self._begin(market_ns, mid, cost, ballot())
        return settled

    def state(self) -> LearnedState:
        weights = tuple(tuple(self._weights[regime]) for regime in REGIMES)
        return LearnedState(
            self._name, self._sources, self._start, self._rounds, self.standing.regime, weights,
            self._volatility.state(), self._similarity.state(),
        )  # fmt: skip

    def restore(self, state: LearnedState) -> str:
        """Go on from what an earlier incarnation had learned; "", or why that is not possible (nothing changes then)."""
        if (state.sources, state.start) != (self._sources, self._start):
            return "the sources or their start weights are others now"
        numbers = [*state.volatility, *state.similarity, *(weight for row in state.weights for weight in row)]
        rows = [len(row) for row in state.weights]
        of_this_build = state.regime in REGIMES and rows == [len(self._start)] * len(REGIMES)
        if not of_this_build or not all(map(math.isfinite, numbers)):
            return "it is not a state of this build"
        if not self._volatility.fits(state.volatility) or not self._similarity.fits(state.similarity):
            return "it is not a state of this build"
        try:
            weights = [bounded(row, self._floors, self._caps) for row in state.weights]
        except ValueError as error:
            return str(error)
        self._volatility.restore(state.volatility)
        self._similarity.restore(state.similarity)
        self._weights = dict(zip(REGIMES, weights, strict=True))
        self._rounds = state.rounds
        self.standing = Standing(state.regime)
        self._renew_table()
        return ""

    def _look_at_volatility(self, market_ns: int, mid: float, cost: float) -> None:
        self._volatility.see(market_ns, mid)
        fast, before = self._volatility.fast(), self.standing.regime
        regime = next_regime(before, fast, self._volatility.slow(), *self._bounds)
        self.standing = Standing(regime, cost_share(cost, fast, self._cost_horizon_s))
        if regime != before and self._applied:
            self._renew_table()

    def _begin(self, market_ns: int, mid: float, cost: float, ballot: Ballot) -> None:
        if not ballot.voters:
            return
        horizons_ns = [0] * len(self._start)
        for number, signal in ballot.voting:
            horizons_ns[number] = min(max(1, signal.horizon_ms) * 1_000_000, LONGEST_HORIZON_NS)
        votes = ballot.votes(len(self._start))
        fast = self._volatility.fast()
        self._round = Round(market_ns, votes, horizons_ns, mid, cost, fast, self.standing.regime)

    def _settle(self, over: Round) -> Settled:
        marks = over.marks()
        before = self._weights[over.regime]
        losses = [None if mark is None else mark.loss for mark in marks]
        after = bounded(updated(before, losses, self._rate), self._floors, self._caps)
        self._weights[over.regime] = after
        self._rounds += 1
        self._similarity.see(over.votes)
        self._renew_table()
        return Settled(over.regime, marks, before, after)

    def _renew_table(self) -> None:
        weights = self._weights[self.standing.regime] if self._applied else self._start
        self.table.update(weights, self._similarity.matrix())
