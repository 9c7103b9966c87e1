"""Consensus in compiled code: votes and shares in, a side and a size out, or no answer. A part of `answer`.

It says again what `consensus.decision`, `consensus.strategies`, `execution.liquidity_advice` and `execution.sizing` say of an
entry from flat; the tests hold it to them. Sums are plain here and exact there, so where a number is so near to a bound that
the last bits could matter, it gives no answer, and the long way decides.
"""

from __future__ import annotations

import math

import numpy as np

from consensus.strategies import (
    QUALIFIED_AGENTS,
    QUALIFIED_TOTAL,
    SPECIALIST_CONFIDENCE,
    SPECIALIST_OPPOSED,
    SPECIALIST_SIZE,
    STRONG_AGREE,
    STRONG_TOTAL,
)
from consensus.weights import ML, SOURCES
from execution.events import BUY, SELL
from execution.fast_path.permit import SEES_NOTHING, STRATEGY_CODES, VOTES
from execution.liquidity_advice import LIQUIDITY
from shm.jit import inline

NO_SIDE = 0
UNSURE = -1  # too near to a bound
EDGE = 1e-6  # of totals: a dispersion is a root of a difference, so it has half the digits
NEARLY = 1e-9  # of a confidence
_ML = SOURCES.index(ML)
_LIQUIDITY = SOURCES.index(LIQUIDITY)
_COUNT = len(SOURCES)
_THRESHOLD, _STRONG, _QUALIFIED, _SPECIALIST = (
    STRATEGY_CODES[name] for name in ("threshold", "strong", "qualified", "specialist")
)


@inline
def voters_of(votes, market_ns):  # type: ignore[no-untyped-def]
    """Bit i is set when source i votes at that market time (> 0). votes: VOTE (sources,)."""
    voters = 0
    for i in range(_COUNT):
        if votes[i].state == VOTES and market_ns <= votes[i].valid_until_ns:
            voters |= 1 << i
    return voters


@inline
def _vote(votes, i):  # type: ignore[no-untyped-def]
    return votes[i].direction * votes[i].confidence


@inline
def _side_of(total, bound):  # type: ignore[no-untyped-def]
    """By `threshold.action_of`."""
    if abs(abs(total) - bound) <= EDGE or abs(total) <= EDGE:
        return UNSURE
    if abs(total) < bound:
        return NO_SIDE
    return BUY if total > 0.0 else SELL


@inline
def _agreeing(votes, permit, voters, total):  # type: ignore[no-untyped-def]
    """(how many agents with a weight are on the total's side, whether the model is)."""
    agents, model = 0, 0
    for i in range(_COUNT):
        if voters >> i & 1 and permit.weights[voters, i] > 0.0 and _vote(votes, i) * total > 0.0:
            if i == _ML:
                model = 1
            else:
                agents += 1
    return agents, model


@inline
def _specialist(votes, permit, voters):  # type: ignore[no-untyped-def]
    leader = -1
    for i in range(_COUNT):
        sure = (
            voters >> i & 1
            and i != _ML
            and permit.weights[voters, i] > 0.0
            and votes[i].direction != 0.0
            and votes[i].confidence >= SPECIALIST_CONFIDENCE
        )
        if sure and (
            leader < 0
            or votes[i].confidence > votes[leader].confidence
            or (
                votes[i].confidence == votes[leader].confidence
                and abs(votes[i].direction) > abs(votes[leader].direction)
            )
        ):
            leader = i
    if leader < 0:
        return NO_SIDE
    for i in range(_COUNT):
        if (
            voters >> i & 1
            and votes[i].direction * votes[leader].direction < 0.0
            and abs(_vote(votes, i)) > SPECIALIST_OPPOSED
        ):
            return NO_SIDE
    return BUY if votes[leader].direction > 0.0 else SELL


