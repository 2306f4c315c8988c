"""Counts over a layout: what is counted where, and that nothing depends on order or split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detent.errors import DetentError, TamperedError
from detent.records.profile import ColumnProfile
from detent.statistics import granules
from detent.statistics.columns import Column
from detent.statistics.counting import Tally
from detent.statistics.granules import Granule, cells_of, count, from_bytes, profile, to_bytes, total
from detent.statistics.layout import OUTPUT, Layout, from_plain, layout_of, to_plain

ODD = [math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, -5e-324, 1.7e308, -1.7e308, None, 1.0, 2.0]
SIGNATURE = (("x", "number"), ("n", "integer"), ("level", "string"), ("flag", "boolean"))


def _columns(rows: int, seed: int = 0) -> dict[str, Any]:
    g = np.random.default_rng(seed)
    return {
        "x": g.lognormal(size=rows).tolist(),
        "n": g.integers(0, 5, rows).tolist(),
        "level": g.choice(["a", "b", "c", "rare"], rows, p=[0.5, 0.3, 0.19, 0.01]).tolist(),
        "flag": g.choice([True, False], rows).tolist(),
        OUTPUT: g.random(rows).tolist(),
    }


def _layout(**options: Any) -> Layout:
    return layout_of(_columns(2_000), SIGNATURE, slices=("level", "n"), breakpoints=(0.125, 0.3), **options)


LAYOUT = _layout()


def _one(kind: str, known: Column, values: Column, **options: Any) -> tuple[Layout, Granule]:
    layout = layout_of({"c": known}, [("c", kind)], **options)
    return layout, count(layout, {"c": values})


row = st.tuples(
    st.sampled_from(ODD) | st.floats(width=64),
    st.sampled_from([0, 1, 4, 77, -(2**63), 2**63 - 1, None]),
    st.sampled_from(["a", "b", "new", "rare", "", "neü", None]),
    st.sampled_from([True, False, None]),
    st.none() | st.floats(0, 1),
)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(row, max_size=40), owners=st.lists(st.integers(0, 63), min_size=40, max_size=40), data=st.data())
def test_any_split_over_64_processes_in_any_order_gives_the_same_bytes(rows: Any, owners: Any, data: Any) -> None:
    whole = _count(rows)
    parts = [_count([r for r, o in zip(rows, owners, strict=False) if o == owner]) for owner in sorted(set(owners))]
    again = [from_bytes(to_bytes(part)) for part in parts]
    assert to_bytes(total(data.draw(st.permutations(again)))) == to_bytes(whole)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=30))
def test_rows_of_requests_and_columns_of_a_table_are_counted_alike(rows: Any) -> None:
    finite = [r for r in rows if r[0] is None or (isinstance(r[0], float) and math.isfinite(r[0]))]
    tally = Tally(LAYOUT)
    if finite:
        tally.add_packed([tally.pack(*r[:4]) for r in finite], [r[4] for r in finite])
    frame = pl.DataFrame(
        {
            "x": pl.Series([r[0] for r in finite], dtype=pl.Float64),
            "n": pl.Series([r[1] for r in finite], dtype=pl.Int64),
            "level": pl.Series([r[2] for r in finite], dtype=pl.String),
            "flag": pl.Series([r[3] for r in finite], dtype=pl.Boolean),
        }
    )
    scores = pl.Series([r[4] for r in finite], dtype=pl.Float64)
    assert to_bytes(granules.granule_of(tally)) == to_bytes(count(LAYOUT, frame.to_dict(), scores))


def _count(rows: Sequence[tuple[Any, ...]]) -> Granule:
    names = ("x", "n", "level", "flag")
    columns = {name: [r[place] for r in rows] for place, name in enumerate(names)}
    return count(LAYOUT, columns, [r[4] for r in rows])


def test_null_nan_both_infinities_and_new_levels_have_five_cells() -> None:
    values = [None, None, math.nan, math.inf, -math.inf, -math.inf, 1.5]
    layout, found = _one("number", [1.0, 2.0, 3.0], values)
    cells = cells_of(layout, found, "c")
    assert (cells.null, cells.nan, cells.above, cells.below, cells.novel) == (2, 1, 1, 2, 0)
    assert cells.bins.sum() == 1
    layout, found = _one("string", ["a", "b"], ["a", "zz", None, "zz", math.nan])
    cells = cells_of(layout, found, "c")
    assert (cells.null, cells.novel, cells.bins.tolist()) == (2, 2, [1, 0, 0])
    assert [text for _, text in found.novel[0]] == ["zz"]


def test_a_value_on_an_edge_is_counted_below_it_and_minus_zero_is_zero() -> None:
    layout, found = _one("number", [0.0, 1.0, 2.0, 3.0] * 100, [-0.0, 0.0, 1.0, math.nextafter(1.0, 2.0)])
    axis = layout.axes[0]
    counts = cells_of(layout, found, "c").bins
    expected = [0] * axis.bins
    for value in (0.0, 0.0, 1.0, math.nextafter(1.0, 2.0)):
        expected[sum(edge < value for edge in axis.edges)] += 1
    assert counts.tolist() == expected
    assert expected[[*axis.edges].index(0.0)] == 2
    assert math.copysign(1, found.lowest[0]) == 1


def test_an_atom_a_constant_and_integer_codes_have_cells_of_their_own() -> None:
    g = np.random.default_rng(1)
    amounts = np.where(g.random(5_000) < 0.6, 0.0, g.lognormal(size=5_000))
    layout, found = _one("number", amounts, amounts)
    assert (amounts == 0.0).sum() in cells_of(layout, found, "c").bins
    layout, found = _one("number", [7.0] * 50, [7.0] * 9 + [6.9])
    assert sorted(cells_of(layout, found, "c").bins.tolist()) == [0, 1, 9]
    codes = [1, 2, 5, 9] * 50
    layout, found = _one("integer", codes, codes)
    assert sorted(cells_of(layout, found, "c").bins.tolist())[-4:] == [50, 50, 50, 50]
    layout, found = _one("integer", codes, [3, 3])
    with_codes = cells_of(layout, count(layout, {"c": codes}), "c").bins
    assert (
        with_codes[cells_of(layout, found, "c").bins > 0].sum() == 0
    )  # a code that never was falls into no code's cell


def test_of_5000_levels_all_are_known_and_a_new_one_is_not() -> None:
    levels = [f"level {number}" for number in range(5_000)]
    layout, found = _one("string", levels, [*levels, "level 5000", "level 5001"])
    cells = cells_of(layout, found, "c")
    assert cells.bins.sum() == 5_000
    assert cells.novel == 2
    assert len(layout.axes[0].levels) == 200


def test_a_column_of_names_has_no_new_levels() -> None:
    layout, found = _one("string", [str(number) for number in range(30_000)], ["x", "y"])
    assert layout.axes[0].open
    assert cells_of(layout, found, "c").novel == 0


def test_the_ten_new_levels_that_are_named_do_not_depend_on_who_saw_them() -> None:
    layout = layout_of({"c": ["a"]}, [("c", "string")])
    new = [f"new {number}" for number in range(100)]
    parts = [count(layout, {"c": new[start::9]}) for start in range(9)]
    assert total(parts).novel == count(layout, {"c": new}).novel
    assert len(total(parts).novel[0]) == 10


def test_values_of_another_type_are_counted_apart() -> None:
    layout, found = _one("number", [1.0, 2.0], [1.0, "1.5", None, b"x", 10**400, True])
    cells = cells_of(layout, found, "c")
    assert (cells.bins.sum(), cells.novel, cells.null) == (2, 3, 1)
    layout, found = _one("string", ["1", "2"], [1, "2", 3])
    assert cells_of(layout, found, "c").bins.tolist() == [1, 1, 0]


def test_no_rows_one_row_and_columns_without_a_value_are_defined() -> None:
    layout = layout_of({"x": [], "level": []}, [("x", "number"), ("level", "string")])
    assert count(layout, {"x": [], "level": []}, []).rows == 0
    found = count(layout, {"x": [3.0], "level": ["a"]}, [0.4])
    assert found.rows == 1
    assert granules.mean(layout, found, "x") == 3.0
    assert granules.mean(layout, count(layout, {"x": [None], "level": [None]}), "x") is None
    assert from_bytes(to_bytes(granules.empty(layout))).rows == 0


def test_slices_hold_the_rows_of_their_level() -> None:
    columns = _columns(500, seed=3)
    found = count(LAYOUT, columns, columns[OUTPUT])
    part = granules.slice_of(LAYOUT, found, "level=b")
    mine = [level == "b" for level in columns["level"]]
    alone = count(LAYOUT, {name: [v for v, m in zip(c, mine, strict=True) if m] for name, c in columns.items()},
                  [v for v, m in zip(columns[OUTPUT], mine, strict=True) if m])  # fmt: skip
    assert part.rows == sum(mine)
    assert part.cells.tolist() == alone.cells.tolist()
    assert part.sums.tolist() == alone.sums.tolist()
    assert granules.slice_of(LAYOUT, found, "n=3").rows == columns["n"].count(3)
    with pytest.raises(DetentError, match="no slice `level=zz`"):
        granules.slice_of(LAYOUT, found, "level=zz")


def test_scores_of_each_bin_add_up_to_a_fraction_of_2_to_the_minus_32_per_row() -> None:
    g = np.random.default_rng(5)
    scores = g.random(5_000)
    layout = layout_of({"c": [1.0], OUTPUT: g.random(2_000)}, [("c", "number")], breakpoints=(0.1, 0.25, 0.7))
    found = count(layout, {"c": np.ones(5_000)}, scores)
    sums = granules.score_sums(layout, found)
    edges = np.array(layout.axes[-1].edges)
    places = np.searchsorted(edges, scores, side="left")
    for place, rows in enumerate(np.bincount(places, minlength=len(edges) + 1)):
        assert abs(sums[place] - math.fsum(scores[places == place])) <= rows * 2.0**-32
    assert set(layout.breakpoints) <= set(layout.axes[-1].edges)


def test_no_bin_holds_scores_of_both_predicted_classes() -> None:
    layout, _ = _one("number", [1.0], [1.0])
    assert layout.positive == 0.5
    found = count(layout, {"c": [1.0, 1.0]}, [0.5, math.nextafter(0.5, 0.0)])
    assert np.count_nonzero(cells_of(layout, found, OUTPUT).bins) == 2


def test_a_failed_row_is_a_null_score() -> None:
    layout, _ = _one("number", [1.0], [1.0])
    assert cells_of(layout, count(layout, {"c": [1.0, 2.0]}, [None, 0.3]), OUTPUT).null == 1
    assert cells_of(layout, count(layout, {"c": [1.0, 2.0]}), OUTPUT).null == 0


def test_a_count_that_would_not_fit_is_an_error_and_never_wraps() -> None:
    layout, found = _one("number", [1.0], [1.0])
    huge = granules.Granule(
        layout=found.layout, rows=1, cells=found.cells * 2**61, sums=found.sums, lowest=found.lowest,
        highest=found.highest, novel=found.novel,
    )  # fmt: skip
    assert total([huge, huge]).cells.max() == 2**62
    with pytest.raises(DetentError, match="beyond 62 bits"):
        total([huge, huge, huge])
    values = [1e308] * 1000
    far = count(layout, {"c": values})
    assert 0 < far.sums[0] < 2**62


def test_counts_of_different_layouts_are_not_added() -> None:
    one, other = _one("number", [1.0], [1.0])[1], _one("number", [2.0], [1.0])[1]
    with pytest.raises(DetentError, match="different layouts"):
        total([one, other])


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b[:40], lambda b: b"", lambda b: b[:99] + b"\0" + b[100:]]
)
def test_damaged_bytes_are_refused(change: Any) -> None:
    with pytest.raises(TamperedError):
        from_bytes(change(to_bytes(_count([(1.0, 1, "a", True, 0.5)]))))


def test_a_layout_survives_json_and_rows_in_another_order_give_the_same_one() -> None:
    assert from_plain(to_plain(LAYOUT)).digest == LAYOUT.digest
    columns = _columns(2_000)
    order = np.random.default_rng(9).permutation(2_000)
    shuffled = {name: [values[place] for place in order] for name, values in columns.items()}
    again = layout_of(shuffled, SIGNATURE, slices=("level", "n"), breakpoints=(0.125, 0.3))
    assert again.digest == LAYOUT.digest


def test_a_layout_without_an_input_has_no_slices_of_it_either() -> None:
    less = LAYOUT.without({"level", OUTPUT})
    assert [axis.name for axis in less.axes] == ["x", "n", "flag", OUTPUT]
    assert [column for column, _ in less.slices] == ["n"]


def test_numbers_have_no_slices() -> None:
    with pytest.raises(DetentError, match="can't be sliced by `x`"):
        layout_of(_columns(10), SIGNATURE, slices=("x",))


def test_a_profile_has_about_20_bins_of_equal_mass_and_says_what_is_no_number() -> None:
    g = np.random.default_rng(2)
    known = g.normal(size=10_000)
    layout, found = _one("number", known, known)
    column = profile(layout, found).columns[0]
    assert column.counts == (500,) * 20
    assert profile(layout, found).column(OUTPUT) is None
    _, _ = layout, found
    bad = profile(layout, count(layout, {"c": [None, math.nan, math.inf, -math.inf, 0.0]})).columns[0]
    assert isinstance(bad, ColumnProfile)
    assert (bad.nulls, bad.nan, bad.above, bad.below, sum(bad.counts)) == (4, 1, 1, 1, 1)


def test_a_coarse_granule_is_what_counting_over_the_coarse_layout_gives() -> None:
    columns = _columns(700, seed=8)
    fine = granules.coarsen(LAYOUT, count(LAYOUT, columns, columns[OUTPUT]))
    assert to_bytes(fine) == to_bytes(count(LAYOUT.coarse(), columns, columns[OUTPUT]))


def test_spans_of_rows_that_were_read_once_count_as_rows_read_alone() -> None:
    rows = {"x": [1.0, None, 3.0, math.nan, 5.0, 7.0], "level": ["a", "b", None, "a", "c", "b"]}
    layout = layout_of({**rows, OUTPUT: [0.1, 0.9]}, [("x", "number"), ("level", "string")])
    tally = Tally(layout)
    read = tally.read(rows)
    for start, end in ((0, 2), (2, 2), (2, 6), (0, 6)):
        tally.reset()
        tally.add_rows(read, start, end)
        alone = count(layout, {name: values[start:end] for name, values in rows.items()})
        assert to_bytes(granules.granule_of(tally)) == to_bytes(alone)
