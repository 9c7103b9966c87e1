"""Forests answer as the library that grew them would, and refuse what they cannot answer."""

from __future__ import annotations

import json
import warnings
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from models.forest import LEAF, RULE_XGBOOST, Forest, ForestError, softmax
from models.lightgbm_file import parse_lightgbm
from models.xgboost_file import parse_xgboost
from shm.layouts import FEATURE_COUNT
from tests.models.vectors import COLUMNS, fitted, learnable, random_rows

Array = np.ndarray[Any, Any]
NAMES = tuple(f"f{column}" for column in COLUMNS)


def grow_xgboost(rows: Array, label: Array, **settings_: Any) -> xgboost.Booster:
    data = xgboost.DMatrix(rows[:, COLUMNS], label, feature_names=list(NAMES))
    basic = {"objective": "multi:softprob", "num_class": 3, "max_depth": 4, "nthread": 1, "seed": 1, "eta": 0.3}
    return xgboost.train(basic | settings_, data, 8)


def grow_lightgbm(rows: Array, label: Array, **settings_: Any) -> lightgbm.Booster:
    basic = {"objective": "multiclass", "num_class": 3, "num_leaves": 12, "num_threads": 1, "verbosity": -1}
    parameters = basic | {"min_data_in_leaf": 5, "deterministic": True, "force_row_wise": True} | settings_
    data = lightgbm.Dataset(rows[:, COLUMNS], label, feature_name=list(NAMES), params=parameters)
    return lightgbm.train(parameters, data, 8)


def hard_rows(forest: Forest, seed: int) -> Array:
    """Random rows, and rows that stand exactly on thresholds, next to them, at zero and beyond float32."""
    rows = random_rows(400, seed, missing=0.3)
    source = np.random.default_rng(seed)
    inner = np.flatnonzero(forest.feature != LEAF)
    if len(inner):
        for row in rows[:300]:
            for node in source.choice(inner, 4):
                threshold = forest.value[node]
                near = [threshold, np.nextafter(threshold, 9e9), np.nextafter(threshold, -9e9), threshold + 1e-7]
                row[forest.feature[node]] = near[source.integers(0, 4)]
    extremes = np.array([0.0, -0.0, 1e-36, -1e-36, 1e-30, 1e300, -1e300, np.nan, 3.4e38])
    rows[300:] = extremes[source.integers(0, len(extremes), rows[300:].shape)]
    return rows


def xgboost_says(booster: xgboost.Booster, rows: Array) -> Array:
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore")
        as_float32 = rows[:, COLUMNS].astype(np.float32)  # beyond float32 it is infinite, which a DMatrix refuses
        finite = np.where(np.isinf(as_float32), np.sign(as_float32) * np.finfo(np.float32).max, as_float32)
    return booster.predict(xgboost.DMatrix(finite, feature_names=list(NAMES)))


