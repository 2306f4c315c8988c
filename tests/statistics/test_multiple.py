"""Several questions to the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from detent.statistics.detectable import detectable, rows_for
from detent.statistics.multiple import above_p, holm


def test_holm_is_that_of_statsmodels() -> None:
    for seed in range(1, 9, 3):
        p = np.random.default_rng(seed).random(seed) ** 3
        assert holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)
    assert holm([]) == []
    assert holm([0.5]) == [0.5]


def test_one_false_call_among_many_is_as_seldom_as_asked() -> None:
    draw = np.random.default_rng(0)
    wrong = sum(min(holm(list(draw.random(10)))) <= 0.05 for _ in range(4000))
    assert wrong / 4000 <= 0.05 + 3 * (0.05 * 0.95 / 4000) ** 0.5


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.5, p])


def test_without_error_the_value_is_the_truth() -> None:
    assert (above_p(0.7, 0.0, 0.6), above_p(0.6, 0.0, 0.6)) == (0.0, 1.0)
    assert above_p(0.7, 0.1, 0.6) == pytest.approx(0.158655, abs=1e-6)


def test_rows_for_a_distance_are_the_inverse_of_what_rows_detect() -> None:
    assert detectable(0.5, 2000, 0.05) == pytest.approx(0.0278, abs=1e-4)
    assert rows_for(0.5, detectable(0.5, 2000, 0.05), 0.05) == pytest.approx(2000)


def test_what_is_said_to_be_detectable_is_detected_in_four_of_five() -> None:
    draw = np.random.default_rng(0)
    effect = detectable(1.0, 400, 0.05)
    found = sum((draw.normal(effect, 1.0, 400).mean() - 1.645 / 20) > 0 for _ in range(2000))
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


def test_no_rows_see_nothing_and_nothing_needs_no_rows() -> None:
    with pytest.raises(ValueError, match="without rows"):
        detectable(1.0, 0, 0.05)
    with pytest.raises(ValueError, match="no number of rows"):
        rows_for(1.0, 0.0, 0.05)
