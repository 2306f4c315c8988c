from __future__ import annotations

import datetime
from decimal import Decimal

import polars as pl
import pytest

from detent.errors import DataError
from detent.training.table import tabulate

GOOD = pl.DataFrame({"x": [1.0, 2.0, 3.0], "late": [0, 1, 0]})


def refusal(frame: pl.DataFrame, *, label: str = "late", exclude: tuple[str, ...] = (), task: str = "binary") -> str:
    with pytest.raises(DataError) as caught:
        tabulate(frame, label=label, exclude=exclude, task=task)
    return str(caught.value)


def test_an_empty_frame_is_refused() -> None:
    assert "no rows" in refusal(GOOD.clear())


def test_a_missing_label_is_refused_with_the_nearest_name() -> None:
    assert "did you mean `late`?" in refusal(GOOD, label="lat")


def test_a_misspelt_exclusion_is_refused_so_that_no_key_slips_in() -> None:
    assert "`flightid`" in refusal(GOOD.with_columns(flight_id=1), exclude=("flightid",))


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        ([0, 0, 0], "every label is 0"),
        ([0, 1, None], "1 of 3 labels"),
        ([0.0, 1.0, float("nan")], "1 of 3 labels"),
        ([0, 1, 2], "0 or 1"),
        ([1, 2, 1], "0 or 1"),
        ([0.5, 1.0, 0.0], "0 or 1"),
        (["a", "b", "a"], "it holds String"),
    ],
)
def test_labels_that_can_not_be_learnt_are_refused(labels: list, word: str) -> None:
    assert word in refusal(GOOD.with_columns(pl.Series("late", labels)))


def test_any_numbers_are_labels_of_a_regression_and_booleans_of_a_binary_task() -> None:
    frame = GOOD.with_columns(pl.Series("late", [0.5, 7.0, -3.0]))
    assert tabulate(frame, label="late", exclude=(), task="regression").y.tolist() == [0.5, 7.0, -3.0]
    frame = GOOD.with_columns(pl.Series("late", [True, False, True]))
    assert tabulate(frame, label="late", exclude=(), task="binary").y.tolist() == [1.0, 0.0, 1.0]


def test_a_frame_without_features_is_refused() -> None:
    assert "no feature is left" in refusal(GOOD, exclude=("x",))


@pytest.mark.parametrize(
    ("values", "fix"),
    [
        ([datetime.datetime(2013, 1, 1)] * 3, "exclude it"),
        ([datetime.timedelta(1)] * 3, "exclude it"),
        ([Decimal("1.5")] * 3, "cast it to Float64"),
        ([[1], [2], [3]], "exclude it"),
        ([None, None, None], "exclude it"),
    ],
)
def test_a_column_that_no_model_takes_is_refused_with_a_way_out(values: list, fix: str) -> None:
    text = refusal(GOOD.with_columns(pl.Series("odd", values)))
    assert "`odd`" in text
    assert fix in text


@pytest.mark.parametrize(
    ("name", "shown", "why"),
    [
        ('a"b', 'a\\"b', "double quote"),
        ("a\\b", "a\\\\b", "backslash"),
        ("a\nb", "a\\nb", "control character"),
        ("a\x7fb", "a", "control character"),
        ("n" * 201, "n" * 40 + '"...', "201 characters"),
        ("", '""', "empty"),
    ],
)
def test_a_feature_that_no_request_could_name_is_refused_with_the_way_out(name: str, shown: str, why: str) -> None:
    text = refusal(GOOD.with_columns(pl.lit(1.0).alias(name)))
    assert shown in text
    assert why in text
    assert "rename the column in features.py" in text


def test_names_of_any_language_and_of_excluded_columns_are_no_fault() -> None:
    frame = GOOD.with_columns(
        pl.lit(1.0).alias("größe (cm) / 大"), pl.lit(1.0).alias("n" * 200), pl.lit(1.0).alias('"')
    )
    assert len(tabulate(frame, label="late", exclude=('"',), task="binary").signature.inputs) == 3


def test_categories_become_strings_and_nulls_decide_about_integers() -> None:
    frame = GOOD.with_columns(
        pl.Series("c", ["a", "b", None], dtype=pl.Categorical),
        pl.Series("e", ["a", "b", "a"], dtype=pl.Enum(["a", "b"])),
        pl.Series("i", [1, None, 3]),
        pl.Series("j", [1, 2, 3]),
        pl.Series("b", [True, None, False]),
    )
    table = tabulate(frame, label="late", exclude=(), task="binary")
    assert [(f.name, f.kind, f.nullable) for f in table.signature.inputs] == [
        ("x", "number", True), ("c", "string", True), ("e", "string", True), ("i", "integer", True),
        ("j", "integer", False), ("b", "boolean", True),
    ]  # fmt: skip
    assert table.inputs["c"].to_list() == ["a", "b", None]


def test_a_constant_feature_and_huge_integers_are_only_noted() -> None:
    frame = GOOD.with_columns(one=pl.lit(1), big=pl.Series([1, 2, 1 << 40]))
    notes = tabulate(frame, label="late", exclude=(), task="binary").notes
    assert ["`one`" in notes[0], "`big`" in notes[1], len(notes)] == [True, True, 2]


def test_the_name_of_the_models_own_scores_is_taken() -> None:
    assert "`prediction`" in refusal(GOOD.rename({"x": "prediction"}))


def test_other_frames_are_refused_with_the_way_to_convert_them() -> None:
    assert ".collect()" in refusal(GOOD.lazy())  # pyright: ignore[reportArgumentType]
