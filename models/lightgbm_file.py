"""Reads LightGBM's text model (v4): `multiclass`, numerical splits, plain leaves. The rest is refused.

A tree lists its inner nodes 0 ... n - 2 and its leaves 0 ... n - 1; a child below zero is leaf ~child. Here leaves
follow the inner nodes. decision_type: bit 0 categorical, bit 1 missing goes left, bits 2 and 3 what is missing.
"""

from __future__ import annotations

from models.forest import FLAG_DEFAULT_LEFT, LEAF, MISSING_SHIFT, RULE_LIGHTGBM, Forest, ForestError
from models.forest_parts import ForestParts, Tree

OBJECTIVE = "multiclass"
_CATEGORICAL = 1
_DEFAULT_LEFT = 2


def parse_lightgbm(text: str, names: tuple[str, ...], columns: tuple[int, ...], classes: int) -> Forest:
    """The forest of a model file.

    names, columns: the model's columns in its order, and where each stands in the vector. Raises ForestError.
    """
    try:
        header, trees = _sections(text)
        _refuse_others(header, names, classes)
        parts = ForestParts(columns, classes)
        for number, tree in enumerate(trees):
            parts.add(_tree(tree, number % classes))
    except (KeyError, ValueError, IndexError) as error:
        if isinstance(error, ForestError):
            raise
        raise ForestError(f"not a LightGBM model of a known form: {type(error).__name__} {error}") from error
    return parts.build(RULE_LIGHTGBM, [0.0] * classes)


def _sections(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The header and the trees, as key -> text."""
    body, end, _ = text.partition("end of trees")
    if not end:
        raise ForestError("the model file ends before its trees do")
    header: dict[str, str] = {}
    trees: list[dict[str, str]] = []
    for line in body.splitlines():
        key, _, value = line.partition("=")
        if key == "Tree":
            trees.append({})
        elif trees:
            trees[-1][key] = value
        else:
            header[key] = value
    return header, trees


def _refuse_others(header: dict[str, str], names: tuple[str, ...], classes: int) -> None:
    if header["version"] != "v4":
        raise ForestError(f"the model format is {header['version']}; only v4 can be evaluated")
    if header["objective"].split()[0] != OBJECTIVE:
        raise ForestError(f"the objective is {header['objective'].split()[0]}; only {OBJECTIVE} can be evaluated")
    if "average_output" in header:
        raise ForestError("the model averages its trees (random forest); it cannot be evaluated")
    if tuple(header["feature_names"].split()) != names:
        raise ForestError("the model's feature names are not those of the bundle")
    if int(header["num_class"]) != classes or int(header["num_tree_per_iteration"]) != classes:
        raise ForestError(f"the model has {header['num_class']} classes, not {classes}")


def _tree(tree: dict[str, str], output: int) -> Tree:
    if int(tree["num_cat"]) or any(int(kind) & _CATEGORICAL for kind in tree.get("decision_type", "").split()):
        raise ForestError("the model has categorical splits; they cannot be evaluated")
    if int(tree["is_linear"]):
        raise ForestError("the model has linear leaves; they cannot be evaluated")
    leaves = [float(value) for value in tree["leaf_value"].split()]
    inner = int(tree["num_leaves"]) - 1
    if len(leaves) != inner + 1:
        raise ForestError(f"a tree has {len(leaves)} leaves instead of {inner + 1}")
    if inner == 0:
        return Tree([LEAF], leaves, [0], [0], [0], output)
    kinds = [int(kind) for kind in tree["decision_type"].split()]
    flags = [(kind >> 2) << MISSING_SHIFT | (FLAG_DEFAULT_LEFT if kind & _DEFAULT_LEFT else 0) for kind in kinds]
    children = [[_node(int(child), inner) for child in tree[side].split()] for side in ("left_child", "right_child")]
    nothing = [0] * len(leaves)
    return Tree(
        feature=[int(at) for at in tree["split_feature"].split()] + [LEAF] * len(leaves),
        value=[float(value) for value in tree["threshold"].split()] + leaves,
        left=children[0] + nothing,
        right=children[1] + nothing,
        flags=flags + nothing,
        output=output,
    )


def _node(child: int, inner: int) -> int:
    return child if child >= 0 else inner + ~child
