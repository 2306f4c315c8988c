"""Answers with several classes: what is no probability hurts its own row only, and names go with the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from detent.records.signature import Field, Signature
from detent.serving.models.loaded import LoadedVersion
from detent.serving.models.scoring import score
from detent.serving.rows.answers import ENCODE, Line
from detent.serving.rows.class_answers import by_name, tables
from detent.serving.rows.outcome import Outcome
from detent.serving.rows.validate import RowReader

CLASSES = ("a", "b", "c")
SIGNATURE = Signature(inputs=(Field(name="x", kind="number", nullable=False),), output="probabilities", classes=CLASSES)
SAID: Mapping[float, list[float]] = {
    1.0: [0.2, 0.5, 0.3],
    2.0: [0.4, 0.4, 0.2],
    3.0: [float("nan"), 0.5, 0.5],
    4.0: [0.9, 0.9, 0.9],
    5.0: [-0.5, 0.5, 1.0],
    6.0: [1.00001, -0.00001, 0.0],
}


class Table:
    """Looks its answer up; raises for what it does not know."""

    signature = SIGNATURE

    def predict(self, columns: Mapping[str, Sequence[float]]) -> np.ndarray:
        return np.array([SAID[value] for value in columns["x"]])


VERSION = LoadedVersion("m", 1, Table(), RowReader(SIGNATURE), False, classes=CLASSES)  # type: ignore[arg-type]


def test_each_row_has_its_probabilities_and_the_largest_one_as_its_score() -> None:
    first, second = score(VERSION, [(1.0,), (2.0,)])
    assert (first.score, first.classes) == (0.5, (0.2, 0.5, 0.3))
    assert second.score == 0.4


def test_what_is_no_probability_fails_its_own_row_only() -> None:
    outcomes = score(VERSION, [(1.0,), (3.0,), (4.0,), (5.0,), (6.0,)])
    assert [outcome.score for outcome in outcomes] == [0.5, None, None, None, 1.0]
    assert "nan, 0.5, 0.5 do not all lie in 0..1" in outcomes[1].error
    assert "sum to 2.7, not to 1" in outcomes[2].error
    assert outcomes[4].classes == (1.0, 0.0, 0.0)


def test_a_row_that_makes_the_model_raise_hurts_no_other_row() -> None:
    outcomes = score(VERSION, [(1.0,), (7.0,)])
    assert [outcome.score for outcome in outcomes] == [0.5, None]
    assert outcomes[1].error == "KeyError: 7.0"


def test_of_equal_probabilities_the_first_class_is_the_answer() -> None:
    line = by_name(Line(id="i", version=1, score=0.4), Outcome(0.4, "", 0.0, (0.4, 0.4, 0.2)), CLASSES)
    assert line.label == "a"
    assert line.probabilities == {"a": 0.4, "b": 0.4, "c": 0.2}


def test_a_class_that_another_version_does_not_know_has_nothing() -> None:
    lines = [
        Line(id="1", version=1, score=0.6, label="a", probabilities={"a": 0.6, "b": 0.4}),
        Line(id="2", version=2, score=1.0, label="c", probabilities={"a": 0.0, "b": 0.0, "c": 1.0}),
    ]
    names, rows = tables(lines)
    assert names == CLASSES
    assert rows == [[0.6, 0.4, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("line", [Line(id="i", version=1, score=0.5), Line(id="i", version=1, score=None, error="e")])
def test_an_answer_with_one_score_looks_as_it_always_did(line: Line) -> None:
    assert b"label" not in ENCODE(line)
    assert b"probabilities" not in ENCODE(line)
    assert by_name(line, None, ()) is line
