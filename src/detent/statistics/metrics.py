"""The quality metrics: how well scores agree with labels.

Each metric is written once, as a function of how often each row counts (`Resampler`). The plain value counts every row
once; a bootstrap counts rows as often as they were drawn. So the point estimate and its interval cannot disagree
about what a metric is, and a thousand resamples cost a few passes over a matrix instead of a thousand sorts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detent.errors import DataError

BINARY, REGRESSION = "binary", "regression"
CALIBRATION_BINS = 10
# Log loss of a score of exactly 0 or 1 that is wrong is infinite; scikit-learn clips at the float64 resolution too.
_CLIP = float(np.finfo(np.float64).eps)

Floats = NDArray[np.float64]
Resampler = Callable[[Floats], Floats]
"""counts (resamples, rows), each a number of times the row was drawn -> one value per resample; NaN: not defined."""


class UndefinedMetricError(DataError, ValueError):
    """The metric has no value on these rows: there are none, one class only, constant labels, scores that are NaN."""

    code = "undefined-metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric: its name, the task it is for, which way is better, and how it is computed."""

    name: str
    task: str  # "binary" | "regression"
    higher_is_better: bool
    prepare: Callable[[Floats, Floats], Resampler]  # sorts and bins once; the result is asked for many resamples

    def compute(self, y: NDArray, score: NDArray) -> float:
        """Return the metric of scores (rows,) for labels (rows,); binary labels are 0 or 1.

        Raises:
            UndefinedMetricError: there is no such value: no rows, one class only, NaN or infinite values.
        """
        return float(self.resampler(y, score)(np.ones((1, len(y))))[0])

    def resampler(self, y: NDArray, score: NDArray) -> Resampler:
        """Return the function that gives the metric for rows counted so many times.

        Raises:
            UndefinedMetricError: as for `compute`.
        """
        labels, scores = checked(y, score, self.task)
        return self.prepare(labels, scores)


def checked(y: NDArray, score: NDArray, task: str) -> tuple[Floats, Floats]:
    """Return labels and scores as float64 vectors of one length.

    Raises:
        UndefinedMetricError: the lengths differ, nothing is there, a value is NaN or infinite, or a binary label is
            neither 0 nor 1.
    """
    labels, scores = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise _undefined(
            f"labels have the shape {labels.shape} and scores {scores.shape}",
            "a metric compares one score with one label per row",
            "give two vectors of one length",
        )
    if not labels.size:
        raise _undefined("there are no rows", "a metric of nothing has no value", "evaluate on at least one row")
    for name, values in (("labels", labels), ("scores", scores)):
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            first = int(np.flatnonzero(~np.isfinite(values))[0])
            raise _undefined(
                f"{bad} of {values.size} {name} are NaN or infinite (the first in row {first})",
                "a metric over values that are no numbers would be no number",
                "drop rows without a label; a model must score every row",
            )
    if task == BINARY and not np.all((labels == 0.0) | (labels == 1.0)):
        raise _undefined(
            "labels of a binary task are 0 or 1, and others are here",
            f"the smallest label is {labels.min():g}, the largest {labels.max():g}",
            "encode the label as 0 and 1, or declare the task as regression",
        )
    return labels, scores


def _roc_auc(y: Floats, score: Floats) -> Resampler:
    """Area under the ROC curve = chance that a positive outscores a negative, a tie counting half (Mann-Whitney).

    With C the running total of counts in the order of scores, a positive's mid-rank is the mean of C before and after
    its group of equal scores. Summed over positives that counts pairs with negatives, plus P^2/2 for pairs of
    positives among themselves. Counts and halves are exact in float64, so equal rankings give exactly equal areas.
    """
    _both_classes(y, "roc_auc")
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    positive = np.flatnonzero(y[order] == 1.0)
    before = np.searchsorted(ranked, ranked[positive], side="left")
    after = np.searchsorted(ranked, ranked[positive], side="right")

    def resample(counts: Floats) -> Floats:
        drawn = np.take(counts, order, axis=1)
        total = _running(drawn)
        weight = drawn[:, positive]
        positives = weight.sum(axis=1)
        negatives = total[:, -1] - positives
        mid_ranks = np.einsum("ij,ij->i", weight, total[:, before] + total[:, after])
        return _ratio((mid_ranks - positives**2) / 2.0, positives * negatives)

    return resample


