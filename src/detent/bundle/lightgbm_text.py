"""Look into a LightGBM text model before its C++ reads it: would every pointer stay inside its tree?

LightGBM trusts its own files. In one from elsewhere a child can point outside the tree or back to its parent, which
crashes the process or never ends. The format: `key=value` lines, a head, then one section per tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detent.errors import Place, RefusedError

FILE = "model.lgb.txt"
MAX_FEATURES = 100_000
_CATEGORICAL = 1  # bit of decision_type


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesFacts:
    """What the head of the file says."""

    objective: str  # "binary sigmoid:1", "regression" ...; "" when the trainer's own function made it
    features: tuple[str, ...]  # in order; LightGBM has turned blanks in names into underscores
    averaged: bool  # a random forest
    text: bytes  # the file without `tree_sizes`: offsets that LightGBM would follow unchecked

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the inputs; () when they are only LightGBM's `Column_0`, `Column_1` ..."""
        made_up = all(name == f"Column_{number}" for number, name in enumerate(self.features))
        return () if made_up else self.features


def inspect_trees(data: bytes) -> TreesFacts:
    """Return what the head says when every tree is sound.

    Raises:
        RefusedError: no LightGBM text model, cut off, with several outputs, linear leaves, or pointers that lead away.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _broken("it is not UTF-8 text") from error
    if not text.startswith("tree\n"):
        raise _broken("it does not begin with the line `tree`")
    body, end, _ = text.partition("\nend of trees")
    if not end:
        raise _broken("it is cut off: the line `end of trees` is missing")
    head, *trees = body.split("\nTree=")
    facts = _head(_pairs(head), data)
    if not trees:
        raise _broken("it holds no trees")
    for number, tree in enumerate(trees):
        name, _, rest = tree.partition("\n")
        if name != str(number):
            raise _broken(f"tree {number} is called `{name[:20]}`")
        _check_tree(number, _pairs(rest), len(facts.features))
    return facts


def _head(head: Mapping[str, str], data: bytes) -> TreesFacts:
    if head.get("num_class") != "1" or head.get("num_tree_per_iteration") != "1":
        raise _refused(
            "it has several outputs", "a version gives one score per row: train a binary or regression model"
        )
    features = tuple(head.get("feature_names", "").split())
    count = head.get("max_feature_idx", "")
    if not count.isdigit() or int(count) + 1 != len(features) or len(features) > MAX_FEATURES:
        raise _broken(f"it names {len(features)} features and says that the last one is number `{count[:20]}`")
    lines = [line for line in data.split(b"\n") if not line.startswith(b"tree_sizes=")]
    objective, averaged = head.get("objective", ""), "average_output" in head
    return TreesFacts(objective=objective, features=features, averaged=averaged, text=b"\n".join(lines))


def _check_tree(number: int, tree: Mapping[str, str], features: int) -> None:
    where = f"tree {number}"
    leaves = int(_numbers(tree, "num_leaves", 1, where)[0])
    categories = int(_numbers(tree, "num_cat", 1, where)[0])
    if tree.get("is_linear", "0") != "0":
        raise _refused("its leaves are linear models", "train without `linear_tree`")
    _numbers(tree, "leaf_value", leaves, where)
    if leaves < 1 or categories < 0:
        raise _broken(f"{where} has {leaves} leaves")
    if leaves == 1:
        return
    nodes = leaves - 1
    split = _numbers(tree, "split_feature", nodes, where)
    kinds = _numbers(tree, "decision_type", nodes, where).astype(np.int64)
    threshold = _numbers(tree, "threshold", nodes, where)
    if split.min() < 0 or split.max() >= features:
        raise _broken(f"{where} splits by a feature that does not exist")
    own = np.arange(nodes)
    for side in ("left_child", "right_child"):
        child = _numbers(tree, side, nodes, where)
        inner, leaf = child >= 0, -child - 1
        # A node is made after its parent, so a smaller number is a way back: a loop.
        if (child[inner] <= own[inner]).any() or (child[inner] >= nodes).any() or (leaf[~inner] >= leaves).any():
            raise _broken(f"{where} has a branch that leads out of the tree or back")
    chosen = threshold[(kinds & _CATEGORICAL) == 1]
    if chosen.size and (chosen.min() < 0 or chosen.max() >= categories):
        raise _broken(f"{where} names a set of categories that does not exist")
    if categories:
        _check_categories(tree, categories, where)


def _check_categories(tree: Mapping[str, str], categories: int, where: str) -> None:
    bounds = _numbers(tree, "cat_boundaries", categories + 1, where)
    words = len(tree.get("cat_threshold", "").split())
    if bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] != words:
        raise _broken(f"{where} has sets of categories that overlap or run out")


def _numbers(tree: Mapping[str, str], key: str, count: int, where: str) -> NDArray[np.float64]:
    words = tree.get(key, "").split()
    if len(words) != count:
        raise _broken(f"{where} has {len(words)} values of `{key}` instead of {count}")
    try:
        return np.array(words, dtype=np.float64)
    except ValueError as error:
        raise _broken(f"{where} has a `{key}` that is no number") from error


def _pairs(section: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in section.split("\n"):
        key, _, value = line.partition("=")
        if key in pairs and line:
            raise _broken(f"`{key[:40]}` stands twice in one section")
        pairs[key] = value
    return pairs


def _refused(what: str, fix: str) -> RefusedError:
    return RefusedError(what="the LightGBM model can't be run", why=what, fix=fix, where=Place(file=FILE))


def _broken(why: str) -> RefusedError:
    return RefusedError(
        what="the file is no LightGBM text model",
        why=why,
        fix="write it with `booster.save_model(path)`, and take it whole",
        where=Place(file=FILE),
    )
