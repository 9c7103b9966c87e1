"""The contracts of the run as execution sees them: tick arithmetic, money, and the exchange's calendar day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from config.schema import Config

MINUTE_NS = 60_000_000_000
ON_TICK_TOLERANCE = 1e-6  # of a tick: float64 prices such as 5123.5 / 0.5 are never further off


@dataclass(frozen=True)
class Contract:
    """`ticker` is what orders name; `tick` in points; `point_value` and `fee` in money."""

    symbol: int
    ticker: str
    exchange: str
    tick: float
    point_value: float
    fee: float
    zone: ZoneInfo

    def ticks(self, price: float) -> int | None:
        """The price in whole ticks; None when it is not a number or not on a tick."""
        if not math.isfinite(price):
            return None
        ticks = price / self.tick
        whole = round(ticks)
        return whole if abs(ticks - whole) <= ON_TICK_TOLERANCE else None

    def nearest_ticks(self, price: float) -> int:
        """The price, which must be a number, in ticks, rounded to the nearest (average prices are off tick)."""
        return round(price / self.tick)

    def price(self, ticks: int) -> float:
        return ticks * self.tick

    def day(self, market_ns: int) -> int:
        """The exchange's local date as yyyymmdd."""
        return _local_day(self.zone, market_ns // MINUTE_NS)


@lru_cache(maxsize=64)  # every order asks several times, and a time zone is slow to ask
def _local_day(zone: ZoneInfo, minute: int) -> int:
    """A zone's offset changes at whole minutes only."""
    local = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone)
    return local.year * 10_000 + local.month * 100 + local.day


def contracts_of(config: Config) -> tuple[Contract, ...]:
    """One per instrument, in the run's order. Raises ZoneInfoNotFoundError for a time zone nobody knows."""
    return tuple(
        Contract(
            symbol=index,
            ticker=instrument.contract,
            exchange=instrument.exchange,
            tick=instrument.tick,
            point_value=instrument.point_value,
            fee=instrument.fee_per_contract,
            zone=ZoneInfo(instrument.timezone),
        )
        for index, instrument in enumerate(config.instruments)
    )
