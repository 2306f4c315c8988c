"""Means from few labels: with the help of an estimate for every row, and of weights where labels are no fair sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from detent.statistics.distances import chi2_homogeneity
from detent.statistics.intervals import Interval, resamples, summary, z_value
from detent.statistics.metric import Metric, UndefinedMetricError

CELLS = 10  # of scores, of about equal mass
UNFAIR = 0.001  # p-value below which the labelled rows are no fair sample of all rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How the rows with a label differ from all rows, as far as their scores tell."""

    p_value: float  # of "labels come at the same rate for low and high scores"
    weights: NDArray[np.float64]  # of each labelled row, 1 on average: how many rows it stands for
    blind: float  # share of all rows in cells of scores without any label; weights can't mend that

    @property
    def fair(self) -> bool:
        """No difference is found."""
        return self.p_value >= UNFAIR


def selection(scores: ArrayLike, labelled: ArrayLike) -> Selection:
    """Compare rows with a label with those without, over cells of the score.

    Weights are the inverse of the share of labelled rows in the cell (Horvitz and Thompson 1952, in classes). They are
    right when, among rows with about the same score, chance decides who gets a label.

    Args:
        scores: of all rows (n,).
        labelled: True for rows with a label (n,).
    """
    values, known = np.asarray(scores, dtype=np.float64), np.asarray(labelled, dtype=bool)
    if not known.any() or known.all():
        return Selection(p_value=1.0, weights=np.ones(int(known.sum())), blind=0.0)
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, CELLS + 1)[1:-1]))
    cells = np.searchsorted(edges, values, side="left")
    size = len(edges) + 1
    rows, told = np.bincount(cells, minlength=size), np.bincount(cells[known], minlength=size)
    tested = chi2_homogeneity(told, rows - told)
    weights = rows[cells[known]] / told[cells[known]]
    blind = float(rows[told == 0].sum() / rows.sum())
    return Selection(p_value=tested.p_value, weights=weights / weights.mean(), blind=blind)


def weighted(
    metric: Metric, y: NDArray, score: NDArray, weights: Sequence[float] | NDArray, *, confidence: float, seed: int,
    repeats: int = 1000,
) -> Interval:  # fmt: skip
    """Return a metric of rows that stand for so many, with a bootstrap interval over rows.

    It is the wider of the percentile interval and the normal one: far out a thousand resamples tell little.

    Raises:
        UndefinedMetricError: the metric has no value on these rows, or none on more than 10 % of the resamples.
    """
    ask, shares = metric.resampler(y, score), np.asarray(weights, dtype=np.float64)
    value = float(ask(shares[None, :])[0])
    if np.isnan(value):
        raise UndefinedMetricError(
            what=f"{metric.name} has no value on these rows",
            why="a class or a value that it divides by is missing",
            fix="evaluate on more rows",
        )
    found = np.concatenate([ask(counts * shares) for counts in resamples(len(y), seed=seed, repeats=repeats)])
    drawn = summary(value, found, (1.0 - confidence) / 2.0)
    reach = z_value((1.0 + confidence) / 2.0) * drawn.sd
    return Interval(value=value, low=min(drawn.low, value - reach), high=max(drawn.high, value + reach), sd=drawn.sd)


def powered_mean(
    estimate_all: ArrayLike,
    estimate_labelled: ArrayLike,
    truth_labelled: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> Interval:
    """Return the mean of a truth that few rows have, with the help of an estimate that all rows have.

    The estimate's mean over all rows is corrected by its mean error on the labelled ones, and counts only as much as it
    helps (PPI++, Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453): the interval is about the classic one where
    estimates are worthless, and shorter the better they are. The quantile is Student's, for few labels.

    Args:
        estimate_all: of the rows without a label (N,); may be empty.
        estimate_labelled: of the labelled rows (n,), n >= 2.
        truth_labelled: their truth (n,).
        weights: how many rows each labelled row stands for; None: all the same.
        confidence: of the two-sided interval.

    Raises:
        UndefinedMetricError: fewer than two rows have a label.
    """
    rest, guess, truth = (
        np.asarray(one, dtype=np.float64) for one in (estimate_all, estimate_labelled, truth_labelled)
    )
    n, more = truth.size, rest.size
    if n < 2:
        raise UndefinedMetricError(
            what=f"{n} labelled rows are too few", why="they have no variance", fix="wait for more labels"
        )
    shares = np.ones(n) / n if weights is None else np.asarray(weights, dtype=np.float64) / np.sum(weights)
    spread = float(np.sum(shares**2))  # 1 / n when all count the same; weights make it larger
    trust = _trust(truth, guess, shares, 1.0 / more / spread if more else np.inf)
    rectified = truth - trust * guess
    centre = float(np.sum(shares * rectified))
    variance = float(np.sum(shares**2 * (rectified - centre) ** 2)) * n / (n - 1)
    if more and trust:
        variance += trust**2 * float(rest.var()) / more
    value = centre + (trust * float(rest.mean()) if more else 0.0)
    reach = float(stdtrit(n - 1, (1.0 + confidence) / 2.0)) * sqrt(variance)
    return Interval(value=value, low=value - reach, high=value + reach, sd=sqrt(variance))


def _trust(truth: NDArray, guess: NDArray, shares: NDArray, noise: float) -> float:
    """Return how much of the estimate is used, 0..1: what makes the interval shortest."""
    if not np.isfinite(noise):
        return 0.0
    mean_truth, mean_guess = float(np.sum(shares * truth)), float(np.sum(shares * guess))
    together = float(np.sum(shares * (truth - mean_truth) * (guess - mean_guess)))
    own = float(np.sum(shares * (guess - mean_guess) ** 2))
    return float(np.clip(together / ((1.0 + noise) * own), 0.0, 1.0)) if own > 0.0 else 0.0
