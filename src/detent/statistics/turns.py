"""How much slower is one of two things that took turns? An interval that noise can't fool, whatever its shape.

In each pair a lot decides who goes first. If one is exactly r times as slow as the other, then after dividing by r it
could as well have been the other way round in every pair: exchanging the two by lot gives what chance can make of it
(a randomisation test, Fisher 1935). The interval holds the r that this test does not reject, so it is exact for equal
things, also when the noise comes in bursts over many pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, log

import numpy as np
from numpy.typing import NDArray

from detent.statistics.intervals import Interval

FLIPS = 399  # exchanges: p-values in steps of 1/400
_STEPS = 12  # of the bisection: the bounds are right to (factor 64) ** (2 ** -12), 0.1 %
_WIDEST = log(64.0)
_LEAST = 1e-9  # seconds


def quantile_ratio(turns: NDArray[np.float64], quantile: float, *, confidence: float, seed: int) -> Interval:
    """Return the ratio of the quantiles of two columns, first over second, with its two-sided interval.

    `low` alone is a one-sided bound at (1 + confidence) / 2. Bounds lie within a factor 64 of the ratio.

    Args:
        turns: (pairs, 2) seconds, the two of a pair taken one after the other in an order by lot.
        quantile: such as 0.99.
        confidence: of the interval.
        seed: of the exchanges.

    Raises:
        ValueError: no pairs, or a quantile or confidence not between 0 and 1.
    """
    if not len(turns) or not 0.0 < quantile < 1.0 or not 0.0 <= confidence < 1.0:
        raise ValueError(f"there is no interval at {confidence} of a quantile {quantile} of {len(turns)} pairs")
    logs = np.log(np.maximum(turns, _LEAST))
    ours, theirs = logs[:, 0], logs[:, 1]
    flips = np.random.default_rng(seed).random((FLIPS, len(turns))) < 0.5
    alpha = (1.0 - confidence) / 2.0
    value = float(_quantiles(ours[None], quantile)[0] - _quantiles(theirs[None], quantile)[0])

    def surely_beyond(shift: float, side: float) -> bool:
        other = theirs + shift
        # One of the times themselves, not one between two: then the logarithm's quantile is the quantile's logarithm.
        first = _quantiles(np.where(flips, other, ours), quantile)
        second = _quantiles(np.where(flips, ours, other), quantile)
        seen = side * float(_quantiles(ours[None], quantile)[0] - _quantiles(other[None], quantile)[0])
        return (1 + int(np.sum(side * (first - second) >= seen))) / (FLIPS + 1) <= alpha

    low = value - _reach(lambda away: surely_beyond(value - away, 1.0))
    high = value + _reach(lambda away: surely_beyond(value + away, -1.0))
    return Interval(value=exp(value), low=exp(low), high=exp(high))


def _quantiles(values: NDArray[np.float64], quantile: float) -> NDArray[np.float64]:
    rank = max(0, ceil(values.shape[1] * quantile) - 1)
    return np.partition(values, rank, axis=1)[:, rank]


def _reach(rejected: Callable[[float], bool]) -> float:
    """Return how far from the ratio a shift must be until the test rejects it."""
    near, far = 0.0, _WIDEST
    if not rejected(far):
        return far
    for _ in range(_STEPS):
        middle = (near + far) / 2.0
        near, far = (near, middle) if rejected(middle) else (middle, far)
    return far
