"""How far apart several numbers are at most: differences and ratios of independent estimates, with valid bounds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import exp, hypot, log

from detent.statistics.intervals import Interval


def widest_difference(parts: Sequence[Interval]) -> Interval:
    """Return largest less smallest of independent numbers.

    `high` is an upper bound of the true spread with the confidence of each part's own bounds: it is the largest of the
    bounds of all pairs, so it is at least the bound of the pair that truly is furthest apart, and no correction for
    having chosen is needed. A pair's bounds are Newcombe's (1998): the distances to the bounds of both, squared and
    added. `low` belongs to the two that look furthest apart, and is for reading, not for deciding.

    Raises:
        ValueError: fewer than two numbers.
    """
    _need_two(parts)
    most, least = max(parts, key=lambda part: part.value), min(parts, key=lambda part: part.value)
    value = most.value - least.value
    high = max(
        up.value - down.value + hypot(up.high - up.value, down.value - down.low) for up, down in permutations(parts, 2)
    )
    low = value - hypot(most.value - most.low, least.high - least.value)
    return Interval(value=value, low=max(0.0, low), high=high, sd=hypot(most.sd, least.sd))


def smallest_ratio(parts: Sequence[Interval]) -> Interval:
    """Return smallest over largest of independent rates, 0 to 1; 1 when all are 0.

    `low` is a lower bound of the true ratio with the confidence of each part's own bounds, for the same reason as in
    `widest_difference`; a pair's bound is Newcombe's on the scale of logarithms.

    Raises:
        ValueError: fewer than two numbers.
    """
    _need_two(parts)
    most, least = max(parts, key=lambda part: part.value), min(parts, key=lambda part: part.value)
    if most.value <= 0.0:
        return Interval(value=1.0, low=0.0, high=1.0)
    if least.value <= 0.0:
        return Interval(value=0.0, low=0.0, high=min(1.0, least.high / max(most.low, 1e-12)))
    value = least.value / most.value
    low = min(_ratio_bound(up, down) for up, down in permutations(parts, 2))
    high = value * exp(hypot(log(least.high / least.value), log(most.value / max(most.low, 1e-12))))
    sd = value * hypot(least.sd / least.value, most.sd / most.value)
    return Interval(value=value, low=min(low, value), high=min(1.0, high), sd=sd)


def _ratio_bound(above: Interval, below: Interval) -> float:
    if above.low <= 0.0:
        return 0.0
    distance = hypot(log(above.value / above.low), log(below.high / below.value))
    return above.value / below.value * exp(-distance)


def _need_two(parts: Sequence[Interval]) -> None:
    if len(parts) < 2:
        raise ValueError(f"a spread needs two numbers, not {len(parts)}")
