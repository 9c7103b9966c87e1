"""Consensus as execution holds it: signals in, decisions out, and between decisions the lessons of the market.

It owns the latest votes and, for each contract, what was learned about the sources. Every time and price comes in as an
argument, from inputs that the caller has in its journal; what must outlive a restart goes out as a `Lesson` and comes
back in through the constructor. It reads no clock and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bus.messages import MESSAGE_VERSION, Decision, Signal, WeightsChanged
from config.schema import Config
from consensus.decision import Standing, decide, rules_of
from consensus.learner import LearnedState, Learner, Settled
from consensus.shares import ShareTable
from consensus.votes import VoteBook
from consensus.weights import SOURCES, Weights


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a settled round taught: the state to keep, and what to tell."""

    state: LearnedState
    message: WeightsChanged


class Council:
    """`learned`: name of a contract -> the newest state of an earlier incarnation. `forgotten`: why one could not be used."""

    def __init__(self, config: Config, start: Weights, learned: Mapping[str, LearnedState]) -> None:
        self._applied = config.consensus.adaptive
        self._rules = rules_of(config)
        self._book = VoteBook(SOURCES)
        self._ticks = [instrument.tick for instrument in config.instruments]
        horizon_s = config.agents.horizon_ms / 1_000.0
        self._learners = [
            Learner(
                instrument.symbol, config.consensus, start, 2.0 * instrument.fee_per_contract / instrument.point_value,
                horizon_s,
            )
            for instrument in config.instruments
        ]  # fmt: skip
        self._decisions = 0
        self._lessons = 0
        self.forgotten: list[str] = []
        for instrument, learner in zip(config.instruments, self._learners, strict=True):
            state = learned.get(instrument.symbol)
            problem = learner.restore(state) if state is not None else ""
            if problem:
                self.forgotten.append(f"what was learned of the sources in {instrument.symbol} is not used: {problem}")

    def take(self, signal: Signal) -> str:
        """Keep a signal; "", or the reason why not."""
        return self._book.take(signal)

    def decide(self, symbol: int, decided_ns: int, market_ns: int) -> Decision:
        """The decision about a contract now. decided_ns: monotonic; market_ns: market time."""
        learner = self._learners[symbol]
        decision = decide(
            self._book.ballot(symbol, market_ns), learner.table, self._rules, learner.standing,
            symbol=symbol, sequence=self._decisions, decided_ns=decided_ns, market_ns=market_ns,
        )  # fmt: skip
        self._decisions += 1
        return decision

    def latest(self, symbol: int, number: int) -> Signal | None:
        """The signal that is held of source `number` about a contract."""
        return self._book.latest(symbol, number)

    def bearing(self, symbol: int) -> tuple[ShareTable, Standing]:
        """What a decision about a contract would rest on now, beside the votes and the configuration."""
        learner = self._learners[symbol]
        return learner.table, learner.standing

    def learn(self, symbol: int, market_ns: int, bid: float, ask: float) -> Lesson | None:
        """Look at the touch of a contract (points, NaN: not known) at a market time; a lesson when a round is over."""
        if market_ns <= 0:
            return None
        learner = self._learners[symbol]
        settled = learner.see(market_ns, bid, ask, lambda: self._book.ballot(symbol, market_ns))
        if settled is None:
            return None
        message = self._tell(symbol, market_ns, settled)
        self._lessons += 1
        return Lesson(learner.state(), message)

    def _tell(self, symbol: int, market_ns: int, settled: Settled) -> WeightsChanged:
        tick = self._ticks[symbol]
        changes, words = [], []
        for number, mark in enumerate(settled.marks):
            if mark is None:
                continue
            source, before, after = SOURCES[number], settled.before[number], settled.after[number]
            changes.append((source, mark.vote, mark.net / tick, before, after))
            words.append(
                f"{source} voted {mark.vote:+.2f}, net {mark.net / tick:+.2f} ticks, loss {mark.loss:.3f}:"
                f" {before:.4f} -> {after:.4f}"
            )
        return WeightsChanged(
            MESSAGE_VERSION, self._lessons, symbol, market_ns, settled.regime, self._applied, tuple(changes),
            "; ".join(words) or "no vote could be marked: the market was not known",
        )  # fmt: skip
