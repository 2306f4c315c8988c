from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import fsspec
import polars as pl
import pytest
from data_archive import checkout, contents, make_archive, watched, write_files

from detent.data.versions import archive as archives
from detent.data.versions import moving, store
from detent.data.versions.archive import Archive, Wish, add_version, default_name
from detent.data.versions.local import look
from detent.data.versions.store import root_of
from detent.data.versions.tree import listing
from detent.errors import DataError, DetentError, RefusedError
from detent.store import ledger
from permissions import permissions_count

ODD = {
    "-rf": b"1",
    "a b": b"2",
    "line\nbreak": b"3",
    "ünïcode/ﬁle": b"4",
    "*?[x]$(id)": b"5",
    ".hidden": b"6",
    "n" * 255: b"7",
    "empty": b"",
}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return make_archive(tmp_path / "project")


def paths(archive: Archive, name: str) -> list[str]:
    version = store.newest(archive.db, name)
    assert version is not None
    return ["/".join(path) for path, _ in listing(root_of(version, archive.blobs), archive.blobs)]


def test_what_was_added_is_what_is_checked_out_whatever_the_names(archive: Archive, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in put", ODD)
    (source / "empty folder" / "inside").mkdir(parents=True)
    (source / "run.sh").write_bytes(b"#!")
    (source / "run.sh").chmod(0o755)
    (source / "to the left").symlink_to("-rf")
    (source / "empty folder" / "up").symlink_to("../a b")
    added = add_version(archive, str(source), Wish(name="odd"))
    assert (added.version.files, added.version.bytes) == (len(ODD) + 1, 9)
    checkout(archive, added.version, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(source)
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    assert not os.access(tmp_path / "out" / "a b", os.X_OK)


def test_adding_again_reads_only_what_changed(archive: Archive, tmp_path: Path) -> None:
    files = {f"d{number % 7}/f{number}": f"{number}".encode() for number in range(700)}
    source = write_files(tmp_path / "in", files)
    first = add_version(archive, str(source), Wish())
    assert (first.read_files, first.new) == (700, True)
    again = add_version(archive, str(source), Wish())
    assert (again.read_files, again.new, again.version) == (0, False, first.version)
    (source / "d3" / "f3").write_bytes(b"other")
    watched(archive).stored.clear()
    second = add_version(archive, str(source), Wish(message="one file"))
    assert (second.read_files, second.new, second.version.parent) == (1, True, first.version.id)
    assert [item for item in watched(archive).stored if isinstance(item, Path)] == [source / "d3" / "f3"]
    assert add_version(archive, str(source), Wish(rehash=True)).read_files == 700


def test_an_edit_that_keeps_size_and_time_is_still_seen(archive: Archive, tmp_path: Path) -> None:
    path = write_files(tmp_path / "in", {"f": b"one"}) / "f"
    first = add_version(archive, str(path.parent), Wish())
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert add_version(archive, str(path.parent), Wish()).version.id != first.version.id


def test_a_file_that_was_written_just_now_is_not_trusted_next_time(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "careful", settle_seconds=3600.0)  # it could change within one tick of the clock
    source = write_files(tmp_path / "in", {"f": b"one"})
    add_version(archive, str(source), Wish())
    assert add_version(archive, str(source), Wish()).read_files == 1


def test_a_damaged_memo_costs_time_only(archive: Archive, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"f": b"one"})
    first = add_version(archive, str(source), Wish())
    (memo,) = archive.memos.glob("*.jsonl")
    memo.write_bytes(b"\xff\x00 not json")
    again = add_version(archive, str(source), Wish())
    assert (again.version.id, again.read_files) == (first.version.id, 1)


def test_a_file_that_is_edited_while_it_is_added_is_noticed_and_nothing_is_recorded(
    archive: Archive, tmp_path: Path
) -> None:
    source = write_files(tmp_path / "in", {"log": b"line\n"})

    def write_on() -> None:
        with (source / "log").open("ab") as file:
            file.write(b"another\n")

    watched(archive).meanwhile = write_on
    with pytest.raises(DataError, match="edited while it was added"):
        add_version(archive, str(source), Wish(name="logs"))
    assert store.history(archive.db, "logs") == []
    assert ledger.count_by_kind(archive.db) == {}
    watched(archive).meanwhile = lambda: None
    assert add_version(archive, str(source), Wish(name="logs")).version.bytes == len(b"line\nanother\n")


def test_a_file_that_becomes_a_link_is_not_followed(archive: Archive, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"f": b"1"})
    write_files(tmp_path, {"secret": b"password"})

    def swap() -> None:
        (source / "f").unlink()
        (source / "f").symlink_to(tmp_path / "secret")

    watched(archive).meanwhile = swap
    with pytest.raises(DataError, match="edited while it was added"):
        add_version(archive, str(source), Wish())


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "may lead out"),
        (lambda path: path.symlink_to("../../elsewhere"), "may lead out"),
        (lambda path: os.mkfifo(path), "socket, a pipe or a device"),
        (lambda path: Path(os.fsdecode(os.fsencode(path.parent) + b"/\xff\xfe")).mkdir(), "not UTF-8"),
    ],
)
def test_what_can_not_be_versioned_is_refused_before_anything_is_stored(
    archive: Archive, tmp_path: Path, make, why: str
) -> None:
    source = write_files(tmp_path / "in", {"a": b"1", "sub/b": b"2"})
    make(source / "sub" / "odd")
    with pytest.raises(DataError, match="can't be versioned") as caught:
        add_version(archive, str(source), Wish())
    assert why in caught.value.why
    assert watched(archive).stored == []


