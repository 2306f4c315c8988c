"""What happens to the answers when an input fails or moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from detent.errors import ProjectError
from detent.gate.declared import Stressed
from detent.loop.judging.stress import MOST, stress
from detent.project.grammar import parse_check

from .linear import Linear

START = datetime(2025, 1, 1, tzinfo=UTC)


def _rows(n: int = 400) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "humid": draw.normal(size=n),
            "miles": draw.integers(-100, 100, n),
            "sex": draw.choice(["F", "M"], n),
            # The last row is the earliest one.
            "at": [START + timedelta(hours=n - row) for row in range(n)],
            "who": [f"P{row % 7}" for row in range(n)],
        }
    )


def _stressed(*lines: str, model: Linear | None = None, rows: pl.DataFrame | None = None, **known: str) -> Stressed:
    checks = [parse_check(line, 12) for line in lines]
    found = stress(model or Linear(), _rows() if rows is None else rows, checks, seed=3, **known)
    assert found is not None
    return found


def _answers(rows: pl.DataFrame) -> np.ndarray:
    return Linear().predict({name: rows[name].to_list() for name in ("humid", "miles", "sex")})


def test_nothing_is_scored_when_no_line_asks() -> None:
    model = Linear()
    assert stress(model, _rows(), [parse_check("roc_auc >= 0.6", 1)], seed=3) is None
    assert model.calls == []


def test_a_missing_input_is_null_in_every_row() -> None:
    found = _stressed("robustness(roc_auc, missing=humid) <= 0.05")
    expected = _answers(_rows().with_columns(humid=pl.lit(None, dtype=pl.Float64)))
    np.testing.assert_allclose(found.scores["missing:humid"], expected)
    np.testing.assert_array_equal(found.rows, np.arange(400))


def test_a_shifted_input_is_one_standard_deviation_higher_and_a_scaled_one_a_thousand_times_larger() -> None:
    rows = _rows()
    found = _stressed(
        "robustness(roc_auc, shifted=humid) <= 1", "robustness(roc_auc, scaled=miles) <= 1",
        "robustness(roc_auc, shifted=miles) <= 1",
    )  # fmt: skip
    np.testing.assert_allclose(
        found.scores["shifted:humid"], _answers(rows.with_columns(pl.col("humid") + pl.col("humid").std()))
    )
    np.testing.assert_allclose(found.scores["scaled:miles"], _answers(rows.with_columns(pl.col("miles") * 1000)))
    step = round(float(rows["miles"].cast(pl.Float64).std()))  # type: ignore[arg-type]  # a number
    np.testing.assert_allclose(found.scores["shifted:miles"], _answers(rows.with_columns(pl.col("miles") + step)))


def test_a_shuffled_input_keeps_its_values_and_the_same_seed_shuffles_alike() -> None:
    lines = ("robustness(roc_auc, shuffled=any) <= 0.05",)
    first, second = _stressed(*lines), _stressed(*lines)
    assert sorted(first.scores) == ["shuffled:humid", "shuffled:miles", "shuffled:sex"]
    for key, scores in first.scores.items():
        np.testing.assert_array_equal(scores, second.scores[key])
    assert np.any(first.scores["shuffled:humid"] != _answers(_rows()))


def test_a_stale_input_keeps_the_value_of_the_earliest_row() -> None:
    rows = _rows()
    found = _stressed("robustness(roc_auc, stale=humid) <= 1", time="at")
    np.testing.assert_allclose(found.scores["stale:humid"], _answers(rows.with_columns(humid=rows["humid"][-1])))
    own = _stressed("robustness(roc_auc, stale=humid) <= 1", time="at", entity="who")
    first = {who: rows["humid"][row] for row, who in enumerate(rows["who"])}  # the last one wins: it is the earliest
    expected = _answers(rows.with_columns(humid=pl.Series([first[who] for who in rows["who"]])))
    np.testing.assert_allclose(own.scores["stale:humid"], expected)


def test_any_leaves_out_what_can_not_be_so() -> None:
    found = _stressed("robustness(roc_auc, missing=any) <= 1", "robustness(roc_auc, scaled=any) <= 1")
    assert sorted(found.scores) == ["missing:humid", "missing:sex", "scaled:humid", "scaled:miles"]
    assert found.closed == {"missing": ("miles",), "scaled": ("sex",)}


def test_a_model_that_refuses_a_spoiled_row_is_told_and_not_a_crash() -> None:
    found = _stressed(
        "robustness(roc_auc, missing=humid) <= 1",
        "robustness(roc_auc, missing=miles) <= 1",
        model=Linear(breaks_on="humid"),
    )
    assert found.refused["missing:humid"] == "`humid` is null"
    assert "never missing in training" in found.refused["missing:miles"]


def test_many_rows_are_sampled_and_each_stress_is_scored_once() -> None:
    model = Linear()
    lines = ("robustness(roc_auc, missing=humid) <= 1", "robustness(brier, missing=humid) <= 1")
    found = _stressed(*lines, model=model, rows=_rows(5_000))
    assert model.calls == [MOST]
    assert len(np.unique(found.rows)) == MOST
    assert np.all(np.diff(found.rows) > 0)


def test_a_moved_number_rises_from_its_least_to_its_greatest_value() -> None:
    rows, line = _rows(), "monotone(miles, up) <= 1%"
    moved = _stressed(line).moved[line]
    assert moved.shape == (400, 8)
    for index, level in ((0, rows["miles"].min()), (-1, rows["miles"].max())):
        np.testing.assert_allclose(moved[:, index], _answers(rows.with_columns(miles=pl.lit(level))))


def test_an_input_that_should_not_matter_takes_every_value_that_is_named_or_seen() -> None:
    rows = _rows()
    seen, named = "invariant(sex) <= 1%", "invariant(miles, values=[1, -20]) <= 1%"
    moved = _stressed(seen, named, model=Linear(bias=1.0)).moved
    assert moved[seen].shape == (400, 3)  # as it is, and each of two values
    np.testing.assert_allclose(moved[named][:, 0], Linear(bias=1.0).predict(rows.to_dict(as_series=False)))
    ones = rows.with_columns(miles=pl.lit(1)).to_dict(as_series=False)
    np.testing.assert_allclose(moved[named][:, 1], Linear(bias=1.0).predict(ones))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("robustness(roc_auc, missing=humd) <= 1", "did you mean `humid`"),
        ("robustness(roc_auc, shifted=sex) <= 1", "`sex` is a string, not a number"),
        ("monotone(sex, up) <= 1%", "neither rises nor falls"),
        ("monotone(mils, up) <= 1%", "did you mean `miles`"),
        ("invariant(miles, values=[few, many]) <= 1%", "`few` is no value of `miles`"),
    ],
)
def test_a_line_that_makes_no_sense_for_the_model_names_its_place(line: str, words: str) -> None:
    with pytest.raises(ProjectError) as caught:
        _stressed(line)
    assert words in str(caught.value)
    assert str(caught.value.where) == "detent.yaml:12 (gate)"


def test_a_column_of_nulls_can_be_spoiled_too() -> None:
    rows = _rows().with_columns(humid=pl.lit(None, dtype=pl.Float64))
    lines = [
        f"robustness(roc_auc, {kind}=humid) <= 1" for kind in ("missing", "shifted", "scaled", "shuffled", "stale")
    ]
    found = _stressed(*lines, "monotone(humid, up) <= 1%", rows=rows)
    assert all(np.isfinite(scores).all() for scores in found.scores.values())
    assert found.moved["monotone(humid, up) <= 1%"].shape == (400, 0)
