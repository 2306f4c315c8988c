"""How large a change is at least: lower confidence bounds of effects, from counts over the same bins.

A p-value says that something changed; with enough rows it says so of changes that matter to nobody. Decisions about
"how much" are therefore made by the lower bound: the smallest change that the rows still allow. Counts may be
fractions: the rows that autocorrelated ones are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtr, chndtr, ndtr, ndtri

from detent.statistics.distances import psi, wasserstein

CONFIDENCE = 0.95
DRAWS = 200
# From here on the normal law stands for the noncentral chi-square, whose series is slow there.
LARGE = 5_000.0


def psi_at_least(expected_counts: ArrayLike, counts: ArrayLike, *, confidence: float = CONFIDENCE) -> float:
    """Return the lower bound of the population stability index.

    PSI divided by `1/n + 1/m` follows a noncentral chi-square law with `bins - 1` degrees of freedom, whose
    noncentrality is the true PSI in the same unit; the bound is the noncentrality at which so large a value would have
    had a chance of `1 - confidence`. 0 when chance alone explains the value.
    """
    reference, current = np.asarray(expected_counts, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    occupied = (reference + current) > 0
    n, m, freedom = reference.sum(), current.sum(), int(occupied.sum()) - 1
    if n == 0 or m == 0 or freedom < 1:
        return 0.0
    scale = 1 / n + 1 / m
    observed = psi(reference, current) / scale
    if chdtr(freedom, observed) <= confidence:
        return 0.0
    return float(_noncentrality(observed, freedom, confidence) * scale)


def wasserstein_at_least(
    edges: Sequence[float], expected_counts: ArrayLike, counts: ArrayLike, *, confidence: float = CONFIDENCE
) -> float:
    """Return the lower bound of Wasserstein's distance, in units of the column, by a bootstrap of the bins.

    Both samples are drawn anew 200 times with a fixed seed. The bound is the basic one, `2 W - q(W*)`: drawing adds
    noise to a distance, which is never negative, and this takes the noise off twice rather than not at all.
    """
    reference, current = np.asarray(expected_counts, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if round(reference.sum()) == 0 or round(current.sum()) == 0 or len(edges) < 2:
        return 0.0
    observed = float(wasserstein(edges, reference, current))
    rng = np.random.default_rng(20_130_101)
    again = wasserstein(edges, _drawn(rng, reference), _drawn(rng, current))
    return max(0.0, 2 * observed - float(np.quantile(again, confidence)))


def difference_at_least(
    successes: float, rows: float, other_successes: float, other_rows: float, *, confidence: float = CONFIDENCE
) -> float:
    """Return the lower bound of the distance of two shares, 0..1, whichever is larger.

    Newcombe's method 10 (1998), from Wilson's intervals of both shares, one-sided at `confidence`.
    """
    if rows <= 0 or other_rows <= 0:
        return 0.0
    if successes / rows > other_successes / other_rows:
        successes, rows, other_successes, other_rows = other_successes, other_rows, successes, rows
    low, high = successes / rows, other_successes / other_rows
    above = _wilson(successes, rows, confidence)[1]
    below = _wilson(other_successes, other_rows, confidence)[0]
    return float(max(0.0, high - low - np.hypot(above - low, high - below)))


def _noncentrality(observed: float, freedom: int, confidence: float) -> float:
    """Return the noncentrality at which a value up to `observed` has the chance `confidence`, by bisection."""
    low, high = 0.0, observed + 1.0
    while high - low > 1e-6 * (1.0 + high):
        middle = (low + high) / 2
        if _up_to(observed, freedom, middle) > confidence:
            low = middle
        else:
            high = middle
    return low


def _up_to(value: float, freedom: int, noncentrality: float) -> float:
    """Return the noncentral chi-square distribution function."""
    if value < LARGE:
        return float(chndtr(value, freedom, noncentrality))
    return float(ndtr((value - freedom - noncentrality) / sqrt(2 * (freedom + 2 * noncentrality))))


def _drawn(rng: np.random.Generator, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = round(counts.sum())
    return rng.multinomial(rows, counts / counts.sum(), size=DRAWS).astype(np.float64)


def _wilson(successes: float, rows: float, confidence: float) -> tuple[float, float]:
    z = float(ndtri(confidence))
    share = successes / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, middle - half), min(1.0, middle + half)
