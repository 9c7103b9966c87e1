"""The 65 columns of the feature vector: which name stands where, in which family, with which formula.

The order is the contract between features, models and recorded data: it never changes, only the descriptions grow. A
family whose kernels do not exist yet has its names here and no description; its columns are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

from features import order_flow, returns, temporal, volatility
from features.description import Feature
from features.families import BY_NAME, FAMILIES, Family
from shm.layouts import FEATURE_COUNT

_DESCRIBED: dict[str, tuple[Feature, ...]] = {
    "volatility": volatility.FEATURES,
    "returns": returns.FEATURES,
    "order_flow": order_flow.FEATURES,
    "temporal": temporal.FEATURES,
}

_NAMES_ONLY: dict[str, str] = {
    "volume": """volume_ratio_20 volume_ratio_100 volume_zscore_20 volume_zscore_100 trade_intensity_5s
        trade_intensity_ratio volume_burst_5s buy_share_60s""",
    "technical": """ma_5_20_ratio ma_20_50_ratio rsi_14 macd_histogram atr_14 stochastic_14 efficiency_ratio_20
        vwap_distance""",
    "microstructure": """spread_ticks spread_ratio_500 microprice_offset_5 book_imbalance_1 book_imbalance_5
        book_imbalance_10 depth_ratio_500 liquidity_consumption_5s trade_size_ratio_50 large_trade_ratio_100
        aggressor_run buyer_concentration_500 seller_concentration_500 top_broker_net_500 broker_turnover_100""",
}


@dataclass(frozen=True)
class Column:
    """One of the 65: index in the vector, name, family, and its description when its family stands."""

    index: int
    name: str
    family: Family
    feature: Feature | None

    @property
    def standing(self) -> bool:
        """Whether the column is computed; NaN otherwise."""
        return self.feature is not None


def _columns() -> tuple[Column, ...]:
    columns: list[Column] = []
    for family in FAMILIES:
        described = _DESCRIBED.get(family.name, ())
        names = [feature.name for feature in described] or _NAMES_ONLY[family.name].split()
        if len(names) != family.count:
            raise ValueError(f"family {family.name} has {len(names)} names for {family.count} columns")
        for i, name in enumerate(names):
            columns.append(Column(family.first + i, name, family, described[i] if described else None))
    if len(columns) != FEATURE_COUNT or len({column.name for column in columns}) != FEATURE_COUNT:
        raise ValueError(f"the vector has {FEATURE_COUNT} columns of different names")
    return tuple(columns)


COLUMNS = _columns()
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
INDEX: dict[str, int] = {column.name: column.index for column in COLUMNS}
STANDING_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.standing)


def indices(*families: str) -> tuple[int, ...]:
    """Columns of those families, in order. Raises KeyError for an unknown family."""
    return tuple(i for name in families for i in range(BY_NAME[name].first, BY_NAME[name].first + BY_NAME[name].count))
