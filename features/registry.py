"""The 65 columns of the feature vector: which name stands where, in which family, with which formula.

The order is the contract between features, models and recorded data: it never changes, only the descriptions grow.
"""

from __future__ import annotations

from dataclasses import dataclass

from features import microstructure, order_flow, returns, technical, temporal, volatility, volume
from features.description import Feature
from features.families import BY_NAME, FAMILIES, Family
from shm.layouts import FEATURE_COUNT

_DESCRIBED: dict[str, tuple[Feature, ...]] = {
    "volatility": volatility.FEATURES,
    "returns": returns.FEATURES,
    "order_flow": order_flow.FEATURES,
    "volume": volume.FEATURES,
    "technical": technical.FEATURES,
    "microstructure": microstructure.FEATURES,
    "temporal": temporal.FEATURES,
}


@dataclass(frozen=True)
class Column:
    """One of the 65: index in the vector, name, family and description."""

    index: int
    name: str
    family: Family
    feature: Feature


def _columns() -> tuple[Column, ...]:
    columns: list[Column] = []
    for family in FAMILIES:
        described = _DESCRIBED[family.name]
        if len(described) != family.count:
            raise ValueError(f"family {family.name} describes {len(described)} of its {family.count} columns")
        columns += [Column(family.first + i, one.name, family, one) for i, one in enumerate(described)]
    if len(columns) != FEATURE_COUNT or len({column.name for column in columns}) != FEATURE_COUNT:
        raise ValueError(f"the vector has {FEATURE_COUNT} columns of different names")
    return tuple(columns)


COLUMNS = _columns()
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
INDEX: dict[str, int] = {column.name: column.index for column in COLUMNS}


def indices(*families: str) -> tuple[int, ...]:
    """Columns of those families, in order. Raises KeyError for an unknown family."""
    return tuple(i for name in families for i in range(BY_NAME[name].first, BY_NAME[name].first + BY_NAME[name].count))
