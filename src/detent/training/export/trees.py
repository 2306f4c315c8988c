"""LightGBM's trees as the attributes of one TreeEnsembleRegressor.

Written by hand because the usual converter rounds thresholds to the nearest float32: a value that LightGBM sends left
could go right in the graph. Rounded down instead, both agree on every float32 input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from detent.errors import DataError

_COLUMNS = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values",
    "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true",
    "target_treeids", "target_nodeids", "target_ids", "target_weights",
)  # fmt: skip


def tree_attributes(dump: Mapping[str, Any]) -> dict[str, Any]:
    """Return ONNX attributes for `Booster.dump_model()`: the sum of the trees' leaves is the raw score.

    Of several classes there is one sum per class: the trees of a round stand in the order of the classes.

    Raises:
        DataError: the trees hold something that this export can't say (categorical splits, linear leaves, ...).
    """
    if dump.get("average_output"):
        raise _unsupported("boosting=rf averages its trees", "use boosting=gbdt, dart or goss")
    attributes: dict[str, Any] = {name: [] for name in _COLUMNS}
    targets = int(dump.get("num_tree_per_iteration", 1))
    for number, tree in enumerate(dump["tree_info"]):
        _add_tree(attributes, number, tree["tree_structure"], target=number % targets)
    return {**attributes, "n_targets": targets, "aggregate_function": "SUM", "post_transform": "NONE"}


def _add_tree(attributes: dict[str, Any], tree: int, root: Mapping[str, Any], *, target: int) -> None:
    # Nodes are numbered in the order in which they are met; ONNX takes a tree's first node as its root.
    ids = {id(root): 0}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if "split_index" in node:
            for child in (node["left_child"], node["right_child"]):
                ids[id(child)] = len(ids)
            waiting += [node["right_child"], node["left_child"]]
            row = _branch(node, ids)
        else:
            row = _leaf(attributes, (tree, ids[id(node)], target), node)
        for name, value in zip(_COLUMNS[:8], (tree, ids[id(node)], *row), strict=True):
            attributes[name].append(value)


def _branch(node: Mapping[str, Any], ids: Mapping[int, int]) -> tuple[Any, ...]:
    if node["decision_type"] != "<=":
        raise _unsupported("the trees have categorical splits", "leave `categorical_feature` out; strings are encoded")
    if node["missing_type"] == "Zero":
        raise _unsupported("the trees take zero for missing", "leave `zero_as_missing` out")
    threshold = float(node["threshold"])
    # Without nulls in training LightGBM reads a null as 0.0 (missing_type "None").
    left = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0.0
    ends = ids[id(node["left_child"])], ids[id(node["right_child"])]
    return (node["split_feature"], "BRANCH_LEQ", floor32(threshold), *ends, int(left))


def _leaf(attributes: dict[str, Any], place: tuple[int, int, int], node: Mapping[str, Any]) -> tuple[Any, ...]:
    if "leaf_const" in node or "leaf_coeff" in node:
        raise _unsupported("the trees have linear leaves", "leave `linear_tree` out")
    for name, value in zip(_COLUMNS[8:], (*place, float(node["leaf_value"])), strict=True):
        attributes[name].append(value)
    return (0, "LEAF", 0.0, 0, 0, 0)


def floor32(value: float) -> float:
    """Return the largest float32 not above `value`: for a float32 x, `x <= value` and `x <= floor32(value)` agree."""
    with np.errstate(over="ignore"):
        near = np.float32(value)
    return float(near if float(near) <= value else np.nextafter(near, np.float32(-np.inf)))


def _unsupported(why: str, fix: str) -> DataError:
    return DataError(what="these LightGBM parameters can't be exported", why=why, fix=fix)
