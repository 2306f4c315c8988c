"""Scores are scores, and better than a constant."""

from __future__ import annotations

import numpy as np
import pytest

from detent.gate.checks.baseline import Baseline
from detent.statistics.metrics import UndefinedMetricError

from .builders import always, evidence, regression

CHECK = always("baseline")


def test_an_honest_model_passes() -> None:
    result = Baseline()(CHECK, evidence())
    assert result.decision == "pass"
    assert result.low is not None
    assert result.low > 0.6


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.01, 1.01])
def test_a_score_that_is_no_probability_rejects_and_is_named(bad: float) -> None:
    score = evidence().score.copy()
    score[[17, 400]] = bad
    result = Baseline()(CHECK, evidence(score=score))
    assert result.decision == "reject"
    assert "2 of 1,000 scores are not a number from 0 to 1" in result.reason
    assert "row 17 (key F17)" in result.reason


@pytest.mark.parametrize("jitter", [0.0, 1e-9])
def test_a_constant_model_is_rejected(jitter: float) -> None:
    score = 0.23 + jitter * np.random.default_rng(0).random(1000)
    result = Baseline()(CHECK, evidence(score=score))
    assert result.decision == "reject"
    assert "learnt nothing" in result.reason


def test_an_inverted_model_is_rejected() -> None:
    assert Baseline()(CHECK, evidence(score=1.0 - evidence().score)).decision == "reject"


def test_a_model_that_guesses_never_passes() -> None:
    decisions = [
        Baseline()(CHECK, evidence(400, score=np.random.default_rng(seed).random(400))).decision for seed in range(60)
    ]
    assert decisions.count("pass") <= 7  # nominal 5 %
    assert decisions.count("reject") > 15


def _sharpened(score: np.ndarray, factor: float, shift: float = 0.0) -> np.ndarray:
    """Multiply the logit: the ranking stays, and above 1 the model is surer than it has reason to be."""
    return 1 / (1 + np.exp(-factor * np.log(score / (1 - score)) - shift))


@pytest.mark.parametrize("score", [_sharpened(evidence().score, 6.0), evidence().score ** 0.1])
def test_probabilities_that_mislead_are_rejected_though_they_rank_well(score: np.ndarray) -> None:
    assert Baseline()(CHECK, evidence()).decision == "pass"
    result = Baseline()(CHECK, evidence(score=score))
    assert result.decision == "reject"
    assert "its probabilities mislead" in result.reason
    assert "lower 95 % bound" in result.reason
    assert result.value is not None
    assert result.threshold is not None
    assert result.value > result.threshold


def test_a_slight_miscalibration_after_drift_is_a_remark_and_no_refusal() -> None:
    """The lower bound of the excess is above 0, and below 2 % of the constant's log loss."""
    score = _sharpened(evidence(20_000).score, 1.0, shift=0.9)
    result = Baseline()(CHECK, evidence(20_000, score=score))
    assert "badly calibrated" in result.reason
    assert result.decision == "pass"


def test_honest_models_of_a_rare_class_are_not_refused_by_chance() -> None:
    for seed in range(40):
        draw = np.random.default_rng(seed)
        chance = 1 / (1 + np.exp(-1.5 * draw.normal(size=1000) + 4.0))
        y = (draw.random(1000) < chance).astype(float)
        assert Baseline()(CHECK, evidence(y=y, score=chance)).decision != "reject"


def test_one_row_answered_with_great_confidence_and_wrongly_refuses_nobody() -> None:
    found = evidence(300)
    score = found.score.copy()
    score[int(np.flatnonzero(found.y == 1)[0])] = 0.0  # costs 36 / 300, far beyond the tolerance
    result = Baseline()(CHECK, evidence(300, score=score))
    assert result.decision == "pass"
    assert "badly calibrated" in result.reason


def test_an_inverted_model_is_refused_for_its_ranking_and_not_for_its_calibration() -> None:
    result = Baseline()(CHECK, evidence(score=_sharpened(1.0 - evidence().score, 6.0)))
    assert result.decision == "reject"
    assert "roc_auc" in result.reason


def test_broken_scores_are_rejected_even_when_rows_are_too_few_to_judge() -> None:
    assert Baseline()(CHECK, evidence(5, score=np.full(5, np.nan))).decision == "reject"
    with pytest.raises(UndefinedMetricError, match="only 5"):
        Baseline()(CHECK, evidence(5))


def test_a_regression_must_beat_the_mean() -> None:
    assert Baseline()(CHECK, regression()).decision == "pass"
    useless = regression().y.mean() + np.random.default_rng(77).normal(size=800)
    result = Baseline()(CHECK, regression(score=useless))
    assert result.decision == "reject"
    assert "always answering the mean" in result.reason
    assert result.threshold == 0.0


def test_a_regression_may_answer_any_finite_number() -> None:
    y = regression().y
    assert Baseline()(CHECK, regression(y=y * 1e4, score=regression().score * 1e4)).decision == "pass"
    assert "NaN or infinite" in Baseline()(CHECK, regression(score=np.full(800, np.inf))).reason
