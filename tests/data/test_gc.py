from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from data_archive import make_archive, watched, write_files

from detent.data.versions import roots, store, sweep
from detent.data.versions.archive import Archive, Wish, add_version, tag_version
from detent.data.versions.marks import Marks
from detent.data.versions.retention import Retention, kept
from detent.data.versions.store import root_of
from detent.data.versions.sweep import Patience
from detent.data.versions.tree import contents
from detent.errors import StoreError
from detent.store.blobs import Blobs, FolderBlobs
from detent.store.canonical import canonical

NOW = datetime.now(UTC)
AT_ONCE = Patience(grace_seconds=0.0, wait_seconds=0.0)
DAY = 86_400.0


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return make_archive(tmp_path / "project")


def age(blobs: Blobs, digest: str, seconds: float) -> None:
    """Make a blob look as if it was stored so long ago."""
    path = blobs.path(digest)
    os.utime(path, (time.time() - seconds,) * 2)


# What is kept


def test_versions_stay_by_tag_by_number_and_by_age(archive: Archive, tmp_path: Path) -> None:
    versions = []
    for number in range(5):
        source = write_files(tmp_path / "in", {"f": bytes([number])})
        versions.append(add_version(archive, str(source), Wish(name="d", rehash=True)).version)
    tag_version(archive, versions[1], "clean")
    history, tags = store.history(archive.db, "d"), store.tags(archive.db, "d")

    def ids(**rule: float) -> set[int]:
        reasons = kept(history, tags, rule=Retention(**rule), now=NOW + timedelta(days=10))  # pyright: ignore
        return {number for number, version in enumerate(versions) if version.id in reasons}

    assert ids() == {0, 1, 2, 3, 4}
    assert ids(last=2) == {1, 3, 4}
    assert ids(days=1) == {1, 4}
    assert ids(days=1, last=3) == {1, 2, 3, 4}
    assert ids(days=30) == {0, 1, 2, 3, 4}
    reasons = kept(history, tags, rule=Retention(last=1), now=NOW)
    assert reasons == {versions[1].id: "tag d@clean", versions[4].id: "newest version of d"}


def test_contents_that_came_back_stay_with_their_newest_version(archive: Archive, tmp_path: Path) -> None:
    ids = []
    for data in (b"a", b"b", b"a"):
        source = write_files(tmp_path / "in", {"f": data})
        ids.append(add_version(archive, str(source), Wish(name="d", rehash=True)).version.id)
    assert ids[0] == ids[2]
    assert set(kept(store.history(archive.db, "d"), {}, rule=Retention(last=1), now=NOW)) == {ids[0]}


def test_a_root_keeps_what_it_names_through_any_documents_and_nothing_else(archive: Archive) -> None:
    blobs = archive.blobs
    leaf, other = blobs.put(b"leaf"), blobs.put(b"other")
    binary = blobs.put(b"\x00" + other.encode())  # no document: what it holds by accident names nothing
    inner = blobs.put(canonical({"files": [["x", leaf]], "more": binary}))
    outer = blobs.put(canonical([{"deep": {"er": f"sha256:{inner}"}}]))
    circle = blobs.put(canonical({"see": outer}))
    marks = Marks(blobs)
    marks.text(json.dumps({"graph": circle, "unknown": "0" * 64}), "a run")
    assert set(marks.reasons) == {circle, outer, inner, leaf, binary}
    assert "0" * 64 not in marks.reasons


def test_the_first_reason_is_shown(archive: Archive) -> None:
    name = archive.blobs.put(b"1")
    marks = Marks(archive.blobs)
    marks.text(name, "model shop/1")
    marks.text(name, "cache")
    assert marks.reasons[name] == "model shop/1"


