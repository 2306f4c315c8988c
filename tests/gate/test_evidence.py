"""Evidence speaks of one set of rows."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from detent.gate.evidence import row_digests

from .builders import evidence


@pytest.mark.parametrize("part", ["score", "champion", "y", "keys", "digests"])
def test_parts_of_another_length_are_refused(part: str) -> None:
    wrong = pl.Series(["k"] * 7) if part == "keys" else np.zeros(7)
    with pytest.raises(ValueError, match="same rows"):
        evidence(**{part: wrong})


def test_equal_rows_have_equal_digests_whatever_their_types() -> None:
    moment = datetime(2013, 1, 1, tzinfo=UTC)
    left = pl.DataFrame(
        {"n": [1, 2, None], "s": ["a", "b", None], "f": [-0.0, float("nan"), 2.5], "t": [moment] * 3},
        schema_overrides={"t": pl.Datetime("us", "UTC")},
    )
    right = pl.DataFrame(
        {"n": [1.0, 2.0, float("nan")], "s": ["a", "b", None], "f": [0.0, None, 2.5], "t": [moment] * 3},
        schema_overrides={"s": pl.Categorical, "f": pl.Float32, "t": pl.Datetime("ns", "UTC")},
    )
    names = ("n", "s", "f", "t")
    assert np.array_equal(row_digests(left, names), row_digests(right, names))


def test_rows_that_differ_in_one_value_have_other_digests() -> None:
    frame = pl.DataFrame({"a": [1, 1, 2, None], "b": ["x", "y", "x", "x"]})
    assert len(set(row_digests(frame, ("a", "b")))) == 4
    assert len(set(row_digests(frame, ("b",)))) == 2


def test_swapped_values_are_another_row() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [2, 1]})
    assert len(set(row_digests(frame, ("a", "b")))) == 2


def test_no_rows_have_no_digests() -> None:
    assert row_digests(pl.DataFrame({"a": []}), ("a",)).shape == (0,)
