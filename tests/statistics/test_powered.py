from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detent.statistics.metrics import METRICS, UndefinedMetricError
from detent.statistics.powered import powered_mean, selection, weighted


def population(seed: int, rows: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels that agree with them."""
    generator = np.random.default_rng(seed)
    score = generator.beta(1.5, 3.0, rows)
    return score, (generator.random(rows) < score).astype(float)


def coverage(trials: int, labels: int, *, trust: bool) -> tuple[float, float]:
    """Share of intervals that hold the true mean, and their mean length."""
    hits, lengths = 0, []
    for seed in range(trials):
        generator = np.random.default_rng(seed)
        score = generator.beta(1.5, 3.0, 3_000)
        truth = (generator.random(3_000) < score).astype(float)
        guess = score if trust else generator.random(3_000)
        found = powered_mean(guess[labels:], guess[:labels], truth[:labels])
        hits += found.low <= 1 / 3 <= found.high
        lengths.append(found.high - found.low)
    return hits / trials, float(np.mean(lengths))


def test_intervals_from_a_hundred_labels_hold_the_truth_as_often_as_they_say() -> None:
    share, length = coverage(1_500, 100, trust=True)
    assert 0.93 <= share <= 0.97
    classic = 2 * stats.t(99).ppf(0.975) * np.sqrt(2 / 9 / 100)
    assert length < 0.97 * classic


def test_a_worthless_estimate_costs_next_to_nothing() -> None:
    share, length = coverage(600, 100, trust=False)
    assert 0.93 <= share <= 0.97
    assert length <= 1.01 * 2 * stats.t(99).ppf(0.975) * np.sqrt(2 / 9 / 100)


def test_without_other_rows_it_is_the_classic_interval() -> None:
    truth = np.random.default_rng(1).normal(3.0, 2.0, 50)
    found = powered_mean([], np.zeros(50), truth)
    low, high = stats.t.interval(0.95, 49, loc=truth.mean(), scale=stats.sem(truth))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_perfect_estimate_leaves_only_the_chance_of_which_rows_came() -> None:
    score, truth = population(2)
    found = powered_mean(truth[100:], truth[:100], truth[:100])
    assert found.high - found.low < 0.25 * (powered_mean([], truth[:100], truth[:100]).high - truth[:100].mean()) * 2
    assert found.low < truth.mean() < found.high
    assert score.size == truth.size


@pytest.mark.parametrize("labels", [0, 1])
def test_fewer_than_two_labels_are_refused(labels: int) -> None:
    with pytest.raises(UndefinedMetricError, match="too few"):
        powered_mean([0.5], [0.5] * labels, [1.0] * labels)


def test_labels_by_chance_are_a_fair_sample() -> None:
    unfair = 0
    for seed in range(300):
        score, _ = population(seed, 1_000)
        unfair += not selection(score, np.random.default_rng(seed + 9).random(1_000) < 0.3).fair
    assert unfair <= 3


def test_labels_of_high_scores_first_are_noticed_and_weighted_right() -> None:
    hits = plain = 0
    for seed in range(60):
        score, y = population(seed)
        known = np.random.default_rng(seed + 1).random(score.size) < 0.05 + 0.6 * score
        found = selection(score, known)
        assert not found.fair
        value = weighted(METRICS["brier"], y[known], score[known], found.weights, confidence=0.95, seed=1, repeats=300)
        naive = weighted(METRICS["brier"], y[known], score[known], np.ones(known.sum()), confidence=0.95, seed=1)
        truth = float(np.mean(score * (1 - score)))
        hits += value.low <= truth <= value.high
        plain += naive.low <= truth <= naive.high
    assert hits >= 53
    assert plain < hits


def test_positives_first_are_noticed() -> None:
    score, y = population(5)
    known = (y == 1) & (np.random.default_rng(6).random(score.size) < 0.5)
    assert not selection(score, known).fair


def test_scores_that_no_label_tells_of_are_named() -> None:
    score = np.linspace(0, 1, 1_000)
    found = selection(score, score < 0.5)
    assert found.blind == pytest.approx(0.5, abs=0.01)
    assert not found.fair


@pytest.mark.parametrize("known", [np.zeros(50, dtype=bool), np.ones(50, dtype=bool)])
def test_all_labels_or_none_are_nothing_to_compare(known: np.ndarray) -> None:
    found = selection(np.linspace(0, 1, 50), known)
    assert found.fair
    assert found.weights.size == known.sum()


def test_one_score_for_all_rows_is_no_reason_to_weigh() -> None:
    found = selection(np.full(100, 0.3), np.arange(100) < 40)
    assert found.fair
    assert np.all(found.weights == 1.0)


def test_weights_of_one_give_the_plain_metric() -> None:
    score, y = population(7, 500)
    for name in ("roc_auc", "brier", "accuracy"):
        found = weighted(METRICS[name], y, score, np.ones(500), confidence=0.99, seed=2)
        assert found.value == METRICS[name].compute(y, score)
        assert found.low < found.value < found.high


def test_a_weighted_metric_counts_rows_as_often_as_they_stand_for() -> None:
    score, y = population(8, 200)
    weights = np.random.default_rng(9).integers(1, 4, 200)
    many = METRICS["roc_auc"].compute(np.repeat(y, weights), np.repeat(score, weights))
    assert weighted(METRICS["roc_auc"], y, score, weights, confidence=0.9, seed=1).value == pytest.approx(
        many, abs=1e-12
    )


def test_one_class_has_no_interval() -> None:
    with pytest.raises(UndefinedMetricError):
        weighted(METRICS["roc_auc"], np.ones(50), np.linspace(0, 1, 50), np.ones(50), confidence=0.95, seed=1)
