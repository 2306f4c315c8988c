"""Labels that are names of classes: from a table to numbers that stay what they are; and what callers got."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from detent.predictions.answers import answered
from detent.predictions.sources.tidy import tidy
from detent.records.project import LabelSource
from detent.store.classes import class_number, numbers_of

NOW = datetime(2025, 3, 1, tzinfo=UTC)
SOURCE = LabelSource(source="truth.csv", field="id", name="id", value="digit")


def test_names_become_numbers_and_what_is_no_class_is_left_out_and_counted() -> None:
    raw = pl.DataFrame({"id": ["a", "b", "c", "d"], "digit": ["eight", "nine", "ten", None]})
    found = tidy(raw, SOURCE, now=NOW, binary=False, classes=("eight", "nine"))
    values = dict(found.rows.select("name", "value").iter_rows())
    assert values == {"a": class_number("eight"), "b": class_number("nine")}
    assert found.left_out == (("none of the classes", 1),)
    assert found.waiting == 1


def test_whole_numbers_may_be_names() -> None:
    raw = pl.DataFrame({"id": ["a"], "digit": [8]})
    found = tidy(raw, SOURCE, now=NOW, binary=False, classes=("8", "9", "3"))
    assert found.rows["value"].to_list() == [class_number("8")]


def test_the_number_of_a_class_is_the_same_in_every_release() -> None:
    assert class_number("setosa") == 109800267738361.0
    assert class_number("") != class_number(" ")
    assert numbers_of(["setosa"]) == {class_number("setosa"): "setosa"}
    assert all(class_number(f"c{number}").is_integer() for number in range(100))


@pytest.mark.parametrize("stepped_in", [True, False])
def test_the_probabilities_are_of_the_version_that_answered(stepped_in: bool) -> None:
    rows = pl.DataFrame(
        {
            "id": ["a", "a"], "time": [NOW, NOW], "endpoint": ["e", "e"], "version": [2, 1],
            "arm": ["live", "fallback"], "entity": ["x", "x"],
            "score": [None if stepped_in else 0.7, 0.6], "scores": [None if stepped_in else [0.7, 0.3], [0.4, 0.6]],
        }
    )  # fmt: skip
    found = answered(rows)
    assert found["scores"].to_list() == [[0.4, 0.6] if stepped_in else [0.7, 0.3]]
    assert found["by"].to_list() == [1 if stepped_in else 2]
