"""Can a model tell two tables apart? It sees changes of how columns go together, which no single column shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from detent.statistics.delong import delong
from detent.statistics.intervals import Interval

Floats = NDArray[np.float64]

FOLDS = 5
PAIRS = 20  # up to so many columns, their products are looked at, too
_RIDGE = 1.0
_STEPS = 12


def separability(a: Floats, b: Floats, *, seed: int, confidence: float = 0.95) -> Interval:
    """Return the ROC AUC with which rows of `b` are told from rows of `a`, by rows that the model was not fitted on.

    0.5: they can't be told apart; 1: without fail. The model is a ridge logistic regression on ranks, their squares
    and, for up to 20 columns, their products; folds are stratified and shuffled, the interval is DeLong's.

    Args:
        a: (rows, columns), finite.
        b: (rows, columns), finite.
        seed: of the folds.
        confidence: two-sided.

    Raises:
        ValueError: the columns differ, or either has fewer than 10 rows.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"tables of the same columns are compared, not {a.shape} with {b.shape}")
    if min(len(a), len(b)) < 2 * FOLDS:
        raise ValueError(f"at least {2 * FOLDS} rows of each are needed, not {len(a)} and {len(b)}")
    rows, y = _features(np.concatenate([a, b])), np.repeat([0.0, 1.0], [len(a), len(b)])
    rng = np.random.default_rng(seed)
    fold = np.empty(len(y), dtype=np.int64)
    for side in (0.0, 1.0):
        mine = np.flatnonzero(y == side)
        fold[rng.permutation(mine)] = np.arange(len(mine)) % FOLDS
    scores = np.empty(len(y))
    for number in range(FOLDS):
        test = fold == number
        scores[test] = rows[test] @ _fit(rows[~test], y[~test])
    return delong(y, scores, confidence=confidence)


def _features(rows: Floats) -> Floats:
    """Return ranks of each column in -1..1, their squares and products, and a constant; one outlier is one rank."""
    ranks = np.empty_like(rows)
    for number, column in enumerate(rows.T):
        _, place, repeats = np.unique(column, return_inverse=True, return_counts=True)
        middle = np.cumsum(repeats) - repeats / 2
        ranks[:, number] = 2 * middle[place] / len(column) - 1
    parts = [ranks, ranks**2 - 1 / 3, np.ones((len(rows), 1))]
    if 1 < rows.shape[1] <= PAIRS:
        left, right = np.triu_indices(rows.shape[1], 1)
        parts.append(ranks[:, left] * ranks[:, right])
    return np.concatenate(parts, axis=1)


def _fit(rows: Floats, y: Floats) -> Floats:
    """Return the weights of a ridge logistic regression, by Newton's steps; both classes weigh the same."""
    weight = np.where(y == 1, 0.5 / max(y.mean(), 1e-12), 0.5 / max(1 - y.mean(), 1e-12))
    found = np.zeros(rows.shape[1])
    penalty = _RIDGE * np.eye(rows.shape[1])
    for _ in range(_STEPS):
        p = expit(rows @ found)
        slope = rows.T @ (weight * (y - p)) - _RIDGE * found
        curve = (rows * (weight * p * (1 - p))[:, None]).T @ rows + penalty
        step = np.linalg.solve(curve, slope)
        found += step
        if float(np.abs(step).max()) < 1e-6:
            break
    return found
