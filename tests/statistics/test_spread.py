"""How far apart several numbers are at most."""

from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.intervals import Interval, wilson
from detent.statistics.spread import smallest_ratio, widest_difference


def _rates(rates: list[float], n: int, draw: np.random.Generator, confidence: float = 0.9) -> list[Interval]:
    return [wilson(int(draw.binomial(n, rate)), n, confidence) for rate in rates]


@pytest.mark.parametrize("rates", [[0.3, 0.3, 0.3], [0.3, 0.35, 0.4], [0.05, 0.05], [0.9, 0.5, 0.88, 0.7]])
def test_the_upper_bound_of_the_spread_covers_it_95_times_in_100(rates: list[float]) -> None:
    draw, hits = np.random.default_rng(0), 0
    for _ in range(2000):
        hits += widest_difference(_rates(rates, 300, draw)).high >= max(rates) - min(rates)
    assert hits / 2000 >= 0.95 - 3 * (0.05 * 0.95 / 2000) ** 0.5


@pytest.mark.parametrize("rates", [[0.3, 0.3, 0.3], [0.3, 0.4], [0.1, 0.2, 0.15], [0.9, 0.5, 0.88]])
def test_the_lower_bound_of_the_ratio_covers_it_95_times_in_100(rates: list[float]) -> None:
    draw, hits = np.random.default_rng(0), 0
    for _ in range(2000):
        hits += smallest_ratio(_rates(rates, 300, draw)).low <= min(rates) / max(rates)
    assert hits / 2000 >= 0.95 - 3 * (0.05 * 0.95 / 2000) ** 0.5


def test_two_numbers_have_newcombes_interval() -> None:
    # Newcombe (1998), unpaired differences, table II, method 10: 56/70 - 48/80 = 0.2, 0.0524 to 0.3339
    found = widest_difference([wilson(56, 70, 0.95), wilson(48, 80, 0.95)])
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_groups_that_are_never_answered_are_defined() -> None:
    none, some = wilson(0, 300, 0.9), wilson(30, 300, 0.9)
    assert smallest_ratio([none, none]).low == 0.0
    assert smallest_ratio([none, none]).value == 1.0
    assert smallest_ratio([none, some]).value == smallest_ratio([none, some]).low == 0.0


def test_one_number_has_no_spread() -> None:
    for spread in (widest_difference, smallest_ratio):
        with pytest.raises(ValueError, match="two numbers"):
            spread([wilson(1, 2, 0.9)])
