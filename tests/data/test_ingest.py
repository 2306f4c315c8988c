from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import polars as pl
import pytest

from detent.data.ingest import ingest
from detent.data.parts import PART_ROWS, read_snapshot
from detent.errors import DataError
from detent.records.project import Source
from detent.records.snapshot import Snapshot
from detent.store.blobs import Blobs, open_blobs

START = datetime(2013, 1, 1, tzinfo=UTC)


def take(source: Source, *, folder: Path, blobs: Blobs, as_of: datetime | None) -> tuple[Snapshot, pl.DataFrame]:
    found = ingest(source, folder=folder, blobs=blobs, as_of=as_of)
    return found.snapshot, found.frame


def write(folder: Path, frame: pl.DataFrame, name: str = "flights.parquet") -> Path:
    (folder / "data").mkdir(exist_ok=True)
    path = folder / "data" / name
    if name.endswith(".csv"):
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def hours(count: int, **columns: object) -> pl.DataFrame:
    return pl.DataFrame({"id": range(count), "at": [START + timedelta(hours=hour) for hour in range(count)], **columns})


def test_the_same_rows_give_the_same_snapshot_whoever_wrote_them(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    path = write(tmp_path, hours(100))
    first, frame = take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    pl.concat([frame[:30], frame[30:]], rechunk=False).write_parquet(path, compression="gzip")
    elsewhere = open_blobs(str(tmp_path / "other blobs"))
    second, _ = take(replace(flights, name="copy"), folder=tmp_path, blobs=elsewhere, as_of=None)
    assert first.id == second.id
    assert (first.dataset, second.dataset) == ("flights", "copy")
    assert first.rows == 100
    assert read_snapshot(second, elsewhere).equals(frame)


def test_one_changed_value_gives_another_snapshot(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    write(tmp_path, hours(10, x=[0.0] * 10))
    first, _ = take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    write(tmp_path, hours(10, x=[0.0] * 9 + [1.0]))
    second, _ = take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    assert first.id != second.id


def test_only_rows_known_by_the_cut_are_kept_in_the_order_of_the_file(
    tmp_path: Path, blobs: Blobs, flights: Source
) -> None:
    times = [START + timedelta(hours=3), None, START, START + timedelta(hours=1)]
    write(tmp_path, pl.DataFrame({"id": [1, 2, 3, 4], "at": times}))
    snapshot, frame = take(flights, folder=tmp_path, blobs=blobs, as_of=START + timedelta(hours=1))
    assert frame["id"].to_list() == [3, 4]
    assert snapshot.as_of == "2013-01-01T01:00:00.000000+00:00"
    _, everything = take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    assert everything["id"].to_list() == [1, 2, 3, 4]


def test_a_later_cut_shares_all_full_parts_with_an_earlier_one(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    rows = 2 * PART_ROWS + 10
    write(tmp_path, pl.DataFrame({"id": range(rows), "at": pl.Series(range(rows)).cast(pl.Datetime("us"))}))
    cuts = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count - 1) for count in (PART_ROWS + 5, rows)]
    early, late = (take(flights, folder=tmp_path, blobs=blobs, as_of=cut)[0] for cut in cuts)
    assert [part.rows for part in early.parts] == [PART_ROWS, 5]
    assert [part.rows for part in late.parts] == [PART_ROWS, PART_ROWS, 10]
    assert early.parts[0] == late.parts[0]
    fresh = open_blobs(str(tmp_path / "fresh"))  # the remembered parts are stored again where they are missing
    again, frame = take(flights, folder=tmp_path, blobs=fresh, as_of=cuts[1])
    assert again == late
    assert read_snapshot(again, fresh).equals(frame)


def test_times_without_a_zone_are_utc_and_other_zones_are_converted(
    tmp_path: Path, blobs: Blobs, flights: Source
) -> None:
    naive = [datetime(2013, 1, 1, 5)]
    frame = pl.DataFrame({"id": [1], "at": naive, "local": naive}).with_columns(
        pl.col("local").dt.replace_time_zone("America/New_York").cast(pl.Datetime("ns", "America/New_York"))
    )
    write(tmp_path, frame)
    _, read = take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    assert read.schema["at"] == read.schema["local"] == pl.Datetime("us", "UTC")
    assert read.row(0) == (1, datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 1, 1, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    "text", ["2013-01-01T05:00:00Z", "2013-01-01 05:00:00", "2013-01-01T07:00:00+02:00", "2013-01-01T05:00"]
)
def test_a_csv_with_iso_times_is_read(tmp_path: Path, blobs: Blobs, flights: Source, text: str) -> None:
    write(tmp_path, pl.DataFrame({"id": [1], "at": [text]}), "flights.csv")
    _, frame = take(replace(flights, source="data/flights.csv"), folder=tmp_path, blobs=blobs, as_of=None)
    assert frame["at"].to_list() == [datetime(2013, 1, 1, 5, tzinfo=UTC)]


def test_a_url_is_read_through_fsspec(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    with fsspec.open("memory://lake/flights.csv", "wb") as file:
        file.write(b"id,at\n1,2013-01-01T05:00:00Z\n")
    source = replace(flights, source="memory://lake/flights.csv")
    snapshot, frame = take(source, folder=tmp_path, blobs=blobs, as_of=None)
    assert snapshot.source == "memory://lake/flights.csv"
    assert frame.height == 1
    with pytest.raises(DataError, match="missing"):
        take(replace(flights, source="memory://lake/none.csv"), folder=tmp_path, blobs=blobs, as_of=None)


def test_a_missing_file_names_the_line_and_the_nearest_file(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    write(tmp_path, hours(1))
    with pytest.raises(DataError) as caught:
        take(replace(flights, source="data/flihgts.parquet"), folder=tmp_path, blobs=blobs, as_of=None)
    assert "did you mean `flights.parquet`" in caught.value.fix
    assert str(caught.value.where) == "detent.yaml:7 (data.flights.source)"
    with pytest.raises(DataError, match="missing") as caught:
        take(replace(flights, source="nowhere/x.csv"), folder=tmp_path, blobs=blobs, as_of=None)
    assert "no folder" in caught.value.fix


@pytest.mark.parametrize("content", [b"PAR1 and then nothing", b"\xff\xfe\x00binary\n\x80,\x81\n", b""])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, blobs: Blobs, flights: Source, content: bytes) -> None:
    write(tmp_path, hours(1)).write_bytes(content)
    with pytest.raises(DataError):
        take(flights, folder=tmp_path, blobs=blobs, as_of=None)


@pytest.mark.parametrize(("role", "column"), [("time", "att"), ("key", "idd")])
def test_a_renamed_column_is_named_with_the_likely_new_name(
    tmp_path: Path, blobs: Blobs, flights: Source, role: str, column: str
) -> None:
    write(tmp_path, hours(2))
    with pytest.raises(DataError) as caught:
        take(replace(flights, **{role: column}), folder=tmp_path, blobs=blobs, as_of=None)
    assert f"`{column}`" in caught.value.what
    assert "did you mean" in caught.value.fix


def test_numbers_are_no_times_and_neither_is_any_text(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    write(tmp_path, pl.DataFrame({"id": [1], "at": [1357016400]}))
    with pytest.raises(DataError, match="holds no times"):
        take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    write(tmp_path, pl.DataFrame({"id": [1, 2], "at": ["2013-01-01T00:00:00Z", "yesterday"]}))
    with pytest.raises(DataError) as caught:
        take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    assert caught.value.why == "row 1 holds 'yesterday'"


def test_no_rows_are_refused_in_the_file_and_after_the_cut(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    write(tmp_path, hours(3).clear())
    with pytest.raises(DataError, match="is empty"):
        take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    write(tmp_path, hours(3))
    with pytest.raises(DataError, match="no row of `flights` was known"):
        take(flights, folder=tmp_path, blobs=blobs, as_of=START - timedelta(days=1))


def test_repeated_keys_are_listed_with_their_rows(tmp_path: Path, blobs: Blobs, flights: Source) -> None:
    write(tmp_path, hours(6).with_columns(id=pl.Series([1, 2, 1, 4, 2, 1])))
    with pytest.raises(DataError) as caught:
        take(flights, folder=tmp_path, blobs=blobs, as_of=None)
    assert "2 keys" in caught.value.what
    assert "1 in rows 0, 2, 5; 2 in rows 1, 4" in caught.value.why
    _, frame = take(flights, folder=tmp_path, blobs=blobs, as_of=START + timedelta(hours=1))
    assert frame.height == 2  # the repetition was not known yet
    write(tmp_path, hours(2).with_columns(id=pl.Series([1, None])))
    with pytest.raises(DataError, match="have no key"):
        take(flights, folder=tmp_path, blobs=blobs, as_of=None)
