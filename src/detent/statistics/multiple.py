"""Several questions to the same rows: what each p value is worth."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values (1979), in the order given.

    Calling significant what is at most alpha keeps the chance of even one false call at most alpha, whatever the
    questions have to do with each other.

    Raises:
        ValueError: a p value is not from 0 to 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if np.any(~((p >= 0.0) & (p <= 1.0))):
        raise ValueError("p values are from 0 to 1")
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted.tolist()


def above_p(value: float, sd: float, threshold: float) -> float:
    """Return the one-sided p value of "the truth is at most the threshold", by the normal approximation.

    Without any error (sd 0) the value is the truth: 0 above the threshold, 1 at or below it.
    """
    if sd <= 0.0:
        return 0.0 if value > threshold else 1.0
    return NormalDist().cdf((threshold - value) / sd)
