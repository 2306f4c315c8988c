from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from data_archive import make_archive, write_files
from hypothesis import given, settings
from hypothesis import strategies as st

from detent.data.versions.archive import Archive, Wish, add_version
from detent.data.versions.compare import Comparison, compare
from detent.data.versions.rows import TableDifference
from detent.errors import DataError
from detent.statistics.distances import psi_debiased


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return make_archive(tmp_path / "project")


def tables(archive: Archive, old: pl.DataFrame, new: pl.DataFrame, *, key: tuple[str, ...] = ()) -> TableDifference:
    versions = []
    for frame in (old, new):
        path = archive.folder / "t.parquet"
        frame.write_parquet(path)
        versions.append(add_version(archive, str(path), Wish(rehash=True)).version)
    found = compare(versions[0], versions[1], archive.blobs, key=key)
    ((_, table),) = found.tables
    return table


def counts(table: TableDifference) -> tuple[int, int, int | None]:
    return table.rows_added, table.rows_removed, table.rows_changed


def test_by_key_a_changed_row_is_neither_added_nor_removed(archive: Archive) -> None:
    old = pl.DataFrame({"id": [1, 2, 3, None], "x": [1.0, 2.0, float("nan"), None], "y": ["a", "b", "c", "d"]})
    new = pl.DataFrame({"id": [2, 3, None, 9], "x": [2.5, float("nan"), None, 1.0], "y": ["b", "C", "d", "e"]})
    table = tables(archive, old, new, key=("id",))
    assert counts(table) == (1, 1, 2)
    assert dict(table.cells_changed) == {"x": 1, "y": 1}
    assert (table.rows_before, table.rows_after, table.key) == (4, 4, ("id",))


def test_without_a_key_rows_are_a_multiset(archive: Archive) -> None:
    old = pl.DataFrame({"a": [1, 1, 2, 3], "b": ["x", "x", "y", None]})
    new = pl.DataFrame({"a": [3, 1, 2, 2, 4], "b": [None, "x", "y", "y", "z"]})
    assert counts(tables(archive, old, new)) == (2, 1, None)


def test_a_key_that_names_several_rows_is_not_used_and_says_so(archive: Archive) -> None:
    old = pl.DataFrame({"id": [1, 1], "x": [1, 2]})
    table = tables(archive, old, pl.DataFrame({"id": [1, 2], "x": [1, 2]}), key=("id",))
    assert table.key == ()
    assert "more than one row" in table.note
    assert counts(table) == (1, 1, None)


def test_a_key_of_two_columns(archive: Archive) -> None:
    old = pl.DataFrame({"day": [1, 1, 2], "shop": ["a", "b", "a"], "x": [1, 2, 3]})
    new = pl.DataFrame({"day": [1, 1, 2], "shop": ["a", "b", "b"], "x": [1, 5, 3]})
    assert counts(tables(archive, old, new, key=("day", "shop"))) == (1, 1, 1)


def test_a_key_that_is_no_column_is_refused_with_the_nearest(archive: Archive) -> None:
    old = pl.DataFrame({"customer": [1]})
    with pytest.raises(DataError, match="no column `costumer`") as caught:
        tables(archive, old, pl.DataFrame({"customer": [2]}), key=("costumer",))
    assert "customer" in caught.value.fix


def test_columns_that_came_went_or_changed_their_type_do_not_make_every_row_new(archive: Archive) -> None:
    old = pl.DataFrame({"id": [1, 2, 3], "n": [1, 2, 3], "gone": [1, 1, 1], "t": ["1", "2", "3"]})
    new = pl.DataFrame({"id": [1, 2, 3], "n": [1.0, 2.0, 3.5], "come": [1, 1, 1], "t": [1, 2, 3]})
    table = tables(archive, old, new, key=("id",))
    assert table.columns_added == (("come", "Int64"),)
    assert table.columns_removed == (("gone", "Int64"),)
    assert table.columns_retyped == (("n", "Int64", "Float64"), ("t", "String", "Int64"))
    assert counts(table) == (0, 0, 1)


def test_nested_categorical_and_binary_columns_are_compared_too(archive: Archive) -> None:
    def frame(order: list[str], last: int) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "id": [1, 2],
                "list": [[1, 2], [last]],
                "struct": [{"a": 1}, {"a": None}],
                "category": pl.Series(order).cast(pl.Categorical).sort(),
                "bytes": [b"1", None],
            }
        )

    table = tables(archive, frame(["u", "v"], 3), frame(["v", "u"], 4), key=("id",))
    assert counts(table) == (0, 0, 1)
    assert dict(table.cells_changed) == {"list": 1}


ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None])), max_size=12)


