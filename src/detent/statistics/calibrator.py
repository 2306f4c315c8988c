"""From scores to chances: the rising curve that fits the labels best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from detent.errors import DetentError
from detent.statistics.reference import Calibrator

__all__ = ["Calibrator", "isotonic"]


def isotonic(score: NDArray, y: NDArray) -> Calibrator:
    """Fit by isotonic regression (Barlow et al. 1972); between blocks of equal share the curve is linear.

    Scores must be of rows that the model was not fitted on, or the curve says that the model is sure of everything.

    Args:
        score: (n,) finite.
        y: (n,) 0 or 1.

    Raises:
        DetentError: there are no rows, or the two differ in length.
    """
    score, y = np.asarray(score, dtype=np.float64) + 0.0, np.asarray(y, dtype=np.float64)
    if not len(score) or len(score) != len(y):
        raise DetentError(
            what="there is nothing to calibrate with",
            why=f"there are {len(score)} scores and {len(y)} labels",
            fix="pass one label per score, and at least one",
        )
    points, place, rows = np.unique(score, return_inverse=True, return_counts=True)
    share = np.bincount(place, weights=y) / rows
    fitted = isotonic_regression(share, weights=rows)
    starts = np.asarray(fitted.blocks, dtype=np.int64)
    sizes = np.add.reduceat(rows, starts[:-1])
    values = fitted.x[starts[:-1]]
    # A share of 0 or 1 is not certain either: half a row of each class is added for the error.
    guess = (values * sizes + 0.5) / (sizes + 1.0)
    error = np.sqrt(guess * (1.0 - guess) / sizes)
    x, y_, sd = [], [], []
    for first, last, value, spread in zip(starts[:-1], starts[1:] - 1, values, error, strict=True):
        for end in (first, last) if last > first else (first,):
            x.append(float(points[end]))
            y_.append(float(min(1.0, max(0.0, value))))
            sd.append(float(spread))
    return Calibrator(x=tuple(x), y=tuple(y_), sd=tuple(sd))
