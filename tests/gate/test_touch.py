"""Rows of training and evaluation that know of each other, and models that know what nobody can."""

from __future__ import annotations

import numpy as np
import pytest

from detent.errors import ProjectError
from detent.gate.checks.permuted import PermutedControl
from detent.gate.checks.touch import TouchingRows
from detent.gate.declared import Permuted, Touch
from detent.gate.judge import judge

from .builders import BINDING, NOW, check, evidence, regression

NEAR, BY, LATER = "overlap(near) <= 1%", "overlap(by=customer) <= 20%", "overlap(known_later) <= 0%"


def _touch(touching: int, within: int | None = None, rows: int = 1000) -> Touch:
    return Touch(rows=rows, touching=touching, train_rows=5000, train_touching=within, example="ann")


@pytest.mark.parametrize(
    ("line", "name", "touch", "decision", "words"),
    [
        (NEAR, "near", _touch(5, 10), "pass", "5 of 1,000 rows (0.5 %): evaluation rows nearly equal a training row"),
        (NEAR, "near", _touch(300, 10), "reject", "such as ann, but at most 1 % is asked; chance explains"),
        (NEAR, "near", _touch(300, 1600), "pass", "as chance explains"),
        (NEAR, "near", _touch(500, 1600), "reject", "at most 1 % is asked"),
        (BY, "entities:customer", _touch(150), "pass", "of a `customer` that was trained on, at most 20 %"),
        (BY, "entities:customer", _touch(900), "reject", "such as ann"),
        (LATER, "known_later", _touch(0), "pass", "0 of 1,000 rows (0 %)"),
        (LATER, "known_later", _touch(1), "reject", "known only after the first evaluation row"),
    ],
)
def test_a_share_of_rows_may_touch_the_other_side(
    line: str, name: str, touch: Touch, decision: str, words: str
) -> None:
    result = TouchingRows()(check(line), evidence(touch={name: touch}))
    assert result.decision == decision
    assert words in result.reason
    assert result.value == touch.touching / 1000


def test_rows_that_nobody_compared_do_not_pass_and_the_checks_that_are_always_on_stay_on() -> None:
    verdict = judge([check(line) for line in (NEAR, BY, LATER)], evidence(), binding=BINDING, now=NOW)
    assert [result.decision for result in verdict.results[:3]] == ["inconclusive"] * 3
    assert "overlap" in {result.kind for result in verdict.results}


def _permuted(n: int = 1000, *, known: float = 0.0, seed: int = 0) -> Permuted:
    """Return a model on permuted labels whose scores hold so much of the answer."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, n).astype(float)
    return Permuted(rows=np.arange(n), y=y, score=known * y + draw.random(n), inputs=7)


def test_a_model_on_permuted_labels_that_knows_nothing_passes() -> None:
    result = PermutedControl()(check("permuted(roc_auc) <= 0.57"), evidence(permuted=_permuted()))
    assert result.decision == "pass"
    assert result.value == pytest.approx(0.5, abs=0.05)


def test_one_that_knows_something_was_told() -> None:
    result = PermutedControl()(check("permuted(roc_auc) <= 0.57"), evidence(permuted=_permuted(known=0.5)))
    assert result.decision == "reject"
    assert "trees on 7 inputs reach a roc_auc of" in result.reason
    assert "made from labels" in result.reason


def test_few_rows_do_not_prove_that_nothing_is_known() -> None:
    result = PermutedControl()(check("permuted(roc_auc) <= 0.55"), evidence(200, permuted=_permuted(200, seed=3)))
    assert result.decision == "inconclusive"


def test_only_rows_that_have_a_label_count() -> None:
    whole = _permuted()
    part = Permuted(rows=np.arange(500), y=whole.y[:500], score=whole.score[:500], inputs=7)
    assert PermutedControl()(check("permuted(roc_auc) <= 0.6"), evidence(permuted=part)).rows == 500


def test_a_model_that_could_not_be_trained_does_not_pass() -> None:
    nothing = Permuted(rows=np.empty(0, np.intp), y=np.empty(0), score=np.empty(0), inputs=0, untold="no rows")
    for given in (None, nothing):
        result = PermutedControl()(check("permuted(roc_auc) <= 0.55"), evidence(permuted=given))
        assert result.decision == "inconclusive"


def test_a_regression_bounds_what_is_explained() -> None:
    draw = np.random.default_rng(0)
    found = Permuted(rows=np.arange(800), y=draw.normal(size=800), score=0.01 * draw.normal(size=800), inputs=2)
    assert PermutedControl()(check("permuted(r2) <= 0.05"), regression(permuted=found)).decision == "pass"


@pytest.mark.parametrize(
    "line", ["permuted(roc_auc) >= 0.5", "permuted(log_loss) <= 0.6", "permuted(calibration_slope) <= 1"]
)
def test_a_limit_on_the_wrong_side_is_a_mistake_of_the_project(line: str) -> None:
    with pytest.raises(ProjectError, match="no limit to what a model on permuted labels knows"):
        PermutedControl()(check(line), evidence(permuted=_permuted()))


def _refused(seeds: range) -> int:
    line = check("permuted(roc_auc) <= 0.55")
    return sum(
        PermutedControl()(line, evidence(2000, permuted=_permuted(2000, seed=seed))).decision == "reject"
        for seed in seeds
    )


def test_the_permuted_control_seldom_accuses_an_honest_project() -> None:
    assert _refused(range(30)) == 0


@pytest.mark.slow
def test_the_permuted_control_accuses_less_than_one_honest_project_in_a_hundred() -> None:
    assert _refused(range(300)) <= 3
