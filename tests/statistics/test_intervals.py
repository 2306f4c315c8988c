"""Intervals cover the truth as often as they say."""

from __future__ import annotations

import time

import numpy as np
import pytest

from detent.statistics.intervals import bootstrap, quantile_interval, replicates, resamples, wilson, z_value
from detent.statistics.metrics import METRICS, UndefinedMetricError

AUC = METRICS["roc_auc"]
TRUE_AUC = 0.7602  # two normals one standard deviation apart: Phi(1 / sqrt 2)


def _scored(n: int, seed: int, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y = (generator.random(n) < share).astype(float)
    return y, y + generator.normal(size=n)


def test_every_resample_draws_as_many_rows_as_there_are() -> None:
    blocks = list(resamples(700, seed=0, repeats=900))
    assert sum(len(block) for block in blocks) == 900
    assert all(np.all(block.sum(axis=1) == 700) for block in blocks)
    counts = np.concatenate(blocks)
    assert counts.var() == pytest.approx(1.0, abs=0.02)  # multinomial: 1 - 1/n


def test_a_bootstrap_is_the_same_for_the_same_seed_and_differs_for_another() -> None:
    y, score = _scored(500, 0)
    first = bootstrap(AUC, y, score, confidence=0.95, seed=7)
    assert first == bootstrap(AUC, y, score, confidence=0.95, seed=7)
    assert first != bootstrap(AUC, y, score, confidence=0.95, seed=8)
    assert first.low < first.value < first.high


def test_the_bootstrap_of_roc_auc_covers_the_truth_95_times_in_100() -> None:
    hits = 0
    for seed in range(300):
        interval = bootstrap(AUC, *_scored(300, seed), confidence=0.95, seed=seed, repeats=400)
        hits += interval.low <= TRUE_AUC <= interval.high
    assert 0.915 <= hits / 300 <= 0.98


def test_the_standard_error_of_a_mean_is_the_textbook_one() -> None:
    y, score = _scored(2_000, 3)
    interval = bootstrap(METRICS["brier"], y, score, confidence=0.95, seed=0)
    assert interval.sd == pytest.approx(((y - score) ** 2).std() / np.sqrt(2_000), rel=0.08)


def test_a_bootstrap_of_ten_thousand_rows_is_fast() -> None:
    y, score = _scored(10_000, 0)
    start = time.perf_counter()
    bootstrap(AUC, y, score, confidence=0.95, seed=0)
    assert time.perf_counter() - start < 5.0  # 0.3 s on one free core


def test_a_class_too_rare_for_resampling_has_no_interval() -> None:
    y = np.zeros(200)
    y[0] = 1.0
    with pytest.raises(UndefinedMetricError, match="resamples"):
        bootstrap(AUC, y, np.random.default_rng(0).random(200), confidence=0.95, seed=0)


def test_replicates_without_a_value_are_nan() -> None:
    replicas = replicates(AUC, np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.3]), seed=0, repeats=200)
    assert np.isnan(replicas).any()
    assert np.nanmax(replicas) == 1.0


def test_wilson_agrees_with_published_values_and_stays_between_0_and_1() -> None:
    # Newcombe (1998), table I, method 3: 81/263 and 15/148 and 0/20.
    for successes, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        interval = wilson(successes, n, 0.95)
        assert (interval.low, interval.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))
    assert wilson(20, 20, 0.95).high == 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_rate(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="no rate"):
        wilson(successes, n, 0.95)


def test_a_quantile_interval_covers_the_true_quantile() -> None:
    truth = np.exp(z_value(0.95))
    hits = 0
    for seed in range(400):
        interval = quantile_interval(np.random.default_rng(seed).lognormal(size=300), 0.95, confidence=0.95)
        hits += interval.low <= truth <= interval.high
    assert 0.92 <= hits / 400 <= 0.99


def test_the_quantile_of_one_sample_is_that_sample() -> None:
    interval = quantile_interval(np.array([0.25]), 0.99, confidence=0.95)
    assert (interval.low, interval.value, interval.high) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize("confidence", [-0.1, 1.0, 95.0])
def test_a_confidence_outside_0_to_1_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        bootstrap(AUC, *_scored(50, 0), confidence=confidence, seed=0)
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence)