def test_a_socket_is_refused(archive: Archive) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{short}/s")
        with pytest.raises(DataError, match="can't be versioned"):
            add_version(archive, short, Wish(name="sockets"))


def test_a_folder_that_goes_away_during_the_scan_is_named(tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"a": b"1", "b/c": b"2", "d": b"3"})
    seen = look(source)
    next(seen)
    shutil.rmtree(source)
    with pytest.raises(DataError, match="can't be read"):
        list(seen)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"open": b"1", "locked": b"2"})
    (source / "locked").chmod(0)
    archive = make_archive(tmp_path / "project")
    with permissions_count(), pytest.raises(DetentError, match=r"(?s)locked.*ermission"):
        add_version(archive, str(source), Wish())


def test_the_projects_own_state_can_not_be_added(archive: Archive) -> None:
    for place in (archive.folder, archive.state, archive.state / "blobs"):
        with pytest.raises(DataError, match="can't be added"):
            add_version(archive, str(place), Wish(name="x"))


def test_a_missing_path_suggests_its_neighbours(archive: Archive, tmp_path: Path) -> None:
    write_files(tmp_path, {"flights.csv": b""})
    with pytest.raises(DataError) as caught:
        add_version(archive, str(tmp_path / "flihgts.csv"), Wish())
    assert "flights.csv" in caught.value.fix


def test_folders_deeper_than_pythons_stack_are_added(archive: Archive, tmp_path: Path) -> None:
    deep = tmp_path / "in"
    for _ in range(400):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"1")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        version = add_version(archive, str(tmp_path / "in"), Wish()).version
    finally:
        sys.setrecursionlimit(limit)
    checkout(archive, version, tmp_path / "out")
    assert (tmp_path / "out").joinpath(*["d"] * 400, "f").read_bytes() == b"1"


