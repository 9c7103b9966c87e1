"""Comparing what we remember with what the broker says: pure, asked at every start and whenever something is unclear.

The rules:
- An order is found by its permanent id, then by this session's; an intent without either is matched by contract,
  side, type, quantity, prices and time, once, oldest first. Nothing is ever sent again.
- An intent of an earlier incarnation was never sent when two listings do not show it and the time to settle is over.
- A listing says nothing of an order that was commanded after it was asked for.
- An order of an earlier market day that is no longer listed has expired with that day.
- Positions that differ, open orders that are not ours, and orders of ours without an answer are problems: while
  there is one, no entry goes out. Orders that are not ours are never touched; those of contracts
  that we do not trade are not even looked at.
- A failed query says nothing. It is not "no orders" and not "flat".
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from execution.events import MARKET, STOP_LIMIT, BrokerView, LedgerRecord, Matched, OrderClosed, OrderReport
from execution.ledger import Ledger
from execution.orders import InvalidTransition, Order
from execution.statuses import OPEN, TABLE, State
from profitdll.constants import OrderStatus as Status

BEFORE_NS = 2_000_000_000  # a broker's stamp may be that much earlier than our market time
AFTER_NS = 60_000_000_000
LISTINGS = 2  # without it, before an intent counts as not sent
PRICE_TOLERANCE = 1e-6  # points
FOREIGN = "foreign "  # how the keys of problems with orders that are not ours begin


def restore(ledger: Ledger, records: Iterable[LedgerRecord]) -> int:
    """Rebuild the ledger from a journal's records; returns how many there were.

    A report that contradicted when it came contradicts again, and again changes nothing.
    """
    count = 0
    for record in records:
        count += 1
        with suppress(InvalidTransition):
            ledger.take(record)
    return count


@dataclass
class Reconciliation:
    """`matched` and `closed` are to be applied; `problems` (key -> sentence) close the entries while there is one."""

    matched: list[Matched] = field(default_factory=list)
    closed: list[OrderClosed] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    foreign: list[OrderReport] = field(default_factory=list)  # open orders that are not ours
    unlisted: list[Order] = field(default_factory=list)  # open orders of ours that the view does not show


def match_orders(ledger: Ledger, view: BrokerView, settle_ns: int) -> Reconciliation:
    """Which report is which order of ours, and what is unexplained. The caller applies it, then compares positions."""
    result = Reconciliation()
    if view.problem:
        result.problems["query"] = f"the broker could not be asked: {view.problem}"
        return result
    strangers: list[OrderReport] = []
    seen: set[int] = set()
    for report in view.orders:
        if ledger.symbol_of(report.ticker) is None:
            continue  # another contract of the account is none of our business
        order = ledger.find(report)
        if order is None:
            strangers.append(report)
        else:
            seen.add(order.number)
            result.matched.append(Matched(order.number, report))
    for order in sorted(ledger.open.values(), key=lambda order: (order.intent.market_ns, order.number)):
        if order.number in seen or (0 <= view.newest_order < order.number):
            continue
        counterpart = None if order.cl_order_id else _counterpart(order, strangers)
        if counterpart is not None:
            strangers.remove(counterpart)
            result.matched.append(Matched(order.number, counterpart))
        else:
            result.unlisted.append(order)
            _unlisted(ledger, order, view, settle_ns, result)
    for report in strangers:
        if _is_open(report) and report.cl_order_id not in ledger.ignored:
            result.foreign.append(report)
            result.problems[foreign_key(report)] = (
                f"an order that is not ours is open: {report.cl_order_id or report.local_id}, side {report.side},"
                f" {report.quantity} {report.ticker} at {report.price}; it is left alone, and entries stop until it is gone or a"
                " person says `supervisor.py orders adopt`, `orders ignore` or `orders cancel`"
            )
    return result


def foreign_key(report: OrderReport) -> str:
    """Of the problem that an open order which is not ours is."""
    return f"{FOREIGN}{report.cl_order_id or report.local_id}"


def excess_of(ledger: Ledger, view: BrokerView) -> dict[int, int]:
    """symbol -> signed contracts that the broker holds beyond what we know of; one it does not list is flat there."""
    broker = {position.ticker: position.quantity for position in view.positions}
    return {
        contract.symbol: broker.get(contract.ticker, 0) - ledger.positions[contract.symbol].quantity
        for contract in ledger.contracts
    }


def compare_positions(ledger: Ledger, excess: dict[int, int]) -> dict[str, str]:
    """problem per contract whose position differs."""
    problems = {}
    for contract in ledger.contracts:
        ours = ledger.positions[contract.symbol].quantity
        theirs = ours + excess[contract.symbol]
        if ours != theirs:
            problems[f"position {contract.ticker}"] = (
                f"the broker holds {theirs:+d} {contract.ticker}, we know of {ours:+d};"
                " entries stop until both agree (`supervisor.py orders adopt` takes the broker's)"
            )
    return problems


def _counterpart(order: Order, strangers: list[OrderReport]) -> OrderReport | None:
    fitting = [report for report in strangers if _fits(order, report)]
    return min(fitting, key=lambda report: (report.created_ns, report.cl_order_id), default=None)


def _fits(order: Order, report: OrderReport) -> bool:
    intent = order.intent
    same_kind = (report.ticker, report.side, report.order_type, report.quantity) == (
        intent.ticker,
        intent.side,
        intent.order_type,
        intent.quantity,
    )
    in_time = -BEFORE_NS <= report.created_ns - intent.market_ns <= AFTER_NS
    if not same_kind or not in_time:
        return False
    if intent.order_type == MARKET:
        return True
    if abs(report.price - intent.price) > PRICE_TOLERANCE:
        return False
    return intent.order_type != STOP_LIMIT or abs(report.stop_price - intent.stop_price) <= PRICE_TOLERANCE


def _unlisted(ledger: Ledger, order: Order, view: BrokerView, settle_ns: int, result: Reconciliation) -> None:
    """An open order of ours that the broker does not list."""
    contract = ledger.contracts[order.intent.symbol]
    if contract.day(order.intent.market_ns) < contract.day(view.market_ns):
        result.closed.append(OrderClosed(order.number, State.EXPIRED, "of an earlier day, no longer listed"))
        return
    of_this_session = order.local_id > 0
    settled = view.market_ns - order.intent.market_ns > settle_ns and order.views_without + 1 >= LISTINGS
    if not of_this_session and not order.cl_order_id and settled:
        result.closed.append(OrderClosed(order.number, State.NOT_SENT, "the broker does not list it"))
        return
    result.problems[f"unresolved {order.number}"] = (
        f"order {order.number} ({order.intent.role}, {order.state}) is not in the broker's list of the day"
    )


def _is_open(report: OrderReport) -> bool:
    try:
        return TABLE[State.SENT][Status(report.status)] in OPEN
    except ValueError:
        return True  # a status that nobody knows: better called open
