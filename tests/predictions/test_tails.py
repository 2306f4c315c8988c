"""What readers of one process share: each row is decoded once, and what changed on the disk is never missed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from detent.predictions import parts, places, tails
from detent.predictions.parts import Parts
from detent.predictions.read import read
from detent.predictions.seal import seal
from detent.predictions.tails import Tails
from detent.store.segments import SegmentWriter

from .builders import START, hours, payload


def _written(state: Path, first: int, rows: int) -> SegmentWriter:
    writer = SegmentWriter(places.segments(state), "w0")
    writer.append([payload(number, START + hours(number / 10)) for number in range(first, first + rows)])
    return writer


def test_a_reader_that_keeps_nothing_finds_what_one_that_opens_everything_finds(tmp_path: Path) -> None:
    writer = _written(tmp_path, 0, 5)
    for number in range(5, 12):
        writer.append([payload(number, START + hours(number / 10))])
        if number == 7:
            writer.seal()
        if number == 9:
            seal(places.segments(tmp_path), places.parquet(tmp_path))
        found = read(tmp_path)
        assert found.height == number + 1
        assert found.equals(read(tmp_path, tails=Tails()))
        assert found.equals(read(tmp_path, tails=Tails(files=False)))
        assert read(tmp_path, include_open=False).equals(read(tmp_path, include_open=False, tails=Tails()))


def test_a_segment_that_was_replaced_by_another_one_of_its_name_is_decoded_anew(tmp_path: Path) -> None:
    path = _written(tmp_path, 0, 5).seal()
    assert path is not None
    assert read(tmp_path).height == 5
    other = _written(tmp_path / "other", 40, 7).seal()
    assert other is not None
    other.replace(path)
    assert read(tmp_path).equals(read(tmp_path, tails=Tails()))
    assert read(tmp_path).height == 7
    os.truncate(path, path.stat().st_size // 2)  # another file may even get the same inode
    assert read(tmp_path).equals(read(tmp_path, tails=Tails()))
    assert read(tmp_path).height < 7


def test_a_parquet_file_that_was_written_again_is_opened_again(tmp_path: Path) -> None:
    _written(tmp_path, 0, 5).seal()
    seal(places.segments(tmp_path), places.parquet(tmp_path))
    assert read(tmp_path).height == 5
    path = next(places.parquet(tmp_path).rglob("*.parquet"))
    pl.read_parquet(path).head(2).write_parquet(path)
    assert read(tmp_path).height == 2
    path.unlink()
    assert read(tmp_path).is_empty()


@pytest.mark.parametrize(("reader", "rows"), [(None, 4), (tails.kept, 5)])
def test_much_is_kept_for_the_next_reader_only_where_somebody_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Callable[[Path], Tails] | None, rows: int
) -> None:
    monkeypatch.setattr(tails, "SHARED_BYTES", 10)
    _written(tmp_path, 0, 5)
    assert read(tmp_path, tails=None if reader is None else reader(tmp_path)).height == 5
    (path,) = places.segments(tmp_path).glob("w0-*")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # nobody changes a frame that was written; who has kept it does not look at it again
    path.write_bytes(data)
    assert read(tmp_path).height == rows
    assert read(tmp_path, tails=Tails(files=False)).height == 4


def test_what_is_kept_of_files_is_bounded_and_large_files_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for number in range(4):
        _written(tmp_path / str(number), number, 10).seal()
        seal(places.segments(tmp_path / str(number)), places.parquet(tmp_path / str(number)))
        paths += places.parquet(tmp_path / str(number)).rglob("*.parquet")
    size = int(pl.read_parquet(paths[0]).estimated_size())
    monkeypatch.setattr(parts, "MOST", 3 * size)
    known = Parts()
    first = [known.frame(path) for path in paths[:2]]
    assert all(known.frame(path) is frame for path, frame in zip(paths, first, strict=False))
    for path in paths:
        known.frame(path)
    assert known.frame(paths[-1]) is known.frame(paths[-1])
    assert known.frame(paths[0]) is not first[0]  # the oldest had to go
    monkeypatch.setattr(parts, "SMALL", 10)
    assert known.frame(paths[0]) is None
