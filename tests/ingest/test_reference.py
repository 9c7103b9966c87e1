"""The touch of the ordered contract, as ingest shows it."""

from __future__ import annotations

import logging

from config.schema import Instrument
from ingest.reference import EVERY_NS, References
from profitdll.constants import BookSide
from profitdll.errors import DllError
from profitdll.market import PriceGroup
from shm.counters import StageCounters

ALIAS = Instrument(symbol="WDOFUT", order_symbol="WDOZ26", tick=0.5, point_value=10.0)
PLAIN = Instrument(symbol="ES", tick=0.25, point_value=50.0)


class HandMarket:
    """Answers what the test says."""

    def __init__(self) -> None:
        self.subscribed: list[str] = []
        self.sides: dict[BookSide, list[PriceGroup]] = {BookSide.BUY: [], BookSide.SELL: []}
        self.error: DllError | None = None
        self.asked = 0

    def subscribe_depth(self, ticker: str, exchange: str) -> None:
        self.subscribed.append(ticker)

    def depth(self, ticker: str, exchange: str, side: BookSide) -> list[PriceGroup]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        assert ticker == "WDOZ26"
        return self.sides[side]


def shown(counters: StageCounters) -> tuple[int, int, int]:
    return tuple(counters.get(f"reference_{part}_1") for part in ("bid_e6", "ask_e6", "ns"))  # type: ignore[return-value]


def test_only_an_alias_is_watched_and_not_too_often() -> None:
    market, counters = HandMarket(), StageCounters.private()
    references = References((PLAIN, ALIAS), market, counters, logging.getLogger("test"))  # type: ignore[arg-type]
    references.subscribe()
    assert market.subscribed == ["WDOZ26"] and shown(counters) == (0, 0, 0)
    market.sides = {BookSide.BUY: [PriceGroup(5400.5, 3, 1, 0), PriceGroup(5400.0, 9, 1, 0)], BookSide.SELL: []}
    references.look(10)
    assert shown(counters) == (5_400_500_000, 0, 10)
    market.sides[BookSide.SELL] = [PriceGroup(5401.0, 1, 1, 0)]
    references.look(10 + EVERY_NS - 1)
    assert shown(counters) == (5_400_500_000, 0, 10)
    references.look(10 + EVERY_NS)
    assert shown(counters) == (5_400_500_000, 5_401_000_000, 10 + EVERY_NS)


def test_a_book_that_cannot_be_read_keeps_its_age() -> None:
    market, counters = HandMarket(), StageCounters.private()
    references = References((PLAIN, ALIAS), market, counters, logging.getLogger("test"))  # type: ignore[arg-type]
    references.look(10)
    market.error = DllError("GetPriceDepthSideCount", -2147483646)
    references.look(10 + EVERY_NS)
    assert shown(counters) == (0, 0, 10)


def test_without_an_alias_nobody_is_asked() -> None:
    market, counters = HandMarket(), StageCounters.private()
    references = References((PLAIN,), market, counters, logging.getLogger("test"))  # type: ignore[arg-type]
    references.subscribe()
    references.look(10)
    assert market.asked == 0 and market.subscribed == []
