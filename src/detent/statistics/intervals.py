"""How sure we are of a number: bootstrap for metrics, Wilson's interval for rates, order statistics for quantiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from detent.statistics.metrics import Floats, Metric, UndefinedMetricError

# Resamples are drawn in blocks of about this many cells: 2 MB of float64 stays in the cache, which is 3 times as fast.
_BLOCK_CELLS = 250_000
# More resamples without a value than this, and the quantiles of the others would be about easier rows than ours.
_UNDEFINED_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number and the range in which the truth lies with the confidence that was asked for."""

    value: float  # estimate from all rows
    low: float
    high: float
    sd: float = 0.0  # standard error of `value`


def bootstrap(
    metric: Metric, y: NDArray, score: NDArray, *, confidence: float, seed: int, repeats: int = 1000
) -> Interval:
    """Return a metric with its two-sided percentile bootstrap interval (Efron 1979) over rows.

    `low` alone is a one-sided bound at (1 + confidence) / 2. The same seed gives the same numbers.

    Raises:
        UndefinedMetricError: the metric has no value on these rows, or none on more than 10 % of the resamples.
        ValueError: confidence is not between 0 and 1.
    """
    _check_confidence(confidence)
    value = metric.compute(y, score)
    tail = (1.0 - confidence) / 2.0
    return summary(value, replicates(metric, y, score, seed=seed, repeats=repeats), tail)


def replicates(metric: Metric, y: NDArray, score: NDArray, *, seed: int, repeats: int = 1000) -> Floats:
    """Return the metric on `repeats` resamples of the rows, drawn with replacement; NaN where it has no value."""
    resampler = metric.resampler(y, score)
    return np.concatenate([resampler(counts) for counts in resamples(len(y), seed=seed, repeats=repeats)])


def resamples(rows: int, *, seed: int, repeats: int) -> Iterator[Floats]:
    """Yield blocks (some resamples, rows) of how often each row was drawn; every resample draws `rows` times."""
    generator = np.random.default_rng(seed)
    per_block = max(1, _BLOCK_CELLS // rows)
    for start in range(0, repeats, per_block):
        size = min(per_block, repeats - start)
        drawn = generator.integers(0, rows, size=(size, rows), dtype=np.int64)
        drawn += np.arange(size)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)


def summary(value: float, replicas: Floats, tail: float) -> Interval:
    """Return the interval between the `tail` and `1 - tail` quantiles of the replicas.

    Raises:
        UndefinedMetricError: more than 10 % of the replicas are NaN.
    """
    kept = known(replicas)
    low, high = np.quantile(kept, (tail, 1.0 - tail))
    return Interval(value=value, low=float(low), high=float(high), sd=float(kept.std()))


def known(replicas: Floats) -> Floats:
    """Return the replicas that have a value.

    Raises:
        UndefinedMetricError: more than 10 % have none: the others would be about easier rows than ours.
    """
    kept = replicas[~np.isnan(replicas)]
    if kept.size < (1.0 - _UNDEFINED_SHARE) * replicas.size:
        raise UndefinedMetricError(
            what=f"{replicas.size - kept.size} of {replicas.size} resamples of the rows have no value",
            why="a class or a value is so rare that resampling often misses it, so no honest interval exists",
            fix="evaluate on more rows",
        )
    return kept


def wilson(successes: int, n: int, confidence: float) -> Interval:
    """Return a rate with Wilson's score interval (1927), two-sided; sensible for 0 and n successes too.

    Raises:
        ValueError: n < 1, successes outside 0..n, or confidence not between 0 and 1.
    """
    _check_confidence(confidence)
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials is no rate")
    rate, z = successes / n, z_value((1.0 + confidence) / 2.0)
    scale = 1.0 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z * sqrt(rate * (1.0 - rate) / n + z * z / (4.0 * n * n)) / scale
    # At the ends rounding could leave the rate itself just outside.
    low, high = min(max(0.0, centre - half), rate), max(min(1.0, centre + half), rate)
    return Interval(value=rate, low=low, high=high, sd=sqrt(rate * (1.0 - rate) / n))


def quantile_interval(samples: NDArray, quantile: float, *, confidence: float) -> Interval:
    """Return a quantile of the samples with a two-sided interval from order statistics: no assumption on their shape.

    The ranks come from the binomial count of samples below the quantile, normal approximation; too few samples for an
    upper rank give the largest sample, which is then a bound at less confidence.

    Raises:
        ValueError: no samples, or a quantile or confidence not between 0 and 1.
    """
    _check_confidence(confidence)
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    if not ordered.size or not 0.0 < quantile < 1.0:
        raise ValueError(f"there is no quantile {quantile} of {ordered.size} samples")
    spread = z_value((1.0 + confidence) / 2.0) * sqrt(ordered.size * quantile * (1.0 - quantile))
    last = ordered.size - 1
    low = int(np.clip(np.floor(ordered.size * quantile - spread), 0, last))
    high = int(np.clip(np.ceil(ordered.size * quantile + spread), 0, last))
    value = float(np.quantile(ordered, quantile))
    return Interval(value=value, low=min(float(ordered[low]), value), high=max(float(ordered[high]), value))


def z_value(probability: float) -> float:
    """Return the standard normal quantile: 1.645 for 0.95."""
    return NormalDist().inv_cdf(probability)


def _check_confidence(confidence: float) -> None:
    if not 0.0 <= confidence < 1.0:
        raise ValueError(f"confidence is a share such as 0.95, not {confidence}")
