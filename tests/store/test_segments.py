from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.errors import StoreError
from detent.store.segments import Live, SegmentWriter, adopt, finish, read_frames, read_segment


def kill(writer: SegmentWriter) -> None:
    """What the kernel does when a writer's process dies: its files are closed, and so unlocked."""
    os.close(writer.descriptor)


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
    kill(killed)
    fresh = SegmentWriter(tmp_path, "w")
    (sealed,) = tmp_path.glob("*.sealed")
    sealed.unlink()  # the rows were taken over into Parquet
    fresh.append([b"b"])
    assert next(tmp_path.glob("*.open")).stem != sealed.stem


@contextmanager
def no_byte_can_be_written() -> Iterator[None]:
    """Like a full disk: files can be opened and emptied, and every write to one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_does_not_make_a_segment_name_be_used_twice(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w")
    for payload in (b"a", b"b"):
        writer.append([payload])
        taken_over = writer.seal()
        assert taken_over is not None
        taken_over.unlink()
    with no_byte_can_be_written(), pytest.raises(StoreError, match="the log can't be written"):
        writer.append([b"lost"])
    writer.append([b"c"])
    (live,) = tmp_path.glob("*.open")
    assert live.stem > taken_over.stem
    assert list(read_segment(live)) == [b"c"]


def test_a_write_that_fails_leaves_the_rows_before_it_and_nothing_of_itself(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w")
    writer.append([b"a"])
    with no_byte_can_be_written(), pytest.raises(StoreError, match="free some disk space"):
        writer.append([b"lost"])
    writer.append([b"b"])
    assert list(read_segment(next(tmp_path.glob("*.open")))) == [b"a", b"b"]


def test_a_segment_that_can_not_be_finished_is_reported_and_the_next_rows_get_a_new_one(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w", max_bytes=1)
    writer.append([b"a"])  # full with this row, which nevertheless was written
    (live,) = tmp_path.glob("*.open")
    in_the_way = live.with_suffix(".sealed")
    in_the_way.mkdir()
    with pytest.raises(StoreError, match="the log can't be written"):
        writer.append([b"not written"])
    in_the_way.rmdir()
    writer.append([b"b"])
    assert [list(read_segment(path)) for path in sorted(tmp_path.glob("*.open"))] == [[b"a"], [b"b"]]
    kill(writer)
    SegmentWriter(tmp_path, "w")  # the next start of this owner
    assert [list(read_segment(path)) for path in sorted(tmp_path.glob("*.sealed"))] == [[b"a"], [b"b"]]


def test_a_full_segment_is_finished_before_the_next_rows(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w", max_bytes=20)
    for payload in (b"0123456789", b"0123456789", b"next"):
        writer.append([payload])
    assert [list(read_segment(path)) for path in sorted(tmp_path.glob("w-*"))] == [[b"0123456789"] * 2, [b"next"]]


def test_a_live_file_is_left_to_its_writer_and_taken_over_once_that_is_gone(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w")
    writer.append([b"a"])
    (live,) = tmp_path.glob("*.open")
    assert adopt(live) is None
    writer.append([b"b"])
    kill(writer)
    sealed = adopt(live)
    assert sealed is not None
    assert list(read_segment(sealed)) == [b"a", b"b"]
    assert adopt(live) is None


def test_an_empty_file_is_not_taken_over_because_its_writer_may_be_about_to_lock_it(tmp_path: Path) -> None:
    (tmp_path / "w-00000001.open").touch()
    assert adopt(tmp_path / "w-00000001.open") is None
    assert (tmp_path / "w-00000001.open").exists()


@given(garbage=st.binary(min_size=1, max_size=60))
def test_what_follows_the_last_whole_frame_is_cut_off_and_kept_aside(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    writer = SegmentWriter(folder, "w")
    writer.append([b"first", b"second"])
    os.write(writer.descriptor, b"\xff\xff\xff" + garbage)
    kill(writer)
    following = SegmentWriter(folder, "w")
    following.append([b"after"])
    kill(following)
    (sealed,) = folder.glob("*.sealed")
    assert list(read_segment(sealed)) == [b"first", b"second"]
    assert sealed.stat().st_size == 13 + 14
    assert sealed.with_suffix(".torn").read_bytes() == b"\xff\xff\xff" + garbage


def test_complete_files_go_to_whoever_finishes_them_and_writing_goes_on_at_once(tmp_path: Path) -> None:
    retired: list[Live] = []
    writer = SegmentWriter(tmp_path, "w", max_bytes=1, retire=retired.append)
    for payload in (b"a", b"b", b"c"):
        writer.append([payload])
    assert not list(tmp_path.glob("*.sealed"))
    assert [list(read_segment(finish(live))) for live in retired] == [[b"a"], [b"b"]]
    writer.turn()
    assert list(read_segment(finish(retired[-1]))) == [b"c"]


def test_zeros_are_no_frames_though_their_checksum_is_right(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w")
    writer.append([b"a"])
    os.write(writer.descriptor, bytes(4096))  # as a filesystem may leave the end of a file after a power cut
    kill(writer)
    SegmentWriter(tmp_path, "w")
    (sealed,) = tmp_path.glob("*.sealed")
    assert list(read_segment(sealed)) == [b"a"]
    assert sealed.with_suffix(".torn").stat().st_size == 4096
