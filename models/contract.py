"""What a model may know of the feature vector: the names of its columns and the bits of its ready mask.

The feature record crosses from one process to the other, so both sides hold its contract; a test compares this copy
with the registry of the features. A bundle carries the hash of the names: one that was trained on another vector is
refused, never reinterpreted.
"""

from __future__ import annotations

import hashlib

FAMILIES = ("volatility", "returns", "order_flow", "volume", "technical", "microstructure", "temporal")
"""Bit i of the ready mask: the windows of FAMILIES[i] are full."""

FAMILY_SIZES = (10, 10, 8, 8, 8, 15, 6)

CAUSES = {16: "warming", 17: "gap", 18: "lapped", 19: "auction", 20: "stale", 21: "overflow"}
"""Bit of the ready mask -> why a family is not whole."""

SILENCING = {19: "auction", 20: "the book is stale"}
"""Bits that silence a model though its windows are full: the mid that its labels are made of does not stand."""

_NAMES = """
    volatility_10 volatility_20 volatility_50 volatility_100 volatility_ratio_10_50 volatility_ratio_20_100
    volatility_garman_klass_20 semivariance_skew_20 realized_volatility_60s bollinger_position_20
    mid_return_1s mid_return_5s mid_return_30s mid_return_60s
    return_2 return_5 return_10 return_20 return_50 return_100
    order_flow_imbalance_1s order_flow_imbalance_5s order_flow_imbalance_30s
    signed_volume_ratio_1s signed_volume_ratio_5s signed_volume_ratio_30s trade_flow_50 cumulative_delta_ratio
    volume_ratio_20 volume_ratio_100 volume_zscore_20 volume_zscore_100
    trade_intensity_5s trade_intensity_ratio volume_burst_5s buy_share_60s
    ma_5_20_ratio ma_20_50_ratio rsi_14 macd_histogram atr_14 stochastic_14 efficiency_ratio_20 vwap_distance
    spread_ticks spread_ratio_500 microprice_offset_5 book_imbalance_1 book_imbalance_5 book_imbalance_10
    depth_ratio_500 liquidity_consumption_5s trade_size_ratio_50 large_trade_ratio_100 aggressor_run
    buyer_concentration_500 seller_concentration_500 top_broker_net_500 broker_turnover_100
    session_elapsed minute day_of_week is_opening_30min is_closing_30min log_seconds_since_trade
    """

FEATURE_NAMES: tuple[str, ...] = tuple(_NAMES.split())
"""Column 0 ... 64 of the vector."""

VECTOR_HASH = hashlib.sha256(" ".join(FEATURE_NAMES).encode()).hexdigest()
"""Which vector a bundle was trained on."""

CLASSES = ("down", "flat", "up")
"""What a model tells apart: the mark-out after the horizon is beyond the cost below, within it, or above."""


def family_of(column: int) -> str:
    """The family that column 0 ... 64 belongs to."""
    for family, size in zip(FAMILIES, FAMILY_SIZES, strict=True):
        if column < size:
            return family
        column -= size
    raise IndexError("the vector has 65 columns")


def ready_mask(families: tuple[str, ...]) -> int:
    """The bits that must be set for those families. Raises ValueError for an unknown one."""
    return sum(1 << FAMILIES.index(family) for family in families)


def why_not_ready(ready: int, families: tuple[str, ...]) -> str:
    """Why a model that needs those families must be silent; empty when it need not."""
    for bit, text in SILENCING.items():
        if ready >> bit & 1:
            return text
    lacking = [family for family in families if not ready >> FAMILIES.index(family) & 1]
    if not lacking:
        return ""
    causes = [text for bit, text in CAUSES.items() if ready >> bit & 1]
    return f"{', '.join(lacking)} not ready" + (f" ({', '.join(causes)})" if causes else "")
