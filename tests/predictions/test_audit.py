from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.predictions.audit import choose


def rows(scores: np.ndarray, labelled: np.ndarray | None = None) -> pl.DataFrame:
    label = [None] * len(scores) if labelled is None else [1.0 if known else None for known in labelled]
    return pl.DataFrame(
        {"id": [f"{number:040x}" for number in range(len(scores))], "answer": scores, "label": label},
        schema={"id": pl.String(), "answer": pl.Float64(), "label": pl.Float64()},
    )


def test_rare_scores_are_asked_about_as_often_as_frequent_ones() -> None:
    scores = np.r_[np.random.default_rng(1).beta(1, 9, 5_000)]
    chosen = choose(rows(scores), 50, seed=3)
    levels = np.argsort(np.argsort(scores))[[int(id_, 16) for id_ in chosen]] * 10 // 5_000
    assert np.bincount(levels).tolist() == [5] * 10


def test_answers_with_a_label_are_left_alone() -> None:
    known = np.arange(100) % 2 == 0
    chosen = choose(rows(np.linspace(0, 1, 100), known), 100, seed=1)
    assert sorted(int(id_, 16) for id_ in chosen) == list(range(1, 100, 2))


def test_the_same_seed_asks_the_same() -> None:
    table = rows(np.random.default_rng(2).random(500))
    assert choose(table, 30, seed=5) == choose(table, 30, seed=5) != choose(table, 30, seed=6)
    assert choose(table, 30, seed=5) == choose(table, 60, seed=5)[:30]


@pytest.mark.parametrize(("size", "n", "expected"), [(0, 5, 0), (3, 5, 3), (5, 0, 0), (1, 1, 1), (200, 7, 7)])
def test_there_are_never_more_than_there_are(size: int, n: int, expected: int) -> None:
    chosen = choose(rows(np.full(size, 0.5)), n, seed=1)
    assert len(set(chosen)) == len(chosen) == expected
