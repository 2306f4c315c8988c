"""What every blob store promises, on a folder, on fsspec's memory and on a real S3 API."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from detent.errors import DataError, MissingExtraError, StoreError, TamperedError
from detent.store.blobs import Blobs, FolderBlobs, open_blobs
from detent.store.canonical import digest

LARGE = 9 << 20  # bytes; more than is ever sent or kept in one piece


@pytest.fixture(params=["folder", "memory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return open_blobs(str(tmp_path / "blobs"))
    if request.param == "memory":
        return open_blobs(f"memory://{tmp_path.name}", cache=tmp_path / "cache")
    s3 = request.getfixturevalue("s3")
    bucket = digest(str(tmp_path).encode())[:20]
    return open_blobs(s3.make_bucket(bucket), cache=tmp_path / "cache", options=s3.options)


@pytest.fixture
def folder(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def file_with(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_bytes_come_back_by_their_digest(blobs: Blobs) -> None:
    name = blobs.put(b"hello")
    assert name == digest(b"hello") == blobs.put(b"hello")
    assert blobs.get(name) == b"hello"
    assert blobs.path(name).read_bytes() == b"hello"
    assert blobs.size(name) == 5
    assert blobs.is_whole(name)
    assert 0 <= blobs.age(name) < 60
    blobs.delete(name)
    blobs.delete(name)
    assert not blobs.has(name)
    assert blobs.stat(name) is None
    for read in (blobs.get, blobs.open, blobs.path, blobs.size, blobs.age, blobs.is_whole):
        with pytest.raises(StoreError, match="missing"):
            read(name)


@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_a_file_is_stored_and_given_back_in_pieces(blobs: Blobs, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    name = blobs.put_file(file_with(tmp_path / "file", data))
    assert name == digest(data)
    with blobs.open(name) as stream:
        assert stream.read() == data
        stream.seek(-(size // 3), os.SEEK_END)
        assert stream.read() == data[size - size // 3 :]
    assert blobs.get(name) == data
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.parametrize("size", [5, LARGE])
def test_a_file_that_is_given_up_is_gone_when_it_is_stored(blobs: Blobs, tmp_path: Path, size: int) -> None:
    for _ in range(2):  # the second time the blob is there already
        path = file_with(tmp_path / "file", b"x" * size)
        name = blobs.put_file(path, move=True)
        assert not path.exists()
        assert blobs.get(name) == b"x" * size


def test_many_files_and_bytes_are_stored_at_once(blobs: Blobs, tmp_path: Path) -> None:
    files = [file_with(tmp_path / str(number), b"%d" % (number % 30)) for number in range(40)]
    large = file_with(tmp_path / "large", b"l" * LARGE)
    items = [*files[:20], b"in memory", large, *files[20:]]
    expected = [digest(item if isinstance(item, bytes) else item.read_bytes()) for item in items]
    assert blobs.put_many(items) == expected
    assert all(path.exists() for path in files)
    assert blobs.put_many(items, move=True) == expected
    assert not any(path.exists() for path in [*files, large])
    assert sorted(blobs.names()) == sorted(set(expected))
    assert all(blobs.is_whole(name) for name in expected)


@pytest.mark.parametrize("writable", [True, False])
def test_a_blob_becomes_a_file_that_replaces_what_was_there(blobs: Blobs, tmp_path: Path, writable: bool) -> None:
    name = blobs.put(b"hello")
    target = file_with(tmp_path / "target", b"old")
    for _ in range(2):  # the second time it may be a link to the very blob
        used = blobs.materialise(name, target, writable=writable)
        assert used in ("reflink", "copy") if writable else used in ("reflink", "hardlink", "copy")
        assert target.read_bytes() == b"hello"
        assert bool(target.stat().st_mode & 0o200) == writable
    if writable:
        target.write_bytes(b"mine")
        assert blobs.get(name) == b"hello"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_blob_looks_the_same_until_its_bytes_are_written_again(blobs: Blobs, tmp_path: Path) -> None:
    name = blobs.put(b"hello")
    before = blobs.stat(name)
    assert before is not None
    assert before.size == 5
    blobs.put(b"hello")
    assert blobs.unchanged(name, before)
    blobs.delete(name)
    assert not blobs.unchanged(name, before)


def test_a_blob_in_quarantine_counts_as_missing_and_can_be_stored_again(blobs: Blobs) -> None:
    name = blobs.put(b"hello")
    blobs.path(name)
    for _ in range(2):
        blobs.quarantine(name)
        assert not blobs.has(name)
        assert list(blobs.names()) == []
        with pytest.raises(StoreError, match="missing"):
            blobs.get(name)
        blobs.put(b"hello")
    blobs.quarantine(digest(b"never stored"))
    assert list(blobs.quarantined()) == [name, name]
    assert blobs.get(name) == b"hello"


def test_a_store_goes_to_another_process_as_it_is(blobs: Blobs) -> None:
    name = blobs.put(b"hello")
    assert pickle.loads(pickle.dumps(blobs)).get(name) == b"hello"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a" * 63, "A" * 64])
def test_a_name_that_is_no_digest_reaches_no_file(blobs: Blobs, name: str) -> None:
    for reach in (blobs.get, blobs.has, blobs.delete, blobs.quarantine, blobs.path):
        with pytest.raises(StoreError, match="no digest"):
            reach(name)


@pytest.mark.parametrize("name", ["a b", "new\nline", "ünï", b"not \xff utf8", "x" * 255, "-rf", "%41"])
def test_files_with_odd_names_are_stored_and_made(blobs: Blobs, tmp_path: Path, name: str | bytes) -> None:
    path = file_with(tmp_path / os.fsdecode(name), b"odd")
    stored = blobs.put_file(path)
    path.unlink()
    blobs.materialise(stored, path)
    assert path.read_bytes() == b"odd"
    path.unlink()
    with pytest.raises(DataError, match="no file of that name") as caught:
        blobs.put_file(path)
    str(caught.value).encode()  # can be printed


@pytest.mark.parametrize("kind", ["folder", "pipe", "absent"])
def test_what_is_no_file_is_refused(blobs: Blobs, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    for store in (blobs.put_file, lambda path: blobs.put_many([path], move=True)):
        with pytest.raises(DataError, match="thing can't be stored"):
            store(path)
    assert list(blobs.names()) == []


@pytest.mark.parametrize("move", [False, True])
def test_a_file_that_is_written_meanwhile_is_refused_and_stays(blobs: Blobs, tmp_path: Path, move: bool) -> None:
    path = file_with(tmp_path / "growing", b"0" * (4 * LARGE))
    stop, started = threading.Event(), threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"1")
                started.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        started.wait(10)
        with pytest.raises(DataError, match="changed while it was read"):
            blobs.put_file(path, move=move)
    finally:
        stop.set()
        writer.join()
    assert path.exists()
    assert list(blobs.names()) == []
    assert blobs.sweep(older_than=-60) == 0


def test_a_large_file_is_never_held_in_memory(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 << 20)
    code = (
        "import tracemalloc; from pathlib import Path; from detent.store.blobs import FolderBlobs\n"
        "blobs, path = FolderBlobs(Path('blobs')), Path('large')\n"
        "tracemalloc.start()\n"
        "name = blobs.put_file(path); blobs.path(name); blobs.materialise(name, Path('copy'))\n"
        "blobs.put_many([path], move=True); print(tracemalloc.get_traced_memory()[1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert int(done.stdout) < 4 << 20


def test_a_damaged_blob_is_never_served_and_is_replaced_by_good_bytes(folder: FolderBlobs, tmp_path: Path) -> None:
    name = folder.put(b"hello")
    path = folder.path(name)
    known = folder.stat(name)
    assert known is not None
    for store in (
        lambda: folder.put(b"hello"),
        lambda: folder.put_file(file_with(tmp_path / "file", b"hello")),
        lambda: folder.put_file(file_with(tmp_path / "file", b"hello"), move=True),
        lambda: folder.put_many([b"hello"])[0],
    ):
        path.chmod(0o644)
        path.write_bytes(b"hellp")
        assert not folder.unchanged(name, known)
        for read in (folder.get, folder.path, lambda name: folder.path(name, known=known)):
            with pytest.raises(TamperedError, match="damaged"):
                read(name)
        for writable in (True, False):
            with pytest.raises(TamperedError, match="damaged"):
                folder.materialise(name, tmp_path / "target", writable=writable, known=known)
        assert not (tmp_path / "target").exists()
        assert store() == name
        assert folder.get(name) == b"hello"
    assert list(folder.quarantined()) == [name] * 4


def test_a_file_that_is_given_up_is_renamed_not_copied(folder: FolderBlobs, tmp_path: Path) -> None:
    path = file_with(tmp_path / "file", b"hello")
    inode = path.stat().st_ino
    stored = folder.path(folder.put_file(path, move=True))
    assert stored.stat().st_ino == inode
    assert stored.stat().st_mode & 0o777 == 0o444
    others = [file_with(tmp_path / str(number), b"%d" % number) for number in range(3)]
    inodes = [other.stat().st_ino for other in others]
    assert [folder.path(name).stat().st_ino for name in folder.put_many(others, move=True)] == inodes


def test_a_link_that_is_given_up_leaves_the_file_it_leads_to(folder: FolderBlobs, tmp_path: Path) -> None:
    path = file_with(tmp_path / "file", b"hello")
    for store in (folder.put_file, lambda path, move: folder.put_many([path], move=move)[0]):
        link = tmp_path / "link"
        link.symlink_to(path)
        assert folder.get(store(link, move=True)) == b"hello" == path.read_bytes()
        assert not link.is_symlink()


def test_a_blob_that_is_given_up_to_its_own_store_stays(folder: FolderBlobs) -> None:
    name = folder.put(b"hello")
    assert folder.put_file(folder.path(name), move=True) == name
    assert folder.put_many([folder.path(name)], move=True) == [name]
    assert folder.get(name) == b"hello"


def test_a_blob_that_looks_as_it_did_is_linked_without_being_read(folder: FolderBlobs, tmp_path: Path) -> None:
    name = folder.put(b"hello")
    known = folder.stat(name)
    if folder.materialise(name, tmp_path / "one", writable=False) != "hardlink":
        pytest.skip("the temporary folder's filesystem shares blocks")
    assert not folder.unchanged(name, known) if known else False  # another link: whoever recorded it looks again
    assert (tmp_path / "one").stat().st_ino == folder.path(name).stat().st_ino


def test_storing_old_bytes_again_makes_them_young(folder: FolderBlobs) -> None:
    name = folder.put(b"hello")
    os.utime(folder.path(name), (0, 0))
    assert folder.age(name) > 1e9
    folder.put(b"hello")
    assert folder.age(name) < 60
    os.utime(folder.path(name), (4e9, 4e9))
    assert folder.age(name) == 0  # a clock that went back


def test_a_remote_blob_that_is_stored_again_is_young_without_being_sent_again(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from fsspec.implementations.memory import MemoryFileSystem

    blobs = open_blobs(f"memory://{tmp_path.name}", cache=tmp_path / "cache")
    name = blobs.put(b"hello")
    MemoryFileSystem.store[f"/{tmp_path.name}/{name[:2]}/{name[2:]}"].created = datetime(2020, 1, 1, tzinfo=UTC)
    assert blobs.age(name) > 1e7
    blobs.put(b"hello")
    assert blobs.age(name) < 60
    assert list(blobs.names()) == [name]
    blobs.delete(name)
    assert not [path for path in MemoryFileSystem.store if path.startswith(f"/{tmp_path.name}/")]


def test_the_copies_of_remote_blobs_are_checked_and_fetched_again(tmp_path: Path) -> None:
    blobs = open_blobs(f"memory://{tmp_path.name}", cache=tmp_path / "cache")
    name = blobs.put(b"hello")
    for read in (blobs.get, lambda name: blobs.path(name).read_bytes()):
        copy = blobs.path(name)
        copy.chmod(0o644)
        copy.write_bytes(b"hellp")
        assert read(name) == b"hello"
    blobs.path(name).chmod(0o644)
    blobs.path(name).write_bytes(b"hellp")
    blobs.materialise(name, tmp_path / "target", writable=False)
    assert (tmp_path / "target").read_bytes() == b"hello"
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o444


def test_a_folder_is_opened_without_anything_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from detent.store.blobs import open_blobs\n"
        "blobs = open_blobs('blobs'); name = blobs.put(b'x'); blobs.put_file(Path('blobs', name[:2], name[2:]))\n"
        "blobs.materialise(name, Path('target'))\n"
        "heavy = ('fsspec', 'ctypes', 'tempfile', 'concurrent', 'asyncio', 'importlib.metadata')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "[]\n"


def test_addresses_that_lead_nowhere_are_explained(tmp_path: Path) -> None:
    assert isinstance(open_blobs(f"file://{tmp_path}/a%20b"), FolderBlobs)
    assert (tmp_path / "a b").is_dir()
    with pytest.raises(StoreError, match="cache folder"):
        open_blobs("s3://bucket")
    with pytest.raises(StoreError, match="can't be opened"):
        open_blobs("nothing-like-this://bucket", cache=tmp_path / "cache")
    with pytest.raises(MissingExtraError, match="needs the package"):
        open_blobs("dropbox://folder", cache=tmp_path / "cache")
