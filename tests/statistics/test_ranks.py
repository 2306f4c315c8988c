from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detent.statistics.ranks import rank_sum, superiority

counts = st.lists(st.integers(0, 60), min_size=2, max_size=9)


def rows_of(bins):
    return np.repeat(np.arange(len(bins)), bins)


@given(counts, counts)
def test_the_rank_sum_of_counts_is_mann_and_whitneys_of_the_rows(a, b):
    size = min(len(a), len(b))
    a, b = a[:size], b[:size]
    found = rank_sum(a, b)
    if sum(a) == 0 or sum(b) == 0 or len(set(rows_of(np.add(a, b)))) < 2:
        assert (found.statistic, found.p_value) == (0.5, 1.0)
        return
    known = stats.mannwhitneyu(rows_of(b), rows_of(a), use_continuity=False, method="asymptotic")
    assert found.statistic == pytest.approx(known.statistic / (sum(a) * sum(b)), abs=1e-12)
    assert found.p_value == pytest.approx(known.pvalue, rel=1e-9, abs=1e-12)


def test_many_samples_at_once_are_each_alone():
    rng = np.random.default_rng(1)
    reference, samples = rng.integers(1, 50, 8).astype(float), rng.integers(0, 50, (5, 8)).astype(float)
    chances, deviations = superiority(reference, samples)
    for sample, chance, deviation in zip(samples, chances, deviations, strict=True):
        alone = rank_sum(reference, sample)
        assert alone.statistic == chance
        assert alone.p_value == pytest.approx(2 * stats.norm.sf(abs(chance - 0.5) / deviation))


def test_rows_that_are_worth_less_are_surer_of_nothing():
    a, b = np.array([100.0, 100, 100]), np.array([60.0, 100, 140])
    assert rank_sum(a / 4, b / 4).statistic == pytest.approx(rank_sum(a, b).statistic)
    assert rank_sum(a / 4, b / 4).p_value > 10 * rank_sum(a, b).p_value


def test_a_change_of_width_alone_is_not_seen():
    assert rank_sum([10, 80, 10], [40, 20, 40]).p_value > 0.9


def test_bins_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"same bins|broadcast"):
        rank_sum([1, 2, 3], [1, 2])
