"""A specialist over a recorded market: the same compiled loop and the same policy as live, without rings.

Training, reports and tests use it. What it returns at a vector rests on nothing after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.detector import EVIDENCE, Detector, market_records
from agents.policy import COLD, Opinion, Speaker, opinion
from agents.vector import why_silent
from config.schema import Instrument

Array = np.ndarray[Any, Any]


def evidence_of(
    detector: Detector, vectors: Array, trades: Array, books: Array, instruments: tuple[Instrument, ...]
) -> Array:
    """EVIDENCE (n,) of FEATURE vectors (n,), with the raw TRADE and BOOK records of the same market in order."""
    states = np.zeros(len(instruments), detector.state)
    out = np.zeros(len(vectors), EVIDENCE)
    detector.observe(states, market_records(instruments), vectors, trades, books, np.zeros(2, np.int64), out)
    return out


def judge(detector: Detector, ready: int, evidence: Any) -> Opinion:
    """What a specialist thinks at one vector, from the vector's ready mask and its own evidence (EVIDENCE scalar)."""
    return thought(detector, ready, bool(evidence["warm"]), evidence["strength"].tolist())


def thought(detector: Detector, ready: int, warm: bool, strengths: Sequence[float]) -> Opinion:
    """As `judge`, from the fields of the evidence."""
    reason = why_silent(ready, detector.families)
    if reason:
        return Opinion(abstains=reason)
    if not warm:
        return Opinion(abstains=f"{COLD}: {detector.warm_up}")
    return opinion(strengths, detector.patterns, detector.weights)


def spoken(
    detector: Detector, vectors: Array, evidence: Array, every_ms: int, horizon_ms: int
) -> list[tuple[int, Opinion]]:
    """(row of the vector, opinion) of every signal of one symbol, in order."""
    speaker = Speaker(every_ms * 1_000_000, horizon_ms * 1_000_000)
    said = []
    for row in range(len(vectors)):
        what = judge(detector, int(vectors["ready"][row]), evidence[row])
        if speaker.says(int(vectors["ts_ns"][row]), what):
            said.append((row, what))
    return said
