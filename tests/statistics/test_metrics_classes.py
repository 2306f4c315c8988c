"""Metrics of several classes equal scikit-learn's, and have a defined value when a class is missing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from detent.statistics.intervals import bootstrap
from detent.statistics.measure import measure
from detent.statistics.metrics import METRICS, UndefinedMetricError, metrics_of
from detent.statistics.names import NAMES
from detent.statistics.resample import Draws, bca, paired

OURS = metrics_of("multiclass")
K = 6


def _answer(score: np.ndarray) -> np.ndarray:
    return score.argmax(axis=1)


SKLEARN = {
    "accuracy": lambda y, p: sk.accuracy_score(y, _answer(p)),
    "top_2": lambda y, p: sk.top_k_accuracy_score(y, p, k=2),
    "top_3": lambda y, p: sk.top_k_accuracy_score(y, p, k=3),
    "top_5": lambda y, p: sk.top_k_accuracy_score(y, p, k=5),
    "f1_macro": lambda y, p: sk.f1_score(y, _answer(p), average="macro"),
    "f1_weighted": lambda y, p: sk.f1_score(y, _answer(p), average="weighted"),
    "precision_macro": lambda y, p: sk.precision_score(y, _answer(p), average="macro"),
    "recall_macro": lambda y, p: sk.balanced_accuracy_score(y, _answer(p)),
    "mcc": lambda y, p: sk.matthews_corrcoef(y, _answer(p)),
    "roc_auc_ovr": lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr", average="macro"),
    "log_loss": lambda y, p: sk.log_loss(y, p),
    "brier": lambda y, p: ((p - np.eye(K)[y.astype(int)]) ** 2).sum(axis=1).mean(),
}


def _rows(n: int = 500, seed: int = 0, k: int = K) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y = generator.choice(k, size=n, p=np.arange(1, k + 1) / np.arange(1, k + 1).sum())
    logits = generator.normal(size=(n, k)) + 1.3 * np.eye(k)[y]
    score = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return y.astype(float), score


@pytest.mark.parametrize("name", sorted(SKLEARN))
def test_each_metric_is_scikit_learns(name: str) -> None:
    y, score = _rows()
    assert OURS[name].compute(y, score) == pytest.approx(float(SKLEARN[name](y, score)), abs=1e-12)


@pytest.mark.parametrize("name", sorted(SKLEARN))
def test_a_row_that_is_drawn_twice_counts_as_two_rows(name: str) -> None:
    y, score = _rows(120, seed=3)
    drawn = np.random.default_rng(1).integers(0, 120, 120)
    counts = np.bincount(drawn, minlength=120).astype(float)[None, :]
    found = OURS[name].resampler(y, score)(counts)[0]
    assert found == pytest.approx(float(SKLEARN[name](y[drawn], score[drawn])), abs=1e-9)


def test_the_names_of_a_multiclass_project_are_those_that_can_be_computed() -> None:
    assert set(NAMES["multiclass"]) == set(OURS)
    assert OURS["accuracy"] is not METRICS["accuracy"]
    assert "ndcg@5" not in OURS


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_metric_has_a_value_when_a_class_has_no_rows(name: str) -> None:
    y, score = _rows(200, seed=1)
    kept = y != 2
    value = OURS[name].compute(y[kept], score[kept])
    assert np.isfinite(value)
    if name in ("f1_macro", "precision_macro"):  # over classes that a row has, or that were answered
        assert value == pytest.approx(float(SKLEARN[name](y[kept], score[kept])), abs=1e-12)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_recall_is_the_mean_over_the_classes_that_are_there() -> None:
    y, score = _rows(200, seed=1)
    kept = y != 2
    assert OURS["recall_macro"].compute(y[kept], score[kept]) == pytest.approx(
        float(sk.balanced_accuracy_score(y[kept], _answer(score[kept]))), abs=1e-12
    )


def test_one_class_alone_has_no_area_and_no_correlation() -> None:
    score = _rows(50)[1]
    with pytest.raises(UndefinedMetricError, match="all 50 rows are of one class"):
        OURS["roc_auc_ovr"].compute(np.zeros(50), score)
    assert OURS["mcc"].compute(np.zeros(50), score) == 0.0
    assert OURS["accuracy"].compute(np.zeros(50), score) == pytest.approx(float((_answer(score) == 0).mean()))


def test_equal_probabilities_are_answered_with_the_first_class() -> None:
    score = np.full((3, 3), 1 / 3)
    assert OURS["accuracy"].compute(np.array([0.0, 1.0, 2.0]), score) == pytest.approx(1 / 3)
    assert OURS["top_2"].compute(np.array([0.0, 1.0, 2.0]), score) == pytest.approx(2 / 3)


def test_calibrated_answers_have_a_smaller_calibration_error_than_overconfident_ones() -> None:
    generator = np.random.default_rng(5)
    score = generator.dirichlet(np.ones(4), size=4_000)
    y = np.array([generator.choice(4, p=row) for row in score]).astype(float)
    sharp = score**3 / (score**3).sum(axis=1, keepdims=True)
    assert OURS["ece"].compute(y, score) < 0.02 < 0.1 < OURS["ece"].compute(y, sharp)


@pytest.mark.parametrize("name", ["f1_macro", "log_loss", "roc_auc_ovr", "mcc", "ece"])
def test_an_interval_holds_the_value(name: str) -> None:
    y, score = _rows(300, seed=2)
    found = bootstrap(OURS[name], y, score, confidence=0.95, seed=1, repeats=200)
    assert found.low < found.high
    assert found.low <= found.value * 1.2
    narrow = bca(OURS["f1_macro"], y, score, confidence=0.9, how=Draws(seed=1, repeats=200))
    assert narrow.low < narrow.value < narrow.high


def test_two_equal_models_differ_by_exactly_nothing() -> None:
    y, score = _rows(200)
    found = paired(OURS["f1_macro"], y, score, score, confidence=0.95, how=Draws(seed=1, repeats=100))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ["accuracy", "top_2", "brier", "f1_macro", "log_loss"])
def test_a_live_window_is_measured_with_an_interval(name: str) -> None:
    y, score = _rows(400, seed=4)
    found = measure(OURS[name], y, score, confidence=0.95, seed=1)
    assert found.value == pytest.approx(OURS[name].compute(y, score), abs=1e-9)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("y", "score", "told"),
    [
        (np.array([0.0, 3.0]), np.full((2, 3), 1 / 3), "labels of a task with 3 classes are 0 to 2"),
        (np.array([0.0, 0.5]), np.full((2, 3), 1 / 3), "labels of a task with 3 classes are 0 to 2"),
        (np.array([0.0, 1.0]), np.array([0.2, 0.8]), "labels have the shape"),
        (np.array([0.0, 1.0]), np.full((3, 3), 1 / 3), "labels have the shape"),
        (np.array([0.0, 1.0]), np.array([[0.5, 0.5, 0.0], [np.nan, 0.5, 0.5]]), "1 of 2 scores are NaN"),
    ],
)
def test_what_is_no_probability_of_classes_is_told(y: np.ndarray, score: np.ndarray, told: str) -> None:
    with pytest.raises(UndefinedMetricError, match=told):
        OURS["accuracy"].compute(y, score)
