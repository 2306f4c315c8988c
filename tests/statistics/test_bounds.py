from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detent.statistics.bounds import difference_at_least, psi_at_least, wasserstein_at_least
from detent.statistics.distances import psi_debiased, wasserstein

EDGES = stats.norm.ppf(np.arange(1, 20) / 20)
EVEN = np.full(20, 0.05)


def shifted(by):
    return np.diff(np.concatenate([[0], stats.norm.cdf(EDGES - by), [1]]))


def samples(seed, q, *, n=10_000, m=2000, repeats=400):
    rng = np.random.default_rng(seed)
    return zip(rng.multinomial(n, EVEN, repeats), rng.multinomial(m, q, repeats), strict=True)


@pytest.mark.parametrize("by", [0.0, 0.2, 0.5, 1.0])
def test_the_bound_of_psi_is_below_the_truth_as_often_as_it_says(by):
    q = shifted(by)
    truth = float(((q - EVEN) * np.log(q / EVEN)).sum())
    bounds = [psi_at_least(a, b) for a, b in samples(2, q)]
    assert np.mean(np.array(bounds) <= truth + 1e-12) >= 0.93
    if by:
        assert np.mean(bounds) > 0.6 * truth


@pytest.mark.parametrize("by", [0.1, 0.2, 0.5, 1.0])
def test_the_bound_of_the_way_that_values_moved_is_below_the_truth_as_often_as_it_says(by):
    q = shifted(by)
    truth = float(wasserstein(EDGES, EVEN, q))
    bounds = [wasserstein_at_least(EDGES, a, b) for a, b in samples(3, q, repeats=300)]
    assert np.mean(np.array(bounds) <= truth + 1e-12) >= 0.92
    if by >= 0.5:
        assert np.mean(bounds) > 0.8 * truth


def test_where_nothing_moved_the_bound_is_nowhere_near_one_that_matters():
    bounds = [wasserstein_at_least(EDGES, a, b) for a, b in samples(5, EVEN, m=500, repeats=300)]
    assert max(bounds) < 0.1  # standard deviations; 0.13 would be a tenth of an interquartile range


@pytest.mark.parametrize(("p", "q"), [(0.0, 0.0), (0.0, 0.05), (0.3, 0.34), (0.9, 0.5)])
def test_the_bound_of_a_share_is_below_the_truth_as_often_as_it_says(p, q):
    rng = np.random.default_rng(4)
    pairs = zip(rng.binomial(5000, p, 600), rng.binomial(400, q, 600), strict=True)
    bounds = np.array([difference_at_least(a, 5000, b, 400) for a, b in pairs])
    assert np.mean(bounds <= abs(p - q) + 1e-12) >= 0.93


def test_more_rows_bring_a_bound_closer():
    q = shifted(0.5)
    few, many = psi_at_least(EVEN * 1000, q * 200), psi_at_least(EVEN * 100_000, q * 20_000)
    assert few < many < psi_debiased(EVEN * 100_000, q * 20_000) * 1.01
    assert psi_at_least(EVEN * 1e6, q * 1e6) == pytest.approx(psi_debiased(EVEN * 1e6, q * 1e6), rel=0.01)


def test_nothing_to_compare_is_no_change():
    assert psi_at_least([0, 0], [3, 4]) == psi_at_least([5, 0], [4, 0]) == psi_at_least([], []) == 0
    assert wasserstein_at_least([1.0], [3, 4], [4, 3]) == wasserstein_at_least([1.0, 2.0], [0, 0, 0], [1, 2, 3]) == 0
    assert difference_at_least(0, 0, 3, 10) == 0


def test_a_bound_is_the_same_at_each_call():
    q = shifted(0.5) * 500
    assert wasserstein_at_least(EDGES, EVEN * 1000, q) == wasserstein_at_least(EDGES, EVEN * 1000, q) > 0
