"""Look into an XGBoost model (JSON or UBJSON) before its C++ reads it, and hand on only what was looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detent.bundle import ubjson
from detent.errors import Place, RefusedError

FILE = "model.xgb"
MAX_FEATURES = 100_000
_PER_NODE = (
    "base_weights", "default_left", "left_children", "loss_changes", "parents", "right_children", "split_conditions",
    "split_indices", "split_type", "sum_hessian",
)  # fmt: skip
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoosterFacts:
    """What the model says of itself."""

    objective: str  # "binary:logistic", "reg:squarederror" ...
    features: int
    named: tuple[str, ...]  # names of the inputs in order; () when it was trained without names
    text: bytes  # the model as plain JSON, written here


def inspect_booster(data: bytes) -> BoosterFacts:
    """Return what the model says of itself when every tree is sound.

    Raises:
        RefusedError: no XGBoost model, cut off, with several outputs, not made of trees, or with broken trees.
    """
    try:
        # Both begin with a brace; in JSON a quote follows it, after blanks at most.
        plain = data.lstrip()[:1] == b"{" and data.lstrip()[1:].lstrip()[:1] == b'"'
        content = json.loads(data, object_pairs_hook=_once) if plain else ubjson.decode(data)
        facts = _facts(content)
    except RefusedError:
        raise
    except _MALFORMED as error:
        raise _broken(_said(error)) from error
    return facts


def _said(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return "its parts are of other kinds" if isinstance(error, TypeError | AttributeError) else str(error)


def _facts(content: Mapping[str, Any]) -> BoosterFacts:
    learner = content["learner"]
    sizes, booster = learner["learner_model_param"], learner["gradient_booster"]
    if booster["name"] not in ("gbtree", "dart"):
        raise _refused(f"its booster is `{booster['name']}`", "train with booster=gbtree or dart")
    if int(sizes["num_class"]) > 1 or int(sizes.get("num_target", "1")) != 1:
        raise _refused(
            "it has several outputs", "a version gives one score per row: train a binary or regression model"
        )
    features, named = int(sizes["num_feature"]), tuple(learner.get("feature_names", ()))
    if not 0 < features <= MAX_FEATURES or (named and len(named) != features):
        raise _broken(f"it has {features} features and {len(named)} names")
    if not all(isinstance(name, str) for name in named):
        raise _broken("a name of a feature is no text")
    model = (booster["gbtree"] if booster["name"] == "dart" else booster)["model"]
    trees = model["trees"]
    _check_order(model, len(trees))
    for number, tree in enumerate(trees):
        _check_tree(f"tree {number}", tree, features)
    return BoosterFacts(
        objective=str(learner["objective"]["name"]),
        features=features,
        named=named,
        text=json.dumps(content, separators=(",", ":")).encode(),
    )


def _check_order(model: Mapping[str, Any], trees: int) -> None:
    """The lists by which XGBoost finds its trees must fit the trees."""
    starts = np.array(model.get("iteration_indptr", [0, trees]), dtype=np.int64)
    if int(model["gbtree_model_param"]["num_trees"]) != trees or len(model["tree_info"]) != trees:
        raise _broken("the number of its trees is not the number that it names")
    if any(group != 0 for group in model["tree_info"]):
        raise _broken("a tree belongs to an output that does not exist")
    if starts[0] != 0 or starts[-1] != trees or (np.diff(starts) < 0).any():
        raise _broken("its rounds do not follow one another")


def _check_tree(where: str, tree: Mapping[str, Any], features: int) -> None:
    sizes = tree["tree_param"]
    nodes = int(sizes["num_nodes"])
    if int(sizes["num_feature"]) != features or int(sizes["size_leaf_vector"]) > 1:
        raise _broken(f"{where} was made for other inputs or outputs")
    if nodes < 1 or any(len(tree[name]) != nodes for name in _PER_NODE if name in tree):
        raise _broken(f"{where} has lists of different lengths")
    if any(tree.get("split_type", ())) or any(tree.get("categories", ())):
        raise _refused("its trees split by category", "encode categories into numbers, or export the model as ONNX")
    left, right = (_whole(tree[name]) for name in ("left_children", "right_children"))
    inner = left != -1
    if ((right != -1) != inner).any():
        raise _broken(f"{where} has a node with one child")
    children = np.concatenate([left[inner], right[inner]])
    # One parent each and none for the root: every walk from the root ends.
    if children.size and (children.min() < 1 or children.max() >= nodes or np.unique(children).size != children.size):
        raise _broken(f"{where} has a branch that leads out of the tree or back")
    split = _whole(tree["split_indices"])[inner]
    if split.size and (split.min() < 0 or split.max() >= features):
        raise _broken(f"{where} splits by a feature that does not exist")


def _whole(values: list[Any]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


def _refused(what: str, fix: str) -> RefusedError:
    return RefusedError(what="the XGBoost model can't be run", why=what, fix=fix, where=Place(file=FILE))


def _broken(why: str) -> RefusedError:
    return RefusedError(
        what="the file is no XGBoost model",
        why=why[:300],
        fix="write it with `booster.save_model('model.ubj')` or `.json`, and take it whole",
        where=Place(file=FILE),
    )
