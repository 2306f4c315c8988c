"""Reading a part of the log: the same rows as reading it all and choosing then, at the cost of that part."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import polars as pl
import pytest

from detent.predictions import parts, places
from detent.predictions.frames import SCHEMA
from detent.predictions.read import read
from detent.predictions.seal import seal
from detent.predictions.tails import Tails
from detent.store.segments import SegmentWriter

from .builders import START, hours, payload, turn

WHERE = (
    None,
    (pl.col("endpoint") == "flights") & (pl.col("version") == 1),
    pl.col("id").is_between(pl.lit(f"{20:040x}"), pl.lit(f"{50:040x}")),
    pl.col("id").is_in([f"{number:040x}" for number in (3, 30, 61, 99)]),
    pl.col("version") == 77,
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Rows 0..29 and 30..59 in Parquet files of three days, 60..79 in a finished segment, 80..99 in an open one."""
    writer = SegmentWriter(places.segments(tmp_path), "w0")
    for first in (0, 30):
        writer.append(
            [payload(number, START + hours(number / 2), version=number % 3) for number in range(first, first + 30)]
        )
        writer.seal()
        seal(places.segments(tmp_path), places.parquet(tmp_path))
    writer.append([turn(*range(60, 80), at=START + hours(40))])
    writer.seal()
    writer.append([payload(number, START + hours(number / 2), version=number % 3) for number in range(80, 100)])
    return tmp_path


def test_a_part_of_the_log_is_what_choosing_from_all_of_it_gives(state: Path) -> None:
    everything = read(state)
    assert everything.height == 100
    for since, until, where in product((None, START + hours(8)), (None, START + hours(41)), WHERE):
        chosen = everything
        if since is not None:
            chosen = chosen.filter(pl.col("time") >= since)
        if until is not None:
            chosen = chosen.filter(pl.col("time") < until)
        if where is not None:
            chosen = chosen.filter(where)
        tails = Tails()
        for _ in range(2):
            assert read(state, since, until, where=where, tails=tails).equals(chosen)
            found = read(state, since, until, where=where, columns=("score", "id"), tails=tails)
            assert found.equals(chosen.select("score", "id"))


def test_columns_that_are_not_there_yet_are_empty_and_an_empty_log_has_them_too(tmp_path: Path, state: Path) -> None:
    path = next(places.parquet(state).rglob("*.parquet"))
    pl.read_parquet(path).drop("request").write_parquet(path)  # as before requests had names
    assert dict(read(state).schema) == SCHEMA
    old = read(state, until=START + hours(1), columns=("request", "version"))
    assert old.rows() == [(None, 0), (None, 1)]
    named = read(state, columns=("id",), where=pl.col("request").is_null())
    assert named.height == pl.read_parquet(path).height
    assert dict(read(tmp_path / "nothing", columns=("arm",)).schema) == {"arm": pl.String()}


def test_large_files_outside_of_the_window_and_columns_that_are_not_named_are_not_read(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "SMALL", 100)
    first, second = sorted(places.parquet(state).glob("date=2013-07-02/*.parquet"))
    data = bytearray(first.read_bytes())
    footer = int.from_bytes(data[-8:-4], "little")
    data[4 : len(data) - 8 - footer] = bytes(len(data) - 12 - footer)  # all of its pages, none of its statistics
    first.write_bytes(data)
    early, late = pl.read_parquet_metadata(first), pl.read_parquet(second)
    assert early is not None
    found = read(state, late["time"][0], START + hours(36), columns=("id",))
    assert found["id"].to_list()[: late.height] == late["id"].to_list()
    with pytest.raises(pl.exceptions.PolarsError):
        read(state)


def test_a_day_that_is_removed_meanwhile_is_left_out(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = next(places.parquet(state).rglob("*.parquet"))
    listed = places.parts

    def removed_then(*asked: object) -> list[Path]:
        paths = list(listed(*asked))  # type: ignore[arg-type]
        gone.unlink(missing_ok=True)
        return paths

    monkeypatch.setattr(places, "parts", removed_then)
    assert 0 < read(state).height < 100
