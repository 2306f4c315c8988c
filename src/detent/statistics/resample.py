"""The bootstrap as the gate uses it: rows, or whole groups of rows that share their fate, drawn with replacement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from detent.statistics.intervals import Interval, known, resamples, z_value
from detent.statistics.metrics import Floats, Metric, UndefinedMetricError

MIN_CLUSTERS = 20  # with fewer groups, how they differ among themselves is not known
_FEW = 10.0  # replicas beyond a quantile: with fewer the quantile is guesswork, and the normal bound counts if wider
_BLOCK_CELLS = 250_000  # rows times resamples at once: 2 MB of float64 stays in the cache
_GROUPS = 200  # parts of the jackknife behind the BCa interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """How to draw: the same draws for the same numbers."""

    seed: int
    repeats: int = 1000
    clusters: NDArray | None = None  # (n,) group of each row; whole groups are drawn. None: every row for itself


def draws(n: int, how: Draws) -> Iterator[Floats]:
    """Yield blocks (some resamples, n) of how often each row counts.

    Raises:
        UndefinedMetricError: there are fewer than 20 groups.
        ValueError: the groups are not one per row.
    """
    if how.clusters is None:
        yield from resamples(n, seed=how.seed, repeats=how.repeats)
        return
    if len(how.clusters) != n:
        raise ValueError(f"{len(how.clusters)} groups for {n} rows")
    names, member = np.unique(how.clusters, return_inverse=True)
    if names.size < MIN_CLUSTERS:
        raise UndefinedMetricError(
            what=f"the rows come from only {names.size} groups",
            why=f"rows of a group share their fate, and nothing is concluded from fewer than {MIN_CLUSTERS} groups",
            fix="evaluate on more groups, or remove `cluster` from the gate section if rows are independent",
        )
    at_once = max(1, _BLOCK_CELLS // n)
    for block in resamples(names.size, seed=how.seed, repeats=how.repeats):
        for start in range(0, len(block), at_once):
            yield block[start : start + at_once, member]


def replicas(metric: Metric, y: NDArray, score: NDArray, how: Draws) -> Floats:
    """Return the metric on every resample, (repeats,); NaN where it has no value."""
    resampler = metric.resampler(y, score)
    return np.concatenate([resampler(counts) for counts in draws(len(y), how)])


def paired(
    metric: Metric,
    y: NDArray,
    candidate: NDArray,
    champion: NDArray,
    *,
    confidence: float,
    how: Draws,
    factor: float = 1.0,
) -> Interval:
    """Return `metric(candidate) - factor * metric(champion)` with its two-sided percentile interval.

    Rows are drawn once per resample and both models are evaluated on them, so what is easy or hard about the rows
    cancels, also when the champion's value is scaled. Two models that rank alike differ by exactly 0 everywhere.

    Raises:
        UndefinedMetricError: the metric has no value on these rows, or there are too few groups.
    """
    value = metric.compute(y, candidate) - factor * metric.compute(y, champion)
    ours, theirs = metric.resampler(y, candidate), metric.resampler(y, champion)
    found = np.concatenate([ours(counts) - factor * theirs(counts) for counts in draws(len(y), how)])
    return percentile(value, found, confidence=confidence)


def bca(metric: Metric, y: NDArray, score: NDArray, *, confidence: float, how: Draws) -> Interval:
    """Return a metric with its bias-corrected, accelerated two-sided bootstrap interval (Efron 1987).

    The acceleration comes from a jackknife that leaves out one of at most 200 parts of the rows (or groups) at a time.

    Raises:
        UndefinedMetricError: the metric has no value on these rows, or there are too few groups.
    """
    value, found = metric.compute(y, score), known(replicas(metric, y, score, how))
    # Ties with the value count half: a metric of few distinct values is not biased for that.
    below = (np.count_nonzero(found < value) + np.count_nonzero(found <= value)) / (2.0 * found.size)
    tail, normal = (1.0 - confidence) / 2.0, NormalDist()
    bias = normal.inv_cdf(float(np.clip(below, 1.0 / found.size, 1.0 - 1.0 / found.size)))
    bend = _acceleration(metric, y, score, how.clusters)

    def level(z: float) -> float:
        return normal.cdf(bias + (bias + z) / (1.0 - bend * (bias + z)))

    return bounded(value, found, level(-z_value(1.0 - tail)), level(z_value(1.0 - tail)), tail)


def percentile(value: float, found: Floats, *, confidence: float) -> Interval:
    """Return the interval between the outer quantiles of the replicas, at two-sided confidence."""
    tail = (1.0 - confidence) / 2.0
    return bounded(value, known(found), tail, 1.0 - tail, tail)


def bounded(value: float, found: Floats, low: float, high: float, tail: float) -> Interval:
    """Return quantiles of the replicas as bounds.

    So far out that fewer than ten replicas lie beyond, a quantile is too near the middle; there the normal bound
    counts as well, and the wider of the two is given.
    """
    bottom, top = (float(part) for part in np.quantile(found, (low, high)))
    sd = float(found.std())
    if tail * found.size < _FEW:
        reach = z_value(1.0 - tail) * sd
        bottom, top = min(bottom, value - reach), max(top, value + reach)
    return Interval(value=value, low=bottom, high=top, sd=sd)


def _acceleration(metric: Metric, y: NDArray, score: NDArray, clusters: NDArray | None) -> float:
    """Return the skewness of the jackknife's values over 6: how the error changes with the value."""
    n = len(y)
    units = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    parts = min(int(units.max()) + 1, _GROUPS)
    part = units % parts
    resampler = metric.resampler(y, score)
    at_once = max(1, _BLOCK_CELLS // n)
    blocks = []
    for start in range(0, parts, at_once):
        left_out = np.arange(start, min(start + at_once, parts))
        blocks.append(resampler((part[None, :] != left_out[:, None]).astype(np.float64)))
    values = np.concatenate(blocks)
    away = values[~np.isnan(values)]
    away = away.mean() - away if away.size else away
    spread = float((away**2).sum()) ** 1.5
    return float((away**3).sum()) / (6.0 * spread) if spread > 0.0 else 0.0
