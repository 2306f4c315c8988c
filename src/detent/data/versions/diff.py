"""Two trees -> what was added, removed, changed and renamed. Equal subtrees are never opened: O(changed)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from detent.data.versions.entries import Entry, File, Folder, Link
from detent.data.versions.tree import Path, children, leaf_entries, leaves, walk
from detent.store.blobs import Blobs

Leaf = File | Link
Pair = tuple[Path, Leaf | None, Leaf | None]  # path, before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One path that differs. `old` is None for an added file, `new` for a removed one; both have a path."""

    path: str  # where it is now, or was when it is gone
    old: Leaf | None
    new: Leaf | None
    old_path: str = ""  # of a renamed file: where it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed between two versions' files, each part sorted by path. False when nothing did."""

    added: tuple[Change, ...]
    removed: tuple[Change, ...]
    changed: tuple[Change, ...]
    renamed: tuple[Change, ...]  # the same bytes elsewhere

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.renamed)


def diff(old: Folder | File, new: Folder | File, blobs: Blobs) -> Difference:
    """Compare two datasets' files and links; empty folders don't count.

    A dataset that is one file is compared under one path, whatever the file's name was.
    """
    added: list[Change] = []
    removed: list[Change] = []
    changed: list[Change] = []
    for path, before, after in sorted(_differing(old, new, blobs), key=lambda pair: pair[0]):
        change = Change(path="/".join(path), old=before, new=after)
        (added if before is None else removed if after is None else changed).append(change)
    renamed = _renamed(added, removed)
    gone = {change.old_path for change in renamed}
    come = {change.path for change in renamed}
    return Difference(
        added=tuple(change for change in added if change.path not in come),
        removed=tuple(change for change in removed if change.path not in gone),
        changed=tuple(changed),
        renamed=tuple(renamed),
    )


def _differing(old: Folder | File, new: Folder | File, blobs: Blobs) -> Iterator[Pair]:
    if isinstance(old, File) and isinstance(new, File):
        if (old.digest, old.executable) != (new.digest, new.executable):
            yield (new.name,), old, new
        return
    stack: list[tuple[Path, Folder, Folder]] = [((), _as_folder(old), _as_folder(new))]
    while stack:
        above, one, other = stack.pop()
        if one.ref == other.ref:
            continue
        for name, before, after in _merged(*_unshared(one, other, len(above), blobs)):
            path = (*above, name)
            if isinstance(before, Folder) and isinstance(after, Folder):
                stack.append((path, before, after))
            elif before != after and not isinstance(before, Folder) and not isinstance(after, Folder):
                yield path, before, after
            elif before != after:  # a folder came, went, or became a file
                yield from ((where, leaf, None) for where, leaf in _below(path, before, blobs))
                yield from ((where, None, leaf) for where, leaf in _below(path, after, blobs))


def _as_folder(root: Folder | File) -> Folder:
    return Folder(name="", files=1, bytes=root.size, ref=(root,)) if isinstance(root, File) else root


def _unshared(one: Folder, other: Folder, depth: int, blobs: Blobs) -> tuple[Iterator[Entry], Iterator[Entry]]:
    """Return both folders' entries without the leaves that they share."""
    pieces = [leaves(folder, blobs) for folder in (one, other)]
    if not all(pieces):  # one of them is small
        return children(one, blobs, depth), children(other, blobs, depth)
    shared = set(pieces[0]) & set(pieces[1])
    first, second = (
        (entry for leaf in side if leaf not in shared for entry in leaf_entries(leaf, blobs, depth)) for side in pieces
    )
    return first, second


def _merged(old: Iterable[Entry], new: Iterable[Entry]) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Yield (name, before, after) by name from two sorted streams."""
    befores, afters = iter(old), iter(new)
    before, after = next(befores, None), next(afters, None)
    while before is not None or after is not None:
        name = min(entry.name for entry in (before, after) if entry is not None)
        here = before if before is not None and before.name == name else None
        there = after if after is not None and after.name == name else None
        yield name, here, there
        before = next(befores, None) if here is not None else before
        after = next(afters, None) if there is not None else after


def _below(path: Path, entry: Entry | None, blobs: Blobs) -> Iterator[tuple[Path, Leaf]]:
    if isinstance(entry, Folder):
        for where, found in walk(entry, blobs, path):
            if not isinstance(found, Folder):
                yield where, found
    elif entry is not None:
        yield path, entry


def _renamed(added: list[Change], removed: list[Change]) -> list[Change]:
    """Pair what came with what went by bytes, in the order of paths. Empty files are never the same file."""
    gone: defaultdict[str, list[Change]] = defaultdict(list)
    for change in reversed(removed):
        if isinstance(change.old, File) and change.old.size:
            gone[change.old.digest].append(change)
    renamed = []
    for change in added:
        if isinstance(change.new, File) and gone.get(change.new.digest):
            before = gone[change.new.digest].pop()
            renamed.append(Change(path=change.path, old=before.old, new=change.new, old_path=before.path))
    return renamed
