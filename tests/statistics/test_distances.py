from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detent.statistics.distances import (
    benjamini_hochberg,
    chi2_homogeneity,
    coarsen,
    g_test,
    hellinger,
    jensen_shannon,
    ks_from_counts,
    largest_gap,
    pool_rare,
    psi,
    psi_debiased,
    two_proportions,
    wasserstein,
)

counts = st.lists(st.integers(0, 500), min_size=2, max_size=12)


@pytest.fixture(scope="module")
def golden():
    """The samples behind the published reference values; the draws must stay in this order."""
    g = np.random.default_rng(42)
    a, b = g.normal(0, 1, 5000), g.normal(0.2, 1.1, 3000)
    ca = g.choice(list("abcd"), 5000, p=[0.4, 0.3, 0.2, 0.1])
    cb = g.choice(list("abcde"), 3000, p=[0.35, 0.3, 0.2, 0.1, 0.05])
    return a, b, ca, cb


def test_psi_of_reference_deciles_is_the_golden_value(golden):
    a, b, _, _ = golden
    edges = np.quantile(a, np.arange(1, 10) / 10)
    p, q = (np.bincount(np.searchsorted(edges, x, side="left"), minlength=10) for x in (a, b))
    assert psi(p, q, smoothing=0) == pytest.approx(0.06900749274922277, abs=1e-12)
    assert psi(p, q) == pytest.approx(0.069, abs=5e-4)


def test_ks_with_one_value_per_bin_is_scipys(golden):
    a, b, _, _ = golden
    edges = np.sort(np.concatenate([a, b]))
    p, q = (np.bincount(np.searchsorted(edges, x, side="left"), minlength=len(edges) + 1) for x in (a, b))
    found, known = ks_from_counts(p, q), stats.ks_2samp(a, b, method="asymp")
    assert found.statistic == pytest.approx(0.10293333333333334, abs=1e-15)
    assert found.p_value == pytest.approx(known.pvalue, rel=1e-9)
    assert found.p_value == pytest.approx(9.762124037389422e-18, rel=0.5)  # the exact law, at another method's accuracy


@pytest.mark.parametrize("rows", [2_000, 8_000, 60_000])
def test_the_tail_of_ks_with_many_rows_is_scipys_and_never_below_it(rows):
    for z in (1.2, 1.45, 1.5, 1.8, 2.2):
        moved = round(z * np.sqrt(2 / rows) * rows)  # a gap of z / sqrt(rows / 2) between two samples of `rows`
        found = ks_from_counts([rows, 0], [rows - moved, moved])
        known = stats.kstwo.sf(moved / rows, rows / 2)
        assert known * (1 - 1e-9) <= found.p_value <= known * 1.01


def test_ks_from_coarse_bins_never_exaggerates(golden):
    a, b, _, _ = golden
    edges = np.quantile(a, np.arange(1, 20) / 20)
    p, q = (np.bincount(np.searchsorted(edges, x, side="left"), minlength=20) for x in (a, b))
    found = ks_from_counts(p, q)
    assert 0.9 * 0.10293333333333334 < found.statistic <= 0.10293333333333334


def test_chi2_is_the_golden_value(golden):
    _, _, ca, cb = golden
    p, q = ([int((x == level).sum()) for level in "abcde"] for x in (ca, cb))
    assert (p, q) == ([2015, 1515, 989, 481, 0], [1046, 866, 622, 310, 156])
    found = chi2_homogeneity(p, q)
    assert found.statistic == pytest.approx(277.5718422021063, abs=1e-9)
    assert found.p_value == pytest.approx(stats.chi2.sf(277.5718422021063, 4), rel=1e-9)


@given(counts, counts)
def test_chi2_equals_scipys_where_nothing_is_rare(a, b):
    size = min(len(a), len(b))
    p, q = [x + 400 for x in a[:size]], [x + 400 for x in b[:size]]
    known = stats.chi2_contingency([p, q], correction=False)
    found = chi2_homogeneity(p, q)
    assert found.statistic == pytest.approx(known.statistic, rel=1e-9, abs=1e-9)
    assert found.p_value == pytest.approx(known.pvalue, rel=1e-9, abs=1e-12)


@settings(max_examples=150)
@given(st.integers(0, 40), st.integers(1, 300), st.integers(0, 40), st.integers(1, 300))
def test_two_proportions_of_small_counts_are_fishers(k1, n1, k2, n2):
    k1, k2 = min(k1, n1), min(k2, n2)
    found = two_proportions(k1, n1, k2, n2)
    assert 0 <= found <= 1
    if min(n1, n2) * min(k1 + k2, n1 + n2 - k1 - k2) / (n1 + n2) < 5:
        known = stats.fisher_exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue
        assert found == pytest.approx(known, rel=1e-6, abs=1e-12)
    else:
        known = stats.chi2_contingency([[k1, n1 - k1], [k2, n2 - k2]], correction=False).pvalue
        assert found == pytest.approx(known, rel=1e-9)


def test_two_proportions_with_a_huge_reference_are_fast_and_exact():
    assert two_proportions(3, 1_000_000, 2, 100) == pytest.approx(
        stats.fisher_exact([[3, 999_997], [2, 98]]).pvalue, rel=1e-5
    )


