"""Collects the trees of a model file into the flat arrays of a Forest, and refuses trees that would not end.

Both parsers hand their trees in here, so the checks stand once: every child inside its own tree and behind its
parent's path, every column known, every leaf finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from models.forest import LEAF, Forest, ForestError


@dataclass
class Tree:
    """One tree with node numbers of its own; node 0 is the root."""

    feature: list[int]  # position among the model's columns, LEAF for a leaf
    value: list[float]
    left: list[int]
    right: list[int]
    flags: list[int]
    output: int


@dataclass
class ForestParts:
    """A forest in the making. columns: the vector's column for each position that the model file uses."""

    columns: tuple[int, ...]
    classes: int
    trees: list[Tree] = field(default_factory=list)

    def add(self, tree: Tree) -> None:
        """Raises ForestError, naming the tree, if it cannot be walked."""
        name = f"tree {len(self.trees)}"
        size = len(tree.feature)
        if not size or {len(tree.value), len(tree.left), len(tree.right), len(tree.flags)} != {size}:
            raise ForestError(f"{name}: its lists have different lengths")
        if not 0 <= tree.output < self.classes:
            raise ForestError(f"{name}: belongs to class {tree.output} of {self.classes}")
        # a threshold may be infinite: every value is below it, so the node tells present from missing
        if not all(math.isfinite(x) for x, at in zip(tree.value, tree.feature, strict=True) if at == LEAF):
            raise ForestError(f"{name}: a leaf is not a finite number")
        seen = [False] * size
        waiting = [0]
        while waiting:
            node = waiting.pop()
            if not 0 <= node < size or seen[node]:
                raise ForestError(f"{name}: node {node} is outside the tree or reached twice")
            seen[node] = True
            if tree.feature[node] == LEAF:
                continue
            if not 0 <= tree.feature[node] < len(self.columns):
                raise ForestError(f"{name}: splits on column {tree.feature[node]} of {len(self.columns)}")
            waiting += [tree.left[node], tree.right[node]]
        self.trees.append(tree)

    def build(self, rule: int, base: list[float]) -> Forest:
        """All trees as one Forest. Raises ForestError when there is none."""
        if not self.trees:
            raise ForestError("the model has no tree")
        starts = np.concatenate([[0], np.cumsum([len(tree.feature) for tree in self.trees])])[:-1]
        shifted = list(zip(self.trees, starts.tolist(), strict=True))
        columns = {self.columns[at] for tree in self.trees for at in tree.feature if at != LEAF}
        return Forest(
            rule=rule,
            feature=np.array([LEAF if at == LEAF else self.columns[at] for t in self.trees for at in t.feature], np.int32),
            value=np.array([value for tree in self.trees for value in tree.value], np.float64),
            left=np.array([node + start for tree, start in shifted for node in tree.left], np.int32),
            right=np.array([node + start for tree, start in shifted for node in tree.right], np.int32),
            flags=np.array([flag for tree in self.trees for flag in tree.flags], np.uint8),
            root=np.array(starts, np.int32),
            output=np.array([tree.output for tree in self.trees], np.int32),
            base=np.array(base, np.float64),
            columns=tuple(sorted(columns)),
        )
