"""A person's word `orders adopt`, of open orders that are not ours: what each becomes, or why it cannot become anything.

    against the position, stop-limit    a stop of the bracket, if that many contracts of it are without one
    against the position, limit         its target, if that many contracts of it are without one
    any other, limit or stop-limit      the entry of a bracket of its own

It stands apart from the adoption of positions (`adoption`), which comes first: an order is judged by the position that is
ours by then. What does not fit is left as it is, not ours, with the entries closed: two orders for the same contracts could
turn a position around, and guessing which one the person wants is not ours. Nothing here sends or cancels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from execution.brackets import Bracket, Phase
from execution.events import ENTRY, LIMIT, STOP, STOP_LIMIT, TARGET, BrokerView, OrderAdopted, OrderReport
from execution.guardian import Guardian
from execution.ledger import Effect, Ledger
from execution.outbox import Outbox
from execution.recovery import excess_of
from execution.risk.states import ALLOWS
from execution.statuses import OPEN, TABLE, State
from profitdll.constants import OrderStatus as Status

_HOLDING = (Phase.ENTERING, Phase.PROTECTED)
_STATUSES = frozenset(int(status) for status in Status)


class Seat(NamedTuple):
    """Where an order belongs."""

    role: str
    bracket: int


def adopt_orders(
    view: BrokerView, foreign: list[OrderReport], ledger: Ledger, guardian: Guardian, closing: str, outbox: Outbox
) -> list[Effect]:
    """Make each of `foreign` ours that has a seat, and say of each what came of it. `closing`: why nothing is entered.

    Stops first, then targets, then what opens, each kind in the order in which it came to the broker.
    """
    strange = {symbol for symbol, quantity in excess_of(ledger, view).items() if quantity}
    effects = []
    for report in sorted(foreign, key=lambda report: _turn(report, ledger)):
        name = f"{report.cl_order_id or report.local_id}, {report.ticker} side {report.side}"
        seat = seat_of(report, ledger, guardian, strange, closing)
        if isinstance(seat, str):
            outbox.note(
                "error",
                f"orders adopt: order {name} stays not ours: {seat}. Entries stay closed until it is gone or a person says"
                " `supervisor.py orders ignore` or `orders cancel`",
            )
            continue
        symbol = ledger.symbol_of(report.ticker)
        assert symbol is not None  # `match_orders` passes over other contracts
        record = OrderAdopted(
            view.monotonic_ns, view.market_ns, ledger.next_order, seat.bracket, seat.role, symbol, report
        )
        effects.append(outbox.emit(record))
        outbox.note("warning", f"orders adopt: order {name} is now order {record.order}, {_what(record)}")
    return effects


def seat_of(report: OrderReport, ledger: Ledger, guardian: Guardian, strange: set[int], closing: str) -> Seat | str:
    """Where it belongs, or why it cannot be ours. strange: contracts whose positions differ from the broker's."""
    symbol = ledger.symbol_of(report.ticker)
    if symbol is None or symbol in strange:
        return "the position of its contract is not agreed on"
    if not report.cl_order_id:
        return "it has no permanent id yet, so nobody could cancel it; say it again in a moment"
    if report.status not in _STATUSES or TABLE[State.SENT][Status(report.status)] not in OPEN:
        return f"its status {report.status} is none that works"
    if report.order_type not in (LIMIT, STOP_LIMIT) or report.quantity <= report.traded_quantity:
        return f"it is of type {report.order_type}; only limit and stop-limit orders with something left are adopted"
    prices = (report.price, report.stop_price) if report.order_type == STOP_LIMIT else (report.price,)
    if not all(math.isfinite(price) and price > 0.0 for price in prices):
        return f"its prices {prices} are none"
    live = ledger.live_brackets(symbol)
    if any(bracket.phase not in _HOLDING or bracket.exit_wanted for bracket in live):
        return "its contract is being left; say it again when that is over"
    against = [bracket for bracket in live if bracket.side != report.side]
    if against:
        return _leg(report, against, guardian)
    if closing or not ALLOWS[ledger.trading].working_entries:
        return f"it opens, and would be cancelled at once: {closing or f'trading is {ledger.trading}'}"
    return Seat(ENTRY, ledger.next_bracket)


def _leg(report: OrderReport, against: list[Bracket], guardian: Guardian) -> Seat | str:
    leaves = report.quantity - report.traded_quantity
    role, room = (STOP, guardian.uncovered) if report.order_type == STOP_LIMIT else (TARGET, guardian.untargeted)
    for bracket in against:
        if 1 <= leaves <= room(bracket):
            return Seat(role, bracket.number)
    free = max(0, *(room(bracket) for bracket in against))
    return f"it would close {leaves} contracts, and {free} are held without a {role}"


def _turn(report: OrderReport, ledger: Ledger) -> tuple[int, int, str]:
    symbol = ledger.symbol_of(report.ticker)
    reduces = any(bracket.side != report.side for bracket in ledger.live_brackets(symbol))
    kind = (0 if report.order_type == STOP_LIMIT else 1) if reduces else 2
    return kind, report.created_ns, report.cl_order_id


def _what(record: OrderAdopted) -> str:
    if record.role == ENTRY:
        return f"the entry of bracket {record.bracket}: protected when it fills, cancelled by a person's word only"
    return f"a {record.role} of bracket {record.bracket}"