@given(counts)
def test_the_same_counts_are_no_distance(a):
    assert psi(a, a) == psi_debiased(a, a) == 0
    assert ks_from_counts(a, a).statistic == 0
    assert ks_from_counts(a, a).p_value == 1
    assert chi2_homogeneity(a, a).p_value == pytest.approx(1)


@given(counts, counts)
def test_every_distance_is_finite_and_symmetric(a, b):
    size = min(len(a), len(b))
    p, q = a[:size], b[:size]
    assert psi(p, q) == pytest.approx(psi(q, p))
    assert psi(p, q) >= 0
    for test in (ks_from_counts, chi2_homogeneity):
        assert test(p, q).statistic == pytest.approx(test(q, p).statistic)
        assert 0 <= test(p, q).p_value <= 1


@given(counts, counts)
def test_pooling_and_coarsening_lose_no_row(a, b):
    size = min(len(a), len(b))
    for pool in (pool_rare, coarsen):
        p, q = pool(a[:size], b[:size])
        assert (p.sum(), q.sum()) == (sum(a[:size]), sum(b[:size]))


def test_an_empty_sample_is_a_defined_answer():
    assert psi([0, 0], [3, 4]) == 0
    assert ks_from_counts([3, 4], [0, 0]).p_value == 1
    assert chi2_homogeneity([], []).p_value == 1
    assert two_proportions(0, 0, 1, 2) == 1


def test_one_unseen_level_in_a_large_sample_is_no_alarm_but_thirty_are():
    reference = [60_000, 40_000, 0]
    assert chi2_homogeneity(reference, [119, 80, 1]).p_value > 0.001
    assert chi2_homogeneity(reference, [105, 65, 30]).p_value < 1e-20


def test_values_never_seen_in_the_reference_are_not_blended_into_a_neighbour():
    reference, current = [0, 30_000, 30_000], [20, 90, 90]
    assert psi_debiased(*coarsen(reference, current)) > 0.5


def test_bins_that_are_empty_on_both_sides_change_nothing():
    assert psi([50, 0, 50], [1, 0, 9]) == psi([50, 50], [1, 9])


def psi_null_quantile(bins, n, m, q):
    """PSI of equal laws is `1/n + 1/m` times a chi-square with one degree of freedom less than bins."""
    return (1 / n + 1 / m) * stats.chi2.ppf(q, bins - 1)


def test_psi_follows_its_null_law():
    rng = np.random.default_rng(5)
    n, m, bins = 10_000, 1000, 10
    pairs = [[rng.multinomial(size, np.ones(bins) / bins) for size in (n, m)] for _ in range(3000)]
    values = np.array([psi(p, q) for p, q in pairs])
    assert values.mean() == pytest.approx((bins - 1) * (1 / n + 1 / m), rel=0.04)
    assert np.quantile(values, 0.95) == pytest.approx(psi_null_quantile(bins, n, m, 0.95), rel=0.06)
    assert psi_null_quantile(10, 10_000, 1000, 0.95) == pytest.approx(0.01861, abs=1e-5)
    assert 0.03 < np.mean(values > psi_null_quantile(bins, n, m, 0.95)) < 0.07
    assert np.mean([psi_debiased(p, q) for p, q in pairs]) < 0.003


def test_chi2_keeps_its_level_with_many_rare_levels():
    rng = np.random.default_rng(6)
    shares = np.array([0.5, 0.3, 0.1] + [0.1 / 47] * 47)
    p_values = [
        chi2_homogeneity(rng.multinomial(60_000, shares), rng.multinomial(200, shares)).p_value for _ in range(1500)
    ]
    assert np.mean(np.array(p_values) < 0.05) < 0.07
    assert np.mean(np.array(p_values) < 0.001) < 0.005


def test_benjamini_hochberg_rejects_by_rank():
    assert benjamini_hochberg([0.001, 0.02, 0.04, 0.9], 0.05) == [True, True, False, False]
    assert benjamini_hochberg([0.9, 0.04, 0.02, 0.001], 0.05) == [False, False, True, True]
    assert benjamini_hochberg([0.03, 0.04, 0.045, 0.05], 0.05) == [True] * 4
    assert benjamini_hochberg([], 0.05) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_hochberg_agrees_with_scipys_adjusted_p_values(p_values):
    adjusted = stats.false_discovery_control(p_values)
    if min(abs(adjusted - 0.1)) > 1e-9:
        assert benjamini_hochberg(p_values, 0.1) == [bool(p <= 0.1) for p in adjusted]


def test_counts_over_different_bins_are_a_programming_error():
    with pytest.raises(ValueError, match="same bins"):
        psi([1, 2], [1, 2, 3])


def test_debiased_psi_is_psi_without_what_chance_adds_on_average():
    p, q = [400, 300, 300], [10, 60, 30]
    assert psi_debiased(p, q) == pytest.approx(psi(p, q) - 2 * (1 / 1000 + 1 / 100))


def levels(golden):
    _, _, ca, cb = golden
    return [[int((x == level).sum()) for level in "abcde"] for x in (ca, cb)]


