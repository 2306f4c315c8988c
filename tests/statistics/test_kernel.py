from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.kernel import mmd


def clouds(seed, rows, dimensions, *, shift=0.0, other=None):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, dimensions)), rng.normal(shift, 1, size=(other or rows, dimensions))


def test_the_statistic_is_the_definition():
    a, b = clouds(1, 30, 3, shift=0.5, other=20)
    found = mmd(a, b, seed=0)
    everything = np.concatenate([a, b])
    apart = np.linalg.norm(everything[:, None] - everything[None], axis=2)
    width = np.median(apart[np.triu_indices(50, 1)])
    kernel = np.exp(-(apart**2) / (2 * width**2))
    aa = (kernel[:30, :30].sum() - 30) / (30 * 29)
    bb = (kernel[30:, 30:].sum() - 20) / (20 * 19)
    assert found.statistic == pytest.approx(aa + bb - 2 * kernel[:30, 30:].mean(), abs=1e-12)


def test_the_level_is_kept_without_drift():
    rejected = [mmd(*clouds(seed, 40, 8), seed=seed, permutations=99).p_value <= 0.05 for seed in range(100)]
    assert np.mean(rejected) <= 0.12


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_level_is_kept_at_three_hundred_rows_of_thirty_two_dimensions():
    # Of 4,000 pairs of 100 rows 5.2 % were rejected; of one lot of 600 pairs between 3 and 7 % are, 98 times of 100.
    rejected = [mmd(*clouds(100_000 + seed, 300, 32), seed=7_000_000 + seed).p_value <= 0.05 for seed in range(600)]
    assert 0.03 <= np.mean(rejected) <= 0.07


def test_a_shift_and_a_change_of_shape_are_found():
    assert mmd(*clouds(1, 200, 16, shift=0.3), seed=0).p_value < 0.01
    a, b = clouds(2, 200, 2)
    b[:, 1] = b[:, 0] + 0.1 * b[:, 1]  # both columns look as before
    assert mmd(a, b, seed=0).p_value < 0.01


def test_many_rows_are_compared_by_blocks_at_the_right_level():
    assert mmd(*clouds(3, 3000, 4, shift=0.2), seed=0).p_value < 0.01
    rejected = [mmd(*clouds(seed, 2100, 3), seed=seed).p_value <= 0.05 for seed in range(6)]
    assert np.mean(rejected) <= 0.5
    assert 0 <= mmd(*clouds(5, 60, 3, other=4000), seed=0, permutations=19).p_value <= 1


def test_nothing_to_compare_is_a_defined_answer():
    a, b = clouds(1, 1, 3, other=50)
    assert mmd(a, b, seed=0).p_value == 1
    same = np.ones((20, 3))
    assert mmd(same, same, seed=0).p_value == 1
    with pytest.raises(ValueError, match="same length"):
        mmd(a, b[:, :2], seed=0)
