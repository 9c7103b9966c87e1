"""The contracts of the run as execution sees them: tick arithmetic, money, and the exchange's calendar day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from config.schema import Config, Instrument
from runtime.expiry import has_rule, last_trading_day
from runtime.trading_hours import TradingHours

MINUTE_NS = 60_000_000_000
ON_TICK_TOLERANCE = 1e-6  # of a tick: float64 prices such as 5123.5 / 0.5 are never further off


@dataclass(frozen=True)
class Contract:
    """`ticker` is what orders name; `tick` in points; `point_value`, `fee` and `margin` (of one contract) in money."""

    symbol: int
    ticker: str
    exchange: str
    tick: float
    point_value: float
    fee: float
    zone: ZoneInfo
    lot: int = 1
    margin: float = math.nan  # not known: the notional counts
    hours: TradingHours | None = None  # None: not known, so never open
    last_day: date | None = None  # on which it trades, None not known
    ends: bool = False  # whether an order must know that day
    alias: bool = False  # data come under another name

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

    def margin_at(self, price: float) -> float:
        """Money that one contract binds; what the broker asks for is not known: its whole value."""
        return price * self.point_value if math.isnan(self.margin) else self.margin

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
    return tuple(_contract(config, index, instrument) for index, instrument in enumerate(config.instruments))


def _contract(config: Config, index: int, instrument: Instrument) -> Contract:
    hours = TradingHours(instrument, config.sessions)
    margin = instrument.margin_per_contract
    return Contract(
        symbol=index,
        ticker=instrument.contract,
        exchange=instrument.exchange,
        tick=instrument.tick,
        point_value=instrument.point_value,
        fee=instrument.fee_per_contract,
        zone=ZoneInfo(instrument.timezone),
        lot=instrument.quantity_step,
        margin=math.nan if margin is None else margin,
        hours=hours,
        last_day=_last_day(instrument, hours),
        ends=config.mode != "paper" and has_rule(instrument.contract),  # the generated market has no dated contracts
        alias=instrument.contract != instrument.symbol,
    )


def _last_day(instrument: Instrument, hours: TradingHours) -> date | None:
    """As configured, else by the rule of the ticker over the table of sessions; None: not known, or it never ends."""
    if instrument.last_trading_day:
        return date.fromisoformat(instrument.last_trading_day)
    return last_trading_day(instrument.contract, hours) if hours.listed else None
