from __future__ import annotations

import math
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.errors import DetentError
from detent.statistics.summaries import merge, summarise

SIGNATURE = [("x", "number"), ("n", "integer"), ("s", "string"), ("b", "boolean")]
rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(), st.integers(-3, 3).map(float)),
        st.one_of(st.none(), st.integers(-5, 5)),
        st.one_of(st.none(), st.sampled_from(["a", "b", "c", "dd", ""])),
        st.one_of(st.none(), st.booleans()),
    ),
    max_size=60,
)


def columns(table):
    return {name: [row[i] for row in table] for i, (name, _) in enumerate(SIGNATURE)}


def profile(table, **options):
    return summarise(columns(table), SIGNATURE, **options)


@given(rows)
def test_every_row_is_counted_once_in_every_column(table):
    for column in profile(table, bins=5, levels=2).columns:
        assert sum(column.counts) + column.nulls == len(table)
        assert len(column.counts) == len(column.edges or column.levels) + 1
        assert list(column.edges) == sorted(set(column.edges))


@given(rows, st.randoms())
def test_the_order_of_rows_does_not_matter(table, random):
    shuffled = list(table)
    random.shuffle(shuffled)
    first, second = profile(table, bins=4), profile(shuffled, bins=4)
    assert first == second
    assert repr(first) == repr(second)  # -0.0 equals 0.0, but its digest differs


@given(rows, rows, st.integers(0, 60))
def test_merging_a_split_gives_the_whole(reference, table, cut):
    like = profile(reference, bins=4, levels=3)
    parts = [profile(part, like=like) for part in (table[:cut], table[cut:])]
    assert merge(*parts) == profile(table, like=like)


@given(rows)
def test_the_reference_measured_by_its_own_bins_is_itself(table):
    like = profile(table, bins=6, levels=3)
    assert profile(table, like=like) == like


def test_bins_are_half_open_and_unbounded():
    like = summarise({"x": np.arange(1, 11)}, [("x", "number")], bins=2)
    assert like.columns[0].edges == (5.0,)
    window = summarise({"x": [-1e300, 5.0, 5.0000001, 1e300]}, [("x", "number")], like=like)
    assert window.columns[0].counts == (2, 2)


def test_null_nan_and_infinities_are_missing_values():
    found = summarise({"x": [None, math.nan, math.inf, -math.inf, 1.0]}, [("x", "number")]).columns[0]
    assert found.nulls == 4
    assert sum(found.counts) == 1


def test_a_value_that_fills_a_bin_has_a_bin_of_its_own():
    values = np.concatenate([np.zeros(600), np.linspace(-1, -0.1, 100), np.linspace(0.1, 1, 300)])
    found = summarise({"x": values}, [("x", "number")], bins=10).columns[0]
    assert 600 in found.counts
    codes = summarise({"n": [1] * 50 + [2] * 30 + [5] * 20}, [("n", "integer")], bins=10).columns[0]
    assert [count for count in codes.counts if count] == [50, 30, 20]


def test_a_constant_column_notices_every_other_value():
    like = summarise({"x": [3.5] * 100}, [("x", "number")])
    window = summarise({"x": [3.4, 3.5, 3.6]}, [("x", "number")], like=like).columns[0]
    assert window.counts == (1, 1, 1)


def test_levels_are_kept_by_frequency_and_ties_by_name():
    found = summarise({"s": ["b", "a", "c", "c", "d"]}, [("s", "string")], levels=2).columns[0]
    assert found.levels == ("c", "a")
    assert found.counts == (2, 1, 2)


def test_unseen_levels_count_as_other():
    like = summarise({"s": ["a", "a", "b"]}, [("s", "string")])
    window = summarise({"s": ["a", "new", None]}, [("s", "string")], like=like).columns[0]
    assert (window.levels, window.counts, window.nulls) == (("a", "b"), (1, 0, 1), 1)


@pytest.mark.parametrize(
    "values",
    [
        [True, None, True, False],
        [1, None, 1, 0],
        [1.0, math.nan, 1.0, 0.0],
        np.array([1.0, math.nan, 1.0, 0.0]),
        pl.Series([True, None, True, False]),
    ],
)
def test_booleans_are_the_levels_true_and_false_however_they_come(values):
    found = summarise({"b": values}, [("b", "boolean")]).columns[0]
    assert (found.levels, found.counts, found.nulls) == (("true", "false"), (2, 1, 0), 1)


def test_a_boolean_that_never_was_true_still_has_the_level():
    assert summarise({"b": [False] * 3}, [("b", "boolean")]).columns[0].levels == ("false", "true")


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b"],
        np.array(["a", None, "b"], dtype=object),
        np.array(["a", math.nan, "b"], dtype=object),
        pl.Series(["a", None, "b"]),
        pl.Series(["a", None, "b"], dtype=pl.Categorical),
    ],
)
def test_strings_may_come_as_lists_arrays_or_series(values):
    found = summarise({"s": values}, [("s", "string")]).columns[0]
    assert (found.levels, found.counts, found.nulls) == (("a", "b"), (1, 1, 0), 1)


def test_no_rows_are_a_profile_too():
    empty = profile([])
    assert empty.rows == 0
    assert profile([], like=profile([(1.0, 1, "a", True)])).columns[0].counts == (0, 0, 0)


def test_other_columns_than_the_signatures_are_left_out():
    found = summarise({"x": [1.0], "secret": ["y"]}, [("x", "number")])
    assert [column.name for column in found.columns] == ["x"]


def test_a_missing_column_is_named():
    with pytest.raises(DetentError, match="`y`"):
        summarise({"x": [1.0]}, [("x", "number"), ("y", "number")])


def test_columns_of_different_length_are_refused():
    with pytest.raises(DetentError, match="different length"):
        summarise({"x": [1.0], "y": [1.0, 2.0]}, [("x", "number"), ("y", "number")])


def test_profiles_over_different_bins_do_not_merge():
    with pytest.raises(DetentError, match="different bins") as caught:
        merge(profile([(1.0, 1, "a", True)] * 3), profile([(2.0, 1, "a", True)] * 3))
    assert "x" in caught.value.why


def test_sixty_thousand_rows_of_twenty_columns_are_summarised_in_seconds():
    rng = np.random.default_rng(0)
    table: dict = {f"x{i}": rng.normal(size=60_000) for i in range(15)}
    table |= {f"s{i}": pl.Series(rng.choice(list("abcdefgh"), 60_000)) for i in range(5)}
    signature = [(name, "string" if name[0] == "s" else "number") for name in table]
    start = time.process_time()
    like = summarise(table, signature)
    assert summarise(table, signature, like=like) == like
    assert time.process_time() - start < 5


def test_minus_zero_is_zero_whichever_comes_first():
    for values in ([-0.0, 0.0] * 20, [0.0, -0.0] * 20):
        assert repr(summarise({"x": values}, [("x", "number")]).columns[0].edges[-1]) == "0.0"


def test_nulls_nan_and_both_infinities_are_told_apart() -> None:
    values = [None, math.nan, math.inf, -math.inf, -math.inf, 1.0]
    column = summarise({"x": values}, [("x", "number")]).columns[0]
    assert (column.nulls, column.nan, column.above, column.below) == (5, 1, 1, 2)
    both = merge(*[summarise({"x": values}, [("x", "number")])] * 2).columns[0]
    assert (both.nulls, both.nan, both.above, both.below) == (10, 2, 2, 4)
