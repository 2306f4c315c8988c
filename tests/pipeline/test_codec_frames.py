"""Frames and arrays: they come back with all their dtypes, and equal ones give equal bytes however they were made."""

from __future__ import annotations

import decimal
import io
import resource
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as nps
import hypothesis.extra.pandas as pds
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from detent.errors import DataError, MissingExtraError, StoreError, TamperedError
from detent.pipeline.artifacts import ARROW, NPY, PANDAS, PARQUET, Artifact
from detent.pipeline.codecs import spool
from detent.pipeline.codecs.scratch import using_scratch
from detent.pipeline.codecs.table import dump, load
from detent.store.blobs import Blobs, FolderBlobs

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return FolderBlobs(tmp_path_factory.mktemp("blobs"), durable=False)


# --- Polars ---


@settings(max_examples=60, deadline=None, suppress_health_check=_QUIET)
@given(
    frame=dataframes(max_cols=4, max_size=8, excluded_dtypes=[pl.Object], allow_time_zones=True), at=st.integers(0, 8)
)
def test_a_polars_frame_comes_back_and_its_bytes_do_not_depend_on_how_it_lies_in_memory(
    frame: pl.DataFrame, at: int, blobs: Blobs
) -> None:
    artifact = dump(frame, blobs, declared=pl.DataFrame)
    back = load(artifact, blobs)
    assert back.schema == frame.schema
    assert_frame_equal(back, frame, check_exact=True)
    chunked = pl.concat([frame[:at], frame[at:]], rechunk=False)
    view = pl.concat([frame[:at], frame], rechunk=True)[min(at, frame.height) :]
    gathered = frame[list(range(frame.height))] if frame.width else frame
    for other in (chunked, view, gathered, back, frame.clone()):
        assert dump(other, blobs) == artifact


def test_long_frames_with_nested_columns_do_not_depend_on_chunks(blobs: Blobs) -> None:
    rows = 150_000
    frame = pl.DataFrame({"n": range(rows)}).with_columns(
        lists=pl.int_ranges(pl.lit(0), pl.col("n") % 5),
        text=pl.format("{}-{}", pl.col("n") % 7, "n"),
        category=(pl.col("n") % 3).cast(pl.String).cast(pl.Categorical),
    )
    artifact = dump(frame, blobs)
    assert dump(pl.concat([frame[:3], frame[3:70_001], frame[70_001:]], rechunk=False), blobs) == artifact
    assert dump(pl.concat([frame[:11], frame])[11:], blobs) == artifact
    assert dump(pl.concat([frame, frame]).filter(pl.int_range(pl.len()) >= rows), blobs) == artifact


def test_the_order_in_which_categories_were_seen_does_not_matter(blobs: Blobs) -> None:
    first = pl.DataFrame({"c": pl.Series(["x", "y", None], dtype=pl.Categorical)})
    pl.Series(["z", "y", "w"], dtype=pl.Categorical)
    later = pl.DataFrame({"c": pl.Series(["y", "x", "y", None], dtype=pl.Categorical)})[1:]
    assert dump(first, blobs) == dump(later, blobs)


def test_a_sorted_flag_is_no_part_of_a_frame_and_column_order_is(blobs: Blobs) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [1, 2]})
    assert dump(frame.with_columns(pl.col("a").set_sorted()), blobs) == dump(frame, blobs)
    assert dump(frame.select("b", "a"), blobs) != dump(frame, blobs)


def test_what_parquet_has_no_form_for_is_refused(blobs: Blobs) -> None:
    for frame in (pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), pl.DataFrame({"s": [{}]})):
        with pytest.raises(DataError, match="Parquet"):
            dump(frame, blobs)


class _MyFrame(pl.DataFrame):
    pass


def test_a_subclass_of_a_frame_is_not_taken_for_one(blobs: Blobs) -> None:
    with pytest.raises(DataError, match=r"plain polars.DataFrame"):
        dump(_MyFrame({"a": [1]}), blobs)


