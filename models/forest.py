"""Trees as flat arrays, and the walk through them: what the live stage runs instead of the training libraries.

Two rules of comparison, because the libraries differ and a forest must answer as its own would:
- XGBoost: the value as float32, left when value < threshold; NaN goes the node's default way. Sums are float32.
- LightGBM: the value as float64, values up to 1e-35 as 0, left when value <= threshold. What is missing depends on the
  node: nothing (then NaN counts as 0), zeros and NaN, or NaN; missing goes the node's default way.

Source: the libraries' documented model formats. Compiled, without allocation, without the libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shm.jit import inline, kernel

Array = np.ndarray[Any, Any]

LEAF = -1
FLAG_DEFAULT_LEFT = 1
MISSING_SHIFT = 1  # two bits of `flags`
MISSING_NONE = 0
MISSING_ZERO = 1
MISSING_NAN = 2

RULE_XGBOOST = 0
RULE_LIGHTGBM = 1

_ZERO = np.float64(np.float32(1e-35))  # what LightGBM takes for zero


class ForestError(ValueError):
    """A model file that this build cannot evaluate; the message says what it uses."""


@dataclass(frozen=True)
class Forest:
    """A trained ensemble. Nodes of all trees stand one after the other; a leaf has feature LEAF and its value.

    feature int32[n]: column of the 65, or LEAF; value float64[n]: threshold, or a leaf's value; left, right int32[n]:
    node numbers; flags uint8[n]; root int32[trees]; output int32[trees]: class that a tree adds to;
    base float64[classes]: score before the first tree; columns: the columns that are looked at.
    """

    rule: int
    feature: Array
    value: Array
    left: Array
    right: Array
    flags: Array
    root: Array
    output: Array
    base: Array
    columns: tuple[int, ...]

    @property
    def trees(self) -> int:
        return len(self.root)

    def scores(self, values: Array) -> Array:
        """Raw score per class, float64[classes], of one vector (float64[65], contiguous)."""
        scores = self.base.copy()
        walk(values, self.rule, self.feature, self.value, self.left, self.right, self.flags, self.root, self.output, scores)
        return scores

    def probabilities(self, values: Array) -> Array:
        """Probability per class, float64[classes], of one vector."""
        return softmax(self.scores(values))

    def probabilities_of(self, rows: Array) -> Array:
        """Probability per class, float64[n, classes], of many vectors (float64[n, 65], contiguous)."""
        scores = np.tile(self.base, (len(rows), 1))
        nodes = (self.feature, self.value, self.left, self.right, self.flags, self.root, self.output)
        walk_rows(rows, self.rule, *nodes, scores)
        return softmax(scores)


def softmax(scores: Array) -> Array:
    """exp(scores) over their sum along the last axis, without overflow."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@inline
def _goes_left(rule, x, threshold, flags):
    default_left = flags & FLAG_DEFAULT_LEFT != 0
    if rule == RULE_XGBOOST:
        if np.isnan(x):
            return default_left
        return np.float32(x) < np.float32(threshold)
    missing = flags >> MISSING_SHIFT
    if np.isnan(x):
        if missing != MISSING_NONE:
            return default_left
        x = 0.0
    elif -_ZERO <= x <= _ZERO:
        if missing == MISSING_ZERO:
            return default_left
        x = 0.0
    return x <= threshold


@kernel(
    "void(float64[::1], int64, int32[::1], float64[::1], int32[::1], int32[::1], uint8[::1], int32[::1], int32[::1],"
    " float64[::1])"
)
def walk(values, rule, feature, value, left, right, flags, root, output, scores):
    """Add every tree's leaf to the score of its class. Arguments as in Forest; scores is changed in place."""
    for tree in range(len(root)):
        node = root[tree]
        while feature[node] >= 0:
            goes_left = _goes_left(rule, values[feature[node]], value[node], np.int64(flags[node]))
            node = left[node] if goes_left else right[node]
        total = scores[output[tree]] + value[node]
        scores[output[tree]] = np.float64(np.float32(total)) if rule == RULE_XGBOOST else total


@kernel(
    "void(float64[:, ::1], int64, int32[::1], float64[::1], int32[::1], int32[::1], uint8[::1], int32[::1], int32[::1],"
    " float64[:, ::1])"
)
def walk_rows(rows, rule, feature, value, left, right, flags, root, output, scores):
    """`walk` for many vectors: rows float64[n, 65], scores float64[n, classes]."""
    for i in range(len(rows)):
        walk(rows[i], rule, feature, value, left, right, flags, root, output, scores[i])