@inline
def _dispersion(votes, permit, voters, total):  # type: ignore[no-untyped-def]
    """By `threshold.dispersion_of`; the voters hold some weight."""
    mean, square = total / permit.held[voters], 0.0
    for i in range(_COUNT):
        if voters >> i & 1:
            square += permit.weights[voters, i] * _vote(votes, i) * _vote(votes, i)
    return math.sqrt(max(0.0, square / permit.held[voters] - mean * mean))


@inline
def total_of(votes, permit, voters):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(_COUNT):
        if voters >> i & 1:
            total += permit.weights[voters, i] * _vote(votes, i)
    return total


@inline
def side_of(votes, permit, voters, total):  # type: ignore[no-untyped-def]
    """(BUY, SELL, NO_SIDE or UNSURE; share of the full size)."""
    held = permit.held[voters]
    if not permit.known[voters] or not held > 0.0:
        return UNSURE, 1.0
    if permit.counted[voters] < permit.minimum_sources or held < permit.minimum_weight:
        return NO_SIDE, 1.0
    for place in range(len(permit.strategies)):
        code, size = permit.strategies[place], 1.0
        if code == _THRESHOLD:
            dispersion = min(1.0, _dispersion(votes, permit, voters, total))
            raised = permit.least * (1.0 + permit.dispersion * dispersion + permit.cost * permit.cost_share)
            side = _side_of(total, max(permit.least, min(permit.most, raised)))
        elif code == _STRONG or code == _QUALIFIED:
            agents, model = _agreeing(votes, permit, voters, total)
            if code == _STRONG:
                enough, bound = agents + model >= STRONG_AGREE, STRONG_TOTAL
            else:
                enough, bound = model == 1 and agents >= QUALIFIED_AGENTS, QUALIFIED_TOTAL
            side = _side_of(total, bound)
            if side != UNSURE and not enough:
                side = NO_SIDE
        elif code == _SPECIALIST:
            side, size = _specialist(votes, permit, voters), SPECIALIST_SIZE
        else:
            break
        if side != NO_SIDE:
            return side, size
    return NO_SIDE, 1.0


@inline
def _liquidity_share(votes, permit, voters, side):  # type: ignore[no-untyped-def]
    """By `liquidity_advice.liquidity_share`."""
    if voters >> _LIQUIDITY & 1:
        against = -votes[_LIQUIDITY].direction if side == BUY else votes[_LIQUIDITY].direction
        return max(permit.liquidity_floor, 1.0 - max(0.0, against) * votes[_LIQUIDITY].confidence)
    return 1.0 if votes[_LIQUIDITY].state == SEES_NOTHING else permit.liquidity_floor


@inline
def _half_up(number):  # type: ignore[no-untyped-def]
    return np.int64(math.floor(number + 0.5))


@inline
def _contracts(permit, confidence, size, share):  # type: ignore[no-untyped-def]
    """By `decision.quantity_of`, then `desk.Desk.enter`, for one confidence in 0 ... 1."""
    full = max(1, min(permit.max_quantity, _half_up(confidence * permit.max_quantity)))
    decided = max(1, np.int64(math.floor(full * size)))
    most = min(permit.max_quantity, permit.affordable)
    wanted = 1
    if most > 0:
        wanted = min(decided, max(1, min(most, _half_up(most * (confidence * size) * share))))
    return max(1, min(wanted, permit.room))


@inline
def quantity_of(votes, permit, voters, total, side, size):  # type: ignore[no-untyped-def]
    """Contracts of the entry, or UNSURE."""
    confidence = min(1.0, abs(total) / permit.held[voters])
    share = _liquidity_share(votes, permit, voters, side)
    fewest = _contracts(permit, max(0.0, confidence - NEARLY), size, share)
    return fewest if fewest == _contracts(permit, min(1.0, confidence + NEARLY), size, share) else UNSURE


@inline
def newest_of(votes, voters):  # type: ignore[no-untyped-def]
    """The voter that rests on the newest event, the first of several."""
    newest = -1
    for i in range(_COUNT):
        if voters >> i & 1 and (newest < 0 or votes[i].ingest_seq > votes[newest].ingest_seq):
            newest = i
    return newest
