"""A metric against a number."""

from __future__ import annotations

import numpy as np
import pytest

from detent.errors import ProjectError
from detent.gate.checks.threshold import Threshold
from detent.statistics.metrics import METRICS, UndefinedMetricError

from .builders import check, evidence, regression


def test_the_estimate_decides_and_the_interval_is_shown() -> None:
    result = Threshold()(check("roc_auc >= 0.65"), evidence())
    assert result.decision == "pass"
    assert result.value == METRICS["roc_auc"].compute(evidence().y, evidence().score)
    assert result.low is not None
    assert result.high is not None
    assert result.low < result.value < result.high
    assert result.rows == 1000
    assert not result.measured
    assert "at least 0.65 as asked" in result.reason


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
