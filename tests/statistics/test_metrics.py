"""Metrics equal their definitions, and say clearly when they have no value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from detent.errors import DataError
from detent.statistics.metrics import METRICS, UndefinedMetricError, metrics_of
from detent.statistics.names import NAMES

SKLEARN = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "accuracy": lambda y, score: sk.accuracy_score(y, score >= 0.5),
    "log_loss": sk.log_loss,
    "brier": sk.brier_score_loss,
    "precision": lambda y, score: sk.precision_score(y, score >= 0.5),
    "recall": lambda y, score: sk.recall_score(y, score >= 0.5),
    "f1": lambda y, score: sk.f1_score(y, score >= 0.5),
    "mcc": lambda y, score: sk.matthews_corrcoef(y, score >= 0.5),
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
}


def _rows(task: str, n: int = 400, decimals: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    hidden = generator.normal(size=n)
    if task == "regression":
        return hidden, hidden + generator.normal(size=n)
    y = (generator.random(n) < 1 / (1 + np.exp(-hidden))).astype(float)
    return y, np.round(1 / (1 + np.exp(-hidden - generator.normal(size=n))), decimals)


@pytest.mark.parametrize("name", sorted(SKLEARN))
@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_a_metric_equals_scikit_learns_with_and_without_ties(name: str, decimals: int) -> None:
    y, score = _rows(METRICS[name].task, decimals=decimals)
    assert METRICS[name].compute(y, score) == pytest.approx(SKLEARN[name](y, score), abs=1e-12)


@pytest.mark.parametrize("name", sorted(name for name, metric in METRICS.items() if not metric.beside))
def test_counting_rows_equals_repeating_them(name: str) -> None:
    y, score = _rows(METRICS[name].task, n=60)
    counts = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=5).astype(float)
    counted = METRICS[name].resampler(y, score)(counts)
    if METRICS[name].biased:  # its bins stay those of all rows, so that resamples measure one thing
        assert counted.shape == (5,)
        return
    for row, value in zip(counts.astype(int), counted, strict=True):
        assert value == pytest.approx(METRICS[name].compute(y.repeat(row), score.repeat(row)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_roc_auc_is_the_share_of_pairs_ranked_rightly(pairs: list[tuple[bool, int]]) -> None:
    y = np.array([float(positive) for positive, _ in pairs])
    score = np.array([float(score) for _, score in pairs])
    ups, downs = score[y == 1], score[y == 0]
    if not len(ups) or not len(downs):
        with pytest.raises(UndefinedMetricError):
            METRICS["roc_auc"].compute(y, score)
        return
    wins = (ups[:, None] > downs).sum() + 0.5 * (ups[:, None] == downs).sum()
    assert METRICS["roc_auc"].compute(y, score) == pytest.approx(wins / (len(ups) * len(downs)), abs=1e-15)


def test_a_calibrated_model_has_a_small_calibration_error_and_a_shifted_one_has_its_shift() -> None:
    generator = np.random.default_rng(0)
    chance = generator.uniform(0.1, 0.7, 20_000)
    y = (generator.random(20_000) < chance).astype(float)
    error = METRICS["calibration_error"].compute
    assert error(y, chance) < 0.02
    assert error(y, chance + 0.2) == pytest.approx(0.2, abs=0.015)


def test_percentage_errors_are_those_of_their_definitions() -> None:
    y, score = np.array([100.0, 0.0, -50.0]), np.array([90.0, 0.0, -30.0])
    assert METRICS["wape"].compute(y, score) == pytest.approx(30 / 150)
    assert METRICS["smape"].compute(y, score) == pytest.approx((10 / 95 + 0 + 20 / 40) / 3)
    with pytest.raises(UndefinedMetricError, match="all labels are 0"):
        METRICS["wape"].compute(np.zeros(3), score)


def test_the_pinball_loss_is_least_at_the_quantile_and_counts_either_side_by_its_weight() -> None:
    assert METRICS["pinball@0.9"].compute(np.array([10.0, 10.0]), np.array([8.0, 11.0])) == pytest.approx(
        (0.9 * 2 + 0.1 * 1) / 2
    )
    y = np.random.default_rng(0).normal(size=20_000)
    best = {answer: METRICS["pinball@0.9"].compute(y, np.full(y.size, answer)) for answer in (0.8, 1.2816, 1.8)}
    assert min(best, key=lambda answer: best[answer]) == 1.2816
    assert METRICS["pinball@0.5"].compute(y, np.zeros(y.size)) == pytest.approx(np.abs(y).mean() / 2)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_one_class_only_is_an_error_that_names_the_label(name: str) -> None:
    with pytest.raises(ValueError, match=r"no (row is positive|value: all 3 labels are 0)") as caught:
        METRICS[name].compute(np.zeros(3), np.array([0.1, 0.2, 0.3]))
    assert isinstance(caught.value, DataError)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([], [], "no rows"),
        ([0, 1], [0.1], "shape"),
        ([0, 1, 1], [0.1, float("nan"), float("inf")], r"2 of 3 scores .* row 1"),
        ([0, float("nan")], [0.1, 0.2], "labels are NaN"),
        ([0, 2], [0.1, 0.2], "0 or 1"),
    ],
)
def test_rows_that_cannot_be_judged_are_refused(y: list[float], score: list[float], message: str) -> None:
    with pytest.raises(UndefinedMetricError, match=message):
        METRICS["brier"].compute(np.array(y), np.array(score))


def test_r2_of_constant_labels_is_refused() -> None:
    with pytest.raises(UndefinedMetricError, match="all labels are equal"):
        METRICS["r2"].compute(np.ones(4), np.arange(4.0))


def test_log_loss_of_a_certain_and_wrong_score_is_large_and_finite() -> None:
    assert 30 < METRICS["log_loss"].compute(np.array([1.0, 0.0]), np.array([0.0, 0.0])) * 2 < 40


def test_roc_auc_is_exact_for_many_rows() -> None:
    y, score = _rows("binary", n=200_000, decimals=3)
    assert METRICS["roc_auc"].compute(y, score) == pytest.approx(sk.roc_auc_score(y, score), abs=1e-13)


def test_the_names_by_which_a_project_is_checked_are_those_of_the_metrics_that_exist() -> None:
    for task, names in NAMES.items():
        assert list(names) == sorted(metrics_of(task))