def test_a_large_frame_goes_through_a_file_that_is_moved_and_gives_the_same_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.DataFrame({"a": np.random.default_rng(0).random(1_000)})
    small = dump(frame, FolderBlobs(tmp_path / "small"))
    monkeypatch.setattr(spool, "LARGE", 100)
    store = FolderBlobs(tmp_path / "large")
    with using_scratch(tmp_path / "scratch"):
        assert dump(frame, store) == small
        assert dump(frame.to_numpy(), store).kind == NPY
        assert dump(frame.to_arrow(), store).kind == ARROW
    assert load(small, store).equals(frame)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_disk_that_is_full_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LARGE", 100)
    store = FolderBlobs(tmp_path / "blobs")
    values = [np.zeros(100_000), pl.DataFrame({"a": np.random.default_rng(0).random(100_000)})]
    values += [values[1].to_arrow(), values[1].to_pandas()]  # pyright: ignore[reportAttributeAccessIssue]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        for value in values:
            with pytest.raises(StoreError, match="can't be written"), using_scratch(tmp_path / "scratch"):
                dump(value, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "scratch").iterdir()) == []
    assert list(store.names()) == []


def test_a_folder_name_that_looks_like_a_pattern_or_a_partition_changes_nothing(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path / "a[1]*" / "day=3")
    frame = pl.DataFrame({"a": [1]})
    for value in (frame, frame.to_arrow(), frame.to_pandas()):
        assert list(load(dump(value, store), store).to_dict()) == ["a"] if value is frame else True
        assert load(dump(value, store), store).shape == (1, 1)


def test_parts_are_put_together(blobs: Blobs) -> None:
    parts = [pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2, 3]})]
    artifact = Artifact(digest="snapshot", kind=PARQUET, parts=tuple(dump(part, blobs).digest for part in parts))
    assert load(artifact, blobs).equals(pl.concat(parts))


# --- pandas ---

