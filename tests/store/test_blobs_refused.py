"""What the operating system refuses: a clear error, nothing half-written, and what was there stays."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from refusing import limit, no_descriptors, no_space

from detent.errors import StoreError
from detent.store.blobs import Blobs, FolderBlobs, open_blobs
from detent.store.canonical import digest
from detent.store.scrub import scrub
from permissions import permissions_count

BIG = b"x" * 5000
NOBODY = 65534
STORE: dict[str, Callable[[Blobs, Path], object]] = {
    "put": lambda blobs, path: blobs.put(BIG),
    "put_file": lambda blobs, path: blobs.put_file(path),
    "put_many": lambda blobs, path: blobs.put_many([path]),
    "put_many, moved": lambda blobs, path: blobs.put_many([path, BIG + b"y"], move=True),
}


@pytest.fixture
def folder(tmp_path: Path) -> FolderBlobs:
    blobs = FolderBlobs(tmp_path / "blobs")
    blobs.put(b"before")
    return blobs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(BIG)
    return path


def is_as_before(blobs: Blobs, *, left: int = 0) -> bool:
    return (
        list(blobs.names()) == [digest(b"before")]
        and blobs.get(digest(b"before")) == b"before"
        and blobs.sweep(older_than=-60) == left
    )


@pytest.mark.parametrize("store", STORE.values(), ids=STORE)
def test_a_file_that_may_not_grow_leaves_the_store_as_it_was(
    folder: FolderBlobs, path: Path, store: Callable[[Blobs, Path], object]
) -> None:
    with no_space(), pytest.raises(StoreError, match="a blob can't be written") as caught:
        store(folder, path)
    assert "ulimit -f" in caught.value.fix
    assert path.read_bytes() == BIG
    assert is_as_before(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real filesystem of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk; the limit on file sizes stands for it")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("store", STORE.values(), ids=STORE)
def test_a_full_disk_leaves_the_store_as_it_was(
    small_disk: Path, tmp_path: Path, store: Callable[[Blobs, Path], object]
) -> None:
    blobs = FolderBlobs(small_disk / "blobs")
    blobs.put(b"before")
    (tmp_path / "file").write_bytes(BIG * 20)
    with (small_disk / "ballast").open("wb") as ballast, pytest.raises(OSError, match="No space"):
        while True:
            os.write(ballast.fileno(), b"x" * 4096)
    with pytest.raises(StoreError, match="a blob can't be written") as caught:
        store(blobs, tmp_path / "file")
    assert "No space left" in caught.value.why
    assert "free some disk space" in caught.value.fix
    assert (tmp_path / "file").read_bytes() == BIG * 20
    assert is_as_before(blobs)
    with pytest.raises(StoreError, match="target can't be written"):
        FolderBlobs(tmp_path / "other").materialise(
            FolderBlobs(tmp_path / "other").put(BIG * 20), small_disk / "target"
        )
    assert sorted(path.name for path in small_disk.iterdir()) == ["ballast", "blobs"]
    (small_disk / "ballast").unlink()
    assert blobs.get(blobs.put(BIG)) == BIG


@pytest.mark.parametrize("store", STORE.values(), ids=STORE)
def test_a_folder_that_may_only_be_read_serves_what_it_has(
    tmp_path: Path, store: Callable[[Blobs, Path], object]
) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    name = blobs.put(b"before")
    path = tmp_path / "file"
    path.write_bytes(BIG)
    path.chmod(0o444)
    for folder in [tmp_path / "blobs", *(tmp_path / "blobs").iterdir()]:
        folder.chmod(0o555)
    with permissions_count():
        with pytest.raises(StoreError, match="a blob can't be written") as caught:
            store(FolderBlobs(tmp_path / "blobs"), path)
        assert "permissions" in caught.value.fix
        assert blobs.put(b"before") == name  # it is there: nothing has to be written
        assert blobs.get(name) == b"before"
        with pytest.raises(StoreError, match="can't be removed"):
            blobs.delete(name)
        with pytest.raises(StoreError, match="can't be moved aside"):
            blobs.quarantine(name)
        assert list(blobs.names()) == [name]
    assert path.read_bytes() == BIG


def test_a_blob_or_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    name = blobs.put(b"before")
    blobs.path(name).chmod(0)
    secret = tmp_path / "secret"
    secret.write_bytes(b"")
    secret.chmod(0)
    with permissions_count():
        for read in (blobs.get, blobs.open, blobs.path):
            with pytest.raises(StoreError, match="can't be read") as caught:
                read(name)
            assert "Permission denied" in caught.value.why
        with pytest.raises(StoreError, match="secret can't be read"):
            blobs.put_file(secret)
        with pytest.raises(StoreError, match="can't be made"):
            FolderBlobs(Path("/proc/blobs"))


def test_a_given_up_file_of_somebody_else_is_copied_and_left(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can make a file of somebody else")
    (tmp_path / "theirs").mkdir(mode=0o755)
    path = tmp_path / "theirs" / "file"
    path.write_bytes(b"hello")
    for theirs in (path, path.parent):
        os.chown(theirs, NOBODY, -1)
    with permissions_count():
        blobs = FolderBlobs(tmp_path / "blobs")
        with pytest.raises(StoreError, match="can't be written") as caught:
            blobs.put_file(path, move=True)
        assert "Permission denied" in caught.value.why
        assert blobs.get(digest(b"hello")) == b"hello"
    assert path.read_bytes() == b"hello"
    assert path.stat().st_uid == NOBODY


@pytest.mark.parametrize("store", STORE.values(), ids=STORE)
def test_a_store_that_is_removed_meanwhile_does_not_come_back_empty(
    folder: FolderBlobs, tmp_path: Path, path: Path, store: Callable[[Blobs, Path], object]
) -> None:
    shutil.rmtree(tmp_path / "blobs")
    with pytest.raises(StoreError, match="a blob can't be written") as caught:
        store(folder, path)
    assert "was removed" in caught.value.fix
    with pytest.raises(StoreError, match="can't be read") as caught:
        folder.get(digest(b"before"))
    assert "was removed" in caught.value.fix
    with pytest.raises(StoreError, match="can't be listed"):
        list(folder.names())
    assert not (tmp_path / "blobs").exists()
    assert path.read_bytes() == BIG


def test_too_many_open_files_are_an_error_that_says_so(folder: FolderBlobs, path: Path) -> None:
    for act in (*STORE.values(), lambda blobs, _: blobs.get(digest(b"before"))):
        with no_descriptors(), pytest.raises(StoreError) as caught:
            act(folder, path)
        assert "ulimit -n" in caught.value.fix
    assert is_as_before(folder)


def test_a_store_where_a_file_stands_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in ("file", "file/below"):
        with pytest.raises(StoreError, match="can't be made"):
            FolderBlobs(tmp_path / place)


@pytest.mark.parametrize("store", ["put_file(path)", "put_many([path, b'x' * 9_000_000])"])
def test_a_writer_that_is_killed_leaves_nothing_but_hidden_files_that_are_swept(
    tmp_path: Path, path: Path, store: str
) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    blobs.put(b"before")
    with path.open("wb") as file:
        file.truncate(4 << 30)  # sparse: nobody waits until it is copied
    code = (
        "import sys; from pathlib import Path; from detent.store.blobs import FolderBlobs\n"
        f"path = Path(sys.argv[2]); FolderBlobs(Path(sys.argv[1])).{store}"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "blobs"), str(path)])
    try:
        deadline = time.monotonic() + 30
        while not any(file.stat().st_size for file in (tmp_path / "blobs" / ".new").rglob("*") if file.is_file()):
            assert time.monotonic() < deadline
        assert blobs.sweep(older_than=-60) == 0  # whatever the clock says: it lives
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert list(blobs.names()) == [digest(b"before")]
    assert scrub(blobs).leftovers == 0  # too young
    assert scrub(blobs, left_seconds=-60).leftovers > 0
    assert list((tmp_path / "blobs" / ".new").iterdir()) == []
    assert is_as_before(blobs)


def test_a_full_cache_does_not_keep_remote_blobs_from_being_read(tmp_path: Path) -> None:
    blobs = open_blobs(f"memory://{tmp_path.name}", cache=tmp_path / "cache")
    name = blobs.put(BIG)
    with no_space():
        assert blobs.get(name) == BIG
        with pytest.raises(StoreError, match="can't be fetched") as caught:
            blobs.path(name)
        assert "free some disk space" in caught.value.fix
        with pytest.raises(StoreError, match="can't be fetched"):
            blobs.materialise(name, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert blobs.path(name).read_bytes() == BIG
    assert blobs.sweep(older_than=-60) == 0


def test_limits_are_what_they_were(tmp_path: Path) -> None:
    with limit(resource.RLIMIT_FSIZE, 10), pytest.raises(OSError, match="File too large"):
        (tmp_path / "file").write_bytes(b"x" * 20)
    (tmp_path / "file").write_bytes(b"x" * 20)


@pytest.fixture
def sharing_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a filesystem that shares blocks: btrfs in a file."""
    if os.geteuid() or shutil.which("mkfs.btrfs") is None:
        pytest.skip("needs root and mkfs.btrfs")
    image, disk = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    disk.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("loop devices can't be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_filesystem_that_shares_blocks_holds_no_byte_twice(sharing_folder: Path) -> None:
    blobs = FolderBlobs(sharing_folder / "blobs")
    path = sharing_folder / "file"
    path.write_bytes(os.urandom(32 << 20))
    subprocess.run(["sync", "-f", str(path)], check=True)
    free = shutil.disk_usage(sharing_folder).free
    name = blobs.put_file(path)
    assert blobs.put_many([path]) == [name]
    for number, writable in enumerate((True, False)):
        assert blobs.materialise(name, sharing_folder / str(number), writable=writable) == "reflink"
    subprocess.run(["sync", "-f", str(path)], check=True)
    assert free - shutil.disk_usage(sharing_folder).free < 8 << 20
    (sharing_folder / "0").write_bytes(b"mine")
    assert blobs.is_whole(name)
