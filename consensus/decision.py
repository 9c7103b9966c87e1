"""Consensus itself: a ballot and weights in, one Decision out. Pure; the caller hands in every time and number.

vote of a source = direction x confidence x effective weight; the total of the votes meets the threshold or it is a
HOLD. Too little weight or too few sources is a HOLD whatever the total. The size grows with the confidence of the
total. Never trades on less than it says: every vote and every abstention stands in the Decision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bus.messages import MESSAGE_VERSION, Decision
from config.schema import Config
from consensus.threshold import HOLD, action_of
from consensus.votes import Ballot
from consensus.weights import TOLERANCE, Weights


@dataclass(frozen=True)
class Rules:
    """Limits of a decision; `max_quantity` in contracts, the rest are shares 0 ... 1 and a count."""

    threshold: float
    minimum_weight: float
    minimum_sources: int
    max_quantity: int


def rules_of(config: Config) -> Rules:
    section = config.consensus
    return Rules(section.threshold, section.minimum_weight, section.minimum_sources, config.execution.max_quantity)


def decide(
    ballot: Ballot, weights: Weights, rules: Rules, *, symbol: int, sequence: int, decided_ns: int, market_ns: int
) -> Decision:
    """The decision about `symbol` from the votes of this moment.

    decided_ns: monotonic; market_ns: market time, which a decision without any vote carries as its `ts_ns` (its
    `ingest_seq` is then -1 and its `recv_ns` 0: it rests on no event).
    """
    effective = weights.effective(ballot.voting)
    votes = tuple(
        (source, effective.get(source, 0.0), signal.direction, signal.confidence)
        for source, signal in ballot.voting.items()
    )
    total = math.fsum(weight * direction * confidence for _, weight, direction, confidence in votes)
    weight_in_use = math.fsum(effective.values())
    confidence = min(1.0, abs(total) / weight_in_use) if weight_in_use > 0.0 else 0.0
    action, reason = _action(ballot, weights, rules, total, weight_in_use)
    base = max(ballot.voting.values(), key=lambda signal: signal.ingest_seq, default=None)
    return Decision(
        version=MESSAGE_VERSION,
        sequence=sequence,
        symbol=symbol,
        ingest_seq=base.ingest_seq if base else -1,
        ts_ns=base.ts_ns if base else market_ns,
        recv_ns=base.recv_ns if base else 0,
        decided_ns=decided_ns,
        action=action,
        total=total,
        confidence=confidence,
        quantity=0 if action == HOLD else quantity_of(confidence, rules.max_quantity),
        votes=votes,
        abstained=tuple(ballot.abstained.items()),
        reason=reason,
    )


def quantity_of(confidence: float, max_quantity: int) -> int:
    """Contracts for a confidence in 0 ... 1: in proportion, rounded half up, at least 1.

    >>> [quantity_of(confidence, 4) for confidence in (0.0, 0.3, 0.375, 1.0)]
    [1, 1, 2, 4]
    """
    return max(1, min(max_quantity, math.floor(confidence * max_quantity + 0.5)))


def _action(ballot: Ballot, weights: Weights, rules: Rules, total: float, held: float) -> tuple[str, str]:
    """held: what the voting sources weigh together, the weight of silent members of their groups included."""
    nominal = weights.nominal()
    sources = sum(1 for source in ballot.voting if nominal.get(source, 0.0) > 0.0)
    if sources < rules.minimum_sources:
        return HOLD, f"{sources} of at least {rules.minimum_sources} sources vote"
    if held < rules.minimum_weight - TOLERANCE:
        return HOLD, f"voting sources hold {held:.2f} of at least {rules.minimum_weight:.2f} of the weight"
    action = action_of(total, rules.threshold)
    side = "reaches" if action != HOLD else "is below"
    return action, f"total {total:+.3f} {side} the threshold {rules.threshold:.3f}"