def test_one_file_is_a_dataset_of_its_own(archive: Archive, tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
    frame.write_parquet(tmp_path / "t.parquet")
    version = add_version(archive, str(tmp_path / "t.parquet"), Wish()).version
    assert version.dataset == "t"
    assert version.schema is not None
    assert (version.schema.rows, version.schema.columns) == (3, (("a", "Int64"), ("b", "String")))
    checkout(archive, version, tmp_path / "again.parquet")
    assert pl.read_parquet(tmp_path / "again.parquet").equals(frame)


def test_rows_of_a_table_in_many_files_follow_without_opening_the_others(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(10):
        pl.DataFrame({"n": range(number)}).write_parquet(folder / f"{number}.parquet")
    first = add_version(archive, str(folder), Wish()).version
    assert first.schema is not None
    assert first.schema.rows == 45
    pl.DataFrame({"n": range(100)}).write_parquet(folder / "3.parquet")
    (folder / "9.parquet").unlink()
    second = add_version(archive, str(folder), Wish()).version
    assert second.schema is not None
    assert second.schema.rows == 45 - 3 - 9 + 100
    pl.DataFrame({"other": [1]}).write_parquet(folder / "3.parquet")
    assert add_version(archive, str(folder), Wish()).version.schema is None  # no longer one table


def test_a_file_that_is_no_parquet_whatever_its_name_is_still_added(archive: Archive, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"x.parquet": b"PAR1 not really"})
    assert add_version(archive, str(source), Wish()).version.schema is None


def test_objects_behind_a_url_are_added_and_only_new_ones_fetched_again(archive: Archive, tmp_path: Path) -> None:
    bucket = f"bucket-{uuid.uuid4().hex}"
    memory = fsspec.filesystem("memory")
    large = os.urandom(9 << 20)
    files = {"a/b/c.bin": b"1", "a/d.bin": b"2", "z é.txt": b"3", "large": large}
    for name, data in files.items():
        memory.pipe_file(f"/{bucket}/{name}", data)
    first = add_version(archive, f"memory://{bucket}", Wish(name="far"))
    checkout(archive, first.version, tmp_path / "out")
    assert {name: data for name, data in contents(tmp_path / "out").items() if data != "/"} == files
    assert add_version(archive, f"memory://{bucket}", Wish(name="far")).read_files == 0
    memory.pipe_file(f"/{bucket}/a/d.bin", b"changed")
    again = add_version(archive, f"memory://{bucket}", Wish(name="far"))
    assert (again.new, again.read_files) == (True, 1)
    assert list(archive.scratch.iterdir()) == []
    single = add_version(archive, f"memory://{bucket}/a/d.bin", Wish())
    assert (single.version.dataset, single.version.bytes) == ("d", 7)


def test_keys_that_are_no_paths_and_empty_places_are_refused(archive: Archive) -> None:
    bucket = f"bucket-{uuid.uuid4().hex}"
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/{bucket}/a", b"1")
    memory.store[f"/{bucket}/a/b"] = memory.store[f"/{bucket}/a"]  # an object store allows both names
    with pytest.raises(DataError, match="can't be versioned"):
        add_version(archive, f"memory://{bucket}", Wish(name="far"))
    with pytest.raises(DataError, match="there is nothing"):
        add_version(archive, f"memory://{uuid.uuid4().hex}", Wish(name="far"))
    with pytest.raises(DetentError, match="can't be opened"):
        add_version(archive, "nonsense://x", Wish(name="far"))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("data/flights.parquet", "flights"),
        ("s3://bucket/some/prefix/", "prefix"),
        ("https://host/f.tar.gz?token=1", "f"),
        (".hidden", ".hidden"),
    ],
)
def test_a_dataset_is_called_like_its_place(place: str, name: str) -> None:
    assert default_name(place) == name


@pytest.mark.parametrize("name", ["é", "../x", "a/b", "a@b", "a~1", "-x", "x" * 101, "a.json", "a\nb"])
def test_a_name_that_could_be_mistaken_is_refused_with_a_better_one(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    if not name:
        name = "é"
    with pytest.raises(DataError, match="can't be a dataset's name") as caught:
        add_version(archive, str(write_files(tmp_path / "in", {"f": b""})), Wish(name=name))
    assert "--name" in caught.value.fix


def test_a_version_its_event_and_its_pointer_agree(archive: Archive, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"f": b"123"})
    added = add_version(archive, str(source), Wish(name="d", message="why"))
    (event,) = ledger.read(archive.db, kind="data.added")
    assert (event.subject, event.actor) == ("data:d", "test")
    assert event.payload == {"version": added.version.id, "parent": None, "files": 1, "bytes": 3, "message": "why"}
    pointer = json.loads(added.pointer.read_text())
    assert added.pointer == archive.folder / "data" / "d.detent.json"
    assert (pointer["digest"], pointer["files"], pointer["bytes"]) == (added.version.id, 1, 3)


