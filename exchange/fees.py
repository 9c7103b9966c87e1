"""What B3 charges for a contract, from the dated table `fees_b3.toml`: the single fee by volume, reduced for day trades.

    single fee of a volume      (volume x fee of its tier + additional value of that tier) / volume
    reduction of a day trade    (volume x percent of its tier + additional value) / volume, percent
    fee of one contract         single fee x contract factor x (1 - reduction)

A fee in US dollars is turned into reais at the contract's own price (reais per 1,000 dollars), because the exchange's
rate of the day is not known here. Brokerage and taxes on profit are not in it. Pure but for the reading of the table.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from config.schema import Instrument

ROOT_LENGTH = 3  # of a ticker: WDO, WIN, DOL, IND
PRICE_PER_DOLLAR = 1_000.0  # points of a dollar future: reais for 1,000 dollars


@cache
def table() -> dict[str, dict[str, Any]]:
    """Root of the ticker -> its contract, with the family's tiers under "family"."""
    data = tomllib.loads(resources.files("exchange").joinpath("fees_b3.toml").read_text(encoding="utf-8"))
    return {each["root"]: each | {"family": data["family"][each["of"]]} for each in data["contract"]}


def tiered(tiers: list[list[float]], volume: float) -> float:
    """The average over a volume (>= 1). tiers: [from, value, additional value], rising."""
    _, value, additional = next(tier for tier in reversed(tiers) if tier[0] <= max(1.0, volume))
    return value + additional / max(1.0, volume)


def per_contract(
    root: str, price: float, *, volume: float = 1.0, day_trade_volume: float = 1.0, day_trade: bool = True
) -> float:
    """Reais for one side of one contract. Raises KeyError for a root that the table does not have.

    price: points, for the fees in dollars. volume, day_trade_volume: average daily contracts, weighted as B3 does.
    """
    contract = table()[root]
    family = contract["family"]
    fee: float = tiered(family["tiers"], volume) * contract["factor"]
    if day_trade:
        fee *= 1.0 - tiered(family["day_trade_tiers"], day_trade_volume) / 100.0
    return fee * (price / PRICE_PER_DOLLAR if family["currency"] == "USD" else 1.0)


def fee_of(spec: Instrument, source: str, price: float) -> float:
    """What the exchange charges for one side of one contract of that instrument.

    source "b3": by the table where it knows the contract; else, and for "config", what the configuration says.
    """
    root = spec.contract[:ROOT_LENGTH]
    if source == "b3" and root in table():
        return per_contract(root, price)
    return spec.fee_per_contract
