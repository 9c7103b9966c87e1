"""Comparing what we remember with what the broker says: pure, asked at every start and whenever something is unclear.

The rules:
- An order is found by its permanent id, then by this session's; an intent without either is matched by contract,
  side, type, quantity, prices and time, once, oldest first. Nothing is ever sent again.
- An intent of an earlier incarnation that the broker does not list once the grace time is over was never sent.
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
GRACE_NS = 5_000_000_000  # market time after which an intent that the broker does not list was never sent
PRICE_TOLERANCE = 1e-6  # points


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


def match_orders(ledger: Ledger, view: BrokerView) -> Reconciliation:
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
        if order.number in seen:
            continue
        counterpart = None if order.cl_order_id else _counterpart(order, strangers)
        if counterpart is not None:
            strangers.remove(counterpart)
            result.matched.append(Matched(order.number, counterpart))
        else:
            _unlisted(ledger, order, view, result)
    for report in strangers:
        if _is_open(report):
            result.problems[f"foreign {report.cl_order_id or report.local_id}"] = (
                f"an order that is not ours is open: {report.cl_order_id or report.local_id}, side {report.side},"
                f" {report.quantity} {report.ticker} at {report.price}; it is left alone, entries stop until it is gone"
            )
    return result


def compare_positions(ledger: Ledger, view: BrokerView) -> dict[str, str]:
    """problem per contract whose position differs; a contract that the broker does not list is flat there."""
    if view.problem:
        return {}
    broker = {position.ticker: position.quantity for position in view.positions}
    problems = {}
    for contract in ledger.contracts:
        ours, theirs = ledger.positions[contract.symbol].quantity, broker.get(contract.ticker, 0)
        if ours != theirs:
            problems[f"position {contract.ticker}"] = (
                f"the broker holds {theirs:+d} {contract.ticker}, we know of {ours:+d};"
                " entries stop until both agree (the word `adopt` takes the broker's)"
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


def _unlisted(ledger: Ledger, order: Order, view: BrokerView, result: Reconciliation) -> None:
    """An open order of ours that the broker does not list."""
    contract = ledger.contracts[order.intent.symbol]
    if contract.day(order.intent.market_ns) < contract.day(view.market_ns):
        result.closed.append(OrderClosed(order.number, State.EXPIRED, "of an earlier day, no longer listed"))
        return
    of_this_session = order.local_id > 0
    grace_over = view.market_ns - order.intent.market_ns > GRACE_NS
    if not of_this_session and not order.cl_order_id and grace_over:
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
