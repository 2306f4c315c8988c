"""Whether probabilities mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from detent.statistics.metrics import METRICS, UndefinedMetricError


def _rows(n: int, seed: int, *, sharpness: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores whose logits are `sharpness` times as large as they should be, plus `shift`."""
    draw = np.random.default_rng(seed)
    logit = draw.normal(-0.5, 1.2, n)
    y = (draw.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    return y, 1 / (1 + np.exp(-(sharpness * logit + shift)))


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_the_slope_is_that_of_a_logistic_regression(sharpness: float) -> None:
    y, score = _rows(800, 1, sharpness=sharpness, shift=0.3)
    x = np.log(score / (1 - score))
    fitted = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-12)
    assert METRICS["calibration_slope"].compute(y, score) == pytest.approx(fitted.params[1], abs=1e-8)
    offset = sm.GLM(y, np.ones(800), family=sm.families.Binomial(), offset=x).fit(tol=1e-12)
    assert METRICS["calibration_intercept"].compute(y, score) == pytest.approx(offset.params[0], abs=1e-8)


def test_over_confident_scores_have_a_slope_below_one_and_too_high_ones_an_intercept_below_zero() -> None:
    y, score = _rows(20_000, 2, sharpness=2.0)
    assert METRICS["calibration_slope"].compute(y, score) == pytest.approx(0.5, abs=0.03)
    y, score = _rows(20_000, 3, shift=0.4)
    assert METRICS["calibration_intercept"].compute(y, score) == pytest.approx(-0.4, abs=0.05)


def test_separated_classes_have_no_slope() -> None:
    y = np.repeat([0.0, 1.0], 100)
    with pytest.raises(UndefinedMetricError, match="no value"):
        METRICS["calibration_slope"].compute(y, np.where(y == 1, 0.9, 0.1))
    with pytest.raises(UndefinedMetricError, match="calibration_slope has no value"):
        METRICS["calibration_slope"].compute(np.ones(5), np.full(5, 0.5))


def test_the_debiased_error_of_a_calibrated_model_is_smaller_and_that_of_a_shifted_one_stays() -> None:
    ours, plain = METRICS["ece"], METRICS["calibration_error"]
    honest = [_rows(600, seed) for seed in range(100)]
    assert np.mean([ours.compute(*rows) for rows in honest]) < 0.8 * np.mean([plain.compute(*rows) for rows in honest])
    draw = np.random.default_rng(0)
    chance = draw.uniform(0.1, 0.7, 20_000)
    y = (draw.random(20_000) < chance).astype(float)
    assert ours.compute(y, chance + 0.2) == pytest.approx(0.2, abs=0.01)


def test_equal_scores_share_a_bin() -> None:
    y = np.repeat([0.0, 1.0], [70, 30])
    assert METRICS["ece"].compute(y, np.full(100, 0.3)) == pytest.approx(0.0, abs=1e-12)
    assert METRICS["ece"].compute(y, np.full(100, 0.8)) == pytest.approx(0.5, abs=0.01)