@settings(deadline=None, max_examples=30)
@given(old=ROWS, new=ROWS)
def test_rows_added_and_removed_are_those_of_the_two_lists(old, new, tmp_path_factory) -> None:
    archive = make_archive(tmp_path_factory.mktemp("p") / "project")
    schema = {"n": pl.Int64, "t": pl.String}
    frames = [pl.DataFrame(rows, schema=schema, orient="row") for rows in (old, new)]
    if sorted(map(str, old)) == sorted(map(str, new)):
        return
    table = tables(archive, frames[0], frames[1])
    added, removed = list(new), list(old)
    for row in old:
        if row in added:
            added.remove(row)
    for row in new:
        if row in removed:
            removed.remove(row)
    assert counts(table) == (len(added), len(removed), None)


def test_per_column_change_says_what_moved_and_how_far(archive: Archive) -> None:
    old = pl.DataFrame({"x": [float(n % 100) for n in range(10_000)], "still": [1] * 10_000, "c": ["a", "b"] * 5_000})
    new = old.with_columns(
        pl.when(pl.int_range(pl.len()) < 1_000).then(None).otherwise(pl.col("x") + 50).alias("x"),
        c=pl.Series(["a"] * 9_000 + ["z"] * 1_000),
    )
    moved = {change.name: change for change in tables(archive, old, new).columns}
    assert set(moved) == {"x", "c"}
    assert moved["x"].nulls == (0.0, 0.1)
    assert moved["x"].least == ("0.0", "50.0")
    assert moved["x"].mean == (49.5, pytest.approx(99.5))
    assert moved["c"].distance == pytest.approx(psi_debiased([5_000, 5_000, 0], [9_000, 0, 1_000]), abs=1e-5)
    assert (moved["x"].distance or 0) > 1.0


def test_csv_tables_are_compared_like_parquet_ones(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    versions = []
    for text in ('id,x\n1,"a\nb"\n2,c\n', 'id,x,y\n1,"a\nb",1\n2,d,2\n3,e,3\n'):
        path.write_text(text)
        versions.append(add_version(archive, str(path), Wish(rehash=True)).version)
    assert [version.schema.rows for version in versions if version.schema] == [2, 3]
    ((_, table),) = compare(versions[0], versions[1], archive.blobs, key=("id",)).tables
    assert counts(table) == (1, 0, 1)
    assert table.columns_added == (("y", "Int64"),)


def change_one_part(archive: Archive, folder: Path) -> Comparison:
    before = add_version(archive, str(folder), Wish(name="d")).version
    pl.DataFrame({"n": [0, 1, 2, 77]}).write_parquet(folder / "1.parquet")
    return compare(before, add_version(archive, str(folder), Wish(name="d")).version, archive.blobs)


def test_a_table_in_many_files_is_compared_as_one(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        pl.DataFrame({"n": [0, 1, 2, 3]}).write_parquet(folder / f"{number}.parquet")
    found = change_one_part(archive, folder)
    ((name, table),) = found.tables
    assert (name, table.rows_before, counts(table)) == ("d", 20, (1, 1, None))
    assert [change.path for change in found.files.changed] == ["1.parquet"]


def test_tables_among_other_files_are_compared_one_by_one(archive: Archive, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", {"README": b"about"})
    pl.DataFrame({"n": [0]}).write_parquet(folder / "1.parquet")
    ((name, table),) = change_one_part(archive, folder).tables
    assert (name, counts(table)) == ("1.parquet", (3, 0, None))


def test_a_table_that_only_moved_between_files_has_no_changed_rows(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pl.DataFrame({"n": [1, 2]}).write_parquet(folder / "a.parquet")
    pl.DataFrame({"n": [3, 4]}).write_parquet(folder / "b.parquet")
    before = add_version(archive, str(folder), Wish(name="d")).version
    pl.DataFrame({"n": [4, 3, 1]}).write_parquet(folder / "a.parquet")
    pl.DataFrame({"n": [2]}).write_parquet(folder / "b.parquet")
    found = compare(before, add_version(archive, str(folder), Wish(name="d")).version, archive.blobs)
    ((_, table),) = found.tables
    assert counts(table) == (0, 0, None)
    assert table.columns == ()


def test_a_damaged_table_is_named(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    versions = []
    for data in (b"PAR1 no", b"PAR1 neither"):
        path.write_bytes(data)
        versions.append(add_version(archive, str(path), Wish(rehash=True)).version)
    with pytest.raises(DataError, match="t.parquet can't be compared"):
        compare(versions[0], versions[1], archive.blobs)
    assert compare(versions[0], versions[1], archive.blobs, files_only=True).tables == ()