def test_a_document_that_can_not_be_read_stops_the_collection(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = archive.blobs.put(canonical({"needs": archive.blobs.put(b"1")}))
    marks = Marks(archive.blobs)
    archive.blobs.delete(outer)  # between the listing and the look
    with pytest.raises(StoreError):
        marks.text(outer, "a run")


# What goes, and when


def examine(
    archive: Archive, marks: Marks, patience: Patience, *, later: float = 0.0, since: float = 0.0
) -> sweep.Sweep:
    now = NOW + timedelta(seconds=later)
    return sweep.examine(archive.blobs, marks, sweep.graves(archive.db), patience=patience, now=now, since=since)


def test_a_blob_goes_only_after_two_looks_that_lie_apart(archive: Archive) -> None:
    needed, garbage = archive.blobs.put(b"needed"), archive.blobs.put(b"garbage")
    fresh = archive.blobs.put(b"fresh")
    age(archive.blobs, garbage, 8 * DAY)
    age(archive.blobs, needed, 80 * DAY)
    marks = Marks(archive.blobs)
    marks.mark(needed, "model")
    first = examine(archive, marks, Patience())
    assert [name for name, _ in first.buried] == [garbage]
    assert (first.due, first.young.blobs, first.kept["model"].blobs) == ((), 1, 1)
    with archive.db.transaction() as tx:
        sweep.bury(tx, first, NOW)
    assert examine(archive, marks, Patience(), later=DAY / 2).due == ()
    due = examine(archive, marks, Patience(), later=DAY + 1)
    assert (due.due, due.freed) == (((garbage, 7),), 7)
    assert sweep.delete(archive.blobs, due, marks, patience=Patience()) == [(garbage, 7)]
    assert not archive.blobs.has(garbage)
    assert archive.blobs.has(fresh)


def test_a_buried_blob_that_is_stored_again_or_needed_again_is_spared(archive: Archive) -> None:
    again, needed = archive.blobs.put(b"stored again"), archive.blobs.put(b"needed again")
    for name in (again, needed):
        age(archive.blobs, name, 9 * DAY)
    marks = Marks(archive.blobs)
    with archive.db.transaction() as tx:
        sweep.bury(tx, examine(archive, marks, Patience()), NOW)
    late = examine(archive, marks, Patience(), later=2 * DAY)
    assert len(late.due) == 2
    archive.blobs.put(b"stored again")  # a run begins between the look and the deletion
    marks.mark(needed, "a run")
    assert sweep.delete(archive.blobs, late, marks, patience=Patience()) == []
    after = examine(archive, marks, Patience(), later=2 * DAY)
    assert after.risen == tuple(sorted((again, needed)))
    with archive.db.transaction() as tx:
        sweep.bury(tx, after, NOW)
    assert sweep.graves(archive.db) == {}


def test_versions_go_before_what_they_name(archive: Archive, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {f"d/{number}": bytes([number]) for number in range(100)})
    version = add_version(archive, str(source), Wish(name="d")).version
    root = root_of(version, archive.blobs)
    marks = Marks(archive.blobs)
    found = examine(archive, marks, AT_ONCE)
    assert {name for name, _ in found.due} == {version.id, *contents(root, archive.blobs)}
    gone = sweep.delete(archive.blobs, found, marks, patience=AT_ONCE, first={version.id})
    assert gone[0][0] == version.id
    assert list(watched(archive).names()) == []


# Several projects, one store


@pytest.fixture
def shared(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "shared")


ONE, OTHER = roots.Tenant(id="1" * 64, name="one"), roots.Tenant(id="2" * 64, name="other")


def test_one_project_never_takes_what_another_needs(shared: FolderBlobs, tmp_path: Path) -> None:
    place = tmp_path / "shared"
    theirs, nobodys = shared.put(b"theirs"), shared.put(b"nobody's")
    roots.write(place, OTHER, [theirs], NOW)
    marks = Marks(shared)
    (neighbour,) = roots.honour(place, ONE, marks)
    assert marks.reasons == {theirs: "project other"}
    for name in (theirs, nobodys):
        age(shared, name, 30 * DAY)
    since = roots.seconds_since([neighbour], NOW)
    found = sweep.examine(shared, marks, {}, patience=AT_ONCE, now=NOW, since=since)
    assert [name for name, _ in found.due] == [nobodys]
    assert roots.honour(place, OTHER, Marks(shared)) == []  # its own list binds nobody else


def test_what_was_stored_since_a_neighbour_last_spoke_may_be_its(shared: FolderBlobs, tmp_path: Path) -> None:
    place = tmp_path / "shared"
    before, after = shared.put(b"before"), shared.put(b"after")
    age(shared, before, 20 * DAY)
    age(shared, after, 3 * DAY)
    roots.register(place, OTHER, NOW - timedelta(days=10))
    roots.register(place, OTHER, NOW)  # only the first time counts: it has said nothing since
    marks = Marks(shared)
    since = roots.seconds_since(roots.honour(place, ONE, marks), NOW)
    found = sweep.examine(shared, marks, {}, patience=AT_ONCE, now=NOW, since=since)
    assert [name for name, _ in found.due] == [before]
    assert found.young.blobs == 1


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b'{"format": "detent.roots.v9"}\nend\n', b'{"format": "detent.roots.v1"}\nabc']
)
def test_a_neighbours_list_that_can_not_be_read_stops_the_collection(
    shared: FolderBlobs, tmp_path: Path, damage: bytes
) -> None:
    place = tmp_path / "shared"
    roots.write(place, OTHER, [], NOW)
    (file,) = (place / "roots").glob("*.roots")
    file.write_bytes(damage)
    with pytest.raises(StoreError, match="another project needs") as caught:
        roots.honour(place, ONE, Marks(shared))
    assert str(file) in str(caught.value)


def test_lists_of_needs_are_no_blobs(shared: FolderBlobs, tmp_path: Path) -> None:
    roots.write(tmp_path / "shared", ONE, ["a" * 64], NOW)
    assert list(shared.names()) == []
