"""Any scikit-learn estimator behind imputation, scaling and one-hot columns, exported as one graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor

from detent.errors import DataError
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING
from detent.training.assemble import assemble
from detent.training.export.estimator import add_estimator
from detent.training.export.onnx import ML, Graph, concat
from detent.training.model import Model
from detent.training.table import BINARY, CLASSES, REGRESSION, Table, float32, tabulate

MAX_LEVELS = 50  # one-hot columns per string; rarer categories are all zeros, like unknown ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What training learnt about the inputs. All numbers are exactly float32, so graph and NumPy compute the same."""

    numbers: tuple[str, ...]  # number, integer and boolean inputs
    means: tuple[float, ...]  # replaces null
    scales: tuple[float, ...]  # 1 / standard deviation
    levels: tuple[tuple[str, tuple[str, ...]], ...]  # (string input, its frequent categories); null is the category ""

    def apply(self, inputs: pl.DataFrame) -> NDArray[np.float32]:
        """Return the matrix that the estimator sees, [n, width], as the graph computes it."""
        parts: list[NDArray[np.float32]] = []
        for name, mean, scale in zip(self.numbers, self.means, self.scales, strict=True):
            column = float32(inputs[name])
            filled = np.where(np.isnan(column), np.float32(mean), column)
            parts.append(((filled - np.float32(mean)) * np.float32(scale))[:, None])
        for name, levels in self.levels:
            texts = inputs[name].fill_null("")
            parts.append(np.column_stack([(texts == level).to_numpy().astype(np.float32) for level in levels]))
        return np.hstack(parts)


def fit(
    frame: pl.DataFrame,
    *,
    estimator: BaseEstimator,
    label: str,
    exclude: Sequence[str] = (),
    seed: int = 0,
) -> Model:
    """Fit a clone of `estimator` and export it; see `detent.training.sklearn`.

    Raises:
        DataError: frame, labels or estimator can't be used.
        StepError: the exported graph disagrees with scikit-learn.
    """
    task = _task(estimator, frame, label)
    table = tabulate(frame, label=label, exclude=exclude, task=task)
    preparation = _prepare(table)
    # Fitted in 64 bits: a full set of one-hot columns is collinear, and a 32-bit solver answers with huge weights.
    matrix = preparation.apply(table.inputs).astype(np.float64)
    fitted = _fit(estimator, matrix, table, seed)

    def native(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        some = matrix[rows]
        if task == CLASSES:
            return np.asarray(fitted.predict_proba(some), dtype=np.float64)
        scores = fitted.predict_proba(some)[:, 1] if task == BINARY else fitted.predict(some)
        return np.asarray(scores, dtype=np.float64).reshape(-1)

    graph = Graph()
    joined = _add_preparation(graph, preparation)
    score = add_estimator(
        graph, fitted, joined, width=matrix.shape[1], classifier=task != REGRESSION,
        classes=len(table.signature.classes),
    )  # fmt: skip
    params = {"estimator": type(fitted).__name__, "seed": seed, **_plain_params(fitted)}
    return assemble(graph.finish(score, table.signature), table, native=native, params=params)


def _task(estimator: BaseEstimator, frame: pl.DataFrame, label: str) -> str:
    """Return what there is to learn: a classifier of labels that are text learns several classes."""
    if is_classifier(estimator) and hasattr(estimator, "predict_proba"):
        named = label in frame.columns and frame.schema[label] in (pl.String, pl.Categorical, pl.Enum)
        return CLASSES if named else BINARY
    if is_regressor(estimator):
        return REGRESSION
    raise DataError(
        what=f"{type(estimator).__name__} can't be trained here",
        why="a classifier with `predict_proba`, or a regressor, is needed",
        fix="for a classifier without probabilities wrap it: CalibratedClassifierCV(estimator)",
    )


def _prepare(table: Table) -> Preparation:
    numbers = table.names(NUMBER, INTEGER, BOOLEAN)
    means, scales = [], []
    for name in numbers:
        column = float32(table.inputs[name]).astype(np.float64)
        if np.isinf(column).any():
            raise DataError(
                what=f"column `{name}` holds infinite values",
                why="it has no mean, so it can't be scaled",
                fix="replace them by null, or clip the column",
            )
        known = column[~np.isnan(column)]
        spread = float(known.std()) if len(known) else 0.0
        means.append(float(np.float32(known.mean() if len(known) else 0.0)))
        scales.append(float(np.float32(1.0 / spread if spread > 0.0 else 1.0)))
    levels = tuple((name, _frequent(table.inputs[name])) for name in table.names(STRING))
    return Preparation(numbers=tuple(numbers), means=tuple(means), scales=tuple(scales), levels=levels)


def _frequent(texts: pl.Series) -> tuple[str, ...]:
    counted = texts.fill_null("").value_counts(name="rows")
    pairs = zip(counted[texts.name].to_list(), counted["rows"].to_list(), strict=True)
    most = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:MAX_LEVELS]
    return tuple(sorted(level for level, _ in most))


def _fit(estimator: BaseEstimator, matrix: NDArray[np.float64], table: Table, seed: int) -> Any:
    fitted: Any = clone(estimator)
    states = {
        name: seed
        for name, value in fitted.get_params().items()
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    fitted.set_params(**states)
    y = table.y if table.task == REGRESSION else table.y.astype(np.int64)
    try:
        fitted.fit(matrix, y)
    except (ValueError, TypeError) as error:
        raise DataError(
            what=f"{type(fitted).__name__} refused to train",
            why=str(error)[:300],
            fix="look at the estimator's parameters",
        ) from error
    return fitted


def _add_preparation(graph: Graph, preparation: Preparation) -> str:
    parts = []
    if preparation.numbers:
        means = np.array([preparation.means], dtype=np.float32)
        numbers = concat(graph, preparation.numbers)
        mean = graph.constant(means)
        filled = graph.add("Where", graph.add("IsNaN", numbers), mean, numbers)
        scales = graph.constant(np.array([preparation.scales], dtype=np.float32))
        parts.append(graph.add("Mul", graph.add("Sub", filled, mean), scales))
    for name, levels in preparation.levels:
        one_hot = graph.add("OneHotEncoder", name, domain=ML, cats_strings=list(levels), zeros=1)
        shape = graph.constant(np.array([-1, len(levels)], dtype=np.int64))
        parts.append(graph.add("Reshape", one_hot, shape))  # [n, 1, levels] -> [n, levels]
    return concat(graph, parts)


def _plain_params(fitted: Any) -> dict[str, object]:
    kinds = (str, int, float, bool)
    return {name: value for name, value in fitted.get_params().items() if isinstance(value, kinds)}
