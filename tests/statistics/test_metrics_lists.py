"""Metrics of rows that belong together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from detent.statistics.metrics import METRICS, UndefinedMetricError
from detent.statistics.resample import Draws, bca


def _lists(count: int, seed: int, size: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    lists = np.repeat(np.arange(count), size)[draw.permutation(count * size)]
    y = draw.integers(0, 4, count * size).astype(float)
    return lists, y, y + 2 * draw.normal(size=count * size)


@pytest.mark.parametrize("most", [1, 3, 10, 100])
def test_ndcg_is_scikit_learns(most: int) -> None:
    lists, y, score = _lists(20, 1)
    expected = np.mean([sk.ndcg_score([y[lists == k]], [score[lists == k]], k=most) for k in range(20)])
    assert METRICS[f"ndcg@{most}"].given(lists).compute(y, score) == pytest.approx(expected, abs=1e-12)


def test_map_and_mrr_are_those_of_their_definitions() -> None:
    lists, y, score = _lists(15, 2)
    relevant = (y >= 3).astype(float)
    precision, ranks = [], []
    for k in range(15):
        mine = lists == k
        if relevant[mine].any():
            precision.append(sk.average_precision_score(relevant[mine], score[mine]))
            ranks.append(1 / (1 + np.argmax(relevant[mine][np.argsort(-score[mine])])))
    assert METRICS["map"].given(lists).compute(relevant, score) == pytest.approx(np.mean(precision), abs=1e-12)
    assert METRICS["mrr"].given(lists).compute(relevant, score) == pytest.approx(np.mean(ranks), abs=1e-12)


def test_equal_scores_are_no_good_luck() -> None:
    y = np.array([1.0, 0.0, 0.0, 0.0])
    assert METRICS["mrr"].given(np.zeros(4)).compute(y, np.ones(4)) == 0.25


def test_lists_without_a_relevant_row_are_left_out_and_nothing_else_is_left_is_an_error() -> None:
    lists = np.array([0, 0, 1, 1])
    assert METRICS["mrr"].given(lists).compute(np.array([0.0, 1, 0, 0]), np.array([0.1, 0.9, 0.5, 0.4])) == 1.0
    with pytest.raises(UndefinedMetricError, match="no list has a relevant row"):
        METRICS["map"].given(lists).compute(np.zeros(4), np.arange(4.0))


def test_whole_lists_are_resampled() -> None:
    lists, y, score = _lists(60, 3)
    metric = METRICS["ndcg@10"].given(lists)
    found = bca(metric, y, score, confidence=0.9, how=Draws(seed=0, clusters=lists))
    one = [METRICS["ndcg@10"].given(lists[lists == k]).compute(y[lists == k], score[lists == k]) for k in range(60)]
    assert found.value == pytest.approx(np.mean(one), abs=1e-12)
    assert found.sd == pytest.approx(np.std(one) / np.sqrt(60), rel=0.1)


def test_mase_compares_with_repeating_the_last_season() -> None:
    y, naive = np.array([10.0, 12.0, 8.0, 9.0]), np.array([9.0, 9.0, np.nan, 7.0])
    assert METRICS["mase"].given(naive).compute(y, y + 1.0) == pytest.approx(3 / 6)
    with pytest.raises(UndefinedMetricError, match="known nowhere"):
        METRICS["mase"].given(np.full(4, np.nan)).compute(y, y)


@pytest.mark.parametrize(("name", "words"), [("ndcg@10", "target.group"), ("mase", "target.series")])
def test_without_what_they_must_know_they_have_no_value_and_say_what_to_declare(name: str, words: str) -> None:
    with pytest.raises(UndefinedMetricError) as caught:
        METRICS[name].given(None)
    assert words in caught.value.fix
    with pytest.raises(UndefinedMetricError):
        METRICS[name].compute(np.zeros(3), np.zeros(3))
