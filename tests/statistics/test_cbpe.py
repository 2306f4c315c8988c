from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.cbpe import METRICS, Promise, cbpe, outlook
from detent.statistics.granules import Granule, count, empty, total
from detent.statistics.layout import OUTPUT, Layout, layout_of
from detent.statistics.reference import Calibrator

GENERATOR = np.random.default_rng(0)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def calibrator(points: int = 128, seed: int = 1) -> Calibrator:
    x = np.sort(np.random.default_rng(seed).random(points))
    y = np.sort(sigmoid(1.3 * np.log(x / (1 - x)) - 0.4))
    return Calibrator(x=tuple(x.tolist()), y=tuple(y.tolist()), sd=(0.01,) * points)


CALIBRATOR = calibrator()
SCORES = sigmoid(1.2 * np.random.default_rng(2).normal(0.4, 1.1, 60_000))
LAYOUT = layout_of({OUTPUT: SCORES[:20_000].tolist()}, [], breakpoints=CALIBRATOR.x)


def counted(scores: np.ndarray, layout: Layout = LAYOUT) -> Granule:
    return count(layout, {}, scores.tolist())


def row_wise(scores: np.ndarray) -> tuple[float, float, float, float]:
    chance, yes = CALIBRATOR.apply(scores), scores >= 0.5
    return (
        float(chance[yes].sum()), float((1 - chance[yes]).sum()),
        float(chance[~yes].sum()), float((1 - chance[~yes]).sum()),
    )  # fmt: skip


def test_counts_of_seven_workers_promise_what_the_rows_do() -> None:
    parts = [counted(part) for part in np.array_split(SCORES, 7)]
    found = cbpe(LAYOUT, total(parts), CALIBRATOR)
    expected = row_wise(SCORES)
    assert found.confusion() == pytest.approx(expected, rel=1e-9)
    tp, fp, fn, _ = expected
    assert found.value("f1") == pytest.approx(2 * tp / (2 * tp + fp + fn), rel=1e-9)


def test_the_order_of_rows_is_known_to_within_a_bin() -> None:
    order = np.argsort(-SCORES, kind="stable")
    chance = CALIBRATOR.apply(SCORES)[order]
    hits, misses = np.r_[0, np.cumsum(chance)], np.r_[0, np.cumsum(1 - chance)]
    exact = np.trapezoid(hits / hits[-1], misses / misses[-1])
    value, off = cbpe(LAYOUT, counted(SCORES), CALIBRATOR).auc()
    assert value - off <= exact <= value + off
    assert value == pytest.approx(exact, abs=1e-5)
    assert off < 0.01


def test_scores_on_an_edge_outside_and_missing_ones_are_counted_right() -> None:
    scores = np.array([0.0, 1.0, 0.5, np.nextafter(0.5, 0), CALIBRATOR.x[0], CALIBRATOR.x[-1], CALIBRATOR.x[60]])
    found = cbpe(LAYOUT, count(LAYOUT, {}, [*scores.tolist(), None, float("nan")]), CALIBRATOR)
    assert found.rows.sum() == len(scores)
    assert found.confusion() == pytest.approx(row_wise(scores), abs=1e-8)


def test_no_rows_have_no_value() -> None:
    found = cbpe(LAYOUT, empty(LAYOUT), CALIBRATOR)
    assert all(np.isnan(found.value(metric)) for metric in METRICS)


def test_a_layout_of_another_calibrator_is_refused() -> None:
    with pytest.raises(ValueError, match="not made for this calibrator"):
        cbpe(LAYOUT, counted(SCORES), calibrator(7, seed=2))


def test_an_easier_window_looks_better_and_a_harder_one_worse() -> None:
    reference = counted(SCORES[:20_000])
    harder = counted(sigmoid(0.5 * np.random.default_rng(3).normal(0.4, 1.1, 2_000)))
    same = counted(sigmoid(1.2 * np.random.default_rng(4).normal(0.4, 1.1, 2_000)))
    for metric in ("roc_auc", "accuracy"):
        worse = outlook(LAYOUT, harder, reference, CALIBRATOR, metric=metric, confidence=0.99, seed=1).worse
        level = outlook(LAYOUT, same, reference, CALIBRATOR, metric=metric, confidence=0.99, seed=1)
        assert worse.low > 0.02
        assert level.worse.low < 0 < level.worse.high
        assert level.now.low < level.then < level.now.high


def test_the_same_seed_gives_the_same_outlook() -> None:
    asked = [
        outlook(LAYOUT, counted(SCORES), counted(SCORES), CALIBRATOR, metric="f1", confidence=0.95, seed=5)
        for _ in range(2)
    ]
    assert asked[0] == asked[1]


def test_a_promise_is_never_more_than_all_rows() -> None:
    found: Promise = cbpe(LAYOUT, counted(SCORES), CALIBRATOR)
    assert np.all((found.positives >= 0) & (found.positives <= found.rows))
