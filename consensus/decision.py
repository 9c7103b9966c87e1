"""Consensus itself: a ballot and shares in, one Decision out. Pure; the caller hands in every time and number.

vote of a source = direction x confidence x its share; the votes and their total go through the configured rules
(`strategies`). Too little weight or too few sources is a HOLD whatever the rules say. The size grows with the confidence
of the total. Never trades on less than it says: every vote and every abstention stands in the Decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bus.messages import MESSAGE_VERSION, Decision
from config.schema import Config
from consensus.shares import Shares, ShareTable
from consensus.strategies import STRATEGIES, Tally, Verdict, Vote
from consensus.threshold import HOLD, ThresholdRule, dispersion_of
from consensus.volatility import NORMAL
from consensus.votes import Ballot
from consensus.weights import TOLERANCE


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of a decision; `max_quantity` in contracts, the rest are shares 0 ... 1, a count, and the rules to ask."""

    threshold: ThresholdRule
    minimum_weight: float
    minimum_sources: int
    max_quantity: int
    strategies: tuple[Callable[[Tally], Verdict], ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the market beside the votes: regime of volatility, share of the costs (see `threshold`)."""

    regime: str = NORMAL
    cost_share: float = 1.0


def rules_of(config: Config) -> Rules:
    section = config.consensus
    return Rules(
        ThresholdRule(
            section.threshold, section.threshold_max, section.threshold_dispersion, section.threshold_cost
        ),
        section.minimum_weight,
        section.minimum_sources,
        config.execution.max_quantity,
        tuple(STRATEGIES[name] for name in section.strategies),
    )  # fmt: skip


def decide(
    ballot: Ballot,
    table: ShareTable,
    rules: Rules,
    standing: Standing,
    *,
    symbol: int,
    sequence: int,
    decided_ns: int,
    market_ns: int,
) -> Decision:
    """The decision about `symbol` from the votes of this moment.

    decided_ns: monotonic; market_ns: market time, which a decision without any vote carries as its `ts_ns` (its
    `ingest_seq` is then -1 and its `recv_ns` 0: it rests on no event).
    """
    shares = table.of(ballot.voters)
    votes: list[Vote] = []
    parts: list[tuple[float, float]] = []
    weighted: list[float] = []
    base, newest_seq = None, -2
    weights, held = shares.weights, shares.held
    for number, signal in ballot.voting:
        weight, direction, confidence = weights[number], signal.direction, signal.confidence
        vote = direction * confidence
        votes.append((signal.source, weight, direction, confidence))
        parts.append((weight, vote))
        weighted.append(weight * vote)
        if signal.ingest_seq > newest_seq:
            base, newest_seq = signal, signal.ingest_seq
    total = math.fsum(weighted)
    threshold = rules.threshold.threshold(min(1.0, dispersion_of(parts, total, held)), standing.cost_share)
    verdict = _verdict(shares, rules, Tally(votes, total, threshold))
    confidence = min(1.0, abs(total) / held) if held > 0.0 else 0.0
    recv_ns = base.recv_ns if base else 0
    return Decision(
        version=MESSAGE_VERSION,
        sequence=sequence,
        symbol=symbol,
        ingest_seq=base.ingest_seq if base else -1,
        ts_ns=base.ts_ns if base else market_ns,
        recv_ns=recv_ns,
        decided_ns=decided_ns,
        action=verdict.action,
        total=total,
        confidence=confidence,
        quantity=0 if verdict.action == HOLD else quantity_of(confidence, rules.max_quantity, verdict.size),
        votes=tuple(votes),
        abstained=ballot.abstained,
        reason=verdict.reason,
        threshold=threshold,
        regime=standing.regime,
        rule=verdict.rule,
        size=verdict.size,
        data_age_ns=decided_ns - recv_ns if recv_ns else -1,
    )


def quantity_of(confidence: float, max_quantity: int, size: float = 1.0) -> int:
    """Contracts for a confidence in 0 ... 1: in proportion, rounded half up, then the share `size` of it, rounded down.

    At least 1: a contract cannot be halved.

    >>> [quantity_of(confidence, 4) for confidence in (0.0, 0.3, 0.375, 1.0)]
    [1, 1, 2, 4]
    >>> [quantity_of(confidence, 4, 0.5) for confidence in (0.375, 0.8, 1.0)]
    [1, 1, 2]
    """
    full = max(1, min(max_quantity, math.floor(confidence * max_quantity + 0.5)))
    return max(1, math.floor(full * size))


def _verdict(shares: Shares, rules: Rules, tally: Tally) -> Verdict:
    """held: what the voting sources weigh together, the weight of silent members of their groups included."""
    if shares.counted < rules.minimum_sources:
        return Verdict(HOLD, f"{shares.counted} of at least {rules.minimum_sources} sources vote")
    if shares.held < rules.minimum_weight - TOLERANCE:
        return Verdict(
            HOLD, f"voting sources hold {shares.held:.2f} of at least {rules.minimum_weight:.2f} of the weight"
        )
    return first_verdict(rules.strategies, tally)


def first_verdict(strategies: Sequence[Callable[[Tally], Verdict]], tally: Tally) -> Verdict:
    """The first verdict that is not HOLD; when all hold, a HOLD with all their reasons."""
    reasons = []
    for strategy in strategies:
        verdict = strategy(tally)
        if verdict.action != HOLD:
            return verdict
        reasons.append(verdict.reason)
    return Verdict(HOLD, "; ".join(reasons))
