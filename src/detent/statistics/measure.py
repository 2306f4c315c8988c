"""A live metric with its interval, fast: by its own law where there is one, else by a bootstrap over rows.

Windows are many and large, so a thousand resamples of each are too dear where a formula says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detent.statistics.delong import delong
from detent.statistics.intervals import Interval, wilson
from detent.statistics.metric import CLASSES, Floats, Metric, checked, squared_error
from detent.statistics.metrics_classes import squared_distance
from detent.statistics.powered import powered_mean, weighted


def measure(
    metric: Metric, y: NDArray, score: NDArray, weights: NDArray | None = None, *, confidence: float, seed: int
) -> Interval:
    """Return a metric of labelled rows with a two-sided interval.

    The area under the ROC curve has DeLong's, a share of right answers Wilson's, a mean of losses Student's (and rmse
    its root); with weights, and for all others, it is a bootstrap or Student's over weighted rows.

    Args:
        metric: which one.
        y: labels (rows,).
        score: (rows,); of several classes (rows, k).
        weights: how many rows each stands for; None: itself.
        confidence: of the interval.
        seed: of the bootstrap.

    Raises:
        UndefinedMetricError: the metric has no value on these rows.
    """
    labels, scores = checked(y, score, metric.task)
    if metric.name == "roc_auc" and weights is None:
        return delong(labels, scores, confidence=confidence)
    if metric.rate and weights is None:
        return wilson(int((metric.hits or right)(labels, scores).sum()), len(labels), confidence)
    loss = (metric.hits or _OF_CLASSES.get(metric.name)) if metric.task == CLASSES else LOSSES.get(metric.name)
    if loss is not None:
        return _mean(loss(labels, scores), weights, confidence)
    if metric.name == "rmse":
        squares = _mean(squared_error(labels, scores), weights, confidence)
        value = sqrt(squares.value)
        sd = squares.sd / (2.0 * value) if value else 0.0
        return Interval(value=value, low=sqrt(max(0.0, squares.low)), high=sqrt(squares.high), sd=sd)
    shares = np.ones(len(labels)) if weights is None else weights
    return weighted(metric, labels, scores, shares, confidence=confidence, seed=seed)


def _mean(losses: Floats, weights: NDArray | None, confidence: float) -> Interval:
    return powered_mean([], np.zeros(len(losses)), losses, weights, confidence=confidence)


def right(y: Floats, score: Floats) -> Floats:
    """Return 1 for rows whose class is right, else 0."""
    return ((score >= 0.5) == (y == 1.0)).astype(np.float64)


def _absolute(y: Floats, score: Floats) -> Floats:
    return np.abs(y - score)


# Metrics that are the mean of a loss per row.
LOSSES: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {"brier": squared_error, "accuracy": right, "mae": _absolute}
)
_OF_CLASSES: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType({"brier": squared_distance})
