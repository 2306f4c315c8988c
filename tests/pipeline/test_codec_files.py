"""Files, folders and objects that save themselves: streamed in, checked on the way out, never outside their folder."""

from __future__ import annotations

import os
import socket
import tracemalloc
from pathlib import Path

import pytest
from codec_classes import Linking, Memo, Notes

from detent.errors import DataError, StoreError, TamperedError
from detent.pipeline.artifacts import FILE, FOLDER, LIST, Artifact
from detent.pipeline.codecs.folder import keep, restore
from detent.pipeline.codecs.manifest import blobs_of
from detent.pipeline.codecs.scratch import using_scratch
from detent.pipeline.codecs.table import dump, load
from detent.store.blobs import Blobs, FolderBlobs
from detent.store.canonical import canonical


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with files, a folder in it, and an empty one."""
    folder = tmp_path / "made"
    (folder / "in" / "none").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "in" / "b.txt").write_text("b")
    return folder


def test_a_file_comes_back_with_its_name_and_can_be_read_only(blobs: Blobs, made: Path) -> None:
    artifact = dump(made / "a.txt", blobs, declared=Path)
    back = load(artifact, blobs, declared=Path)
    assert (artifact.kind, back.name, back.read_text()) == (FILE, "a.txt", "a")
    assert back != made / "a.txt"
    assert (made / "a.txt").read_text() == "a"
    if os.getuid():
        with pytest.raises(PermissionError):
            back.write_text("b")


def test_a_folder_comes_back_with_all_it_holds_and_its_own_name_does_not_matter(blobs: Blobs, made: Path) -> None:
    artifact = dump(made, blobs)
    back = load(artifact, blobs)
    assert artifact.kind == FOLDER
    assert sorted(path.relative_to(back).as_posix() for path in back.rglob("*")) == [
        "a.txt",
        "in",
        "in/b.txt",
        "in/none",
    ]
    assert dump(back, blobs) == artifact
    assert dump(made.rename(made.with_name("other")), blobs) == artifact


def test_names_and_bytes_of_files_are_the_value_and_times_are_not(blobs: Blobs, made: Path) -> None:
    file = made / "a.txt"
    first = dump(file, blobs)
    os.utime(file, (1, 1))
    file.chmod(0o600)
    assert dump(file, blobs) == first
    assert dump(file.rename(made / "c.txt"), blobs) != first
    whole = dump(made, blobs)
    (made / "in" / "none").rmdir()
    assert dump(made, blobs) != whole


def test_a_list_of_files_is_stored_one_by_one(blobs: Blobs, made: Path) -> None:
    artifact = dump([made / "a.txt", made / "in" / "b.txt"], blobs, declared=list[Path])
    assert (artifact.kind, [item.kind for item in artifact.items]) == (LIST, [FILE, FILE])
    assert [path.read_text() for path in load(artifact, blobs)] == ["a", "b"]


def test_what_lies_in_the_scratch_folder_is_moved_and_may_be_returned_twice(blobs: Blobs, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    (scratch / "out").mkdir(parents=True)
    file = scratch / "out" / "big.bin"
    file.write_bytes(os.urandom(100_000))
    inode = file.stat().st_ino
    with using_scratch(scratch):
        whole = dump(scratch / "out", blobs)
        assert blobs.path(blobs_of(whole, blobs)[1]).stat().st_ino == inode
        artifact = dump({"folder": scratch / "out", "file": file, "again": [file]}, blobs)
        back = load(artifact, blobs)
        assert back["file"].read_bytes() == back["again"][0].read_bytes() == (back["folder"] / "big.bin").read_bytes()
        assert back["file"].is_relative_to(scratch)
    (digest,) = {name for name in blobs_of(artifact, blobs) if blobs.size(name) == 100_000}
    assert blobs.path(digest).stat().st_ino == inode  # no second copy


def test_a_file_that_lies_elsewhere_or_has_another_name_is_copied(blobs: Blobs, made: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    linked = scratch / "linked.txt"
    linked.hardlink_to(made / "a.txt")
    with using_scratch(scratch):
        for path in (linked, made / "in" / "b.txt"):
            artifact = dump(path, blobs)
            held = blobs.path(blobs_of(artifact, blobs)[1])
            assert held.stat().st_ino != path.stat().st_ino
    (made / "a.txt").write_text("edited")
    assert load(dump(linked, blobs), blobs).read_text() == "edited"


def test_a_large_file_is_never_in_memory(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 * 2**20)
    tracemalloc.start()
    load(dump(path, blobs), blobs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_paths_that_are_no_output_are_refused(blobs: Blobs, made: Path, tmp_path: Path) -> None:
    (made / "link").symlink_to(made / "a.txt")
    with pytest.raises(DataError, match=r"path\.resolve"):
        dump(made / "link", blobs)
    with pytest.raises(DataError, match="symbolic link"):
        dump(made, blobs)
    (made / "link").unlink()
    with pytest.raises(DataError, match="nothing is there") as caught:
        dump(made / "gone", blobs)
    assert "PurePosixPath" in caught.value.fix
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(made / "s"))
        for path in (made / "s", made):
            with pytest.raises(DataError, match="no ordinary file|a pipe or a device"):
                dump(path, blobs)
    (made / "s").unlink()
    (made / "in" / "back\\slash").write_text("")
    with pytest.raises(DataError, match="portable"):
        dump(made, blobs)
    with using_scratch(tmp_path / "state" / "scratch"), pytest.raises(DataError, match="scratch folder lies in it"):
        dump(tmp_path, blobs)
    with pytest.raises(DataError):
        dump(Path("/dev/null"), blobs)


def test_a_name_that_is_no_text_is_refused(blobs: Blobs, made: Path) -> None:
    (made / os.fsdecode(b"\xff")).write_text("")
    with pytest.raises(DataError, match="UTF-8"):
        dump(made, blobs)


def test_a_checkpoint_goes_on_being_written_and_comes_back_writable(blobs: Blobs, made: Path, tmp_path: Path) -> None:
    with using_scratch(made.parent):
        kept = keep(made, blobs)
    (made / "a.txt").write_text("later")
    target = tmp_path / "target"
    restore(kept, target, blobs)
    assert (target / "a.txt").read_text() == "a"
    (target / "a.txt").write_text("changed")
    assert blobs.get(blobs_of(kept, blobs)[1]) == b"a"
    assert keep(tmp_path / "blobs" / ".new", blobs).kind == FOLDER  # an empty one


# --- objects that save themselves ---


def test_an_object_comes_back_and_its_class_is_part_of_its_digest(blobs: Blobs) -> None:
    artifact = dump(Notes(b="2", a="1"), blobs, declared=Notes)
    assert load(artifact, blobs).texts == {"a": "1", "b": "2"}
    assert artifact == dump(Notes(a="1", b="2"), blobs)
    assert artifact.types == ("codec_classes:Notes",)
    assert artifact.digest != dump(Memo(a="1", b="2"), blobs).digest


def test_an_object_that_saves_nothing_or_links_is_refused(blobs: Blobs) -> None:
    with pytest.raises(DataError, match="did not save itself"):
        dump(Notes(), blobs)
    with pytest.raises(DataError, match="symbolic link"):
        dump(Linking(), blobs)


def test_a_class_that_nobody_can_import_is_refused(blobs: Blobs) -> None:
    class Local(Notes):
        pass

    with pytest.raises(DataError, match="nobody else can import it"):
        dump(Local(a="1"), blobs)
    manifest = blobs.put(
        canonical({"format": "detent.folder.v2", "type": "codec_classes:Gone", "files": {}, "empty": []})
    )
    with pytest.raises(DataError, match="is gone"):
        load(Artifact(digest=manifest, kind=FOLDER, type="codec_classes:Gone"), blobs)


# --- what is stored can't be trusted ---


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "a//b", ".", "", "a/.", "C:x", "a\\..\\b", "a\0b", "\ud800"], ids=repr
)
def test_a_manifest_that_reaches_outside_is_refused(name: str, blobs: Blobs, tmp_path: Path) -> None:
    plain = {"format": "detent.folder.v2", "type": "", "files": {}, "empty": []}
    for hostile in (plain | {"files": {name: blobs.put(b"x")}}, plain | {"empty": [name]}):
        try:
            text = canonical(hostile)
        except UnicodeEncodeError:
            text = canonical(hostile | {"files": {}, "empty": ["?"]}).replace(b"?", b"\\ud800")
        artifact = Artifact(digest=blobs.put(text), kind=FOLDER)
        for opened in (load, blobs_of, lambda a, b: restore(a, tmp_path / "target", b)):
            with pytest.raises(TamperedError, match="can be trusted"):
                opened(artifact, blobs)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"{", b"\xff", b'{"format":"detent.folder.v1","files":{}}', b'{"format":"detent.folder.v2"}',
        b'{"format":"detent.folder.v2","type":"","files":{"a":1},"empty":[]}', b"[" * 100_000,
        b'{"format":"detent.folder.v2","type":"","files":{"a":"x","a/b":"x"},"empty":[]}',
        b'{"format":"detent.folder.v2","type":"","files":{"a":"x"},"empty":["a/b"]}',
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_is_an_error_and_no_stack_trace(text: bytes, blobs: Blobs) -> None:
    for kind in (FOLDER, FILE):
        with pytest.raises(TamperedError, match="can be trusted"):
            load(Artifact(digest=blobs.put(text), kind=kind), blobs)


def test_a_description_that_does_not_fit_the_files_is_refused(blobs: Blobs, made: Path) -> None:
    notes, folder = dump(Notes(a="1"), blobs), dump(made, blobs)
    for artifact in (
        Artifact(digest=notes.digest, kind=FOLDER, type="codec_classes:Memo"),
        Artifact(digest=folder.digest, kind=FOLDER, type="codec_classes:Notes"),
        Artifact(digest=folder.digest, kind=FILE),
    ):
        with pytest.raises(TamperedError):
            load(artifact, blobs)
    bad = blobs.put(canonical({"format": "detent.folder.v2", "type": "os:environ", "files": {}, "empty": []}))
    with pytest.raises(DataError, match="no load"):
        load(Artifact(digest=bad, kind=FOLDER, type="os:environ"), blobs)


def test_a_missing_or_damaged_file_of_a_folder_is_noticed(blobs: Blobs, made: Path) -> None:
    artifact = dump(made, blobs)
    path = blobs.path(blobs_of(artifact, blobs)[1])
    path.chmod(0o644)
    path.write_bytes(b"X")
    with pytest.raises(TamperedError, match="damaged"):
        load(artifact, blobs)
    path.unlink()
    with pytest.raises(StoreError, match="missing"):
        load(artifact, blobs)
