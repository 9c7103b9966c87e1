"""What the specialists may know of the feature vector: the columns they read and the bits of its ready mask.

The record crosses from one process to the other, so both sides hold its contract; a test compares this copy with the
registry of the features.
"""

from __future__ import annotations

from functools import lru_cache

FAMILIES = ("volatility", "returns", "order_flow", "volume", "technical", "microstructure", "temporal")
"""Bit i of the ready mask: the windows of FAMILIES[i] are full."""

CAUSES = {16: "warming", 17: "gap", 18: "lapped", 19: "auction", 20: "the book is stale", 21: "overflow"}
"""Bit of the ready mask -> why a family is not whole."""

SILENCING = (19, 20)
"""Causes that silence a specialist whatever it reads: its own view of the market rests on the same data."""

LOSSES = (17, 18)
LOSS_FAMILY = "order_flow"
"""So does a loss of market data, until this family is whole again: its windows are the nearest to those of specialists.
Other families span a loss for longer (a thousand trades), which is no matter of theirs."""

ORDER_FLOW_IMBALANCE_5S = 21
ORDER_FLOW_IMBALANCE_30S = 22
SIGNED_VOLUME_RATIO_5S = 24
SIGNED_VOLUME_RATIO_30S = 25
TRADE_FLOW_50 = 26

COLUMN_NAMES = {
    ORDER_FLOW_IMBALANCE_5S: "order_flow_imbalance_5s",
    ORDER_FLOW_IMBALANCE_30S: "order_flow_imbalance_30s",
    SIGNED_VOLUME_RATIO_5S: "signed_volume_ratio_5s",
    SIGNED_VOLUME_RATIO_30S: "signed_volume_ratio_30s",
    TRADE_FLOW_50: "trade_flow_50",
}


@lru_cache(maxsize=256)  # every vector asks, and most say the same
def why_silent(ready: int, families: tuple[str, ...]) -> str:
    """Why a specialist that needs those families must be silent at this ready mask; empty when it need not."""
    for bit in SILENCING:
        if ready >> bit & 1:
            return CAUSES[bit]
    for bit in LOSSES:
        if ready >> bit & 1 and not ready >> FAMILIES.index(LOSS_FAMILY) & 1:
            return CAUSES[bit]
    lacking = [family for family in families if not ready >> FAMILIES.index(family) & 1]
    if not lacking:
        return ""
    causes = [text for bit, text in CAUSES.items() if ready >> bit & 1]
    return f"{', '.join(lacking)} not ready" + (f" ({', '.join(causes)})" if causes else "")
