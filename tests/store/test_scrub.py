from __future__ import annotations

from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from detent.store.blobs import FolderBlobs, open_blobs
from detent.store.canonical import digest
from detent.store.scrub import scrub
from permissions import permissions_count


def spoil(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"spoilt")


def test_damaged_blobs_are_moved_aside_and_the_others_stay(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    names = [blobs.put(b"%d" % number) for number in range(20)]
    assert scrub(blobs).clean
    for name in names[:2]:
        spoil(blobs.path(name))
    told: list[int] = []
    report = scrub(blobs, tell=told.append)
    assert report.damaged == tuple(sorted(names[:2])) == report.quarantined
    assert (report.checked, report.bytes, report.unreadable) == (20, told[-1], ())
    assert len(told) == 20
    assert not report.clean
    assert sorted(blobs.names()) == sorted(names[2:])
    again = scrub(blobs)
    assert again.clean
    assert again.quarantined == report.damaged


def test_a_remote_blob_is_read_where_it_lies_not_from_its_copy(tmp_path: Path) -> None:
    blobs = open_blobs(f"memory://{tmp_path.name}", cache=tmp_path / "cache")
    names = [blobs.put(data) for data in (b"good", b"bad", b"")]
    blobs.path(names[1])
    MemoryFileSystem().pipe_file(f"/{tmp_path.name}/{names[1][:2]}/{names[1][2:]}", b"bat")
    report = scrub(blobs)
    assert report.damaged == (names[1],) == report.quarantined
    assert sorted(blobs.names()) == sorted([names[0], names[2]])
    assert not blobs.has(names[1])


@pytest.mark.parametrize("share", [0.1, 0.25, 0.3, 1.0])
def test_parts_cover_everything_in_turn(tmp_path: Path, share: float) -> None:
    blobs = FolderBlobs(tmp_path, durable=False)
    for name in blobs.put_many(b"%d" % number for number in range(200)):
        spoil(blobs.path(name))
    parts = range(100, 100 + -int(-1 // share))
    found = [scrub(blobs, share, part=part).checked for part in parts]
    assert sum(found) == 200
    assert list(blobs.names()) == []
    if share < 1:
        assert max(found) < 100


def test_a_share_of_nothing_is_a_mistake(tmp_path: Path) -> None:
    for share in (0.0, -0.1, 1.1):
        with pytest.raises(ValueError, match="a share"):
            scrub(FolderBlobs(tmp_path), share)


def test_damage_that_can_not_be_moved_is_reported_all_the_same(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    bad, secret, good = sorted(blobs.put(b"%d" % number) for number in range(3))
    spoil(blobs.path(bad))
    path = tmp_path / "blobs" / secret[:2] / secret[2:]
    path.chmod(0)
    for folder in [tmp_path / "blobs", *(tmp_path / "blobs").iterdir()]:
        folder.chmod(0o555)
    with permissions_count():
        report = scrub(blobs)
    assert [name for name, _ in report.unreadable] == [bad, secret]
    assert "Permission denied" in report.unreadable[1][1]
    assert not report.clean
    assert blobs.has(bad)
    assert digest(blobs.get(good)) == good
