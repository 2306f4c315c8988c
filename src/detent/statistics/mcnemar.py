"""Two models that are each right or wrong on the same rows: only the rows on which they disagree speak."""

from __future__ import annotations

from math import comb, exp, lgamma, log, sqrt

from detent.statistics.intervals import Interval, z_value

_HALVINGS = 60  # of the range -1 .. 1: more than float64 can tell apart


def mcnemar_mid_p(b: int, c: int) -> float:
    """Return McNemar's two-sided mid-p value (Lancaster 1961; Fagerland, Lydersen and Laake 2013).

    `b` rows only the first model has right, `c` only the second. Under equal models b is binomial (b + c, 1/2). The
    exact p value is too large on average; its mid-p counts the observed split half. No disagreement gives 1.

    Raises:
        ValueError: a count is negative.
    """
    if b < 0 or c < 0:
        raise ValueError(f"counts of rows are not negative: {b} and {c}")
    n, fewer = b + c, min(b, c)
    below = sum(_half_binomial(n, k) for k in range(fewer))
    return min(1.0, 2.0 * below + _half_binomial(n, fewer))


def rate_difference(b: int, c: int, n: int, confidence: float) -> Interval:
    """Return the difference of two paired rates, (b - c) / n, with Tango's two-sided score interval (1998).

    `b` of the `n` rows only the first model has right, `c` only the second. The bounds are the differences that a score
    test would just not refuse; they stay sensible for few disagreements, and for none.

    Raises:
        ValueError: the counts are no part of n rows, or confidence is not between 0 and 1.
    """
    if min(b, c) < 0 or n < 1 or b + c > n:
        raise ValueError(f"{b} and {c} rows of disagreement are no part of {n} rows")
    if not 0.0 <= confidence < 1.0:
        raise ValueError(f"confidence is a share such as 0.95, not {confidence}")
    z, value = z_value((1.0 + confidence) / 2.0), (b - c) / n
    return Interval(
        value=value,
        low=-_furthest(c, b, n, z),
        high=_furthest(b, c, n, z),
        sd=sqrt(max(0.0, (b + c) / n - value**2) / n),
    )


def _half_binomial(n: int, k: int) -> float:
    """Chance of k heads in n tosses; exact integers while they fit, else by logarithms."""
    if n <= 1000:
        return comb(n, k) / 2**n
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2.0))


def _furthest(b: int, c: int, n: int, z: float) -> float:
    """Return the largest difference whose score is not below -z: bisection, for the score falls as it grows."""
    low, high = (b - c) / n, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if _score(b, c, n, middle) >= -z:
            low = middle
        else:
            high = middle
    return low


def _score(b: int, c: int, n: int, difference: float) -> float:
    """Tango's statistic: the distance from `difference` in standard errors, with its own estimate of disagreement."""
    linear = -b - c + (2.0 * n - b + c) * difference
    free = -c * difference * (1.0 - difference)
    share = (sqrt(max(0.0, linear**2 - 8.0 * n * free)) - linear) / (4.0 * n)  # of rows only the second has right
    variance = n * (2.0 * share + difference * (1.0 - difference))
    distance = b - c - n * difference
    if variance <= 0.0:
        return 0.0 if distance == 0.0 else distance * float("inf")
    return distance / sqrt(variance)
