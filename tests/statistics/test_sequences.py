from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.sequences import arm_mean, one_sided_width, paired_mean, two_sided_width


def growthbook_rho(alpha, n_star):
    """gbstats `sequential_rho`: equation 161 of arXiv 2103.06476v7."""
    return np.sqrt((-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / n_star)


def growthbook_two_sided(s2, n, n_star, alpha):
    """gbstats `sequential_interval_halfwidth`: equation 9."""
    rho = growthbook_rho(alpha, n_star)
    return np.sqrt(s2) * np.sqrt(
        ((2 * (n * np.power(rho, 2) + 1)) * np.log(np.sqrt(n * np.power(rho, 2) + 1) / alpha)) / np.power(n * rho, 2)
    )


def growthbook_one_sided(s2, n, n_star, alpha):
    """gbstats `sequential_interval_halfwidth_one_sided`: equation 134, tuned at twice alpha."""
    rho = growthbook_rho(2 * alpha, n_star)
    return np.sqrt(s2) * np.sqrt(
        (2 * (n * np.power(rho, 2) + 1) / np.power(n * rho, 2))
        * np.log(1 + np.sqrt(n * np.power(rho, 2) + 1) / (2 * alpha))
    )


@pytest.mark.parametrize("rows", [200, 1000, 5000, 1_000_000])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_widths_are_those_of_growthbook(rows, alpha):
    assert two_sided_width(rows, 0.3, alpha=alpha, tuned_for=5000) == pytest.approx(
        growthbook_two_sided(0.3, rows, 5000, alpha)
    )
    assert one_sided_width(rows, 0.3, alpha=alpha, tuned_for=5000) == pytest.approx(
        growthbook_one_sided(0.3, rows, 5000, alpha)
    )


@pytest.mark.parametrize(
    ("weight", "width", "published"),
    [(0.5, 0.02, 7100), (0.25, 0.02, 9300), (0.05, 0.02, 36_700), (0.5, 0.05, 1300), (0.05, 0.05, 7700)],
)
def test_rows_for_a_width_are_those_of_the_reference(weight, width, published):
    variance, tuned = 0.09 * (1 / weight + 1 / (1 - weight)), 2000 / min(weight, 1 - weight)
    rows = range(100, 100_000, 100)
    needed = next(n for n in rows if one_sided_width(n, variance, alpha=0.05, tuned_for=tuned) < width)
    assert needed == pytest.approx(published, rel=0.05)


def test_a_mean_is_missed_no_more_often_than_alpha_however_often_one_looks():
    rng, missed = np.random.default_rng(1), 0
    for _ in range(300):
        values = rng.random(4000) < 0.2
        sums = np.cumsum(values)
        looks = np.arange(200, 4001, 50)
        means = sums[looks - 1] / looks
        widths = [
            two_sided_width(int(n), m * (1 - m), alpha=0.05, tuned_for=2000) for n, m in zip(looks, means, strict=True)
        ]
        missed += bool((np.abs(means - 0.2) > widths).any())
    assert missed / 300 <= 0.05


def test_pairs_and_arms_find_the_same_difference_and_pairs_need_less():
    rng = np.random.default_rng(2)
    base = rng.random(20_000)
    theirs, ours = base, base + 0.02
    pairs = paired_mean(ours, theirs)
    assert pairs.mean == pytest.approx(0.02)
    assert pairs.variance < 1e-12
    own = rng.random(20_000) < 0.25
    arms = arm_mean(np.where(own, ours, theirs), own, np.where(own, 0.25, 0.75))
    assert arms.mean == pytest.approx(0.02, abs=4 * np.sqrt(arms.variance / arms.rows))
    assert arms.variance == pytest.approx(base.var() * (1 / 0.25 + 1 / 0.75), rel=0.05)


def test_weights_that_change_with_the_difficulty_of_requests_do_not_bias_arms():
    """At first 5 % of easy requests, then 50 % of hard ones: plain means of the arms would blame the candidate."""
    rng = np.random.default_rng(3)
    weight = np.repeat([0.05, 0.5], 10_000)
    loss = np.repeat([0.1, 0.5], 10_000) + rng.normal(0, 0.05, 20_000)
    own = rng.random(20_000) < weight
    naive = loss[own].mean() - loss[~own].mean()
    found = arm_mean(loss, own, np.where(own, weight, 1 - weight))
    assert naive > 0.1
    assert abs(found.mean) < 4 * np.sqrt(found.variance / found.rows)
