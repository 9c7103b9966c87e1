"""A person's word `orders adopt`: the broker's positions become ours, under the protection of a bracket.

The account's open orders come after it (`order_adoption`).

It is the way out when broker and journal disagree for a reason that no report will ever explain (a trade made by hand,
a position of an earlier run). It books the difference at the broker's average price and never sends an order itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from execution.brackets import Bracket, Phase
from execution.events import BUY, SELL, Adopted, BracketChanged, BrokerView
from execution.guardian import Guardian, Quote
from execution.ledger import Ledger
from execution.outbox import Outbox
from execution.sizing import direction


def adopt(
    view: BrokerView, ledger: Ledger, guardian: Guardian, quotes: Sequence[Quote], outbox: Outbox
) -> list[Bracket]:
    """Book every difference to the broker's view; returns the brackets that are to be carried forward.

    A difference without a known price is not booked, nor a position against an adopted order that still waits to open the
    other way, and the log says so.
    """
    theirs = {position.ticker: position for position in view.positions}
    touched = []
    for contract in ledger.contracts:
        known = theirs.get(contract.ticker)
        position = known.quantity if known else 0
        difference = position - ledger.positions[contract.symbol].quantity
        if difference == 0:
            continue
        waiting = [b for b in ledger.live_brackets(contract.symbol) if guardian.waits_for_a_person(b)]
        if any(position * direction(bracket.side) < 0 for bracket in waiting):
            outbox.note(
                "error",
                f"orders adopt: {position:+d} {contract.ticker} stay not ours while an adopted order works against them;"
                " cancel it at the broker, then say it again",
            )
            continue
        price = known.average_price if known and known.quantity else quotes[contract.symbol].last
        if not math.isfinite(price) or price <= 0.0:
            outbox.note("error", f"orders adopt: no price is known for {difference:+d} {contract.ticker}")
            continue
        outbox.emit(Adopted(view.market_ns, contract.symbol, difference, price))
        for bracket, share in _shares(ledger, guardian, contract.symbol, difference):
            touched.append(_under_a_bracket(view.market_ns, ledger, outbox, contract.symbol, bracket, share, price))
    return touched


def _shares(ledger: Ledger, guardian: Guardian, symbol: int, difference: int) -> list[tuple[Bracket | None, int]]:
    """Which part of a difference belongs to which bracket, None: to one of its own.

    What adds joins the first that is live; what reduces is taken from each as far as it holds, never beyond.
    """
    held = [bracket for bracket in ledger.live_brackets(symbol) if not guardian.waits_for_a_person(bracket)]
    if held and difference * direction(held[0].side) > 0:
        return [(held[0], difference)]
    shares: list[tuple[Bracket | None, int]] = []
    left = difference
    for bracket in held:
        part = min(abs(left), max(0, guardian.open_quantity(bracket))) * (1 if left > 0 else -1)
        if part:
            shares.append((bracket, part))
            left -= part
    return [*shares, (None, left)] if left else shares


def _under_a_bracket(
    market_ns: int, ledger: Ledger, outbox: Outbox, symbol: int, bracket: Bracket | None, difference: int, price: float
) -> Bracket:
    """The difference joins that bracket, or gets one of its own."""
    if bracket is not None:
        number, side, phase, held = bracket.number, bracket.side, bracket.phase, bracket.adopted_quantity
    else:
        number, side, phase, held = ledger.next_bracket, BUY if difference > 0 else SELL, Phase.PROTECTED, 0
    quantity = held + difference * direction(side)
    outbox.emit(BracketChanged(market_ns, number, symbol, side, phase, "adopted", quantity, price))
    return ledger.brackets[number]
