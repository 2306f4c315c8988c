"""The area under the ROC curve and the difference of two, with their standard errors: no resampling needed."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from detent.statistics.intervals import Interval, wilson, z_value
from detent.statistics.metrics import BINARY, Floats, UndefinedMetricError, checked


def delong(
    y: NDArray, score: NDArray, other: NDArray | None = None, *, confidence: float, factor: float = 1.0
) -> Interval:
    """Return roc_auc, or `roc_auc(score) - factor * roc_auc(other)` on the same rows, two-sided.

    DeLong, DeLong and Clarke-Pearson (1988) by mid-ranks (Sun and Xu 2014): O(n log n). The area of one model is
    bounded on the scale of its logit, so bounds stay between 0 and 1; a perfect one is bounded as a rate without
    failures among as many rows as the rarer class has. Two models that rank alike differ by exactly 0, with no error.

    Raises:
        UndefinedMetricError: one class has fewer than two rows, or values are no numbers.
        ValueError: confidence is not between 0 and 1.
    """
    if not 0.0 <= confidence < 1.0:
        raise ValueError(f"confidence is a share such as 0.95, not {confidence}")
    labels, scores = checked(y, score, BINARY)
    positive = labels == 1.0
    fewest = int(min(positive.sum(), (~positive).sum()))
    if fewest < 2:
        raise UndefinedMetricError(
            what=f"roc_auc has no standard error: {fewest} rows belong to the rarer class",
            why="it comes from how the rows of a class differ among themselves",
            fix="evaluate on more rows",
        )
    value, ups, downs = _components(scores, positive)
    if other is not None:
        theirs, their_ups, their_downs = _components(checked(y, other, BINARY)[1], positive)
        value, ups, downs = value - factor * theirs, ups - factor * their_ups, downs - factor * their_downs
    sd = sqrt(float(ups.var(ddof=1)) / ups.size + float(downs.var(ddof=1)) / downs.size)
    z = z_value((1.0 + confidence) / 2.0)
    if other is None:
        return _between_0_and_1(value, sd, z, fewest, confidence)
    return Interval(value=value, low=value - z * sd, high=value + z * sd, sd=sd)


def _components(score: Floats, positive: NDArray[np.bool_]) -> tuple[float, Floats, Floats]:
    """Return the area; for each positive the share of negatives below it; for each negative that of positives above."""
    ups, downs = score[positive], score[~positive]
    everywhere, among_ups, among_downs = _midranks(score), _midranks(ups), _midranks(downs)
    wins = everywhere[positive] - among_ups  # negatives below, ties half: exact halves
    losses = everywhere[~positive] - among_downs
    area = float(wins.sum()) / (ups.size * downs.size)
    return area, wins / downs.size, 1.0 - losses / ups.size


def _midranks(values: Floats) -> Floats:
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right") + 1) / 2.0


def _between_0_and_1(area: float, sd: float, z: float, fewest: int, confidence: float) -> Interval:
    if sd == 0.0 or not 0.0 < area < 1.0:
        rate = wilson(round(area * fewest), fewest, confidence)
        return Interval(value=area, low=min(rate.low, area), high=max(rate.high, area), sd=sd)
    centre, spread = log(area / (1.0 - area)), z * sd / (area * (1.0 - area))
    low, high = (1.0 / (1.0 + exp(-(centre + side))) for side in (-spread, spread))
    return Interval(value=area, low=low, high=high, sd=sd)
