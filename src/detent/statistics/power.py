"""How well one column alone predicts the label: the question behind every check of leakage."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.statistics.metrics import BINARY, CLASSES, METRICS, Floats

MAX_BINS = 50  # a number with more distinct values is cut into this many bins of equally many rows
PRIOR_ROWS = 1.0  # weight of the mean label in a level's estimate, so that one row does not make a level certain


def feature_power(column: pl.Series, y: Floats, *, task: str, seed: int) -> float:
    """Return the predictive power of a column alone.

    For binary labels a roc_auc (0.5 .. 1), else 0 .. 1: the larger of |rank correlation| and r2. Of several classes the
    mean of what it tells of each against the rest.

    Two views, the better one counts. By rank (numbers only; either direction; nulls before all others): finds
    a column that rises or falls with the label. By level: the mean label of each level or bin is learnt on one half of
    the rows and tried on the other half, both ways, so that a column with a value of its own for every row, such as an
    id, learns nothing; finds texts, codes and columns that predict without rising.
    """
    if task == CLASSES:
        found = [feature_power(column, (y == code).astype(float), task=BINARY, seed=seed) for code in np.unique(y)]
        return float(np.mean(found))
    if column.dtype in (pl.Null, pl.Object) or column.n_unique() < 2:
        return _nothing(task)
    levels = _levels(column)
    if not _is_number(column):
        return _by_level(levels, y, task, seed)
    return max(_by_rank(levels, y, task), _by_level(_binned(levels), y, task, seed))


def _nothing(task: str) -> float:
    return 0.5 if task == BINARY else 0.0


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == pl.Boolean


def _levels(column: pl.Series) -> NDArray[np.int64]:
    """Return the rank of each row's value among the distinct values, from 1; null and NaN are 0."""
    value = pl.first()
    if column.dtype.is_float():
        value = value.fill_nan(None)
    elif not _is_number(column):
        value = value.cast(pl.String)
    ranks = column.to_frame().select(value.rank("dense").fill_null(0).cast(pl.Int64))
    return ranks.to_series().to_numpy()


def _binned(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge neighbouring levels into at most 50 bins; nulls stay a level of their own."""
    if levels.max() <= MAX_BINS:
        return levels
    edges = np.quantile(levels[levels > 0], np.linspace(0.0, 1.0, MAX_BINS + 1)[1:-1])
    return np.where(levels > 0, np.searchsorted(edges, levels, side="left") + 1, 0)


def _by_rank(levels: NDArray[np.int64], y: Floats, task: str) -> float:
    if task != BINARY:
        return abs(_correlation(_ranks(levels), _ranks(y)))
    area = METRICS["roc_auc"].compute(y, levels)
    return max(area, 1.0 - area)


def _ranks(values: NDArray) -> Floats:
    return pl.Series(values).rank("average").to_numpy().astype(np.float64)


def _correlation(left: Floats, right: Floats) -> float:
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / scale if scale > 0.0 else 0.0


def _by_level(levels: NDArray[np.int64], y: Floats, task: str, seed: int) -> float:
    """Mean of the two halves' quality of the other half's level means; a level not seen there gets the mean label."""
    half = np.zeros(y.size, dtype=bool)
    half[np.random.default_rng(seed).permutation(y.size)[: y.size // 2]] = True
    metric = METRICS["roc_auc" if task == BINARY else "r2"]
    quality = []
    for tried in (half, ~half):
        learnt, truth = ~tried, y[tried]
        if truth.size < 2 or truth.min() == truth.max():
            return _nothing(task)
        sizes = np.bincount(levels[learnt], minlength=int(levels.max()) + 1)
        sums = np.bincount(levels[learnt], weights=y[learnt], minlength=sizes.size)
        means = (sums + PRIOR_ROWS * y[learnt].mean()) / (sizes + PRIOR_ROWS)
        quality.append(metric.compute(truth, means[levels[tried]]))
    return max(_nothing(task), float(np.mean(quality)))
