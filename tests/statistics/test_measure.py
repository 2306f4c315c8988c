from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.measure import measure
from detent.statistics.metrics import METRICS, UndefinedMetricError
from detent.statistics.powered import weighted


def rows(task: str, seed: int = 1, size: int = 600) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    score = generator.beta(1.0, 2.0, size)
    y = (generator.random(size) < score).astype(float) if task == "binary" else score + generator.normal(0, 0.3, size)
    return y, score


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "brier", "log_loss", "rmse", "mae", "r2"])
def test_it_is_the_metric_and_its_interval_is_about_that_of_a_bootstrap(name: str) -> None:
    metric = METRICS[name]
    y, score = rows(metric.task)
    found = measure(metric, y, score, confidence=0.95, seed=1)
    drawn = weighted(metric, y, score, np.ones(len(y)), confidence=0.95, seed=1)
    assert found.value == pytest.approx(metric.compute(y, score), rel=1e-12)
    assert found.high - found.low == pytest.approx(drawn.high - drawn.low, rel=0.15)


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "brier", "rmse"])
def test_a_row_that_stands_for_several_counts_as_often(name: str) -> None:
    metric = METRICS[name]
    y, score = rows(metric.task, size=200)
    weights = np.random.default_rng(2).integers(1, 4, 200)
    many = metric.compute(np.repeat(y, weights), np.repeat(score, weights))
    assert measure(metric, y, score, weights, confidence=0.9, seed=1).value == pytest.approx(many, rel=1e-12)


def test_one_class_or_no_rows_have_no_value() -> None:
    for y in (np.ones(30), np.empty(0)):
        with pytest.raises(UndefinedMetricError):
            measure(METRICS["roc_auc"], y, np.linspace(0, 1, y.size), confidence=0.95, seed=1)


def test_no_error_at_all_is_an_interval_of_its_own() -> None:
    y = np.r_[np.zeros(20), np.ones(20)]
    assert measure(METRICS["rmse"], y, y, confidence=0.95, seed=1).high == 0.0
    assert measure(METRICS["accuracy"], y, y, confidence=0.95, seed=1).low < 1.0
