"""The latest opinion of each source about each instrument, and which of them count now.

Validity goes by market time, which every caller hands in: nothing here reads a clock. A source that abstains, is
silent, or whose opinion ran out does not count, and the reason is kept for the record. Never fills in a neutral
vote for a source that has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bus.messages import Signal

TAKEN = ""
UNKNOWN_SOURCE = "unknown source"
OLDER = "older than the one held"
SILENT = "no signal yet"
EXPIRED = "expired"
NOT_A_VOTE = "direction or confidence out of range"
NO_MARKET_TIME = "market time is not known"


@dataclass(frozen=True)
class Ballot:
    """Who votes about one instrument at one moment, and who does not and why. Both in the order of the sources."""

    voting: dict[str, Signal]
    abstained: dict[str, str]


class VoteBook:
    """Latest signal per source and symbol. Signals of an older incarnation or number never replace a newer one."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._sources = tuple(sources)
        self._latest: dict[tuple[str, int], Signal] = {}

    def take(self, signal: Signal) -> str:
        """Keep it; TAKEN, or the reason why not."""
        if signal.source not in self._sources:
            return UNKNOWN_SOURCE
        place = (signal.source, signal.symbol)
        held = self._latest.get(place)
        if held is not None and (signal.epoch, signal.sequence) <= (held.epoch, held.sequence):
            return OLDER
        self._latest[place] = signal
        return TAKEN

    def ballot(self, symbol: int, market_ns: int) -> Ballot:
        """Votes at market time `market_ns` (int64 ns UTC; 0: not known, then all abstain)."""
        voting: dict[str, Signal] = {}
        abstained: dict[str, str] = {}
        for source in self._sources:
            signal = self._latest.get((source, symbol))
            reason = why_not(signal, market_ns)
            if signal is not None and not reason:
                voting[source] = signal
            else:
                abstained[source] = reason
        return Ballot(voting, abstained)


def why_not(signal: Signal | None, market_ns: int) -> str:
    """Why this signal does not count at `market_ns`, or "". It counts up to and including `valid_until_ns`."""
    if signal is None:
        return SILENT
    if signal.abstains:
        return signal.abstains
    in_range = -1.0 <= signal.direction <= 1.0 and 0.0 <= signal.confidence <= 1.0  # false for NaN
    if not in_range:
        return NOT_A_VOTE
    if market_ns <= 0:
        return NO_MARKET_TIME
    if market_ns > signal.valid_until_ns:
        return EXPIRED
    return ""