def _average_precision(y: Floats, score: Floats) -> Resampler:
    """Area under the precision-recall curve as a step function: the mean over positives of precision at their score."""
    if not np.any(y == 1.0):
        raise _undefined(
            "average_precision has no value: no row is positive",
            "recall divides by the number of positive rows",
            "evaluate on rows with at least one positive label",
        )
    order = np.argsort(-score, kind="stable")
    ranked, positives = -score[order], y[order]
    rows = np.flatnonzero(positives == 1.0)
    after = np.searchsorted(ranked, ranked[rows], side="right")

    def resample(counts: Floats) -> Floats:
        drawn = np.take(counts, order, axis=1)
        total, hits = _running(drawn)[:, after], _running(drawn * positives)[:, after]
        weight = drawn[:, rows]
        # A total of 0 belongs to a row that was not drawn: its weight is 0 as well.
        return _ratio(np.einsum("ij,ij->i", weight, hits / np.maximum(total, 1.0)), weight.sum(axis=1))

    return resample


def _mean_of(loss: Callable[[Floats, Floats], Floats]) -> Callable[[Floats, Floats], Resampler]:
    """Return the metric that is the mean of a loss per row."""

    def prepare(y: Floats, score: Floats) -> Resampler:
        losses = loss(y, score)
        return lambda counts: (counts @ losses) / counts.sum(axis=1)

    return prepare


def _log_loss(y: Floats, score: Floats) -> Floats:
    chance = np.clip(score, _CLIP, 1.0 - _CLIP)
    return -np.where(y == 1.0, np.log(chance), np.log1p(-chance))


def _squared(y: Floats, score: Floats) -> Floats:
    return (y - score) ** 2


def _absolute(y: Floats, score: Floats) -> Floats:
    return np.abs(y - score)


def _correct(y: Floats, score: Floats) -> Floats:
    return ((score >= 0.5) == (y == 1.0)).astype(np.float64)


def _calibration_error(y: Floats, score: Floats) -> Resampler:
    """Expected calibration error over 10 bins of equally many rows: mean |observed rate - mean score|, by rows.

    Equal scores share a bin. Noise adds to it: a perfectly calibrated model has about 0.03 on 1,000 rows.
    """
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, score, side="left")
    surplus = np.zeros((y.size, edges.size + 1))
    surplus[np.arange(y.size), bins] = y - score
    return lambda counts: np.abs(counts @ surplus).sum(axis=1) / counts.sum(axis=1)


def _rmse(y: Floats, score: Floats) -> Resampler:
    mean = _mean_of(_squared)(y, score)
    return lambda counts: np.sqrt(mean(counts))


def _r2(y: Floats, score: Floats) -> Resampler:
    """Share of the labels' variance that is explained: 1 - residual sum of squares / total sum of squares."""
    if y.min() == y.max():
        raise _undefined(
            "r2 has no value: all labels are equal",
            "it divides by the variance of the labels",
            "evaluate on rows whose labels differ, or use rmse",
        )
    residuals = _squared(y, score)
    centred = y - y.mean()  # sums of squares about a far-away mean would cancel badly

    def resample(counts: Floats) -> Floats:
        rows = counts.sum(axis=1)
        total = counts @ centred**2 - (counts @ centred) ** 2 / rows
        return 1.0 - _ratio(counts @ residuals, np.where(total > 1e-12 * rows, total, 0.0))

    return resample


def _running(counts: Floats) -> Floats:
    """Return totals (resamples, rows + 1) of the first 0, 1, 2 ... columns."""
    totals = np.zeros((counts.shape[0], counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=totals[:, 1:])
    return totals


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; 0 below means that the resample has no such value, which is NaN."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0.0)


def _both_classes(y: Floats, name: str) -> None:
    if y.min() == y.max():
        raise _undefined(
            f"{name} has no value: all {y.size} labels are {y[0]:g}",
            "it compares positive rows with negative rows, and one kind is missing",
            "evaluate on rows of both classes: a longer period, or a larger sample",
        )


def _undefined(what: str, why: str, fix: str) -> UndefinedMetricError:
    return UndefinedMetricError(what=what, why=why, fix=fix)


_ALL = (
    Metric(name="roc_auc", task=BINARY, higher_is_better=True, prepare=_roc_auc),
    Metric(name="average_precision", task=BINARY, higher_is_better=True, prepare=_average_precision),
    Metric(name="accuracy", task=BINARY, higher_is_better=True, prepare=_mean_of(_correct)),
    Metric(name="log_loss", task=BINARY, higher_is_better=False, prepare=_mean_of(_log_loss)),
    Metric(name="brier", task=BINARY, higher_is_better=False, prepare=_mean_of(_squared)),
    Metric(name="calibration_error", task=BINARY, higher_is_better=False, prepare=_calibration_error),
    Metric(name="rmse", task=REGRESSION, higher_is_better=False, prepare=_rmse),
    Metric(name="mae", task=REGRESSION, higher_is_better=False, prepare=_mean_of(_absolute)),
    Metric(name="r2", task=REGRESSION, higher_is_better=True, prepare=_r2),
)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
