"""Which vectors may be traded on."""

from __future__ import annotations

import pytest

from features.families import (
    ABSENT_BOOK,
    ABSENT_BROKERS,
    CAUSE_AUCTION,
    CAUSE_GAP,
    CAUSE_STALE,
    CAUSE_WARMING,
    READY_ORDER_FLOW,
    READY_TEMPORAL,
    READY_VOLUME,
)
from features.tell import bits_of, not_to_be_traded_on


@pytest.mark.parametrize(
    "ready, required, forbidding",
    [
        (READY_TEMPORAL, (), 0), (0, (), 0x7F), (CAUSE_WARMING, (), 0x7F), (READY_TEMPORAL | CAUSE_GAP, (), 0),
        (READY_TEMPORAL | CAUSE_STALE, (), CAUSE_STALE), (READY_TEMPORAL | CAUSE_AUCTION, (), CAUSE_AUCTION),
        (READY_TEMPORAL | ABSENT_BOOK, (), ABSENT_BOOK), (READY_TEMPORAL | ABSENT_BROKERS, (), 0),
        (READY_TEMPORAL, ("order_flow",), READY_ORDER_FLOW), (READY_ORDER_FLOW, ("order_flow",), 0),
        (READY_ORDER_FLOW, ("order_flow", "volume"), READY_VOLUME),
        (READY_ORDER_FLOW | CAUSE_STALE, ("order_flow", "volume"), READY_VOLUME | CAUSE_STALE),
    ],
)  # fmt: skip
def test_not_to_be_traded_on(ready: int, required: tuple[str, ...], forbidding: int) -> None:
    assert not_to_be_traded_on(ready, bits_of(required)) == forbidding
