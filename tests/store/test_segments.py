from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.store.segments import SegmentWriter, read_frames, read_segment


def test_frames_come_back_in_order_and_sealing_renames(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w0")
    writer.append([b"a", b"b"])
    writer.append([b"c"])
    sealed = writer.seal()
    assert sealed is not None
    assert sealed.suffix == ".sealed"
    assert list(read_segment(sealed)) == [b"a", b"b", b"c"]
    assert writer.seal() is None


@given(cut=st.integers(min_value=0, max_value=50))
def test_a_torn_tail_hides_only_the_torn_frame(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "x.open"
    writer = SegmentWriter(path.parent, "w")
    payloads = [b"first", b"second", b"third-is-longer"]
    writer.append(payloads)
    data = next(path.parent.glob("*.open")).read_bytes()
    path.write_bytes(data[: len(data) - cut])
    found = list(read_segment(path))
    assert found == payloads[: len(found)]
    assert len(found) == sum(1 for end in (13, 27, 50) if end <= len(data) - cut)


def test_a_corrupt_frame_stops_the_reader(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w")
    writer.append([b"first", b"second"])
    path = next(tmp_path.glob("*.open"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert list(read_segment(path)) == [b"first"]


def test_a_reader_goes_on_where_it_stopped(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w")
    writer.append([b"a"])
    path = next(tmp_path.glob("*.open"))
    *_, (_, offset) = read_frames(path)
    writer.append([b"b"])
    assert list(read_segment(path, start=offset)) == [b"b"]


def test_what_a_killed_writer_left_is_sealed_and_its_number_is_not_used_again(tmp_path: Path) -> None:
    killed = SegmentWriter(tmp_path, "w")
    killed.append([b"a"])
    fresh = SegmentWriter(tmp_path, "w")
    (sealed,) = tmp_path.glob("*.sealed")
    sealed.unlink()  # the rows were taken over into Parquet
    fresh.append([b"b"])
    assert next(tmp_path.glob("*.open")).stem != sealed.stem
