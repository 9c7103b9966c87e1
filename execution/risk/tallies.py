"""What orders, fills and brackets add up to, as the checks ask: by market day, and the newest of each kind.

Fed by the ledger with journaled records only, so a restart and a recomputation count what was counted before. It decides
nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from execution.events import ENTRY, CancelOrder, SendOrder

NEWEST_KEPT = 4096  # times of messages: more than any rate of a minute that makes sense


@dataclass(slots=True)
class Day:
    """One market day, all contracts. Money with fees taken off."""

    entries: int = 0
    messages: int = 0  # orders and cancels
    fills: int = 0
    profit: float = 0.0  # realised
    peak: float = 0.0  # highest realised profit, at least 0
    losses_in_row: int = 0
    lost_ns: int = 0  # market time at which the last loss was over


class Tallies:
    def __init__(self) -> None:
        self.days: dict[int, Day] = defaultdict(Day)  # yyyymmdd of the exchange
        self.newest_entry: dict[int, SendOrder] = {}  # by symbol
        self.orders_ns: deque[int] = deque(maxlen=NEWEST_KEPT)  # monotonic
        self.cancels_ns: deque[int] = deque(maxlen=NEWEST_KEPT)
        self._unsettled: dict[int, float] = defaultdict(float)  # realised profit by bracket, until it is done

    def day(self, day: int) -> Day:
        """That day's, without making one."""
        return self.days.get(day, NO_DAY)

    def sent(self, day: int, intent: SendOrder) -> None:
        tally = self.days[day]
        tally.messages += 1
        self.orders_ns.append(intent.monotonic_ns)
        if intent.role == ENTRY:
            tally.entries += 1
            self.newest_entry[intent.symbol] = intent

    def cancelled(self, day: int, record: CancelOrder) -> None:
        self.days[day].messages += 1
        self.cancels_ns.append(record.monotonic_ns)

    def booked(self, day: int, profit: float, bracket: int | None) -> None:
        """A fill changed the realised profit; `bracket`: whose it was, None for an adopted difference."""
        tally = self.days[day]
        tally.profit += profit
        tally.peak = max(tally.peak, tally.profit)
        if bracket is not None:
            tally.fills += 1
            self._unsettled[bracket] += profit

    def settled(self, day: int, bracket: int, market_ns: int) -> None:
        """A bracket is over: a loss, a gain, or nothing when it never traded (again)."""
        profit = self._unsettled.pop(bracket, 0.0)
        tally = self.days[day]
        if profit < 0.0:
            tally.losses_in_row += 1
            tally.lost_ns = market_ns
        elif profit > 0.0:
            tally.losses_in_row = 0


NO_DAY = Day()
