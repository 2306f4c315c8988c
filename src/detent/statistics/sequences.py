"""Confidence sequences for means: intervals that may be looked at after every new value.

Asymptotic confidence sequences of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2021, arXiv 2103.06476): equation 9
(two-sided) and 134 (one-sided), tuned by equation 161. GrowthBook's sequential tests use the same formulae.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike

LEAST = 200  # values (of each arm) before the asymptotics are trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean of `rows` values, and the variance of one value."""

    rows: int
    mean: float
    variance: float


def two_sided_width(rows: int, variance: float, *, alpha: float, tuned_for: float) -> float:
    """Return the half-width of the sequence for a mean of `rows` values; it is narrowest near `tuned_for` values."""
    rho2 = _rho2(alpha, tuned_for)
    spread = rows * rho2 + 1
    return sqrt(variance * 2 * spread / (rows * rows * rho2) * log(sqrt(spread) / alpha))


def one_sided_width(rows: int, variance: float, *, alpha: float, tuned_for: float) -> float:
    """Return how far below the mean a lower confidence sequence lies (or above it, an upper one)."""
    rho2 = _rho2(2 * alpha, tuned_for)
    spread = rows * rho2 + 1
    return sqrt(variance * 2 * spread / (rows * rows * rho2) * log(1 + sqrt(spread) / (2 * alpha)))


def paired_mean(candidate: ArrayLike, champion: ArrayLike) -> Mean:
    """Return the mean difference of losses (rows,) on the same rows."""
    return _mean(np.asarray(candidate, dtype=np.float64) - np.asarray(champion, dtype=np.float64))


def arm_mean(loss: ArrayLike, is_candidate: ArrayLike, propensity: ArrayLike) -> Mean:
    """Return the candidate's mean loss minus the champion's, from rows that were assigned at random.

    Each loss is centred with the mean of all and divided by the chance with which its row was given to the arm that
    answered it, so weights may change on the way (inverse propensity weighting, augmented by one common mean). All
    arrays (rows,); `propensity` is the logged chance of the arm that answered.
    """
    values, ours = np.asarray(loss, dtype=np.float64), np.asarray(is_candidate, dtype=bool)
    signs = np.where(ours, 1.0, -1.0)
    return _mean(signs * (values - values.mean()) / np.asarray(propensity, dtype=np.float64))


def _mean(values: np.ndarray) -> Mean:
    return Mean(
        rows=len(values),
        mean=float(values.mean()),
        variance=float(values.var(ddof=1)) if len(values) > 1 else 0.0,
    )


def _rho2(alpha: float, tuned_for: float) -> float:
    inner = -2 * log(alpha)
    return (inner + log(inner + 1)) / tuned_for