_D = pd.DataFrame
_ONE = [1, 2, 3]
_HOLIDAYS = pd.offsets.CustomBusinessDay(holidays=["2024-01-04"])
_KEPT = {
    "a range": _D({"a": [1, 2]}, index=pd.RangeIndex(3, 7, 2)),
    "a named index": _D({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
    "two levels": _D({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["p", None])),
    "a frequency": _D({"a": _ONE}, index=pd.date_range("2024", periods=3, freq="D", tz="Europe/Berlin")),
    "seconds": _D({"a": np.array(["2024-01-01", None], "M8[s]"), "b": np.array([1, None], "m8[s]")}),
    "seconds in the index": _D({"a": [1]}, index=pd.DatetimeIndex(np.array(["2024-01-01"], "M8[s]"))),
    "seconds in a level": _D({"a": [1]}, index=pd.MultiIndex.from_arrays([[1], np.array(["2024-01-01"], "M8[s]")])),
    "categories in the index": _D({"a": [1]}, index=pd.CategoricalIndex(["b"], ["z", "b"], name="k")),
    "number names": _D([[1, 2]]),
    "names in two levels": _D([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    "categories of numbers": _D({"a": pd.Categorical([3, None, 1], categories=[3, 2, 1], ordered=True)}),
    "categories of texts": _D({"a": pd.Categorical(["b", None], categories=["c", "b"])}),
    "no rows of categories": _D({"a": pd.Categorical([], categories=["a"])}),
    "texts": _D({"a": ["x", None]}),
    "nullable": _D({"a": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean")}),
    "arrow": _D({"a": pd.array([1, None], pd.ArrowDtype(pa.int32()))}),
    "periods": _D({"a": pd.period_range("2024", periods=2, freq="M")}),
    "dates": _D({"a": [date(2024, 1, 1), None]}),
    "decimals": _D({"a": [decimal.Decimal("1.25"), None]}),
    "small numbers": _D({"a": np.array([1], "u1"), "b": np.array([1.5], "f4"), "c": [float("nan")], "d": [-0.0]}),
    "nothing": _D(),
    "no rows": _D({"a": np.array([], "i8")}),
}
_REFUSED = {
    "objects of several kinds": _D({"a": pd.Series([1, "x"], dtype=object)}),
    "numbers as objects": _D({"a": pd.Series([1, 2], dtype=object)}),
    "lists": _D({"a": [[1], [2, 3]]}),
    "mixed names": _D([[1, 2]], columns=["a", 1]),
    "names twice": _D([[1, 2]], columns=["a", "a"]),
    "sparse": _D({"a": pd.arrays.SparseArray([0, 0, 1])}),
    "complex": _D({"a": [1j]}),
    "unseen categories in a level": _D(
        {"a": [1]}, index=pd.MultiIndex.from_arrays([[1], pd.Categorical(["x"], ["y", "x"])])
    ),
    "names with a frequency": _D([[1]], columns=pd.date_range("2024", periods=1)),
    "a calendar": _D({"a": [1, 2]}, index=pd.date_range("2024-01-02", periods=2, freq=_HOLIDAYS)),
    "rows without columns": _D(index=pd.RangeIndex(3)),
    "big-endian": _D({"a": np.array([1], ">i4")}),
}


@pytest.mark.parametrize("name", _KEPT)
def test_a_pandas_frame_comes_back_with_index_and_dtypes(name: str, blobs: Blobs) -> None:
    frame = _KEPT[name]
    artifact = dump(frame, blobs, declared=pd.DataFrame)
    back = load(artifact, blobs)
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_freq=True, check_index_type=True)
    assert artifact.kind == PANDAS
    assert dump(back, blobs) == artifact
    assert dump(frame.copy(deep=True), blobs) == artifact


@pytest.mark.parametrize("name", _REFUSED)
def test_a_pandas_frame_that_would_come_back_changed_is_refused(name: str, blobs: Blobs) -> None:
    with pytest.raises(DataError, match="pandas.DataFrame can't be stored"):
        dump(_REFUSED[name], blobs)


def test_attributes_of_a_pandas_frame_come_back_and_their_order_is_no_part_of_it(blobs: Blobs) -> None:
    frames = [_D({"a": [1]}), _D({"a": [1]}), _D({"a": [1]})]
    frames[0].attrs = {"x": 1, "y": {"b": 1, "a": 2}}
    frames[1].attrs = {"y": {"a": 2, "b": 1}, "x": 1}
    frames[2].attrs = {"x": object()}
    assert dump(frames[0], blobs) == dump(frames[1], blobs)
    assert load(dump(frames[0], blobs), blobs).attrs == frames[0].attrs
    with pytest.raises(DataError, match="attrs"):
        dump(frames[2], blobs)


@settings(max_examples=30, deadline=None, suppress_health_check=_QUIET)
@given(
    frame=pds.data_frames(
        [
            pds.column("a", dtype=float), pds.column("b", dtype="i4"), pds.column("c", dtype=bool),
            pds.column("d", elements=st.text(max_size=3)), pds.column("e", dtype="datetime64[ns]"),
        ],
        index=pds.indexes(elements=st.integers(0, 9), unique=False) | pds.range_indexes(),
    )
)  # fmt: skip
def test_any_plain_pandas_frame_comes_back_or_is_refused(frame: pd.DataFrame, blobs: Blobs) -> None:
    try:
        artifact = dump(frame, blobs)
    except DataError:
        assert str(frame.dtypes["d"]) == "object" or not len(frame)
        return
    back = load(artifact, blobs)
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    if len(frame):
        half = len(frame) // 2
        again = pd.concat([frame.iloc[:half], frame.iloc[half:]]).set_axis(frame.index)
        if (again.dtypes == frame.dtypes).all():
            assert dump(again, blobs) == artifact


# --- pyarrow ---


@settings(max_examples=40, deadline=None, suppress_health_check=_QUIET)
@given(
    frame=dataframes(max_cols=3, max_size=8, excluded_dtypes=[pl.Object, pl.Array, pl.Int128, pl.UInt128]),
    at=st.integers(0, 8),
)
def test_an_arrow_table_comes_back_whatever_its_chunks(frame: pl.DataFrame, at: int, blobs: Blobs) -> None:
    table = frame.to_arrow()
    try:
        artifact = dump(table, blobs, declared=pa.Table)
    except DataError:
        refused = (pa.types.is_nested, pa.types.is_decimal, pa.types.is_dictionary)  # an Enum is an ordered one
        assert any(is_one(kind) for kind in table.schema.types for is_one in refused)
        return
    back = load(artifact, blobs)
    assert back.schema.equals(table.schema, check_metadata=True)
    assert_frame_equal(pl.DataFrame(pl.from_arrow(back)), pl.DataFrame(pl.from_arrow(table)))
    assert dump(back, blobs) == artifact
    assert dump(pa.concat_tables([table[:at], table[at:]]), blobs) == artifact
    assert dump(pa.concat_tables([table[:at], table])[min(at, len(table)) :], blobs) == artifact


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1], pa.timestamp("s", "UTC")), pa.array([1], pa.time32("s")), pa.array([86_400_000], pa.date64()),
        pa.array([[1], None]), pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
        pa.array(["a"], pa.string_view()),
        pa.array([decimal.Decimal("1.20")], pa.decimal256(50, 2)), pa.nulls(2), pa.array([b"0" * 16], pa.uuid()),
        pa.array([1.5, float("nan")], pa.float16()), pa.array([{"a": 1}, None]),
        pa.array([timedelta(1)], pa.duration("s")),
        pa.array([[float("nan")]]), pa.array([], pa.dictionary(pa.int8(), pa.string())),
    ],
    ids=lambda column: str(column.type),
)  # fmt: skip
def test_arrow_types_that_parquet_does_not_have_come_back(column: pa.Array, blobs: Blobs) -> None:
    schema = pa.schema([pa.field("a", column.type, metadata={"unit": "s"})], metadata={"b": "1", "a": "2"})
    table = pa.Table.from_arrays([column], schema=schema)
    artifact = dump(table, blobs)
    back = load(artifact, blobs)
    assert back.schema.equals(table.schema, check_metadata=True)
    assert str(back["a"].to_pylist()) == str(table["a"].to_pylist())
    assert dump(back, blobs) == artifact


def test_dictionaries_with_the_same_values_give_the_same_digest(blobs: Blobs) -> None:
    def table(indices: list[Any], words: list[str]) -> pa.Table:
        return pa.table({"d": pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), pa.array(words))})

    one = table([0, 1, None, 0], ["x", "y"])
    two = pa.concat_tables([table([1], ["q", "x"]), table([0, None], ["y", "z"]), table([0], ["x"])])
    assert dump(one, blobs) == dump(two, blobs)
    assert load(dump(two, blobs), blobs).schema == one.schema
    assert load(dump(two, blobs), blobs)["d"].to_pylist() == ["x", "y", None, "x"]