def deciles(golden):
    a, b, _, _ = golden
    edges = np.quantile(a, np.arange(1, 10) / 10)
    return [np.bincount(np.searchsorted(edges, x, side="left"), minlength=10) for x in (a, b)]


def test_g_is_the_golden_value(golden):
    found = g_test(*levels(golden))
    assert found.statistic == pytest.approx(323.77332463355395, abs=1e-9)
    assert found.p_value == pytest.approx(8.04e-69, rel=1e-2)


def test_jensen_shannon_is_the_golden_value(golden):
    assert jensen_shannon(*deciles(golden)) == pytest.approx(0.11105116145309574, abs=1e-12)
    assert jensen_shannon(*deciles(golden)) * np.sqrt(np.log(2)) == pytest.approx(0.09245615654219283, abs=1e-12)
    assert jensen_shannon(*levels(golden)) == pytest.approx(0.16648098545301232, abs=1e-9)


def test_largest_gap_and_hellinger_are_the_golden_values(golden):
    assert largest_gap(*levels(golden)) == pytest.approx(0.054333333333333345, abs=1e-12)
    assert hellinger(*levels(golden)) == pytest.approx(0.1648933800861784, abs=1e-9)


def nannymls_bins(a, b):
    """Doane's bins of the reference; all values outside are one more bin."""
    edges = np.histogram_bin_edges(a, bins="doane")
    return [np.append(np.histogram(x, edges)[0], len(x) - np.histogram(x, edges)[0].sum()) for x in (a, b)]


def test_given_the_bins_of_nannyml_the_distances_are_its_distances(golden):
    a, b, _, _ = golden
    p, q = nannymls_bins(a, b)
    assert jensen_shannon(p, q) == pytest.approx(0.1143981647447153, abs=1e-9)
    assert hellinger(p, q) == pytest.approx(0.09769068009564325, abs=1e-9)


def evidentlys_bins(a, b):
    """Sturges' bins of both samples together."""
    edges = np.histogram_bin_edges(np.concatenate([a, b]), bins="sturges")
    return [np.histogram(x, edges)[0] for x in (a, b)]


def test_given_the_bins_of_evidently_the_distances_are_its_distances(golden):
    a, b, _, _ = golden
    p, q = evidentlys_bins(a, b)
    assert jensen_shannon(p, q) * np.sqrt(np.log(2)) == pytest.approx(0.09543093052914507, abs=1e-12)
    assert hellinger(p, q) == pytest.approx(0.09623442893393785, abs=1e-12)
    # Its PSI puts 1e-4 into empty bins and leaves the sum above 1; ours are shares.
    filled = [np.where(x == 0, 1e-4, x / x.sum()) for x in (p, q)]
    assert psi(filled[0], filled[1], smoothing=0) == pytest.approx(0.07394164022263176, abs=5e-6)


def test_wasserstein_with_one_value_per_bin_is_scipys(golden):
    a, b, _, _ = golden
    edges = np.sort(np.concatenate([a, b]))
    # Bin i ends at edge i, and holds exactly the value there; spreading it over the bin moves it half a gap at most.
    p, q = (np.bincount(np.searchsorted(edges, x, side="left"), minlength=len(edges) + 1) for x in (a, b))
    assert wasserstein(edges, p, q) == pytest.approx(0.23167223904905432, abs=2e-4)
    assert stats.wasserstein_distance(a, b) == pytest.approx(0.23167223904905432, abs=1e-12)


def test_wasserstein_from_few_bins_is_close_and_one_absurd_value_does_not_matter(golden):
    a, b, _, _ = golden
    edges = np.quantile(a, np.arange(1, 64) / 64)
    p, q = (np.bincount(np.searchsorted(edges, x, side="left"), minlength=64) for x in (a, np.append(b, 1e12)))
    assert wasserstein(edges, p, q) == pytest.approx(0.2317, abs=0.02)


def test_the_jensen_shannon_divergence_of_equal_laws_is_an_eighth_of_psi():
    rng = np.random.default_rng(8)
    n, m, bins = 5000, 1000, 10
    pairs = [[rng.multinomial(size, np.ones(bins) / bins) for size in (n, m)] for _ in range(2000)]
    divergences = np.array([jensen_shannon(p, q) ** 2 * np.log(2) for p, q in pairs])
    assert divergences.mean() == pytest.approx((bins - 1) * (1 / n + 1 / m) / 8, rel=0.04)
    assert np.quantile(divergences, 0.95) == pytest.approx(psi_null_quantile(bins, n, m, 0.95) / 8, rel=0.06)


@given(counts, counts)
def test_bounded_distances_are_bounded_symmetric_and_zero_for_the_same(a, b):
    size = min(len(a), len(b))
    p, q = a[:size], b[:size]
    for distance in (jensen_shannon, hellinger, largest_gap):
        assert 0 <= distance(p, q) <= 1 + 1e-12
        assert distance(p, q) == pytest.approx(distance(q, p), abs=1e-9)
        assert distance(p, p) == pytest.approx(0, abs=1e-7)
    assert g_test(p, p).p_value == pytest.approx(1)
