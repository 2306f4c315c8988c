"""Metrics of a number against a number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detent.statistics.metric import REGRESSION, Floats, Metric, Resampler, mean_of, ratio, squared_error, undefined

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)  # that have a pinball loss


def _absolute(y: Floats, score: Floats) -> Floats:
    return np.abs(y - score)


def _rmse(y: Floats, score: Floats) -> Resampler:
    mean = mean_of(squared_error)(y, score)
    return lambda counts: np.sqrt(mean(counts))


def _r2(y: Floats, score: Floats) -> Resampler:
    """Share of the labels' variance that is explained: 1 - residual sum of squares / total sum of squares."""
    if y.min() == y.max():
        raise undefined(
            "r2 has no value: all labels are equal",
            "it divides by the variance of the labels",
            "evaluate on rows whose labels differ, or use rmse",
        )
    residuals = squared_error(y, score)
    centred = y - y.mean()  # sums of squares about a far-away mean would cancel badly

    def resample(counts: Floats) -> Floats:
        rows = counts.sum(axis=1)
        total = counts @ centred**2 - (counts @ centred) ** 2 / rows
        return 1.0 - ratio(counts @ residuals, np.where(total > 1e-12 * rows, total, 0.0))

    return resample


def _wape(y: Floats, score: Floats) -> Resampler:
    """Weighted absolute percentage error: sum of errors over sum of |label|."""
    errors, sizes = _absolute(y, score), np.abs(y)
    if not sizes.any():
        raise undefined("wape has no value: all labels are 0", "it divides by the sum of the labels", "use mae instead")
    return lambda counts: ratio(counts @ errors, counts @ sizes)


def _smape(y: Floats, score: Floats) -> Floats:
    """Symmetric absolute percentage error of a row, 0 to 2: error over the mean of |label| and |score|; 0 of 0 is 0."""
    sizes = (np.abs(y) + np.abs(score)) / 2.0
    return np.divide(_absolute(y, score), sizes, out=np.zeros_like(y), where=sizes > 0.0)


def _pinball(quantile: float) -> Callable[[Floats, Floats], Floats]:
    """Return the pinball loss of a row (Koenker and Bassett 1978): quantile times what is missing to the label.

    What exceeds the label costs 1 - quantile each. Who answers the quantile of every row loses least on average.
    """

    def loss(y: Floats, score: Floats) -> Floats:
        missing = y - score
        return np.maximum(quantile * missing, (quantile - 1.0) * missing)

    return loss


METRICS = (
    Metric(name="rmse", task=REGRESSION, higher_is_better=False, prepare=_rmse),
    Metric(name="mae", task=REGRESSION, higher_is_better=False, prepare=mean_of(_absolute)),
    Metric(name="r2", task=REGRESSION, higher_is_better=True, prepare=_r2),
    Metric(name="wape", task=REGRESSION, higher_is_better=False, prepare=_wape),
    Metric(name="smape", task=REGRESSION, higher_is_better=False, prepare=mean_of(_smape)),
    *(
        Metric(
            name=f"pinball@{quantile:g}", task=REGRESSION, higher_is_better=False, prepare=mean_of(_pinball(quantile))
        )
        for quantile in QUANTILES
    ),
)
