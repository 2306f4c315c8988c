"""Too good to be true."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from detent.gate.checks.leakage import Leakage
from detent.gate.evidence import Evidence

from .builders import always, check, evidence, regression

CHECK = always("leakage")


def _with(column: pl.Series, **parts: Any) -> Evidence:
    found = evidence()
    columns = found.columns.with_columns(column)
    return evidence(columns=columns, inputs=tuple(columns.columns), allowed_inputs=None, **parts)


def test_an_honest_model_passes_and_the_most_telling_feature_is_named() -> None:
    result = Leakage()(CHECK, evidence())
    assert result.decision == "pass"
    assert "`x0`" in result.reason


def _leaks() -> dict[str, pl.Series]:
    y = evidence().y
    noise = np.random.default_rng(0).normal(size=1000)
    return {
        "a copy": pl.Series("leak", y),
        "its opposite": pl.Series("leak", -3.0 * y),
        "with noise": pl.Series("leak", y + 0.2 * noise),
        "as text": pl.Series("leak", ["late" if label else "on time" for label in y]),
        "as a truth value": pl.Series("leak", y == 1),
        "as a category": pl.Series("leak", ["late" if label else "on time" for label in y], dtype=pl.Categorical),
        "only filled for one class": pl.Series("leak", np.where(y == 1, np.nan, noise)),
        "null for one class": pl.Series("leak", [None if label else 5 for label in y]),
        "both ends of a scale": pl.Series("leak", np.where(y == 1, noise, np.sign(noise) * (5 + noise**2))),
        "with one row in 100 wrong": pl.Series("leak", np.where(np.arange(1000) % 100 == 0, 1 - y, y)),
    }


@pytest.mark.parametrize("name", list(_leaks()))
def test_a_feature_that_holds_the_answer_is_rejected_by_name(name: str) -> None:
    result = Leakage()(CHECK, _with(_leaks()[name]))
    assert result.decision == "reject"
    assert "`leak` alone predicts the label" in result.reason


def test_a_column_with_a_value_of_its_own_for_every_row_is_no_leak() -> None:
    for column in (pl.Series("id", [f"k{index}" for index in range(1000)]), pl.Series("id", range(1000))):
        assert Leakage()(CHECK, _with(column)).decision == "pass"


def test_empty_and_constant_columns_are_no_leak() -> None:
    for column in (pl.Series("c", [None] * 1000), pl.Series("c", [3.0] * 1000), pl.Series("c", ["x"] * 1000)):
        assert Leakage()(CHECK, _with(column)).decision == "pass"


def test_strong_honest_features_give_no_alarm() -> None:
    """Ten features with a roc_auc of 0.9 each, 500 rows: the limit of 0.97 is far away."""
    for seed in range(30):
        draw = np.random.default_rng(seed)
        y = (draw.random(500) < 0.3).astype(float)
        columns = pl.DataFrame({f"f{index}": 1.8124 * y + draw.normal(size=500) for index in range(10)})
        found = evidence(500, y=y, columns=columns, inputs=tuple(columns.columns), allowed_inputs=None, champion=None)
        assert Leakage()(CHECK, found).decision == "pass"


def test_a_model_beyond_belief_is_rejected_though_no_single_feature_is() -> None:
    found = evidence()
    result = Leakage()(CHECK, evidence(score=np.clip(0.1 + 0.8 * found.y + 0.01 * found.score, 0, 1)))
    assert result.decision == "reject"
    assert "too good to be true" in result.reason


def _separable() -> Evidence:
    """One feature with a roc_auc of about 0.98, and a model of about 0.997."""
    draw = np.random.default_rng(5)
    y = (draw.random(1000) < 0.4).astype(float)
    columns = pl.DataFrame({"size": 2.9 * y + draw.normal(size=1000)})
    score = 1 / (1 + np.exp(-(3.9 * y + draw.normal(size=1000) - 2.0)))
    return evidence(columns=columns, inputs=("size",), allowed_inputs=None, y=y, score=score, champion=None)


def test_an_honestly_separable_data_set_is_allowed_by_the_line_that_the_refusal_names() -> None:
    refused = Leakage()(CHECK, _separable())
    assert refused.decision == "reject"
    assert refused.reason.endswith(
        "if this is honest, allow it with the line `leakage <= ...` in the gate section of detent.yaml"
    )
    allowed = Leakage()(check("leakage <= 0.999"), _separable())
    assert (allowed.decision, allowed.threshold) == ("pass", 0.999)


def test_the_declared_limit_is_that_of_a_feature_and_the_models_is_never_lower_than_its_own() -> None:
    tight = Leakage()(check("leakage <= 0.6"), evidence())
    assert tight.decision == "reject"
    assert "(limit 0.6)" in tight.reason
    assert Leakage()(check("leakage <= 0.9"), evidence()).decision == "pass"
    found = evidence()
    beyond = evidence(score=np.clip(0.1 + 0.8 * found.y + 0.01 * found.score, 0, 1))
    refused = Leakage()(check("leakage <= 0.9"), beyond)
    assert "more than 0.995: too good to be true" in refused.reason
    assert refused.reason.endswith("in the gate section of detent.yaml")
    assert "more than 0.999" in Leakage()(check("leakage <= 0.999"), beyond).reason


def test_a_declared_limit_does_not_let_a_foreign_input_through() -> None:
    found = evidence(allowed_inputs=frozenset({"x0", "x1", "x2"}))
    assert Leakage()(check("leakage <= 1"), found).decision == "reject"


def test_a_jump_over_the_champion_needs_a_human() -> None:
    weak = np.random.default_rng(3).random(1000)
    result = Leakage()(CHECK, evidence(champion=weak))
    assert result.decision == "reject"
    assert "a human must look" in result.reason
    assert Leakage()(CHECK, evidence(champion=None)).decision == "pass"


def test_an_input_that_the_project_does_not_make_is_rejected_by_name() -> None:
    result = Leakage()(CHECK, evidence(allowed_inputs=frozenset({"x0", "x1", "x2"})))
    assert result.decision == "reject"
    assert "`origin`" in result.reason
    assert Leakage()(CHECK, evidence(allowed_inputs=frozenset())).decision == "reject"


def test_an_input_that_the_evaluation_rows_lack_is_inconclusive() -> None:
    result = Leakage()(CHECK, evidence(inputs=("x0", "ghost"), allowed_inputs=None))
    assert result.decision == "inconclusive"
    assert "`ghost`" in result.reason


def test_a_regression_feature_that_copies_the_label_is_rejected() -> None:
    found = regression()
    assert Leakage()(CHECK, found).decision == "pass"
    for leak in (found.y, -(found.y**3)):
        columns = found.columns.with_columns(leak=pl.Series(leak))
        result = Leakage()(CHECK, regression(columns=columns, inputs=("x", "leak")))
        assert result.decision == "reject"
        assert "`leak`" in result.reason
    assert "r2" in Leakage()(CHECK, regression(score=found.y * 1.0001)).reason
