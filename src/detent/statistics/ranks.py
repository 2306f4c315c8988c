"""Do the values of one sample tend to be larger than those of another? From counts over ordered bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from detent.statistics.distances import Comparison


def rank_sum(expected_counts: ArrayLike, counts: ArrayLike) -> Comparison:
    """Compare two samples by Mann and Whitney's rank sum; rows of one bin are ties.

    The statistic is the chance that a row of the second sample exceeds a row of the first, ties counting half (0.5:
    neither is larger). The p-value is two-sided, from the normal law with the correction for ties. Against a shift it
    sees more than Kolmogorov-Smirnov; a change of width alone it doesn't see. Counts may be fractions: the rows that
    autocorrelated ones are worth.

    Raises:
        ValueError: the two don't have the same bins.
    """
    chances, deviation = superiority(np.asarray(expected_counts, dtype=np.float64), np.asarray(counts)[np.newaxis, :])
    if not np.isfinite(deviation[0]):
        return Comparison(statistic=0.5, p_value=1.0)
    return Comparison(statistic=float(chances[0]), p_value=float(2 * ndtr(-abs(chances[0] - 0.5) / deviation[0])))


def superiority(
    expected_counts: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the chance of `rank_sum` and its standard deviation when nothing changed, for many samples at once.

    Args:
        expected_counts: (bins,) or (samples, bins).
        counts: (samples, bins).

    Returns:
        (samples,) and (samples,); the deviation is infinite where either sample is empty or all rows are ties.

    Raises:
        ValueError: the two don't have the same bins.
    """
    reference, current = np.broadcast_arrays(expected_counts, np.asarray(counts, dtype=np.float64))
    if reference.shape[-1] != np.shape(expected_counts)[-1] or reference.shape[-1] != np.shape(counts)[-1]:
        raise ValueError(f"counts over the same bins are compared, not {np.shape(expected_counts)}, {np.shape(counts)}")
    n, m = reference.sum(axis=1), current.sum(axis=1)
    below = np.cumsum(reference, axis=1) - reference / 2
    both = reference + current
    rows = n + m
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (current * below).sum(axis=1) / (n * m)
        ties = (both * both * both - both).sum(axis=1) / (rows * (rows - 1))
        variance = (rows + 1 - ties) / (12 * n * m)
    usable = (n > 0) & (m > 0) & (variance > 1e-15)
    return np.where(usable, chance, 0.5), np.where(usable, np.sqrt(np.where(usable, variance, 1.0)), np.inf)
