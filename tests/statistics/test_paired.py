"""The paired bootstrap keeps its error rate, and is sharper than two separate intervals."""

from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.intervals import bootstrap
from detent.statistics.metrics import METRICS
from detent.statistics.paired import paired_bootstrap

AUC = METRICS["roc_auc"]


def _pair(n: int, seed: int, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and two models that share most of their error; `gain` is how much stronger the first one is."""
    generator = np.random.default_rng(seed)
    y = (generator.random(n) < 0.3).astype(float)
    shared = generator.normal(size=n)
    candidate = (1.0 + gain) * y + shared + 0.4 * generator.normal(size=n)
    champion = y + shared + 0.4 * generator.normal(size=n)
    return y, candidate, champion


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "accuracy", "rmse", "mae", "r2"])
def test_identical_models_differ_by_exactly_nothing(name: str) -> None:
    y, candidate, _ = _pair(300, 0)
    interval = paired_bootstrap(METRICS[name], y, candidate, candidate.copy(), confidence=0.95, seed=1)
    assert (interval.value, interval.low, interval.high, interval.sd) == (0.0, 0.0, 0.0, 0.0)


def test_models_that_rank_alike_have_exactly_equal_areas() -> None:
    y, candidate, _ = _pair(300, 0)
    interval = paired_bootstrap(AUC, y, candidate, np.exp(candidate), confidence=0.95, seed=1)
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_swapping_the_models_mirrors_the_interval() -> None:
    y, candidate, champion = _pair(400, 2)
    there = paired_bootstrap(AUC, y, candidate, champion, confidence=0.95, seed=3)
    back = paired_bootstrap(AUC, y, champion, candidate, confidence=0.95, seed=3)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low), abs=1e-12)


def test_the_lower_bound_of_equal_models_exceeds_zero_as_often_as_it_may() -> None:
    above = sum(
        paired_bootstrap(AUC, *_pair(400, seed), confidence=0.9, seed=seed, repeats=300).low > 0 for seed in range(400)
    )
    assert 0.06 <= above / 400 <= 0.14  # nominal 0.10, standard error 0.015


def test_sharing_rows_makes_the_difference_sharper_than_either_value() -> None:
    y, candidate, champion = _pair(2_000, 4)
    difference = paired_bootstrap(AUC, y, candidate, champion, confidence=0.95, seed=0)
    alone = bootstrap(AUC, y, candidate, confidence=0.9, seed=0)
    assert difference.high - difference.low < 0.6 * (alone.high - alone.low)


def test_a_paired_bootstrap_is_the_same_for_the_same_seed() -> None:
    rows = _pair(300, 5)
    assert paired_bootstrap(AUC, *rows, confidence=0.95, seed=1) == paired_bootstrap(
        AUC, *rows, confidence=0.95, seed=1
    )


@pytest.mark.parametrize("confidence", [0.3, 1.0])
def test_a_one_sided_confidence_below_a_half_makes_no_sense(confidence: float) -> None:
    with pytest.raises(ValueError, match="one-sided"):
        paired_bootstrap(AUC, *_pair(50, 0), confidence=confidence, seed=0)