@pytest.mark.parametrize(
    "column",
    [
        pa.RunEndEncodedArray.from_arrays([2, 3], [1, 2]),
        pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),  # written, but can't be read again
        pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["z", "b"]), ordered=True),
    ],
    ids=lambda column: str(column.type)[:20],
)
def test_arrow_columns_that_would_not_come_back_are_refused(column: pa.Array, blobs: Blobs) -> None:
    with pytest.raises(DataError, match=r"pyarrow\.Table can't be stored"):
        dump(pa.table({"a": column}), blobs)


# --- NumPy ---


@settings(max_examples=100, deadline=None)
@given(array=nps.arrays(nps.scalar_dtypes() | nps.array_dtypes(max_size=3), nps.array_shapes(min_dims=0, min_side=0)))
def test_an_array_comes_back_and_its_bytes_do_not_depend_on_its_order_in_memory(
    array: np.ndarray, blobs: Blobs
) -> None:
    artifact = dump(array, blobs)
    back = load(artifact, blobs)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert dump(np.asfortranarray(array).reshape(array.shape), blobs) == artifact
    if array.ndim:
        assert dump(np.repeat(array, 2, axis=0)[::2], blobs) == artifact


def test_gaps_between_the_fields_of_an_array_hold_nothing(blobs: Blobs) -> None:
    inner = np.dtype([("c", "i1"), ("d", "f8")], align=True)
    for kind in (
        np.dtype([("a", "i1"), ("b", inner)], align=True),
        np.dtype([("b", inner, (2,)), ("a", "i1")], align=True),
    ):
        arrays = [np.full(3 * kind.itemsize, rest, np.uint8).view(kind) for rest in (7, 9)]
        for array in arrays:
            array["a"], array["b"]["c"], array["b"]["d"] = 1, 2, 3.0
        assert arrays[0].tobytes() != arrays[1].tobytes()
        assert dump(arrays[0], blobs) == dump(arrays[1], blobs)


