"""Reads XGBoost's JSON model (3.x): gradient boosted trees, `multi:softprob`, numerical splits. The rest is refused.

The file's numbers are shortest float32 texts, so reading them as float32 gives the library's own bits.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from models.forest import FLAG_DEFAULT_LEFT, LEAF, MISSING_NAN, MISSING_SHIFT, RULE_XGBOOST, Forest, ForestError
from models.forest_parts import ForestParts, Tree

OBJECTIVE = "multi:softprob"


def parse_xgboost(text: str | bytes, names: tuple[str, ...], columns: tuple[int, ...], classes: int) -> Forest:
    """The forest of a model file.

    names, columns: the model's columns in its order, and where each stands in the vector. Raises ForestError.
    """
    try:
        learner = json.loads(text)["learner"]
        objective = learner["objective"]["name"]
        booster = learner["gradient_booster"]
        parameters = learner["learner_model_param"]
        _refuse_others(objective, booster["name"], learner["feature_names"], names, int(parameters["num_class"]), classes)
        model = booster["model"]
        parts = ForestParts(columns, classes)
        for tree, output in zip(model["trees"], model["tree_info"], strict=True):
            parts.add(_tree(tree, int(output)))
        base = _base(parameters["base_score"], classes)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, ForestError):
            raise
        raise ForestError(f"not an XGBoost model of a known form: {type(error).__name__} {error}") from error
    return parts.build(RULE_XGBOOST, base)


def _refuse_others(
    objective: str, booster: str, found: list[str], names: tuple[str, ...], num_class: int, classes: int
) -> None:
    if booster != "gbtree":
        raise ForestError(f"the booster is {booster}; only gbtree can be evaluated")
    if objective != OBJECTIVE:
        raise ForestError(f"the objective is {objective}; only {OBJECTIVE} can be evaluated")
    if tuple(found) != names:
        raise ForestError("the model's feature names are not those of the bundle")
    if num_class != classes:
        raise ForestError(f"the model has {num_class} classes, not {classes}")


def _tree(tree: dict[str, Any], output: int) -> Tree:
    if tree["categories_nodes"] or any(tree["split_type"]):
        raise ForestError("the model has categorical splits; they cannot be evaluated")
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise ForestError("the model has vector leaves; they cannot be evaluated")
    left = tree["left_children"]
    leaf = [child == -1 for child in left]
    flag = MISSING_NAN << MISSING_SHIFT
    return Tree(
        feature=[LEAF if end else int(at) for end, at in zip(leaf, tree["split_indices"], strict=True)],
        value=[float(np.float32(value)) for value in tree["split_conditions"]],
        left=[0 if end else int(child) for end, child in zip(leaf, left, strict=True)],
        right=[0 if end else int(child) for end, child in zip(leaf, tree["right_children"], strict=True)],
        flags=[flag | (FLAG_DEFAULT_LEFT if way else 0) for way in tree["default_left"]],
        output=output,
    )


def _base(text: str, classes: int) -> list[float]:
    """`[a,b,c]` or one number for all classes."""
    found = [float(np.float32(part)) for part in text.strip("[]").split(",")]
    base = found * classes if len(found) == 1 else found
    if len(base) != classes or not np.isfinite(base).all():
        raise ForestError(f"base_score {text} does not fit {classes} classes")
    return base
