"""Gradient boosted trees by LightGBM, exported as one graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.errors import DataError, did_you_mean
from detent.records.signature import STRING
from detent.training.assemble import assemble
from detent.training.encode import Encoding, encode_target
from detent.training.export.onnx import ML, Graph, concat
from detent.training.export.trees import tree_attributes
from detent.training.model import Model
from detent.training.table import BINARY, CLASSES, Table, float32, tabulate

# One core or four: the same trees.
_FIXED = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
# One thread: LightGBM's threads spin while they wait. On two busy cores two took 3 to 36 s for what one does in 1.2.
_DEFAULTS: dict[str, object] = {"num_iterations": 150, "learning_rate": 0.05, "num_leaves": 31, "num_threads": 1}
_NOT_THE_MODEL = {*_FIXED, "num_threads"}  # parameters that don't change a model
_OBJECTIVES = {BINARY: "binary", "regression": "regression", CLASSES: "multiclass"}
_SIGMOID, _EXP = ("binary", "cross_entropy"), ("poisson", "gamma", "tweedie")
_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
_FITTING = {BINARY: _SIGMOID, "regression": (*_IDENTITY, *_EXP), CLASSES: ("multiclass", "softmax")}

Encodings = Mapping[str, Sequence[Encoding]]
"""Text input -> its encodings: one, or of several classes one per class."""


def fit(
    frame: pl.DataFrame,
    *,
    label: str,
    exclude: Sequence[str] = (),
    task: str = BINARY,
    seed: int = 0,
    params: Mapping[str, object] | None = None,
) -> Model:
    """Train and export; see `detent.training.lightgbm`.

    Raises:
        DataError: frame, labels or parameters can't be used.
        StepError: the exported graph disagrees with LightGBM.
    """
    table = tabulate(frame, label=label, exclude=exclude, task=task)
    chosen = _resolve(params or {}, task=task, seed=seed)
    if task == CLASSES:
        chosen["num_class"] = len(table.signature.classes)
    matrix, encodings = _encode(table)
    booster = _train(matrix, table, chosen)
    dump = booster.dump_model()
    final = _encode_again(table, encodings)

    def native(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(booster.predict(final[rows], num_threads=1), dtype=np.float64)

    described = {name: value for name, value in chosen.items() if name not in _NOT_THE_MODEL}
    return assemble(_export(dump, table, encodings), table, native=native, params=described)


def _resolve(params: Mapping[str, object], *, task: str, seed: int) -> dict[str, object]:
    """Bring parameters to their first names and add defaults; refuse a name that LightGBM would silently ignore."""
    aliases = {alias: name for name, others in _known_names().items() for alias in (name, *others)}
    chosen: dict[str, object] = {"objective": _OBJECTIVES[task], "seed": seed, **_DEFAULTS}
    for name, value in params.items():
        if name not in aliases:
            raise DataError(
                what=f"LightGBM has no parameter `{name}`",
                why="it would be ignored without a word",
                fix=did_you_mean(name, sorted(aliases)),
            )
        chosen[aliases[name]] = value
    objective = str(chosen["objective"]).partition(" ")[0]
    if objective not in _FITTING[task]:
        raise DataError(
            what=f"the objective `{objective}` does not fit a {task} task",
            why="the model must give one probability of class 1, one value, or probabilities of classes that sum to 1",
            fix="use " + ", ".join(_FITTING[task]),
        )
    return {**chosen, **_FIXED}


def _known_names() -> dict[str, list[str]]:
    return {name: sorted(names) for name, names in lightgbm.basic._ConfigAliases._get_all_param_aliases().items()}


def _encode(table: Table) -> tuple[NDArray[np.float32], Encodings]:
    encodings: dict[str, list[Encoding]] = {}
    codes = range(len(table.signature.classes))
    labels = [(table.y == code).astype(np.float64) for code in codes] if codes else [table.y]
    columns = []
    for field in table.signature.inputs:
        series = table.inputs[field.name]
        if field.kind == STRING:
            made = [encode_target(series, label) for label in labels]
            columns += [column for column, _ in made]
            encodings[field.name] = [encoding for _, encoding in made]
        else:
            columns.append(float32(series))
    return np.column_stack(columns), encodings


def _encode_again(table: Table, encodings: Encodings) -> NDArray[np.float32]:
    """Return the training rows as the finished model sees them (each category by its mean over all rows)."""
    columns = []
    for series in table.inputs.get_columns():
        known = encodings.get(series.name)
        columns += [float32(series)] if known is None else [encoding.apply(series) for encoding in known]
    return np.column_stack(columns)


def _train(matrix: NDArray[np.float32], table: Table, chosen: Mapping[str, object]) -> lightgbm.Booster:
    params = {name: value for name, value in chosen.items() if name != "num_iterations"}
    rounds = chosen["num_iterations"]
    if not isinstance(rounds, int) or rounds < 1:
        raise DataError(what="`num_iterations` must be a whole number above 0", why=f"it is {rounds!r}", fix="use 150")
    try:
        data = lightgbm.Dataset(matrix, table.y, feature_name=[f"f{i}" for i in range(matrix.shape[1])], params=params)
        return lightgbm.train(params, data, num_boost_round=rounds)
    except (lightgbm.basic.LightGBMError, TypeError, ValueError) as error:
        raise DataError(
            what="LightGBM refused to train",
            why=str(error)[:300],
            fix="look at the parameters: " + json.dumps(dict(params), default=str)[:300],
        ) from error


def _export(dump: Mapping[str, object], table: Table, encodings: Encodings) -> bytes:
    graph = Graph()
    columns = []
    for field in table.signature.inputs:
        for encoding in encodings.get(field.name, ()):
            table_of = {"keys_strings": list(encoding.levels), "values_floats": list(encoding.values)}
            columns.append(graph.add("LabelEncoder", field.name, domain=ML, **table_of, default_float=encoding.default))
        if field.name not in encodings:
            columns.append(field.name)
    raw = graph.add("TreeEnsembleRegressor", concat(graph, columns), domain=ML, **tree_attributes(dump))
    return graph.finish(_link(graph, raw, str(dump["objective"])), table.signature)


def _link(graph: Graph, raw: str, objective: str) -> str:
    """Add what turns the sum of leaves into the score. `objective` is as LightGBM writes it: "binary sigmoid:1"."""
    name, *options = objective.split()
    if "sqrt" in options:
        raise DataError(
            what="these LightGBM parameters can't be exported",
            why="reg_sqrt trains on square roots",
            fix="leave `reg_sqrt` out and train on the root yourself",
        )
    if name in _EXP:
        return graph.add("Exp", raw)
    if name in _FITTING[CLASSES]:
        return graph.add("Softmax", raw, axis=1)
    if name not in _SIGMOID:
        return raw
    slope = next((float(option.partition(":")[2]) for option in options if option.startswith("sigmoid:")), 1.0)
    if slope != 1.0:
        raw = graph.add("Mul", raw, graph.constant(np.array([slope], dtype=np.float32)))
    return graph.add("Sigmoid", raw)
