"""A share of rows with its interval."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from detent.statistics.intervals import Interval, wilson
from detent.statistics.metrics import UndefinedMetricError
from detent.statistics.resample import MIN_CLUSTERS


def share_of(hits: NDArray[np.bool_], groups: NDArray | None, confidence: float) -> Interval:
    """Return the share of hits; rows that come in groups widen its interval by the root of their design effect.

    Raises:
        UndefinedMetricError: the rows come from fewer than 20 groups.
    """
    n = hits.size
    interval = wilson(int(hits.sum()), n, confidence)
    if groups is None:
        return interval
    names, member = np.unique(groups, return_inverse=True)
    if names.size < MIN_CLUSTERS:
        raise UndefinedMetricError(
            what=f"the rows come from only {names.size} clusters",
            why=f"nothing is concluded from fewer than {MIN_CLUSTERS}",
            fix="evaluate on more rows",
        )
    rate = interval.value
    away = np.bincount(member, weights=hits - rate)
    variance = float((away**2).sum()) * names.size / (names.size - 1) / n**2
    plain = rate * (1.0 - rate) / n
    wider = sqrt(max(1.0, variance / plain)) if plain > 0.0 else sqrt(n / names.size)
    return Interval(
        value=rate,
        low=max(0.0, rate - wider * (rate - interval.low)),
        high=min(1.0, rate + wider * (interval.high - rate)),
        sd=wider * interval.sd,
    )
