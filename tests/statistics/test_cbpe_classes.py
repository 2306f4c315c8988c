"""What calibrated probabilities of several classes promise, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest

from detent.statistics.cbpe_classes import METRICS, PARTS, add_up, fit_chances, outlook
from detent.statistics.chances import Chances, Curve
from detent.statistics.granules import empty
from detent.statistics.layout import OUTPUT, layout_of
from detent.statistics.metrics import CLASSES, metrics_of
from detent.statistics.reference import Reference, from_bytes, to_bytes

AS_IT_IS = Curve(x=(0.0, 1.0), y=(0.0, 1.0), left_out=())


def rows(seed: int, size: int, *, apart: float = 2.0, classes: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the truth, what an overconfident model says, and how probable each class really is."""
    g = np.random.default_rng([3, seed])
    z = np.linspace(0.8, -0.8, classes) + apart * g.normal(size=(size, classes))
    chance, score = (np.exp(part) / np.exp(part).sum(axis=1, keepdims=True) for part in (z, 1.6 * z))
    truth = (g.random((size, 1)) > chance.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return truth.astype(float), score, chance


def fitted(seed: int = 0, size: int = 3_000) -> Chances:
    y, score, _ = rows(seed, size)
    found = fit_chances(y, score)
    assert found is not None
    return found


CHANCES = fitted()


def test_of_probabilities_that_are_right_the_promise_is_the_expected_metric() -> None:
    _, _, chance = rows(1, 400)
    found = add_up(chance, Chances(curves=(AS_IT_IS,) * 4, then=()))
    draws = np.random.default_rng(0)
    truths = (draws.random((400, 400, 1)) > chance.cumsum(axis=1)).sum(axis=2).clip(max=3).astype(float)
    known = metrics_of(CLASSES)
    for metric in METRICS:
        measured = np.array([known[metric].compute(truth, chance) for truth in truths])
        # A mean over rows is exact; what divides is a little off, for it takes the mean of both sides first.
        assert found.values(metric)[0] == pytest.approx(measured.mean(), abs=4.0 * measured.std() / 20 + 0.002), metric


def test_rows_that_are_looked_at_in_parts_add_up_to_those_looked_at_at_once() -> None:
    _, score, _ = rows(2, 20_000)
    whole, parts = add_up(score, CHANCES), [add_up(part, CHANCES) for part in np.array_split(score, 7)]
    found = sum(parts[1:], start=parts[0])
    assert (found.rows, found.outside) == (whole.rows, whole.outside)
    assert found.sums == pytest.approx(whole.sums, rel=1e-12)
    assert found.products == pytest.approx(whole.products, rel=1e-12)


def test_the_promise_of_the_own_rows_is_kept_for_each_metric() -> None:
    y, score, _ = rows(0, 3_000)
    assert {one.metric for one in CHANCES.then} == set(METRICS)
    for one in CHANCES.then:
        assert one.value == pytest.approx(add_up(score, CHANCES).values(one.metric)[0], abs=1e-8)
        assert len(one.left_out) == PARTS
    accuracy = CHANCES.expected("accuracy")
    assert accuracy is not None
    assert accuracy.value == pytest.approx(float((score.argmax(axis=1) == y).mean()), abs=0.025)


def test_the_chance_in_which_rows_come_is_what_other_rows_show() -> None:
    curves = fitted()
    for metric in ("accuracy", "f1_macro", "mcc", "log_loss"):
        values = [float(add_up(rows(seed, 500)[1], curves).values(metric)[0]) for seed in range(100, 220)]
        told = np.sqrt(add_up(rows(5, 500)[1], curves).variance(metric))
        assert told == pytest.approx(np.std(values), rel=0.25), metric


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = same = 0
    for seed in range(60):
        curves, (_, score, chance) = fitted(1_000 + seed, 600), rows(2_000 + seed, 400)
        found = outlook(add_up(score, curves), curves, metric="accuracy", confidence=0.95)
        assert found is not None
        right = chance[np.arange(len(score)), score.argmax(axis=1)].mean()
        held += found.now.low <= right <= found.now.high
        same += found.worse.low <= 0.0 <= found.worse.high
    assert held >= 0.87 * 60
    assert same >= 0.87 * 60


@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric != "top_5"])  # of four classes always right
def test_a_window_of_harder_rows_looks_worse_and_one_as_before_does_not(metric: str) -> None:
    harder = outlook(add_up(rows(3, 1_000, apart=0.7)[1], CHANCES), CHANCES, metric=metric, confidence=0.99)
    same = outlook(add_up(rows(4, 1_000)[1], CHANCES), CHANCES, metric=metric, confidence=0.99)
    assert harder is not None
    assert same is not None
    assert harder.worse.low > 0.0
    assert same.worse.low < 0.0 < same.worse.high


def test_an_interval_does_not_reach_beyond_what_a_metric_can_be() -> None:
    curves, (_, score, _) = fitted(7, 200), rows(8, 50)
    found = outlook(add_up(score, curves), curves, metric="top_3", confidence=0.999_999_9)
    assert found is not None
    assert found.now.low < found.now.value < found.now.high == 1.0


def test_too_few_rows_or_one_class_give_no_curves() -> None:
    y, score, _ = rows(0, 199)
    assert fit_chances(y, score) is None
    assert fit_chances(np.zeros(300), rows(0, 300)[1]) is None


def test_a_class_that_no_row_has_is_taken_at_its_word() -> None:
    y, score, _ = rows(0, 1_000)
    found = fit_chances(np.where(y == 3, 0, y), score)
    assert found is not None
    assert found.curves[3].y == found.curves[3].x == (0.0, 1.0)


def test_where_no_class_is_possible_all_are_as_probable() -> None:
    never = Curve(x=(0.0, 1.0), y=(0.0, 0.0), left_out=())
    found = add_up(np.array([[0.7, 0.2, 0.1, 0.0]]), Chances(curves=(never,) * 4, then=()))
    assert found.values("accuracy")[0] == 0.25


def test_answers_that_are_surer_than_any_that_the_curves_know_are_counted() -> None:
    narrow = Curve(x=(0.2, 0.6), y=(0.1, 0.7), left_out=())
    score = np.array([[0.7, 0.3], [0.4, 0.6], [0.55, 0.45], [0.1, 0.9]])
    assert add_up(score, Chances(curves=(narrow,) * 2, then=())).outside == 2


def test_no_rows_promise_nothing_and_probabilities_of_other_classes_are_refused() -> None:
    assert outlook(add_up(np.empty((0, 4)), CHANCES), CHANCES, metric="f1_macro", confidence=0.9) is None
    with pytest.raises(ValueError, match="no probabilities of 4 classes"):
        add_up(np.full((2, 3), 1 / 3), CHANCES)


def test_a_reference_carries_the_curves_and_one_without_them_keeps_its_bytes() -> None:
    layout = layout_of({OUTPUT: [0.4, 0.6, 0.9]}, [], output="probabilities")
    plain = Reference(layout=layout, inputs=empty(layout), scores=empty(layout))
    assert b"chances" not in to_bytes(plain)
    full = Reference(layout=layout, inputs=empty(layout), scores=empty(layout), chances=CHANCES)
    assert from_bytes(to_bytes(full)).chances == CHANCES
    assert from_bytes(to_bytes(plain)).chances is None
