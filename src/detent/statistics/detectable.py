"""What a number of rows can see, and how many rows it takes to see something."""

from __future__ import annotations

from math import sqrt

from detent.statistics.intervals import z_value

POWER = 0.8  # chance of seeing what is there


def detectable(metric_sd: float, n: int, alpha: float, power: float = POWER) -> float:
    """Return the smallest true distance from a threshold that a one-sided test at `alpha` sees with `power`.

    `metric_sd` is the standard deviation of one row's part of the metric: its standard error is metric_sd / sqrt(n).
    Normal approximation: (z_alpha + z_power) metric_sd / sqrt(n).

    Raises:
        ValueError: there are no rows.
    """
    if n < 1:
        raise ValueError("without rows nothing can be seen")
    return (z_value(1.0 - alpha) + z_value(power)) * metric_sd / sqrt(n)


def rows_for(metric_sd: float, distance: float, alpha: float, power: float = POWER) -> float:
    """Return how many rows see a true distance from the threshold with `power`: the inverse of `detectable`.

    Raises:
        ValueError: the distance is not positive: no number of rows sees nothing.
    """
    if distance <= 0.0:
        raise ValueError(f"no number of rows sees a distance of {distance}")
    return ((z_value(1.0 - alpha) + z_value(power)) * metric_sd / distance) ** 2
