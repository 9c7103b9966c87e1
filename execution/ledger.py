"""Orders, positions, brackets and the day's tallies: what the journal rebuilds and the machine works on.

There is one way in, `take(record)`, and live work and recovery both use it, so what recovery rebuilds is what was
there. It decides nothing and sends nothing. Never changes a position but by a fill of an order of ours, or by a
person's adoption of the broker's position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from consensus.learner import LearnedState
from execution.brackets import Bracket, Phase
from execution.contracts import Contract
from execution.events import (
    BUY,
    ENTRY,
    SELL,
    STOP,
    TARGET,
    Adopted,
    BracketChanged,
    CancelOrder,
    Learned,
    LedgerRecord,
    Matched,
    Operator,
    OrderAdopted,
    OrderClosed,
    OrderIgnored,
    OrderReport,
    SendOrder,
    SendResult,
    SessionBegan,
    Started,
    TradingChanged,
)
from execution.orders import NOTHING, Change, Order
from execution.positions import Position
from execution.risk.states import Trading, move_of
from execution.risk.tallies import Tallies
from execution.statuses import State


class Effect(NamedTuple):
    """What a record did. `order` is None when it speaks of an order that is not ours."""

    order: Order | None = None
    change: Change = NOTHING


class Ledger:
    """Everything is found by our own order number; the broker's ids lead to it."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self.contracts = tuple(contracts)
        self.orders: dict[int, Order] = {}
        self.positions = [Position(contract.point_value, contract.fee) for contract in contracts]
        self.brackets: dict[int, Bracket] = {}
        self.tallies = Tallies()
        self.open: dict[int, Order] = {}  # those of `orders` that are
        self.live: dict[int, Bracket] = {}  # those of `brackets` that are
        self.next_order = 1
        self.next_bracket = 1
        self.epoch = -1
        self.run = ""  # of the newest incarnation
        self.doubts_fast_path = False  # an entry of this run went ahead of the machine, which did not say it
        self.ignored: set[str] = set()  # permanent ids of orders that a person told us to leave alone
        self.learned: dict[str, LearnedState] = {}  # name of a contract -> the newest
        self.trading = Trading.ACTIVE  # what a person or a limit said last
        self.trading_reason = ""
        self._by_local: dict[int, int] = {}
        self._by_cl_order: dict[str, int] = {}
        self._symbols = {contract.ticker: contract.symbol for contract in contracts}

    # --- questions

    def symbol_of(self, ticker: str) -> int | None:
        return self._symbols.get(ticker)

    @property
    def holds(self) -> bool:
        """Whether the market can change what we are worth: something is held, or may soon be."""
        return bool(self.live) or any(position.quantity for position in self.positions)

    def live_brackets(self, symbol: int | None = None) -> list[Bracket]:
        return [bracket for bracket in self.live.values() if symbol in (None, bracket.symbol)]

    def bracket_of(self, order: Order) -> Bracket:
        return self.brackets[order.intent.bracket]

    def find(self, report: OrderReport) -> Order | None:
        """The order that a report speaks of, by its permanent id, else by this session's."""
        number = self._by_cl_order.get(report.cl_order_id) if report.cl_order_id else None
        if number is None and report.local_id:
            number = self._by_local.get(report.local_id)
        return None if number is None else self.orders[number]

    def realised_profit(self) -> float:
        """Money of all contracts since the journal began, fees taken off."""
        return sum(position.realised_profit for position in self.positions)

    # --- the one way in

    def take(self, record: LedgerRecord) -> Effect:
        """Apply a record. Raises orders.InvalidTransition for a report that contradicts, and then changes nothing."""
        match record:
            case Started():
                self._start(record)
            case SessionBegan():
                self._forget_session()
            case SendOrder():
                return Effect(self._intend(record))
            case SendResult():
                return self._sent(record)
            case CancelOrder():
                self._cancel(self.orders[record.order], record)
            case OrderReport():
                found = self.find(record)
                return Effect() if found is None else self._report(found, record)
            case Matched():
                return self._report(self.orders[record.order], record.report)
            case OrderClosed():
                return self._closed(self.orders[record.order], State(record.state), record.reason)
            case BracketChanged():
                self._bracket(record)
            case OrderAdopted():
                return self._adopt(record)
            case OrderIgnored():
                self.ignored.add(record.cl_order_id)
            case Learned():
                self.learned[record.state.name] = record.state
            case Operator(word=word):
                self._move(move_of(self.trading, word).state, f"a person said {word}")
            case TradingChanged(state=state, reason=reason, ahead=ahead):
                self._move(Trading(state), reason)
                self.doubts_fast_path = self.doubts_fast_path or ahead
            case Adopted():
                side = BUY if record.quantity > 0 else SELL
                self._book(record.symbol, side, abs(record.quantity), record.price, record.market_ns, None)
        return Effect()

    def _start(self, record: Started) -> None:
        self.epoch = record.epoch
        if record.run != self.run:
            self.run, self.doubts_fast_path = record.run, False
        self._forget_session()
        for order in self.orders.values():
            order.since_ns = record.monotonic_ns
            order.cancel_asked_ns = 0
            order.cancels_asked = 0
            order.reported_ns = 0
        for bracket in self.brackets.values():
            bracket.exit_tried_ns = bracket.triggered_ns = bracket.exposed_since_ns = 0
            bracket.exit_asked_ns = record.monotonic_ns  # the start asks

    def _forget_session(self) -> None:
        """Session ids mean nothing in another session, and listings of another one settle nothing.

        A session that outlives its execution is forgotten too: what it reported to the dead incarnation stands in no
        journal, so its orders are found as those of any other.
        """
        self._by_local.clear()
        for order in self.orders.values():
            order.local_id = 0
            order.views_without = 0

    def _intend(self, intent: SendOrder) -> Order:
        order = Order(intent, since_ns=intent.monotonic_ns)
        bracket = self._seat(order)
        self.tallies.sent(self._day(intent.symbol, intent.market_ns), intent)
        if intent.role not in (ENTRY, STOP, TARGET):
            bracket.exit_tried_ns = intent.monotonic_ns
        return order

    def _seat(self, order: Order) -> Bracket:
        """Give an order its number and its place in a bracket."""
        intent = order.intent
        self.orders[intent.order] = self.open[intent.order] = order
        self.next_order = max(self.next_order, intent.order + 1)
        bracket = self._get_bracket(intent.bracket, intent.symbol, intent.side)
        if intent.role == ENTRY:
            bracket.entries.append(intent.order)
        elif intent.role == STOP:
            bracket.stops.append(intent.order)
        elif intent.role == TARGET:
            bracket.targets.append(intent.order)
        else:
            bracket.exits.append(intent.order)
        return bracket

    def _adopt(self, record: OrderAdopted) -> Effect:
        """An order of a person becomes one of ours; it was not sent by us, so no tally counts it."""
        report = record.report
        intent = SendOrder(
            record.monotonic_ns, record.market_ns, record.order, record.bracket, record.role, record.symbol, report.ticker,
            report.side, report.order_type, report.quantity - report.traded_quantity, report.price, report.stop_price,
        )  # fmt: skip
        order = Order(intent, since_ns=record.monotonic_ns, before=report)
        order.story.append(f"adopted as {record.role}, {report.traded_quantity} of {report.quantity} traded before")
        self._seat(order).adopts = True
        if report.local_id > 0:
            order.local_id = report.local_id
            self._by_local[report.local_id] = order.number
        return self._report(order, report)

    def _sent(self, result: SendResult) -> Effect:
        order = self.orders[result.order]
        if result.local_id > 0:
            order.sent(result.local_id)
            self._by_local[result.local_id] = order.number
            return Effect(order)
        if not order.open:
            return Effect(order)  # known already
        return self._closed(order, State.NOT_SENT, result.problem)

    def _cancel(self, order: Order, record: CancelOrder) -> None:
        order.cancel_asked_ns = record.monotonic_ns
        order.cancels_asked += 1
        order.cancel_wanted = True
        self.tallies.cancelled(self._day(order.intent.symbol, record.market_ns), record)
        order.story.append(f"cancel asked: {record.reason}")

    def _closed(self, order: Order, state: State, reason: str) -> Effect:
        order.close(state, reason)
        del self.open[order.number]
        return Effect(order, Change(True, 0, math.nan))

    def _report(self, order: Order, report: OrderReport) -> Effect:
        change = order.apply(report)
        if not order.open:
            self.open.pop(order.number, None)
        if order.cl_order_id:
            self._by_cl_order[order.cl_order_id] = order.number
        if change.filled_quantity:
            intent = order.intent
            self._book(
                intent.symbol, intent.side, change.filled_quantity, change.fill_price, report.market_ns, intent.bracket
            )
        return Effect(order, change)

    def _bracket(self, record: BracketChanged) -> None:
        bracket = self._get_bracket(record.bracket, record.symbol, record.side)
        bracket.phase = Phase(record.phase)
        bracket.reason = record.reason
        if bracket.phase in (Phase.RETREATING, Phase.CLOSING):
            bracket.exit_wanted = bracket.exit_wanted or record.reason
        bracket.adopted_quantity = record.adopted_quantity
        bracket.adopted_price = record.adopted_price
        if bracket.live:
            self.live[bracket.number] = bracket
        else:
            self.live.pop(bracket.number, None)
            self.tallies.settled(self._day(record.symbol, record.market_ns), bracket.number, record.market_ns)

    def _get_bracket(self, number: int, symbol: int, side: int) -> Bracket:
        if number not in self.brackets:
            self.brackets[number] = self.live[number] = Bracket(number, symbol, side)
            self.next_bracket = max(self.next_bracket, number + 1)
        return self.brackets[number]

    def _book(self, symbol: int, side: int, quantity: int, price: float, market_ns: int, bracket: int | None) -> None:
        profit = self.positions[symbol].apply(side, quantity, price)
        self.tallies.booked(self._day(symbol, market_ns), profit, bracket)

    def _day(self, symbol: int, market_ns: int) -> int:
        return self.contracts[symbol].day(market_ns)

    def _move(self, state: Trading, reason: str) -> None:
        if state is not self.trading:
            self.trading, self.trading_reason = state, reason
