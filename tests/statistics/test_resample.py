"""Rows, and groups of rows, drawn with replacement."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from detent.statistics.metrics import METRICS, UndefinedMetricError
from detent.statistics.resample import Draws, bca, draws, paired

AUC, BRIER = METRICS["roc_auc"], METRICS["brier"]


def _pair(n: int, seed: int, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and two models that share most of their error; `gain` is how much stronger the first one is."""
    generator = np.random.default_rng(seed)
    y = (generator.random(n) < 0.3).astype(float)
    shared = generator.normal(size=n)
    candidate = (1.0 + gain) * y + shared + 0.4 * generator.normal(size=n)
    champion = y + shared + 0.4 * generator.normal(size=n)
    return y, candidate, champion


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "accuracy", "f1", "mcc", "rmse", "mae", "r2", "wape"])
def test_identical_models_differ_by_exactly_nothing(name: str) -> None:
    y, candidate, _ = _pair(300, 0)
    interval = paired(METRICS[name], y, candidate, candidate.copy(), confidence=0.9, how=Draws(seed=1))
    assert (interval.value, interval.low, interval.high, interval.sd) == (0.0, 0.0, 0.0, 0.0)


def test_swapping_the_models_mirrors_the_interval() -> None:
    y, candidate, champion = _pair(400, 2)
    there = paired(AUC, y, candidate, champion, confidence=0.9, how=Draws(seed=3))
    back = paired(AUC, y, champion, candidate, confidence=0.9, how=Draws(seed=3))
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low), abs=1e-12)


def test_a_factor_scales_the_champion_inside_every_resample() -> None:
    y, candidate, champion = _pair(400, 2)
    scaled = paired(BRIER, y, candidate, champion, confidence=0.9, how=Draws(seed=3), factor=1.2)
    assert scaled.value == pytest.approx(BRIER.compute(y, candidate) - 1.2 * BRIER.compute(y, champion), abs=1e-12)
    squares = (y - candidate) ** 2 - 1.2 * (y - champion) ** 2
    assert scaled.sd == pytest.approx(squares.std() / sqrt(400), rel=0.1)


def test_sharing_rows_makes_the_difference_sharper_than_either_value() -> None:
    y, candidate, champion = _pair(2_000, 4)
    difference = paired(AUC, y, candidate, champion, confidence=0.9, how=Draws(seed=0))
    alone = bca(AUC, y, candidate, confidence=0.9, how=Draws(seed=0))
    assert difference.high - difference.low < 0.6 * (alone.high - alone.low)


def test_the_same_seed_gives_the_same_numbers() -> None:
    rows = _pair(300, 5)
    groups = np.arange(300) // 3
    for how in (Draws(seed=1), Draws(seed=1, clusters=groups)):
        one, two = (paired(AUC, *rows, confidence=0.9, how=how) for _ in range(2))
        assert one == two
    assert paired(AUC, *rows, confidence=0.9, how=Draws(seed=2)) != paired(
        AUC, *rows, confidence=0.9, how=Draws(seed=1)
    )


@pytest.mark.parametrize("name", ["brier", pytest.param("average_precision", marks=pytest.mark.slow)])
def test_bca_covers_the_truth(name: str) -> None:
    metric, hits, runs = METRICS[name], 0, 1000
    big = np.random.default_rng(9)
    many = (big.random(400_000) < 0.3).astype(float)
    truth = metric.compute(many, _score(big, many))
    for seed in range(runs):
        draw = np.random.default_rng(seed)
        y = (draw.random(250) < 0.3).astype(float)
        interval = bca(metric, y, _score(draw, y), confidence=0.95, how=Draws(seed=seed, repeats=600))
        hits += interval.low <= truth <= interval.high
    assert 0.93 <= hits / runs <= 0.97


def _score(draw: np.random.Generator, y: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-(2.0 * y - 1.2 + draw.normal(size=y.size))))


def test_a_group_is_drawn_as_a_whole() -> None:
    groups = np.repeat(np.arange(40), 5)[np.random.default_rng(0).permutation(200)]
    for block in draws(200, Draws(seed=0, repeats=50, clusters=groups)):
        for group in range(40):
            assert np.all(np.ptp(block[:, groups == group], axis=1) == 0)
        assert np.all(block.sum(axis=1) == 200)


def test_groups_keep_the_error_rate_where_rows_exceed_it() -> None:
    """Ten equal rows per entity: as rows they look ten times as certain as they are."""
    wrong, runs = {"rows": 0, "groups": 0}, 200
    for seed in range(runs):
        y, candidate, champion = (np.repeat(part, 10) for part in _pair(100, seed))
        for name, clusters in (("rows", None), ("groups", np.repeat(np.arange(100), 10))):
            how = Draws(seed=seed, repeats=400, clusters=clusters)
            wrong[name] += paired(BRIER, y, candidate, champion, confidence=0.9, how=how).low > 0
    assert wrong["groups"] / runs <= 0.05 + 3 * sqrt(0.05 * 0.95 / runs)
    assert wrong["rows"] / runs > 0.2


def test_too_few_groups_have_no_interval() -> None:
    with pytest.raises(UndefinedMetricError, match="only 19 groups"):
        next(draws(190, Draws(seed=0, clusters=np.arange(190) // 10)))
    with pytest.raises(ValueError, match="groups for 5 rows"):
        next(draws(5, Draws(seed=0, clusters=np.arange(4))))


def test_far_out_the_normal_bound_counts_where_the_resamples_end() -> None:
    y, candidate, champion = _pair(500, 1)
    far = paired(BRIER, y, candidate, champion, confidence=1 - 2e-5, how=Draws(seed=0, repeats=300))
    assert far.low <= far.value - 4.2 * far.sd
    assert far.high >= far.value + 4.2 * far.sd


def test_a_class_too_rare_for_resampling_has_no_interval() -> None:
    y = np.zeros(200)
    y[0] = 1.0
    with pytest.raises(UndefinedMetricError, match="resamples"):
        bca(AUC, y, np.random.default_rng(0).random(200), confidence=0.95, how=Draws(seed=0))
