"""The latest opinion of each source about each instrument, and which of them count now.

Validity goes by market time, which every caller hands in: nothing here reads a clock. A source that abstains, is
silent, or whose opinion ran out does not count, and the reason is kept for the record. Never fills in a neutral
vote for a source that has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bus.messages import Signal

TAKEN = ""
UNKNOWN_SOURCE = "unknown source"
OLDER = "older than the one held"
SILENT = "no signal yet"
EXPIRED = "expired"
NOT_A_VOTE = "direction or confidence out of range"
NO_MARKET_TIME = "market time is not known"


class Ballot(NamedTuple):
    """Who votes about one instrument at one moment, and who does not and why. Both in the order of the sources.

    voters: bit i is set when source number i votes.
    """

    voting: tuple[tuple[int, Signal], ...]  # number of the source, its signal
    abstained: tuple[tuple[str, str], ...]  # source, reason
    voters: int

    def votes(self, sources: int) -> list[float | None]:
        """direction x confidence of each of so many sources; None: does not vote."""
        votes: list[float | None] = [None] * sources
        for number, signal in self.voting:
            votes[number] = signal.direction * signal.confidence
        return votes


class VoteBook:
    """Latest signal per source and symbol. Signals of an older incarnation or number never replace a newer one."""

    __slots__ = ("_latest", "_numbers", "sources")

    def __init__(self, sources: Iterable[str]) -> None:
        self.sources = tuple(sources)
        self._numbers = {source: number for number, source in enumerate(self.sources)}
        self._latest: dict[int, list[Signal | None]] = {}

    def take(self, signal: Signal) -> str:
        """Keep it; TAKEN, or the reason why not."""
        number = self._numbers.get(signal.source)
        if number is None:
            return UNKNOWN_SOURCE
        row = self._row(signal.symbol)
        held = row[number]
        if held is not None and (signal.epoch, signal.sequence) <= (held.epoch, held.sequence):
            return OLDER
        row[number] = signal
        return TAKEN

    def latest(self, symbol: int, number: int) -> Signal | None:
        """What is held of source `number`."""
        return self._row(symbol)[number]

    def ballot(self, symbol: int, market_ns: int) -> Ballot:
        """Votes at market time `market_ns` (int64 ns UTC; 0: not known, then all abstain)."""
        voting: list[tuple[int, Signal]] = []
        abstained: list[tuple[str, str]] = []
        voters = 0
        for number, signal in enumerate(self._row(symbol)):
            reason = why_not(signal, market_ns)
            if signal is not None and not reason:
                voting.append((number, signal))
                voters |= 1 << number
            else:
                abstained.append((self.sources[number], reason))
        return Ballot(tuple(voting), tuple(abstained), voters)

    def _row(self, symbol: int) -> list[Signal | None]:
        row = self._latest.get(symbol)
        if row is None:
            row = self._latest[symbol] = [None] * len(self.sources)
        return row


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
