"""What each source's word was worth in a run: hit rates, reliability, mark-outs and its part of the profit. Only reads.

All of it comes out of the run's journal, so the same journal gives the same report. A source's votes are judged at their
own horizon by the mid price as the journal has it; a vote that begins before the last judged one of the same source and
contract was over is passed over, because moves that overlap are not many proofs but one. A vote is a hit when the mid
moved its way, a miss when it moved the other way; what did not move proves nothing.

Each source's part of the realised profit is `attribution`'s.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bus.messages import Decision, Signal
from config.schema import Config
from consensus.votes import why_not
from consensus.weights import SOURCES
from execution.events import MarketSeen, Publish, SignalSeen, Started, UpstreamSeen
from execution.journal import read_records
from execution.journal_format import INPUT_TYPES, JournalError, Record
from execution.journal_keeper import journal_of
from replay.attribution import Attribution, Trades
from runtime.run_info import read_run

LOOK_NS = 1_000_000_000
BINS = 5  # of confidence, equally wide
Z_95 = 1.959963984540054


class ReportError(Exception):
    """The run has nothing to report on; the message says why."""


@dataclass
class Bin:
    """Votes of about one confidence that the market moved after."""

    moved: int = 0
    hits: int = 0
    confidence: float = 0.0  # sum

    @property
    def mean_confidence(self) -> float:
        return self.confidence / self.moved if self.moved else math.nan

    @property
    def claimed(self) -> float:
        """The hit rate that such a confidence claims: 0 is a coin, 1 is certainty."""
        return (1.0 + self.mean_confidence) / 2.0

    @property
    def hit_rate(self) -> float:
        return self.hits / self.moved if self.moved else math.nan


@dataclass
class SourceReport:
    """One source over all contracts. Ticks per vote, for one contract, cost taken off in `net`."""

    source: str
    votes: int = 0  # all that counted when they came
    judged: int = 0  # of those, the ones that do not overlap and whose outcome was seen
    moved: int = 0
    hits: int = 0
    move_ticks: float = 0.0  # sum over the judged, signed by the vote's direction
    net_ticks: float = 0.0  # sum over the judged: vote x move - abs(vote) x (half spread + fees)
    brier: float = 0.0  # sum over the moved of (claimed hit rate - hit)^2
    bins: list[Bin] = field(default_factory=lambda: [Bin() for _ in range(BINS)])

    @property
    def hit_rate(self) -> float:
        return self.hits / self.moved if self.moved else math.nan


@dataclass
class Calibration:
    """The whole report."""

    sources: list[SourceReport]
    decisions: int = 0
    incarnations: int = 0
    money: Attribution = field(default_factory=Attribution)


def wilson(hits: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Interval of a rate (Wilson, "Probable inference, the law of succession", JASA 22, 1927); NaN without trials.

    >>> [round(bound, 4) for bound in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if trials <= 0:
        return math.nan, math.nan
    rate, square = hits / trials, z * z
    middle = rate + square / (2 * trials)
    half = z * math.sqrt(rate * (1.0 - rate) / trials + square / (4.0 * trials * trials))
    low = (middle - half) / (1.0 + square / trials) if hits else 0.0
    high = (middle + half) / (1.0 + square / trials) if hits < trials else 1.0
    return low, high


def calibrate_run(folder: Path) -> Calibration:
    """The report of the run in that folder. Raises ReportError, FileNotFoundError."""
    config = read_run(folder).config
    path = journal_of(config, folder)
    if not path.is_file():
        raise ReportError(f"{folder}: the run has no journal of orders at {path}")
    try:
        found = calibrate(config, read_records(path), "" if config.mode == "paper" else folder.name)
    except (JournalError, msgspec.DecodeError) as error:
        raise ReportError(f"{path}: {error}") from error
    if not found.incarnations:
        raise ReportError(f"{path}: execution never started in this run")
    return found


def calibrate(config: Config, records: Iterable[Record], run: str = "") -> Calibration:
    """As `calibrate_run`, of records; run: only the incarnations of that run."""
    reports = {source: SourceReport(source) for source in SOURCES}
    found = Calibration(list(reports.values()))
    trades = Trades(config)
    life: _Life | None = None
    for record in records:
        if isinstance(record, Started):
            if life is not None:
                life.judge(config, reports)
            life = _Life() if run in ("", record.run) else None
            found.incarnations += life is not None
        trades.see(record, life is not None)
        if life is not None:
            life.see(record)
            found.decisions += isinstance(record, Publish) and isinstance(record.message, Decision)
    if life is not None:
        life.judge(config, reports)
    found.money = trades.attribute()
    return found


class _Life:
    """One incarnation: its market as it went, and its votes. Nothing is judged over a death."""

    def __init__(self) -> None:
        self._times: dict[int, list[int]] = defaultdict(list)
        self._quotes: dict[int, list[tuple[float, float]]] = defaultdict(list)  # mid, half the spread
        self._votes: list[tuple[int, Signal]] = []
        self._last_ns = 0
        self._down = False

    def see(self, record: Record) -> None:
        if not isinstance(record, INPUT_TYPES):
            return
        self._last_ns = max(self._last_ns, record.market_ns)  # type: ignore[union-attr]
        if isinstance(record, SignalSeen):
            if not why_not(record.signal, record.market_ns):
                self._votes.append((record.market_ns, record.signal))
        elif isinstance(record, UpstreamSeen):
            self._down = bool(record.problem)
            for symbol in list(self._times):
                self._quote(symbol, record.market_ns, math.nan, math.nan)
        elif isinstance(record, MarketSeen):
            known = record.ask >= record.bid and not self._down  # false for NaN
            mid, half = (record.bid + record.ask) / 2.0, (record.ask - record.bid) / 2.0
            self._quote(record.symbol, record.market_ns, *((mid, half) if known else (math.nan, math.nan)))

    def judge(self, config: Config, reports: dict[str, SourceReport]) -> None:
        """Add what the votes of this life were worth."""
        free_ns: dict[tuple[str, int], int] = defaultdict(int)
        for seen_ns, signal in self._votes:
            report = reports.get(signal.source)
            if report is None or not 0 <= signal.symbol < len(config.instruments):
                continue
            report.votes += 1
            if seen_ns < free_ns[signal.source, signal.symbol]:
                continue
            due_ns = seen_ns + signal.horizon_ms * 1_000_000
            (mid, half), (later, _) = self._at(signal.symbol, seen_ns), self._at(signal.symbol, due_ns)
            if due_ns > self._last_ns or not math.isfinite(mid) or not math.isfinite(later):
                continue
            free_ns[signal.source, signal.symbol] = due_ns
            instrument = config.instruments[signal.symbol]
            cost = half + 2.0 * instrument.fee_per_contract / instrument.point_value
            _judge(report, signal, (later - mid) / instrument.tick, cost / instrument.tick)

    def _quote(self, symbol: int, market_ns: int, mid: float, half: float) -> None:
        self._times[symbol].append(market_ns)
        self._quotes[symbol].append((mid, half))

    def _at(self, symbol: int, market_ns: int) -> tuple[float, float]:
        """The first quote at or after that time: an older one would lend the vote the move that it saw. When none came
        for LOOK_NS, the market stood still, and the last one before is it."""
        times = self._times[symbol]
        place = bisect_left(times, market_ns)
        if place == len(times) or times[place] > market_ns + LOOK_NS:
            place -= 1
        return self._quotes[symbol][place] if place >= 0 else (math.nan, math.nan)


def _judge(report: SourceReport, signal: Signal, move_ticks: float, cost_ticks: float) -> None:
    vote = signal.direction * signal.confidence
    report.judged += 1
    report.move_ticks += math.copysign(1.0, vote) * move_ticks if vote else 0.0
    report.net_ticks += vote * move_ticks - abs(vote) * cost_ticks
    if not move_ticks or not vote:
        return
    hit = move_ticks * vote > 0.0
    report.moved += 1
    report.hits += hit
    report.brier += ((1.0 + signal.confidence) / 2.0 - hit) ** 2
    place = report.bins[min(BINS - 1, int(signal.confidence * BINS))]
    place.moved += 1
    place.hits += hit
    place.confidence += signal.confidence
