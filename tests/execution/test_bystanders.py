"""What other stages show of a contract becomes an input, once for each change."""

from __future__ import annotations

import math
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from execution.bystanders import Bystanders
from execution.contracts import Contract

PLAIN = Contract(0, "WDOZ26", "F", 0.5, 10.0, 1.0, ZoneInfo("America/Sao_Paulo"))


def test_news_come_once() -> None:
    shown: dict[tuple[str, str], int] = {}
    bystanders = Bystanders([PLAIN], lambda stage, name: shown.get((stage, name)))
    (first,) = bystanders.look(5, 6)
    assert (first.monotonic_ns, first.market_ns, first.symbol) == (5, 6, 0)
    assert "no feature vector" in first.unready
    assert bystanders.look(7, 8) == []
    shown["features", "unready_0"] = 0
    (second,) = bystanders.look(9, 10)
    assert second.unready == "" and math.isnan(second.reference_bid) and second.reference_ns == 0
    shown["features", "unready_0"] = 1 << 33
    assert "0x200000000" in bystanders.look(11, 12)[0].unready
    shown["features", "unready_0"] = -1
    assert "no feature vector" in bystanders.look(13, 14)[0].unready


@pytest.mark.parametrize("bid, ask", [(5_400_500_000, 5_401_000_000), (0, 5_401_000_000), (5_400_500_000, 0)])
def test_the_ordered_contract_is_shown_where_data_are_of_an_alias(bid: int, ask: int) -> None:
    shown = {"unready_1": 0, "reference_bid_e6_1": bid, "reference_ask_e6_1": ask, "reference_ns_1": 77}
    contracts = [PLAIN, replace(PLAIN, symbol=1, alias=True)]
    bystanders = Bystanders(contracts, lambda stage, name: shown.get(name))
    seen = bystanders.look(100, 200)[1]
    assert seen.reference_ns == 77
    assert seen.reference_bid == 5400.5 if bid else math.isnan(seen.reference_bid)
    assert seen.reference_ask == 5401.0 if ask else math.isnan(seen.reference_ask)
    assert bystanders.look(101, 201) == []
    shown["reference_ns_1"] = 78
    assert [news.symbol for news in bystanders.look(102, 202)] == [1]


def test_a_reference_that_was_never_asked_for_is_not_known() -> None:
    bystanders = Bystanders([replace(PLAIN, alias=True)], lambda stage, name: None)
    (seen,) = bystanders.look(1, 1)
    assert seen.reference_ns == 0 and math.isnan(seen.reference_bid) and math.isnan(seen.reference_ask)
