from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from detent.records.signature import Field, Signature
from detent.serving.models.loaded import LoadedVersion
from detent.serving.models.scoring import score
from detent.serving.rows.validate import RowReader

SIGNATURE = Signature(inputs=(Field(name="x", kind="number", nullable=False),), output="value")


class Echo:
    """A predictor that says what it is given, and raises on 13."""

    def __init__(self) -> None:
        self.signature = SIGNATURE
        self.calls: list[int] = []

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> Echo:
        return cls()

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        values = list(columns["x"])
        self.calls.append(len(values))
        if 13.0 in values:
            raise ArithmeticError("thirteen")
        return np.array([value for value in values if value != 14.0], dtype=np.float64)


def version(predictor: Echo, *, probability: bool = False) -> LoadedVersion:
    return LoadedVersion("m", 1, predictor, RowReader(SIGNATURE), probability)


def test_rows_are_scored_in_one_call_and_in_order() -> None:
    echo = Echo()
    outcomes = score(version(echo), [(3.0,), (1.0,), (2.0,)])
    assert [outcome.score for outcome in outcomes] == [3.0, 1.0, 2.0]
    assert echo.calls == [3]


def test_a_raising_row_is_found_by_asking_row_by_row() -> None:
    outcomes = score(version(Echo()), [(1.0,), (13.0,), (2.0,)])
    assert [outcome.score for outcome in outcomes] == [1.0, None, 2.0]
    assert outcomes[1].error == "ArithmeticError: thirteen"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_not_finite_is_a_failure(value: float) -> None:
    bad, good = score(version(Echo()), [(value,), (5.0,)])
    assert (bad.score, good.score) == (None, 5.0)
    assert str(value) in bad.error


def test_a_probability_may_miss_its_range_by_rounding_only() -> None:
    outcomes = score(version(Echo(), probability=True), [(1.0 + 1e-7,), (-1e-7,), (1.001,), (-0.001,)])
    assert [outcome.score for outcome in outcomes] == [1.0, 0.0, None, None]


def test_a_model_that_gives_another_number_of_scores_has_failed() -> None:
    outcomes = score(version(Echo()), [(1.0,), (14.0,)])
    assert [outcome.score for outcome in outcomes] == [1.0, None]
    assert "0 scores" in outcomes[1].error
