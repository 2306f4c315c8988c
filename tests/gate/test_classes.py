"""What the gate concludes about a model of several classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.gate.checks.baseline import Baseline
from detent.gate.checks.leakage import Leakage
from detent.gate.checks.slices import Each
from detent.gate.checks.threshold import Threshold
from detent.gate.checks.versus import Versus
from detent.gate.evidence import Evidence
from detent.gate.judge import judge
from detent.statistics.metrics import UndefinedMetricError

from .builders import BINDING, NOW, always, check, evidence

CLASSES = ("a", "b", "c")


def classes(n: int = 900, *, seed: int = 0, skill: float = 1.0, **parts: Any) -> Evidence:
    """An honest, calibrated model of three classes with an accuracy of about 0.6, and a champion like it."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(n, 3))
    y = np.array([draw.choice(3, p=row) for row in _softmax(1.5 * features)], dtype=float)
    candidate, champion = (_softmax(1.5 * skill * features + 0.2 * draw.normal(size=(n, 3))) for _ in range(2))
    columns = pl.DataFrame(
        {**{f"x{place}": features[:, place] for place in range(3)}, "origin": draw.choice(["EWR", "JFK"], n)}
    )
    known = {
        "task": "multiclass", "columns": columns, "inputs": tuple(columns.columns), "y": y, "score": candidate,
        "champion": champion, "classes": CLASSES, "allowed_inputs": None,
    }  # fmt: skip
    return evidence(n, seed=seed, **(known | parts))


def _softmax(values: np.ndarray) -> np.ndarray:
    found = np.exp(values)
    return found / found.sum(axis=1, keepdims=True)


LINES = (
    "accuracy >= 0.5", "top_2 >= 0.7", "log_loss <= 1.0", "f1_macro >= champion - 0.05",
    "accuracy >= champion - 0.05", "roc_auc_ovr non_inferior by 5%", "gap(accuracy, by=origin) <= 0.2",
    "worst(recall_macro, by=origin) >= 0.45", "each(accuracy, by=origin) >= champion - 0.1", "ece <= 0.15",
)  # fmt: skip


def test_an_honest_model_passes_lines_of_every_form() -> None:
    verdict = judge([check(line) for line in LINES], classes(), binding=BINDING, now=NOW)
    assert verdict.decision == "pass", verdict.reason
    assert len(verdict.results) == len(LINES) + 4


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda s: s * 2.0, "no probabilities from 0 to 1 that sum to 1"),
        (lambda s: np.where(s == s.max(), np.nan, s), "no probabilities from 0 to 1 that sum to 1"),
        (lambda s: s * 0.9, "no probabilities from 0 to 1 that sum to 1"),
        (lambda s: np.full_like(s, 1 / 3), "same probabilities to every row"),
        (lambda s: np.roll(s, 1, axis=1), "roc_auc_ovr of 0.5"),
        (lambda s: _softmax(12.0 * s), "its probabilities mislead"),
    ],
)
def test_scores_that_say_nothing_are_refused_whatever_is_asked(spoil: Any, told: str) -> None:
    honest = classes()
    result = Baseline()(always("baseline"), classes(score=spoil(honest.score)))
    assert result.decision == "reject"
    assert told in result.reason


def test_the_baseline_is_the_share_of_each_class() -> None:
    result = Baseline()(always("baseline"), classes())
    assert result.decision == "pass"
    sure = _softmax(12.0 * classes().score)
    assert "always answering the share of each class" in Baseline()(always("baseline"), classes(score=sure)).reason


def test_rates_are_compared_row_by_row() -> None:
    found = classes()
    worse = np.roll(found.score, 1, axis=1)
    result = Versus()(check("accuracy >= champion - 0.02"), classes(score=worse))
    assert result.decision == "reject"
    assert "McNemar" in result.reason
    twin = Versus()(check("top_2 >= champion - 0.02"), classes(score=found.champion))
    assert (twin.decision, twin.value) == ("pass", 0.0)


def test_a_slice_without_a_class_still_has_a_value() -> None:
    found = classes()
    origin = np.where(found.y == 2.0, "JFK", found.columns["origin"].to_numpy())
    sliced = classes(columns=found.columns.with_columns(origin=pl.Series(origin)))
    result = Each()(check("each(f1_macro, by=origin) >= 0.2"), sliced)
    assert result.decision == "pass"
    assert {part.value for part in result.slices} == {"EWR", "JFK"}


def test_a_feature_that_is_the_label_is_found_and_one_that_only_helps_is_not() -> None:
    found = classes()
    assert Leakage()(always("leakage"), found).decision == "pass"
    told = found.columns.with_columns(answer=pl.Series([CLASSES[int(code)] for code in found.y]))
    result = Leakage()(always("leakage"), classes(columns=told, inputs=("x0", "answer")))
    assert result.decision == "reject"
    assert "`answer` alone predicts the label with a roc_auc_ovr of 1" in result.reason


def test_too_few_rows_of_a_second_class_conclude_nothing() -> None:
    y = np.zeros(900)
    y[:9] = 1.0
    with pytest.raises(UndefinedMetricError, match="fewer than two have 10 rows"):
        Threshold()(check("accuracy >= 0.5"), classes(y=y))


def test_a_metric_of_another_task_is_refused_with_those_that_fit() -> None:
    with pytest.raises(ProjectError) as caught:
        Threshold()(check("roc_auc >= 0.5"), classes())
    assert caught.value.what == "`roc_auc` is no metric of a multiclass task"
    assert "roc_auc_ovr" in caught.value.fix


def test_a_metric_of_the_project_gets_the_whole_table() -> None:
    def likely(y: np.ndarray, score: np.ndarray) -> float:
        return float((score[np.arange(len(y)), y.astype(int)] > 0.2).mean())

    line = check("metric(metrics.py:likely) >= 0.5")
    result = Threshold()(line, classes(own={"metrics.py:likely": likely}))
    assert result.decision == "pass"
    assert 0.5 < (result.value or 0.0) < 1.0