def naive_scores(forest: Forest, row: Array) -> Array:
    """The walk, slow and obvious."""
    scores = forest.base.copy()
    for tree, root in enumerate(forest.root):
        node = root
        while forest.feature[node] != LEAF:
            x, threshold, flags = row[forest.feature[node]], forest.value[node], int(forest.flags[node])
            missing, default_left = flags >> 1, bool(flags & 1)
            if forest.rule == RULE_XGBOOST:
                with np.errstate(over="ignore"):
                    left = default_left if np.isnan(x) else np.float32(x) < np.float32(threshold)
            else:
                is_zero = abs(x) <= np.float64(np.float32(1e-35))
                if (np.isnan(x) and missing) or (missing == 1 and is_zero):
                    left = default_left
                else:
                    left = (0.0 if np.isnan(x) or is_zero else x) <= threshold
            node = forest.left[node] if left else forest.right[node]
        total = scores[forest.output[tree]] + forest.value[node]
        scores[forest.output[tree]] = np.float32(total) if forest.rule == RULE_XGBOOST else total
    return scores


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", [{}, {"base_score": 0.2}, {"tree_method": "exact"}, {"max_depth": 1}])
def test_xgboost_to_the_last_row(seed: int, options: dict[str, Any]) -> None:
    booster = grow_xgboost(*learnable(500, seed), **options)
    forest = parse_xgboost(bytes(booster.save_raw("json")), NAMES, COLUMNS, 3)
    rows = hard_rows(forest, seed)
    np.testing.assert_allclose(forest.probabilities_of(rows), xgboost_says(booster, rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", [{}, {"zero_as_missing": True}, {"use_missing": False}, {"num_leaves": 2}])
def test_lightgbm_to_the_last_row(seed: int, options: dict[str, Any]) -> None:
    booster = grow_lightgbm(*learnable(500, seed), **options)
    forest = parse_lightgbm(booster.model_to_string(), NAMES, COLUMNS, 3)
    rows = hard_rows(forest, seed)
    expected = booster.predict(rows[:, COLUMNS], num_threads=1)
    np.testing.assert_allclose(forest.probabilities_of(rows), expected, rtol=0, atol=1e-12)


def test_missing_values_that_training_never_saw() -> None:
    """LightGBM takes NaN for 0 where training had none; XGBoost goes its default way."""
    rows, label = learnable(500, 5)
    whole = np.nan_to_num(rows)
    asked = random_rows(200, 6, missing=0.5)
    light = grow_lightgbm(whole, label)
    forest = parse_lightgbm(light.model_to_string(), NAMES, COLUMNS, 3)
    np.testing.assert_allclose(forest.probabilities_of(asked), light.predict(asked[:, COLUMNS]), rtol=0, atol=1e-12)
    extreme = grow_xgboost(whole, label)
    forest = parse_xgboost(bytes(extreme.save_raw("json")), NAMES, COLUMNS, 3)
    np.testing.assert_allclose(forest.probabilities_of(asked), xgboost_says(extreme, asked), rtol=0, atol=1e-6)


def test_trees_without_a_split() -> None:
    rows, label = learnable(300, 7)
    for grow, parse in ((grow_xgboost, parse_xgboost), (grow_lightgbm, parse_lightgbm)):
        booster = grow(rows, label, min_child_weight=1e9)
        text = bytes(booster.save_raw("json")) if grow is grow_xgboost else booster.model_to_string()
        forest = parse(text, NAMES, COLUMNS, 3)
        assert forest.columns == ()
        expected = xgboost_says(booster, rows) if grow is grow_xgboost else booster.predict(rows[:, COLUMNS])
        np.testing.assert_allclose(forest.probabilities_of(rows), expected, rtol=0, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1), st.lists(st.floats(allow_nan=True, width=64), min_size=5, max_size=5))
def test_the_kernel_walks_as_the_slow_walk(which: int, values: list[float]) -> None:
    forest = fitted().forests[which]
    row = np.full(FEATURE_COUNT, np.nan)
    row[list(COLUMNS)] = values
    np.testing.assert_array_equal(forest.scores(row), naive_scores(forest, row))
    np.testing.assert_array_equal(forest.probabilities_of(row[None, :])[0], forest.probabilities(row))


def test_one_row_and_many_agree_and_add_up() -> None:
    rows = random_rows(50, 8)
    for forest in fitted().forests:
        many = forest.probabilities_of(rows)
        np.testing.assert_allclose(many.sum(axis=1), 1.0, atol=1e-12)
        np.testing.assert_array_equal(many, [forest.probabilities(row) for row in rows])
        assert set(forest.columns) <= set(COLUMNS)
    np.testing.assert_allclose(softmax(np.array([1000.0, 1000.0, -1000.0])), [0.5, 0.5, 0.0])


def xgboost_text() -> dict[str, Any]:
    return json.loads(fitted_raw())


def fitted_raw() -> bytes:
    rows, label = learnable(300, 2)
    return bytes(grow_xgboost(rows, label).save_raw("json"))


def put(path: str, value: Any) -> Any:
    def change(model: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        place: Any = model["learner"]
        for name in parents:
            place = place[int(name)] if name.isdigit() else place[name]
        place[int(last) if last.isdigit() else last] = value

    return change


FIRST_TREE = "gradient_booster/model/trees/0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("gradient_booster/name", "dart"), "the booster is dart"),
        (put("objective/name", "binary:logistic"), "the objective is binary:logistic"),
        (put("feature_names", ["a"]), "feature names are not those of the bundle"),
        (put("learner_model_param/num_class", "4"), "has 4 classes, not 3"),
        (put("learner_model_param/base_score", "[1,2]"), "does not fit 3 classes"),
        (put("learner_model_param/base_score", "nan"), "does not fit 3 classes"),
        (put(f"{FIRST_TREE}/categories_nodes", [0]), "categorical splits"),
        (put(f"{FIRST_TREE}/split_type/0", 1), "categorical splits"),
        (put(f"{FIRST_TREE}/tree_param/size_leaf_vector", "3"), "vector leaves"),
        (put(f"{FIRST_TREE}/left_children/0", 0), "tree 0: node 0 is outside the tree or reached twice"),
        (put(f"{FIRST_TREE}/right_children/0", 999), "tree 0: node 999 is outside the tree"),
        (put(f"{FIRST_TREE}/split_indices/0", 5), "tree 0: splits on column 5 of 5"),
        (put(f"{FIRST_TREE}/split_conditions", [float("inf")] * 99), "lists have different lengths"),
        (put(f"{FIRST_TREE}/default_left", []), "lists have different lengths"),
        (put("gradient_booster/model/tree_info/0", 3), "belongs to class 3 of 3"),
        (put("gradient_booster/model/trees", []), "not an XGBoost model of a known form"),
        (put("gradient_booster/model", {}), "not an XGBoost model of a known form: KeyError"),
    ],
)
def test_xgboost_files_that_cannot_be_evaluated(change: Any, message: str) -> None:
    model = xgboost_text()
    change(model)
    with pytest.raises(ForestError, match=message):
        parse_xgboost(json.dumps(model), NAMES, COLUMNS, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_leaves_are_numbers(value: float) -> None:
    model = xgboost_text()
    tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["split_conditions"][tree["left_children"].index(-1)] = value
    with pytest.raises(ForestError, match="tree 0: a leaf is not a finite number"):
        parse_xgboost(json.dumps(model), NAMES, COLUMNS, 3)


def test_a_split_between_missing_and_present() -> None:
    """LightGBM writes the threshold inf for it."""
    rows, label = learnable(500, 3)
    text = grow_lightgbm(rows, label).model_to_string()
    forest = parse_lightgbm(text, NAMES, COLUMNS, 3)
    node = int(np.flatnonzero(np.isinf(forest.value))[0])
    assert forest.feature[node] != LEAF


def test_xgboost_bytes_that_are_no_model() -> None:
    with pytest.raises(ForestError, match="not an XGBoost model"):
        parse_xgboost("{", NAMES, COLUMNS, 3)
    with pytest.raises(ForestError, match="the objective is reg:squarederror"):
        rows, label = learnable(200, 3)
        booster = grow_xgboost(rows, label.astype(float), objective="reg:squarederror", num_class=None)
        parse_xgboost(bytes(booster.save_raw("json")), NAMES, COLUMNS, 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version=v4", "version=v3", "the model format is v3"),
        ("objective=multiclass", "objective=binary", "the objective is binary"),
        ("max_feature_idx", "average_output\nmax_feature_idx", "averages its trees"),
        ("feature_names=f10", "feature_names=f11", "feature names are not those of the bundle"),
        ("num_class=3", "num_class=4", "has 4 classes, not 3"),
        ("num_cat=0", "num_cat=1", "categorical splits"),
        ("is_linear=0", "is_linear=1", "linear leaves"),
        ("left_child=", "left_child=7 ", "different lengths|reached twice|outside"),
        ("leaf_value=", "leaf_value=nan ", "leaves instead of"),
        ("num_leaves=", "num_leaves=x", "not a LightGBM model of a known form: ValueError"),
        ("threshold=", "treshold=", "not a LightGBM model of a known form: KeyError"),
        ("end of trees", "", "ends before its trees do"),
    ],
)
def test_lightgbm_files_that_cannot_be_evaluated(old: str, new: str, message: str) -> None:
    text = grow_lightgbm(*learnable(300, 2)).model_to_string()
    assert old in text
    with pytest.raises(ForestError, match=message):
        parse_lightgbm(text.replace(old, new, 1), NAMES, COLUMNS, 3)


def test_lightgbm_categorical_splits_of_the_library_itself() -> None:
    rows, label = learnable(400, 4)
    rows[:, COLUMNS[0]] = np.random.default_rng(1).integers(0, 4, len(rows)) + label
    data = lightgbm.Dataset(rows[:, COLUMNS], label, feature_name=list(NAMES), categorical_feature=[0])
    settings_ = {"objective": "multiclass", "num_class": 3, "num_threads": 1, "verbosity": -1, "min_data_per_group": 1}
    booster = lightgbm.train(settings_, data, 8)
    with pytest.raises(ForestError, match="categorical splits"):
        parse_lightgbm(booster.model_to_string(), NAMES, COLUMNS, 3)
