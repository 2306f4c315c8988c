from __future__ import annotations

import os
from pathlib import Path

import pytest
from data_archive import checkout, contents, make_archive, watched, write_files

from detent.data.versions.archive import Archive, Wish, add_version
from detent.data.versions.version import Version
from detent.errors import RefusedError, StoreError, TamperedError


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return make_archive(tmp_path / "project")


@pytest.fixture
def versions(archive: Archive, tmp_path: Path) -> tuple[Version, Version]:
    """Two versions that differ in everything that may differ."""
    source = write_files(tmp_path / "in", {"same/f": b"1", "edited": b"2", "gone/f": b"3", "file or folder": b"4"})
    (source / "link").symlink_to("edited")
    first = add_version(archive, str(source), Wish(name="d")).version
    (source / "edited").write_bytes(b"other")
    (source / "gone" / "f").unlink()
    (source / "gone").rmdir()
    (source / "file or folder").unlink()
    write_files(source, {"file or folder/inside": b"5", "run.sh": b"#!"})
    (source / "run.sh").chmod(0o755)
    (source / "link").unlink()
    (source / "link").symlink_to("run.sh")
    return first, add_version(archive, str(source), Wish(name="d")).version


def test_a_folder_goes_from_one_version_to_another_and_back(archive: Archive, versions, tmp_path: Path) -> None:
    target = tmp_path / "out"
    checkout(archive, versions[0], target)
    first = contents(target)
    there = checkout(archive, versions[1], target)
    assert contents(target) == contents(tmp_path / "in")
    assert (there.kept, there.written.total()) == (1, 3)
    checkout(archive, versions[0], target)
    assert contents(target) == first
    assert checkout(archive, versions[0], target).written.total() == 0


def test_what_exists_nowhere_else_is_not_lost(archive: Archive, versions, tmp_path: Path) -> None:
    target = tmp_path / "out"
    checkout(archive, versions[0], target)
    write_files(target, {"notes": b"mine", "edited": b"my edit"})
    before = contents(target)
    with pytest.raises(RefusedError, match="2 files") as caught:
        checkout(archive, versions[1], target)
    assert "'edited'" in caught.value.why
    assert "'notes'" in caught.value.why
    assert contents(target) == before
    checkout(archive, versions[1], target, force=True)
    assert contents(target) == contents(tmp_path / "in")


def test_a_file_that_was_only_renamed_may_be_taken_back(archive: Archive, versions, tmp_path: Path) -> None:
    target = tmp_path / "out"
    checkout(archive, versions[0], target)
    (target / "edited").rename(target / "called otherwise")
    done = checkout(archive, versions[0], target)
    assert (done.removed, done.written.total()) == (1, 1)


def test_an_edit_of_the_same_size_and_time_is_repaired(archive: Archive, versions, tmp_path: Path) -> None:
    target = tmp_path / "out"
    checkout(archive, versions[0], target)
    path = target / "edited"
    before = path.stat()
    path.write_bytes(b"X")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(RefusedError):
        checkout(archive, versions[0], target)
    checkout(archive, versions[0], target, force=True)
    assert path.read_bytes() == b"2"


def test_read_only_files_share_the_stores_bytes_and_can_not_be_written(archive: Archive, versions, tmp_path) -> None:
    target = tmp_path / "out"
    done = checkout(archive, versions[1], target, read_only=True)
    assert "hardlink" in done.written or "reflink" in done.written
    assert (target / "edited").stat().st_mode & 0o222 == 0
    assert (target / "run.sh").stat().st_mode & 0o777 == 0o555
    copied = tmp_path / "copied"
    checkout(archive, versions[1], copied)
    assert (copied / "edited").stat().st_mode & 0o200
    (copied / "edited").write_bytes(b"changed")
    assert checkout(archive, versions[1], target).kept == 4  # the store's bytes did not change with it


def test_a_new_folder_appears_as_a_whole_or_not_at_all(archive: Archive, versions, tmp_path: Path) -> None:
    victim = next(path for path in watched(archive).names() if archive.blobs.get(path) == b"5")
    place = watched(archive).path(victim)
    place.chmod(0o644)
    place.write_bytes(b"6")
    with pytest.raises(TamperedError):
        checkout(archive, versions[1], tmp_path / "fresh" / "out")
    assert list((tmp_path / "fresh").iterdir()) == []
    archive.blobs.delete(victim)
    with pytest.raises(StoreError, match="missing"):
        checkout(archive, versions[1], tmp_path / "fresh" / "out")


def test_what_a_killed_checkout_left_is_cleared_by_the_next(archive: Archive, versions, tmp_path: Path) -> None:
    target = tmp_path / "out"
    checkout(archive, versions[0], target)
    write_files(target, {".new.4711.0123456789abcdef": b"half a f"})
    (target / "edited").unlink()
    checkout(archive, versions[1], target)
    assert contents(target) == contents(tmp_path / "in")


def test_a_link_in_the_target_is_replaced_and_never_written_through(archive: Archive, versions, tmp_path) -> None:
    outside = write_files(tmp_path / "outside", {"f": b"precious"})
    target = tmp_path / "out"
    target.mkdir()
    (target / "same").symlink_to(outside)
    (target / "edited").symlink_to(outside / "f")
    checkout(archive, versions[0], target)
    assert (target / "same" / "f").read_bytes() == b"1"
    assert contents(outside) == {"f": b"precious"}


def test_a_target_that_is_a_file_or_a_link_is_not_replaced(archive: Archive, versions, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path)
    for target in (tmp_path / "file", tmp_path / "link"):
        with pytest.raises(RefusedError, match="exist nowhere else"):
            checkout(archive, versions[0], target)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_dataset_of_one_file_goes_to_a_path_or_into_a_folder(archive: Archive, tmp_path: Path) -> None:
    path = write_files(tmp_path, {"x.bin": b"old"}) / "x.bin"
    old = add_version(archive, str(path), Wish()).version
    path.write_bytes(b"new")
    new = add_version(archive, str(path), Wish()).version
    assert checkout(archive, old, path).written.total() == 1
    assert path.read_bytes() == b"old"
    (tmp_path / "folder").mkdir()
    assert checkout(archive, new, tmp_path / "folder").place == tmp_path / "folder" / "x.bin"
    path.write_bytes(b"mine")
    with pytest.raises(RefusedError):
        checkout(archive, new, path)


def test_a_checkout_is_known_when_it_is_added(archive: Archive, versions, tmp_path: Path) -> None:
    checkout(archive, versions[1], tmp_path / "out")
    again = add_version(archive, str(tmp_path / "out"), Wish(name="d"))
    assert (again.new, again.read_files) == (False, 0)
