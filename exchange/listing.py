"""The names under which instruments are listed, and the accounts: what the exchange knows before anybody connects.

Pure data. An instrument with an `order_symbol` is listed under both names: data under either, orders under the
dated contract only, as the real exchange does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from config.schema import Instrument


@dataclass(frozen=True, slots=True)
class Listing:
    """One name. `index` is the wire's; `instrument` indexes the configuration."""

    index: int
    instrument: int
    ticker: str
    exchange: str
    tradable: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One trading account and the password that orders for it carry."""

    name: str
    broker: int
    routing_password: str = field(repr=False)
    broker_name: str = "Paper broker"
    owner_name: str = "Paper account"


class Listings:
    """All names; the first ones are the instruments' own, in their order."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.all = [
            Listing(i, i, spec.symbol, spec.exchange, tradable=spec.contract == spec.symbol)
            for i, spec in enumerate(instruments)
        ]
        for i, spec in enumerate(instruments):
            if spec.contract != spec.symbol:
                self.all.append(Listing(len(self.all), i, spec.contract, spec.exchange, True))
        self._by_name = {(listing.ticker, listing.exchange): listing for listing in self.all}
        self.contract = {listing.instrument: listing for listing in self.all if listing.tradable}

    def find(self, ticker: str, exchange: str) -> Listing | None:
        """The listing of that name, None when there is none."""
        return self._by_name.get((ticker, exchange))
