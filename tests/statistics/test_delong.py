"""The area under the ROC curve with its standard error."""

from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.delong import delong
from detent.statistics.metrics import METRICS, UndefinedMetricError
from detent.statistics.multiple import above_p

AUC = METRICS["roc_auc"]
TRUE_AUC = 0.7602  # two normals one standard deviation apart: Phi(1 / sqrt 2)


def _pair(n: int, seed: int, gain: float = 0.0, decimals: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y = (generator.random(n) < 0.3).astype(float)
    shared = generator.normal(size=n)
    candidate = (1.0 + gain) * y + shared + 0.4 * generator.normal(size=n)
    champion = y + shared + 0.4 * generator.normal(size=n)
    return y, candidate.round(decimals), champion.round(decimals)


def _by_definition(y: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    ups, downs = score[y == 1][:, None], score[y == 0][None, :]
    wins = (ups > downs) + 0.5 * (ups == downs)
    return wins.mean(), wins.mean(axis=1), wins.mean(axis=0)


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_area_and_variance_are_those_of_the_definition(decimals: int) -> None:
    y, ours, theirs = _pair(400, 1, gain=0.3, decimals=decimals)
    found = delong(y, ours, theirs, confidence=0.9, factor=1.1)
    a, a_up, a_down = _by_definition(y, ours)
    b, b_up, b_down = _by_definition(y, theirs)
    up, down = a_up - 1.1 * b_up, a_down - 1.1 * b_down
    sd = np.sqrt(up.var(ddof=1) / up.size + down.var(ddof=1) / down.size)
    assert (found.value, found.sd) == pytest.approx((a - 1.1 * b, sd), abs=1e-12)
    assert delong(y, ours, confidence=0.9).value == AUC.compute(y, ours)


def test_identical_models_and_models_that_rank_alike_differ_by_exactly_nothing() -> None:
    y, score, _ = _pair(300, 0)
    for other in (score.copy(), np.exp(score)):
        found = delong(y, score, other, confidence=0.95)
        assert (found.value, found.low, found.high, found.sd) == (0.0, 0.0, 0.0, 0.0)
    assert above_p(0.0, 0.0, 0.0) == 1.0


def test_the_p_value_is_that_of_ten_thousand_permutations() -> None:
    """Under equal models the scores of a row may be swapped, once they are ranks."""
    y, ours, theirs = _pair(300, 5, gain=0.13)
    ranks = [np.argsort(np.argsort(score)).astype(float) for score in (ours, theirs)]
    found = delong(y, *ranks, confidence=0.95)
    swap = np.random.default_rng(0).random((10_000, 300)) < 0.5
    first, second = np.where(swap, ranks[1], ranks[0]), np.where(swap, ranks[0], ranks[1])
    away = np.abs([AUC.compute(y, a) - AUC.compute(y, b) for a, b in zip(first, second, strict=True)])
    permuted = (1 + np.sum(away >= abs(found.value))) / 10_001
    assert 2 * above_p(abs(found.value), found.sd, 0.0) == pytest.approx(permuted, abs=0.01)


def test_the_interval_of_one_area_covers_the_truth() -> None:
    hits = 0
    for seed in range(1000):
        draw = np.random.default_rng(seed)
        y = (draw.random(200) < 0.3).astype(float)
        found = delong(y, y + draw.normal(size=200), confidence=0.95)
        hits += found.low <= TRUE_AUC <= found.high
    assert 0.93 <= hits / 1000 <= 0.97


def test_the_lower_bound_of_equal_models_exceeds_zero_as_often_as_it_may() -> None:
    above = sum(delong(*_pair(400, seed), confidence=0.9).low > 0 for seed in range(1500))
    assert 0.033 <= above / 1500 <= 0.067  # nominal 0.05, standard error 0.0056


def test_a_perfect_model_is_not_certain() -> None:
    y = np.repeat([0.0, 1.0], [100, 20])
    found = delong(y, y, confidence=0.9)
    assert found.value == found.high == 1.0
    assert 0.8 < found.low < 0.95  # 20 of 20


def test_ten_thousand_rows_take_no_time() -> None:
    y, ours, theirs = _pair(200_000, 3)
    assert delong(y, ours, theirs, confidence=0.95).sd > 0


@pytest.mark.parametrize("labels", [[0.0] * 50, [0.0] * 49 + [1.0]])
def test_a_class_of_one_row_has_no_standard_error(labels: list[float]) -> None:
    with pytest.raises(UndefinedMetricError, match="rarer class"):
        delong(np.array(labels), np.arange(50.0), confidence=0.95)
