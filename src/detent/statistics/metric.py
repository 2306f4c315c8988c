"""What a metric is: a name, the way that is better, and how it is computed for rows that count so many times.

Each metric is written once, as a function of how often each row counts (`Resampler`). The plain value counts every row
once; a bootstrap counts rows as often as they were drawn. So the point estimate and its interval cannot disagree
about what a metric is, and a thousand resamples cost a few passes over a matrix instead of a thousand sorts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detent.errors import DataError

BINARY, REGRESSION, CLASSES, ANY = "binary", "regression", "multiclass", "any"

Floats = NDArray[np.float64]
Resampler = Callable[[Floats], Floats]
Prepare = Callable[[Floats, Floats], Resampler]
"""counts (resamples, rows), each a number of times the row was drawn -> one value per resample; NaN: not defined."""


_BESIDE = {
    "list": ("it compares the rows of a list, such as the results of a search", "declare the column as target.group"),
    "naive": (
        "it compares errors with those of repeating the last season",
        "declare target.series and target.season, and evaluate after a season whose labels are known",
    ),
}


class UndefinedMetricError(DataError, ValueError):
    """The metric has no value on these rows: there are none, one class only, constant labels, scores that are NaN."""

    code = "undefined-metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric: its name, the task it is for, which way is better, and how it is computed."""

    name: str
    task: str  # "binary" | "regression" | "multiclass" | "any"
    higher_is_better: bool
    prepare: Prepare  # sorts and bins once; the result is asked for many resamples
    rate: bool = False  # each row is right or wrong, and the metric is the share of right ones
    biased: bool = False  # noise adds to it, so its resamples lie too far out
    beside: str = ""  # what it must know of each row besides label and score: "list" | "naive"
    prepare_beside: Callable[[NDArray], Prepare] | None = None  # of such a metric: what that is -> `prepare`
    hits: Callable[[Floats, Floats], Floats] | None = None  # of a rate: 1 per right row; None: by the cut at 0.5
    goal: float | None = None  # best value of a metric that may be missed on either side, such as a slope of 1

    def fits(self, task: str) -> bool:
        """Return whether the metric is for a task."""
        return self.task in (task, ANY)

    def given(self, values: NDArray | None) -> Metric:
        """Return the metric with what it must know of each row, (rows,); any other metric is returned as it is.

        Raises:
            UndefinedMetricError: it needs values, and there are none.
        """
        if self.prepare_beside is None:
            return self
        if values is None:
            raise undefined(f"{self.name} needs the {self.beside} of each row", *_BESIDE[self.beside])
        return replace(self, prepare=self.prepare_beside(values))

    def compute(self, y: NDArray, score: NDArray) -> float:
        """Return the metric of scores (rows,) for labels (rows,); binary labels are 0 or 1.

        Of a multiclass task scores are (rows, k) and labels are codes 0 .. k - 1.

        Raises:
            UndefinedMetricError: there is no such value: no rows, one class only, NaN or infinite values.
        """
        value = float(self.resampler(y, score)(np.ones((1, len(y))))[0])
        if np.isnan(value):
            raise undefined(
                f"{self.name} has no value on these rows",
                "it divides by something that none of them has, such as an answer of 1",
                "evaluate on more rows, or use another metric",
            )
        return value

    def resampler(self, y: NDArray, score: NDArray) -> Resampler:
        """Return the function that gives the metric for rows counted so many times.

        Raises:
            UndefinedMetricError: as for `compute`.
        """
        labels, scores = checked(y, score, self.task)
        return self.prepare(labels, scores)


def checked(y: NDArray, score: NDArray, task: str) -> tuple[Floats, Floats]:
    """Return labels and scores as float64 vectors of one length; scores of classes as a matrix.

    Raises:
        UndefinedMetricError: the lengths differ, nothing is there, a value is NaN or infinite, or a label is none of
            the task's.
    """
    labels, scores = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    _check_shapes(labels, scores, task)
    if not labels.size:
        raise undefined("there are no rows", "a metric of nothing has no value", "evaluate on at least one row")
    for name, values in (("labels", labels), ("scores", scores)):
        wrong = ~(np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1))
        bad = int(np.count_nonzero(wrong))
        if bad:
            first = int(np.flatnonzero(wrong)[0])
            raise undefined(
                f"{bad} of {len(values)} {name} are NaN or infinite (the first in row {first})",
                "a metric over values that are no numbers would be no number",
                "drop rows without a label; a model must score every row",
            )
    if task == BINARY and not np.all((labels == 0.0) | (labels == 1.0)):
        raise undefined(
            "labels of a binary task are 0 or 1, and others are here",
            f"the smallest label is {labels.min():g}, the largest {labels.max():g}",
            "encode the label as 0 and 1, or declare the task as regression",
        )
    if task == CLASSES and not np.all((labels >= 0.0) & (labels < scores.shape[1]) & (labels == np.floor(labels))):
        raise undefined(
            f"labels of a task with {scores.shape[1]} classes are 0 to {scores.shape[1] - 1}, and others are here",
            f"the smallest label is {labels.min():g}, the largest {labels.max():g}",
            "give the place of each row's class among the classes",
        )
    return labels, scores


def _check_shapes(labels: Floats, scores: Floats, task: str) -> None:
    if task in (CLASSES, ANY) and labels.ndim == 1 and scores.ndim == 2 and len(labels) == len(scores):
        return
    if task == CLASSES or labels.ndim != 1 or labels.shape != scores.shape:
        raise undefined(
            f"labels have the shape {labels.shape} and scores {scores.shape}",
            f"a metric compares one {'row of probabilities' if task == CLASSES else 'score'} with one label per row",
            f"give {'a vector and a matrix with as many rows' if task == CLASSES else 'two vectors of one length'}",
        )


def mean_of(loss: Callable[[Floats, Floats], Floats]) -> Callable[[Floats, Floats], Resampler]:
    """Return the metric that is the mean of a loss per row."""

    def prepare(y: Floats, score: Floats) -> Resampler:
        losses = loss(y, score)
        return lambda counts: (counts @ losses) / counts.sum(axis=1)

    return prepare


def squared_error(y: Floats, score: Floats) -> Floats:
    """Return the squared error of each row."""
    return (y - score) ** 2


def running(counts: Floats) -> Floats:
    """Return totals (resamples, rows + 1) of the first 0, 1, 2 ... columns."""
    totals = np.zeros((counts.shape[0], counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=totals[:, 1:])
    return totals


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide; 0 below means that the resample has no such value, which is NaN."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0.0)


def both_classes(y: Floats, name: str) -> None:
    """Refuse labels of one class.

    Raises:
        UndefinedMetricError: all labels are equal.
    """
    if y.min() == y.max():
        raise undefined(
            f"{name} has no value: all {y.size} labels are {y[0]:g}",
            "it compares positive rows with negative rows, and one kind is missing",
            "evaluate on rows of both classes: a longer period, or a larger sample",
        )


def undefined(what: str, why: str, fix: str) -> UndefinedMetricError:
    """Build the error of a metric without a value."""
    return UndefinedMetricError(what=what, why=why, fix=fix)
