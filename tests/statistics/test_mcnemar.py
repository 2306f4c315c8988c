"""Two models that are right or wrong on the same rows."""

from __future__ import annotations

from fractions import Fraction
from math import comb, sqrt

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from detent.statistics.intervals import z_value
from detent.statistics.mcnemar import mcnemar_mid_p, rate_difference


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 25), (300, 260), (700, 640), (0, 30)])
def test_the_mid_p_is_statsmodels_exact_p_less_the_observed_split(b: int, c: int) -> None:
    exact = mcnemar([[10, b], [c, 10]], exact=True).pvalue if b + c else 1.0
    observed = comb(b + c, min(b, c)) / 2 ** (b + c)
    expected = 1.0 if b == c else exact - observed
    assert mcnemar_mid_p(b, c) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("b", "c"), [(480, 520), (481, 520), (900, 1100)])
def test_many_disagreements_are_counted_as_exactly_as_few(b: int, c: int) -> None:
    n = b + c
    exact = Fraction(2 * sum(comb(n, k) for k in range(b)) + comb(n, b), 2**n)
    assert mcnemar_mid_p(b, c) == pytest.approx(float(exact), rel=1e-9)
    assert mcnemar_mid_p(48_000, 52_000) < 1e-30


def test_equal_models_are_called_different_as_often_as_they_may() -> None:
    draw = np.random.default_rng(0)
    called = 0
    for _ in range(2000):
        b = int(draw.binomial(60, 0.5))
        called += mcnemar_mid_p(b, 60 - b) <= 0.05
    assert called / 2000 <= 0.05 + 3 * sqrt(0.05 * 0.95 / 2000)
    assert called / 2000 >= 0.025  # and the exact test would have been far below


def test_swapping_the_models_mirrors_the_interval() -> None:
    there, back = rate_difference(30, 12, 200, 0.9), rate_difference(12, 30, 200, 0.9)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low), abs=1e-12)


def test_the_bounds_are_where_the_score_test_just_does_not_refuse() -> None:
    """At 0 Tango's test is McNemar's: (b - c)^2 / (b + c)."""
    b, c, n = 34, 18, 300
    confidence_at_zero = 2 * 0.9867 - 1  # Phi((34 - 18) / sqrt(52)) = 0.98675
    assert rate_difference(b, c, n, confidence_at_zero).low == pytest.approx(0.0, abs=1e-4)
    assert z_value(0.98675) == pytest.approx(16 / sqrt(52), abs=2e-3)


def test_no_disagreement_is_not_certainty() -> None:
    interval = rate_difference(0, 0, 100, 0.95)
    assert interval.value == 0.0
    # Without any disagreement Tango's bounds are +- z^2 / (n + z^2).
    z = z_value(0.975)
    assert (interval.low, interval.high) == pytest.approx((-(z**2) / (100 + z**2), z**2 / (100 + z**2)), abs=1e-9)


@pytest.mark.parametrize("gain", [0.0, 0.02, -0.05])
def test_the_interval_covers_the_true_difference(gain: float) -> None:
    draw, hits = np.random.default_rng(1), 0
    for _ in range(1500):
        b, c, _rest = draw.multinomial(400, [0.06 + max(gain, 0), 0.06 + max(-gain, 0), 0.88 - abs(gain)])
        interval = rate_difference(int(b), int(c), 400, 0.95)
        hits += interval.low <= gain <= interval.high
    assert 0.93 <= hits / 1500 <= 0.97


@pytest.mark.parametrize(("b", "c", "n"), [(-1, 0, 10), (6, 6, 10), (0, 0, 0)])
def test_counts_that_are_no_part_of_the_rows_are_refused(b: int, c: int, n: int) -> None:
    with pytest.raises(ValueError, match="no part"):
        rate_difference(b, c, n, 0.95)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        mcnemar_mid_p(-1, 3)