@pytest.mark.parametrize(
    "array",
    [np.ma.masked_array([1, 2], [True, False]), np.array([object()]), np.array(["a"], np.dtypes.StringDType())],
    ids=lambda array: str(array.dtype),
)
def test_masks_and_objects_are_refused(array: Any, blobs: Blobs) -> None:
    with pytest.raises(DataError, match=r"can't be (an output|stored)"):
        dump(array, blobs)


def test_a_few_bytes_that_claim_to_be_a_huge_array_take_no_memory(blobs: Blobs) -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }".ljust(117) + "\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    for bad in (data, data[:20], b"", b"PK\x03\x04", np.array([object()]).dumps()):
        with pytest.raises(TamperedError, match="can't be read as npy"):
            load(Artifact(digest=blobs.put(bad), kind=NPY), blobs)
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(TamperedError):
        load(Artifact(digest=blobs.put(buffer.getvalue()), kind=NPY), blobs)


# --- one kind as another, and what is not there ---


def test_a_parameter_gets_the_kind_of_frame_that_it_declares(blobs: Blobs) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    stored = [dump(frame, blobs), dump(frame.to_pandas(), blobs), dump(frame.to_arrow(), blobs)]
    for artifact in stored:
        assert load(artifact, blobs, declared=pl.DataFrame).equals(frame)
        assert load(artifact, blobs, declared=pd.DataFrame | None).shape == (2, 2)
        assert load(artifact, blobs, declared=pa.Table).column_names == ["a", "b"]
    assert type(load(stored[0], blobs, declared=pl.DataFrame | pd.DataFrame)) is pl.DataFrame
    assert type(load(stored[0], blobs, declared=int)) is pl.DataFrame
    with pytest.raises(DataError, match="reset_index"):
        load(dump(_D({"a": [1]}, index=["k"]), blobs), blobs, declared=pl.DataFrame)


@pytest.mark.parametrize("kind", [PARQUET, PANDAS, ARROW, NPY])
@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\xff" * 64 + b"PAR1"], ids=["empty", "short", "wrong"])
def test_bytes_that_are_no_frame_are_an_error_and_no_stack_trace(kind: str, data: bytes, blobs: Blobs) -> None:
    with pytest.raises(TamperedError, match="can't be read"):
        load(Artifact(digest=blobs.put(data), kind=kind), blobs)


def test_a_truncated_or_altered_frame_is_noticed(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path / "blobs")
    for value in (pl.DataFrame({"a": [1]}), _D({"a": [1]}), pa.table({"a": [1]}), np.arange(5)):
        artifact = dump(value, store)
        path = store.path(artifact.digest)
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-3])
        with pytest.raises(TamperedError, match="damaged"):
            load(artifact, store)
        path.unlink()
        with pytest.raises(StoreError, match="missing"):
            load(artifact, store)


@pytest.mark.parametrize(
    ("package", "value"),
    [("pyarrow", _D({"a": [1]})), ("pyarrow", pa.table({"a": [1]})), ("polars", pl.DataFrame())],
    ids=["pandas", "arrow", "polars"],
)
def test_a_missing_package_is_named(package: str, value: Any, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "arrow", "parquet", "frames"):
        monkeypatch.delitem(sys.modules, f"detent.pipeline.codecs.{name}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"`{package}`") as caught:
        dump(value, blobs)
    assert f"pip install {package}" in caught.value.fix
