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


def test_a_badly_calibrated_model_that_ranks_well_passes_with_a_remark() -> None:
    result = Baseline()(CHECK, evidence(score=evidence().score ** 0.1))
    assert result.decision == "pass"
    assert "badly calibrated" in result.reason


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
