"""Which votes earned what: closed brackets, the decisions that opened them, and each vote's part. Only reads.

The profit of a bracket that traded and is flat is shared among the votes of the decision that opened it, by vote / total:
who voted against it has a part below 0, and the parts sum to the profit. It never guesses: money that no decision
explains (adopted positions, brackets still open, decisions of another run) is told as such.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field

from bus.messages import Decision
from config.schema import Config
from execution.brackets import Bracket
from execution.contracts import contracts_of
from execution.events import BUY, ENTRY, LEDGER_TYPES, Publish, SendOrder, Started
from execution.journal_format import Record
from execution.ledger import Ledger
from execution.orders import InvalidTransition


@dataclass
class Attribution:
    """Money after fees. trades, profit: source -> closed brackets that it voted on, and its part of them."""

    closed: int = 0
    realised: float = 0.0
    unexplained: float = 0.0
    trades: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    profit: dict[str, float] = field(default_factory=lambda: defaultdict(float))


class Trades:
    """The ledger of a journal, and which decision opened which bracket. `see` each record, then `attribute`."""

    def __init__(self, config: Config) -> None:
        self._contracts = contracts_of(config)
        self._ledger = Ledger(self._contracts)
        self._decided: dict[int, Decision] = {}  # contract -> the newest
        self._opened: dict[int, Decision] = {}  # bracket -> what opened it
        self._asked: dict[tuple[int, int], int] = {}  # contract, time of a decision that is still to come -> bracket
        self._realised = 0.0  # in this run

    def see(self, record: Record, of_this_run: bool) -> None:
        """The next record of the journal."""
        if isinstance(record, Started):
            self._asked.clear()  # a death took the words
        if isinstance(record, Publish) and isinstance(record.message, Decision):
            decision = record.message
            self._decided[decision.symbol] = decision
            bracket = self._asked.pop((decision.symbol, decision.decided_ns), None)
            if bracket is not None:
                self._opened[bracket] = decision
        if isinstance(record, SendOrder) and record.role == ENTRY and of_this_run:
            before = self._decided.get(record.symbol)
            if before is not None and before.decided_ns == record.decided_ns:  # the second half of a reversal
                self._opened[record.bracket] = before
            else:  # an order stands before the words about it
                self._asked[record.symbol, record.decided_ns] = record.bracket
        if type(record) in LEDGER_TYPES:
            realised = self._ledger.realised_profit()
            with suppress(InvalidTransition):  # it contradicted when it came, too, and changed nothing
                self._ledger.take(record)  # type: ignore[arg-type]
            if of_this_run:
                self._realised += self._ledger.realised_profit() - realised

    def attribute(self) -> Attribution:
        """What the records so far amount to."""
        found, explained = Attribution(realised=self._realised), 0.0
        for number, decision in self._opened.items():
            profit = self._profit(self._ledger.brackets[number])
            if profit is None or not decision.total:
                continue
            found.closed += 1
            explained += profit
            for source, weight, direction, confidence in decision.votes:
                found.trades[source] += 1
                found.profit[source] += profit * weight * direction * confidence / decision.total
        found.unexplained = found.realised - explained
        return found

    def _profit(self, bracket: Bracket) -> float | None:
        """Money of a bracket that traded and is flat, after fees; None for another."""
        contract = self._contracts[bracket.symbol]
        held, money, traded = 0, 0.0, 0
        for number in (*bracket.entries, *bracket.stops, *bracket.targets, *bracket.exits):
            order = self._ledger.orders[number]
            if order.traded_quantity:
                signed = order.traded_quantity if order.intent.side == BUY else -order.traded_quantity
                held += signed
                money -= signed * order.average_price * contract.point_value
                traded += order.traded_quantity
        if not traded or held or bracket.adopted_quantity:
            return None
        return money - traded * contract.fee
