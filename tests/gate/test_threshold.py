"""A metric against a number."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.gate.checks.threshold import Threshold
from detent.statistics.metrics import METRICS, UndefinedMetricError

from .builders import check, evidence, regression


def test_the_bound_decides_and_the_interval_is_shown() -> None:
    result = Threshold()(check("roc_auc >= 0.65"), evidence())
    assert result.decision == "pass"
    assert result.value == METRICS["roc_auc"].compute(evidence().y, evidence().score)
    assert result.low is not None
    assert result.high is not None
    assert result.low < result.value < result.high
    assert result.rows == 1000
    assert not result.measured
    assert "at least 0.65 as asked" in result.reason


def test_an_estimate_above_the_threshold_is_not_enough_unless_it_is_asked_for() -> None:
    near = f"roc_auc >= {METRICS['roc_auc'].compute(evidence().y, evidence().score) - 0.01:.3f}"
    assert Threshold()(check(near), evidence()).decision == "inconclusive"
    result = Threshold()(check(f"{near} by estimate"), evidence())
    assert result.decision == "pass"
    assert result.check.endswith("by estimate")


def test_an_estimate_below_the_threshold_rejects() -> None:
    result = Threshold()(check("roc_auc >= 0.9"), evidence())
    assert result.decision == "reject"
    assert "but at least 0.9 is asked" in result.reason


def test_with_a_confidence_the_bound_decides_and_the_reason_says_how_many_rows_would_settle_it() -> None:
    found = evidence(400)
    value = METRICS["roc_auc"].compute(found.y, found.score)
    result = Threshold()(check(f"roc_auc >= {value - 0.01:.4f} at 95%"), found)
    assert result.decision == "inconclusive"
    assert "lower 95 % bound" in result.reason
    assert "rows (now 400) would settle it" in result.reason
    assert Threshold()(check(f"roc_auc >= {value - 0.1:.4f} at 95%"), found).decision == "pass"
    assert Threshold()(check(f"roc_auc >= {value + 0.01:.4f} at 95%"), found).decision == "reject"


def test_a_lower_is_better_metric_is_bounded_from_above() -> None:
    assert Threshold()(check("rmse <= 2.5"), regression()).decision == "pass"
    strict = Threshold()(check("rmse <= 1.85 at 95%"), regression())
    assert strict.decision == "inconclusive"
    assert "upper 95 % bound" in strict.reason


@pytest.mark.parametrize("share", [0.0, 0.005])
def test_too_few_rows_of_a_class_have_no_answer(share: float) -> None:
    y = np.zeros(1000)
    y[: int(share * 1000)] = 1.0
    with pytest.raises(UndefinedMetricError, match=r"all 1,000 labels are 0|only 5 of 1,000 labels"):
        Threshold()(check("roc_auc >= 0.65"), evidence(y=y))


@pytest.mark.parametrize(("n", "message"), [(0, "no evaluation rows"), (1, "only 1 evaluation row"), (99, "only 99")])
def test_fewer_than_a_hundred_rows_have_no_answer(n: int, message: str) -> None:
    with pytest.raises(UndefinedMetricError, match=message):
        Threshold()(check("roc_auc >= 0.65"), evidence(n))


@pytest.mark.parametrize("metric", ["roc_acu", "rmse"])
def test_a_metric_that_the_task_does_not_have_is_a_mistake_of_the_project(metric: str) -> None:
    with pytest.raises(ProjectError, match="no metric of a binary task") as caught:
        Threshold()(check(f"{metric} >= 0.65"), evidence())
    assert "roc_auc" in caught.value.fix
    assert caught.value.where is not None
    assert caught.value.where.line == 12


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("accuracy >= 0.6", "pass"),
        ("f1 >= 0.4", "pass"),
        ("mcc >= 0.2", "pass"),
        ("average_precision >= 0.4", "pass"),
        ("ece <= 0.15", "pass"),
        ("ece <= 0.001", "reject"),
        ("calibration_slope >= 0.4", "pass"),
        ("calibration_slope <= 1.5", "pass"),
        ("calibration_intercept <= 0.5", "pass"),
        ("log_loss <= 0.7", "pass"),
    ],
)
def test_every_metric_has_a_bound(text: str, decision: str) -> None:
    result = Threshold()(check(text), evidence(3000))
    assert result.decision == decision
    assert result.low is not None
    assert result.high is not None
    assert result.value is not None
    assert result.low <= result.value <= result.high


def test_rows_that_come_in_groups_are_less_certain() -> None:
    found = evidence(400)
    parts = {
        "columns": pl.concat([found.columns] * 5),
        "y": np.tile(found.y, 5),
        "score": np.tile(found.score, 5),
        "champion": None, "keys": None, "train_keys": None,
    }  # fmt: skip
    alone = Threshold()(check("roc_auc >= 0.65"), evidence(2000, **parts))
    grouped = Threshold()(check("roc_auc >= 0.65"), evidence(2000, **parts, groups=np.tile(np.arange(400), 5)))
    assert alone.low is not None
    assert grouped.low is not None
    assert alone.value == grouped.value
    assert alone.value is not None
    assert (alone.value - grouped.low) > 1.8 * (alone.value - alone.low)


def test_the_bound_of_a_calibration_error_covers_the_true_one() -> None:
    hits, runs = 0, 30
    for seed in range(runs):
        draw = np.random.default_rng(seed)
        chance = draw.uniform(0.1, 0.8, 400)
        y = (draw.random(400) < chance).astype(float)
        found = evidence(400, y=y, score=np.clip(chance + 0.15, 0, 1))
        result = Threshold()(check("ece <= 0.5"), found)
        assert result.high is not None
        hits += result.high >= 0.15
    assert hits >= runs - 2