def test_a_pointer_never_lands_in_the_folder_that_it_points_to(archive: Archive) -> None:
    source = write_files(archive.folder / "data", {"f": b"123"})
    added = add_version(archive, str(source), Wish(name="d"))
    assert added.pointer == archive.folder / "d.detent.json"
    assert not add_version(archive, str(source), Wish(name="d")).new


def test_two_adds_at_once_give_two_versions_and_one_line_of_parents(archive: Archive, tmp_path: Path) -> None:
    sources = [write_files(tmp_path / f"in{number}", {"f": bytes([number])}) for number in range(4)]
    threads = [threading.Thread(target=add_version, args=(archive, str(source), Wish(name="d"))) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    history = store.history(archive.db, "d")
    assert len({version.id for version in history}) == 4
    assert [version.parent for version in history] == [None, *(version.id for version in history[:-1])]


def test_the_same_contents_are_recorded_once_even_by_two_at_once(archive: Archive, tmp_path: Path) -> None:
    version = add_version(archive, str(write_files(tmp_path / "in", {"f": b"1"})), Wish(name="d")).version
    with archive.db.transaction() as tx:  # the other one looked before the first had committed
        assert store.commit(tx, replace(version, message="again")) == (version, False)
    assert store.history(archive.db, "d") == [version]


def test_moved_files_are_renamed_into_the_store_and_come_back(archive: Archive, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"a/b": b"1" * 100_000, "c": b"2"})
    expected, inode = contents(source), (source / "a" / "b").stat().st_ino
    version = add_version(archive, str(source), Wish(name="d", move=True)).version
    assert [path for path in source.rglob("*") if path.is_file()] == []
    blobs = {path.stat().st_ino for path in (archive.state / "blobs").rglob("*") if path.is_file()}
    assert inode in blobs  # no second copy was made
    assert list(moving.unfinished(archive.state)) == []
    checkout(archive, version, source)
    assert contents(source) == expected


@pytest.mark.parametrize("moved", [0, 2, 5])
def test_a_move_that_is_killed_between_any_two_files_is_finished_by_the_next(
    archive: Archive, tmp_path: Path, moved: int
) -> None:
    files = {f"d/f{number}": f"{number}".encode() * 10 for number in range(5)}
    source = write_files(tmp_path / "in", files)
    watched(archive).killed_after = moved
    with pytest.raises(KeyboardInterrupt):
        add_version(archive, str(source), Wish(name="d", move=True))
    watched(archive).killed_after = None
    assert store.history(archive.db, "d") == []
    assert len([path for path in source.rglob("*") if path.is_file()]) == 5 - moved
    with pytest.raises(RefusedError, match="only a part of itself"):
        add_version(archive, str(source), Wish(name="d"))
    version = add_version(archive, str(source), Wish(move=True)).version
    assert version.dataset == "d"
    checkout(archive, version, tmp_path / "out")
    assert {name: data for name, data in contents(tmp_path / "out").items() if data != "/"} == files


def test_a_single_file_whose_move_was_cut_short_after_the_rename_is_recorded(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_files(tmp_path, {"big.bin": b"1" * 1000}) / "big.bin"

    def killed(*given, **named) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archives, "keep_version", killed)
        with pytest.raises(KeyboardInterrupt):
            add_version(archive, str(path), Wish(move=True))
    assert not path.exists()
    assert add_version(archive, str(path), Wish(move=True)).version.bytes == 1000


def test_a_file_that_was_edited_before_it_moved_stays_where_it_is(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_files(tmp_path / "in", {"a": b"moved already", "f": b"old"})
    begin = moving.begin

    def edited_meanwhile(*given) -> None:
        begin(*given)
        (source / "f").write_bytes(b"newer")

    monkeypatch.setattr(moving, "begin", edited_meanwhile)
    with pytest.raises(DataError, match="edited while it was added"):
        add_version(archive, str(source), Wish(name="d", move=True))
    assert (source / "f").read_bytes() == b"newer"
    assert (source / "a").read_bytes() == b"moved already"
    monkeypatch.setattr(moving, "begin", begin)
    assert add_version(archive, str(source), Wish(name="d", move=True)).version.files == 2
