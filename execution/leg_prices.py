"""The prices of a bracket's legs, and the orders that place them: by the settings from the average entry, or where a person's
adopted order put them.

It stands apart from the guardian, which says when an order is due; here it is said which. It never looks at the market.
"""

from __future__ import annotations

from config.schema import Execution
from execution.brackets import Bracket
from execution.events import LIMIT, MARKET, NO_PRICE, STOP_LIMIT
from execution.ledger import Ledger
from execution.legs import inherited, outermost
from execution.orders import Order
from execution.sizing import OrderNumbers, opposite, stop_ticks, target_ticks


class LegPrices:
    """Reads the ledger. Each maker of an order gives its side and its numbers."""

    def __init__(self, settings: Execution, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger

    def reference(self, bracket: Bracket) -> float:
        """Average price at which the bracket's contracts came in."""
        entries = self._orders(bracket.entries)
        adopted = max(0, bracket.adopted_quantity)  # what was closed by hand does not move the average
        quantity = adopted + sum(order.traded_quantity for order in entries)
        value = adopted * bracket.adopted_price
        value += sum(order.traded_quantity * order.average_price for order in entries)
        return value / quantity

    def stop_levels(self, bracket: Bracket, reference: float) -> tuple[int, int]:
        """(trigger, limit) in ticks of the bracket's stop: ours, or where a person's order put it."""
        contract = self._ledger.contracts[bracket.symbol]
        last = outermost(bracket.side, self._orders(bracket.stops)) if bracket.adopts else None
        if last is not None:
            return contract.nearest_ticks(last.intent.stop_price), contract.nearest_ticks(last.intent.price)
        return stop_ticks(self._settings, contract, bracket.side, reference)

    def stop(self, bracket: Bracket, quantity: int) -> tuple[int, OrderNumbers]:
        contract = self._ledger.contracts[bracket.symbol]
        persons = inherited(self._orders(bracket.stops)) if bracket.adopts else None
        if persons is not None:
            price, trigger_price = persons.intent.price, persons.intent.stop_price
        else:
            trigger, limit = stop_ticks(self._settings, contract, bracket.side, self.reference(bracket))
            price, trigger_price = contract.price(limit), contract.price(trigger)
        return opposite(bracket.side), OrderNumbers(STOP_LIMIT, quantity, price, trigger_price, price)

    def target(self, bracket: Bracket, quantity: int) -> tuple[int, OrderNumbers]:
        contract = self._ledger.contracts[bracket.symbol]
        persons = inherited(self._orders(bracket.targets)) if bracket.adopts else None
        if persons is not None:
            price = persons.intent.price
        else:
            price = contract.price(target_ticks(self._settings, contract, bracket.side, self.reference(bracket)))
        return opposite(bracket.side), OrderNumbers(LIMIT, quantity, price, NO_PRICE, price)

    def exit(self, bracket: Bracket, open_quantity: int) -> tuple[int, OrderNumbers]:
        side = opposite(bracket.side) if open_quantity > 0 else bracket.side
        return side, OrderNumbers(MARKET, abs(open_quantity), NO_PRICE, NO_PRICE, NO_PRICE)

    def _orders(self, numbers: list[int]) -> list[Order]:
        return [self._ledger.orders[number] for number in numbers]
