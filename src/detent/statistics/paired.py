"""Two models on the same rows: the difference is far more certain than either value, because the rows are shared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detent.statistics.intervals import Interval, resamples, summary
from detent.statistics.metrics import Metric


def paired_bootstrap(
    metric: Metric,
    y: NDArray,
    candidate: NDArray,
    champion: NDArray,
    *,
    confidence: float,
    seed: int,
    repeats: int = 1000,
) -> Interval:
    """Return the difference candidate - champion of a metric with one-sided percentile bootstrap bounds.

    Rows are drawn once per resample and both models are evaluated on them, so what is easy or hard about the rows
    cancels. `low` is the lower bound at `confidence`, `high` the upper bound at `confidence`: together they are a
    two-sided interval at 2 * confidence - 1. Two models that rank alike differ by exactly 0 in every resample.

    Raises:
        UndefinedMetricError: the metric has no value on these rows.
        ValueError: confidence is not in [0.5, 1).
    """
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"a one-sided confidence is at least 0.5 and less than 1, not {confidence}")
    value = metric.compute(y, candidate) - metric.compute(y, champion)
    ours, theirs = metric.resampler(y, candidate), metric.resampler(y, champion)
    replicas = [ours(counts) - theirs(counts) for counts in resamples(len(y), seed=seed, repeats=repeats)]
    return summary(value, np.concatenate(replicas), 1.0 - confidence)
