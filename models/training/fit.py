"""Fits the two libraries, small and deterministic, and hands back their own model files.

One thread, a fixed seed, no sampling: the same rows give the same bytes. The files are read back by the live parsers at
once, so what is measured is what will trade. The only place that imports the training libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.bundle import LIGHTGBM_FILE, XGBOOST_FILE
from models.contract import CLASSES, FEATURE_NAMES
from models.forest import Forest
from models.lightgbm_file import parse_lightgbm
from models.xgboost_file import parse_xgboost

Array = np.ndarray[Any, Any]

ROUNDS = 60
XGBOOST_SETTINGS: dict[str, Any] = {
    "objective": "multi:softprob",
    "num_class": len(CLASSES),
    "tree_method": "hist",
    "max_depth": 3,
    "eta": 0.05,
    "min_child_weight": 10,
    "lambda": 5.0,
    "max_bin": 64,
    "nthread": 1,
}
LIGHTGBM_SETTINGS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(CLASSES),
    "num_leaves": 8,
    "learning_rate": 0.05,
    "min_data_in_leaf": 50,
    "min_sum_hessian_in_leaf": 10.0,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True)
class Fitted:
    """Two model files and what the live code makes of them."""

    files: dict[str, bytes]
    forests: tuple[Forest, ...]

    def probabilities(self, values: Array) -> Array:
        """Mean over the forests, float64[n, 3]; values float64[n, 65]."""
        rows = np.ascontiguousarray(values)
        return np.mean([forest.probabilities_of(rows) for forest in self.forests], axis=0)


def fit(
    values: Array, label: Array, weight: Array, columns: tuple[int, ...], seed: int, rounds: int = ROUNDS
) -> Fitted:
    """values: float64[n, 65]; label: int64[n] in 0, 1, 2, each present; weight: float64[n]; columns: to learn from."""
    names = tuple(FEATURE_NAMES[column] for column in columns)
    chosen = np.ascontiguousarray(values[:, columns])
    files = {
        XGBOOST_FILE: _fit_xgboost(chosen, label, weight, names, seed, rounds),
        LIGHTGBM_FILE: _fit_lightgbm(chosen, label, weight, names, seed, rounds),
    }
    forests = (
        parse_xgboost(files[XGBOOST_FILE], names, columns, len(CLASSES)),
        parse_lightgbm(files[LIGHTGBM_FILE].decode("utf-8"), names, columns, len(CLASSES)),
    )
    return Fitted(files, forests)


def _fit_xgboost(values: Array, label: Array, weight: Array, names: tuple[str, ...], seed: int, rounds: int) -> bytes:
    import xgboost

    data = xgboost.DMatrix(values, label, weight=weight, feature_names=list(names))
    booster = xgboost.train(XGBOOST_SETTINGS | {"seed": seed}, data, rounds)
    return bytes(booster.save_raw("json"))


def _fit_lightgbm(values: Array, label: Array, weight: Array, names: tuple[str, ...], seed: int, rounds: int) -> bytes:
    import lightgbm

    data = lightgbm.Dataset(values, label, weight=weight, feature_name=list(names), params={"verbosity": -1})
    booster = lightgbm.train(LIGHTGBM_SETTINGS | {"seed": seed}, data, rounds)
    return booster.model_to_string().encode("utf-8")


def library_versions() -> dict[str, str]:
    """Of what trained."""
    import lightgbm
    import xgboost

    return {"xgboost": xgboost.__version__, "lightgbm": lightgbm.__version__, "numpy": np.__version__}


