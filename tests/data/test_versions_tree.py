from __future__ import annotations

import json

import pytest
from data_archive import WatchedBlobs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detent.data.versions import entries, tree
from detent.data.versions.diff import diff
from detent.data.versions.entries import File, Folder, Link
from detent.errors import TamperedError
from detent.store.canonical import canonical, digest

NAMES = st.text(
    alphabet=st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=6
).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)


@pytest.fixture
def watched(tmp_path) -> WatchedBlobs:
    return WatchedBlobs(tmp_path / "blobs")


def content(number: int) -> str:
    return digest(str(number).encode())


def grow(files: dict[tuple[str, ...], int], blobs) -> Folder:
    """Build a tree of files by path -> content number, as a scan would list it."""
    found: dict[tuple[str, ...], object] = {}
    for path, number in files.items():
        found |= {path[:depth]: None for depth in range(1, len(path))}
        found[path] = File(name=path[-1], size=number, digest=content(number))
    return tree.build(sorted(found.items(), key=lambda item: item[0]), blobs)


def without_clashes(files: dict[tuple[str, ...], int]) -> dict[tuple[str, ...], int]:
    """Drop files that stand where another file's folder is."""
    folders = {path[:depth] for path in files for depth in range(1, len(path))}
    return {path: number for path, number in files.items() if path not in folders}


FILES = st.dictionaries(PATHS, st.integers(0, 5), max_size=80).map(without_clashes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(files=FILES)
def test_a_tree_gives_back_exactly_what_was_put_in(files, watched: WatchedBlobs) -> None:
    root = grow(files, watched)
    listed = {path: entry.size for path, entry in tree.walk(root, watched) if isinstance(entry, File)}
    assert listed == files
    assert (root.files, root.bytes) == (len(files), sum(files.values()))
    assert tree.load_manifest(tree.store_manifest(root, watched), watched) == root


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(old=FILES, new=FILES)
def test_the_difference_is_the_one_of_the_two_lists_of_files(old, new, watched: WatchedBlobs) -> None:
    found = diff(grow(old, watched), grow(new, watched), watched)
    come = {change.path: change.new for change in (*found.added, *found.renamed)}
    gone = {change.old_path or change.path: change.old for change in (*found.removed, *found.renamed)}
    assert set(come) == {"/".join(path) for path in new if path not in old}
    assert set(gone) == {"/".join(path) for path in old if path not in new}
    assert {change.path for change in found.changed} == {
        "/".join(path) for path in old.keys() & new.keys() if old[path] != new[path]
    }
    assert all(change.old.digest == change.new.digest and change.new.size for change in found.renamed)
    assert bool(found) == (old != new)


@pytest.mark.parametrize("count", [0, 1, 32, 33, 1_000, 5_000])
def test_leaves_hold_a_thousand_entries_at_most_and_small_folders_need_none(count: int, watched: WatchedBlobs) -> None:
    root = grow({("d", f"f{number:05d}"): number for number in range(count)}, watched)
    (folder,) = tree.children(root, watched, 0) if count else (root,)
    assert isinstance(folder, Folder)
    assert isinstance(folder.ref, tuple) == (count <= 32)
    sizes = [len(list(tree.leaf_entries(leaf, watched, 1))) for leaf in tree.leaves(folder, watched)]
    assert max(sizes, default=0) <= 1_000
    assert sum(sizes) in (0, count)


def test_a_leaf_ends_at_a_thousand_entries_even_when_no_name_says_so(watched: WatchedBlobs) -> None:
    names = [name for number in range(3_000) if not tree._ends_leaf(name := f"f{number:05d}", 1)]
    folder = grow({(name,): 1 for name in names}, watched)
    sizes = [len(list(tree.leaf_entries(leaf, watched, 0))) for leaf in tree.leaves(folder, watched)]
    assert sizes == [1_000, 1_000, len(names) - 2_000]


def test_one_file_more_changes_one_leaf_and_comparing_reads_nothing_else(watched: WatchedBlobs) -> None:
    files = {(f"d{number % 3}", f"f{number:06d}"): number for number in range(12_000)}
    old = grow(files, watched)
    new = grow({("d1", "a-new-one"): 1, **files}, watched)
    before, after = (set(tree.contents(root, watched)) for root in (old, new))
    assert len(after - before) <= 4  # a leaf (or two), the list of leaves, the root's node
    watched.opened.clear()
    found = diff(old, new, watched)
    assert [change.path for change in found.added] == ["d1/a-new-one"]
    assert (found.removed, found.changed, found.renamed) == ((), (), ())
    assert len(watched.opened) <= 10
    assert not diff(old, old, watched)


def test_a_tree_deeper_than_pythons_stack_is_written_read_and_compared(watched: WatchedBlobs) -> None:
    deep = tuple(f"{depth % 10}" for depth in range(1_100))
    old, new = grow({(*deep, "f"): 1}, watched), grow({(*deep, "f"): 2}, watched)
    assert [entry.size for _, entry in tree.walk(new, watched) if isinstance(entry, File)] == [2]
    (change,) = diff(old, new, watched).changed
    assert change.path == "/".join((*deep, "f"))
    assert content(2) in set(tree.contents(new, watched))


def test_a_renamed_folder_shows_as_renamed_files(watched: WatchedBlobs) -> None:
    old = grow({("a", f"{number}"): number for number in range(1, 50)}, watched)
    new = grow({("b", f"{number}"): number for number in range(1, 50)}, watched)
    found = diff(old, new, watched)
    assert (found.renamed[0].old_path, found.renamed[0].path) == ("a/1", "b/1")
    assert len(found.renamed) == 49
    assert (found.added, found.removed) == ((), ())


@pytest.mark.parametrize(
    "entry",
    [
        ["../x", "100644", 1, "a" * 64, ""],
        ["a/b", "100644", 1, "a" * 64, ""],
        ["", "100644", 1, "a" * 64, ""],
        ["a\0b", "100644", 1, "a" * 64, ""],
        ["x", "120000", "/etc/passwd"],
        ["x", "120000", "../outside"],
        ["x", "120000", "a/../../outside"],
        ["x", "777", "?"],
        ["x"],
        7,
    ],
)
def test_a_manifest_that_would_lead_out_of_its_folder_is_refused(entry, watched: WatchedBlobs) -> None:
    root = ["", "040000", 1, 1, [entry]]
    name = watched.put(canonical({"format": tree.MANIFEST, "root": root}))
    with pytest.raises(TamperedError, match="no entry"):
        tree.load_manifest(name, watched)


def test_links_may_go_up_as_far_as_the_root_and_only_at_their_beginning() -> None:
    assert entries.stays_inside("../b/c", 1)
    assert entries.stays_inside("b", 0)
    assert not entries.stays_inside("../b", 0)
    # `d` may itself be a link to a folder elsewhere, whose `..` is not the one that was counted
    assert not entries.stays_inside("d/../../b", 5)
    assert not entries.stays_inside("", 3)


def test_an_unsorted_leaf_and_other_documents_are_no_trees(watched: WatchedBlobs) -> None:
    twice = [entries.write(Link(name="a", target="b"))] * 2
    leaf = watched.put(canonical({"format": tree.NODE, "entries": twice}))
    with pytest.raises(TamperedError, match="no detent.tree"):
        list(tree.leaf_entries(leaf, watched, 0))
    for data in (b"\x00", json.dumps([1]).encode(), b'{"format": "other"}'):
        with pytest.raises(TamperedError, match="no detent.manifest"):
            tree.load_manifest(watched.put(data), watched)
